/* What lies outside the session's sight: the person's secret and our own files, by every name there is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"

static const char *secret(void) { return in(stage.home, ".ssh/id_rsa"); }

static void plainly(char *result) { tell_content(result, open(secret(), O_RDONLY)); }

static void from_folder(char *result) {
  int folder = open(stage.home, O_PATH | O_DIRECTORY);
  tell_content(result, openat(folder, ".ssh/id_rsa", O_RDONLY));
}

static void by_openat2(char *result) {
  struct open_how how = {.flags = O_RDONLY};
  tell_content(result, (int)syscall(SYS_openat2, AT_FDCWD, secret(), &how, sizeof how));
}

static void from_within(char *result) {
  if (chdir(in(stage.home, ".ssh")) != 0) tell(result, -1);
  else tell_content(result, open("id_rsa", O_RDONLY));
}

static void through_own_root(char *result) {
  char path[4200];
  snprintf(path, sizeof path, "/proc/self/root%s", secret());
  tell_content(result, open(path, O_RDONLY));
}

static void through_own_cwd(char *result) {
  if (chdir(stage.home) != 0) tell(result, -1);
  else tell_content(result, open("/proc/self/cwd/.ssh/id_rsa", O_RDONLY));
}

static void through_root_of(char *result, pid_t pid) {
  char path[4200];
  snprintf(path, sizeof path, "/proc/%d/root%s", pid, secret());
  tell_content(result, open(path, O_RDONLY));
}

static void through_first_root(char *result) { through_root_of(result, 1); }
static void through_supervisor_root(char *result) { through_root_of(result, stage.supervisor); }

static void by_symlink(char *result) {
  const char *link_name = in(stage.work, "a-link");
  unlink(link_name);
  if (symlink(secret(), link_name) != 0) tell(result, -1);
  else tell_content(result, open(link_name, O_RDONLY));
  unlink(link_name);
}

static void by_hardlink(char *result) {
  const char *name = in(stage.work, "a-hardlink");
  if (link(secret(), name) != 0) tell(result, -1);
  else tell_content(result, open(name, O_RDONLY));
}

static void by_moving(char *result) { tell(result, rename(in(stage.home, ".ssh"), in(stage.work, "moved"))); }

static void reopened(char *result) {
  char path[64];
  int fd = open(secret(), O_PATH);
  if (fd < 0) {
    tell(result, -1);
    return;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  tell_content(result, open(path, O_RDONLY));
}

static void by_handle_at(char *result, const char *path) {
  union {
    struct file_handle head;
    unsigned char room[sizeof(struct file_handle) + 128];
  } handle = {.head = {.handle_bytes = 128}};
  int mount;
  if (syscall(SYS_name_to_handle_at, AT_FDCWD, path, &handle, &mount, 0) != 0) {
    tell(result, -1);
    return;
  }
  int root = open("/", O_RDONLY);
  tell_content(result, (int)syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY));
}

static void by_handle(char *result) { by_handle_at(result, "/etc/passwd"); }

/* The handle of an ext4 root needs no name_to_handle_at: type 1, inode 2, generation 0. */
static void by_made_handle(char *result) {
  union {
    struct file_handle head;
    unsigned char room[sizeof(struct file_handle) + 8];
  } handle = {.head = {.handle_bytes = 8, .handle_type = 1}};
  uint32_t inode = 2;
  memcpy(handle.head.f_handle, &inode, sizeof inode);
  int root = open("/", O_RDONLY);
  tell(result, syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY));
}

static void own_file(char *result, const char *name) { tell_content(result, open(in(stage.own, name), O_RDONLY)); }
static void ledger(char *result) { own_file(result, "state/ledger/ledger.sqlite"); }
static void ledger_head(char *result) { own_file(result, "config/ledger-head.json"); }
static void capability(char *result) { own_file(result, "run/control/capability"); }
static void policy(char *result) { own_file(result, "config/policies/battery.yaml"); }
static void daemon_pid(char *result) { own_file(result, "run/daemon.pid"); }

static void crossing_a_page(char *result) {
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  memset(pages + 4000, 'x', 96);
  tell(result, open(pages + 4000, O_WRONLY | O_CREAT, 0600));
}

static void ending_at_a_page(char *result) {
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const char *path = in(stage.work, "at-page-end");
  size_t size = strlen(path) + 1;
  munmap(pages + 4096, 4096);
  memcpy(pages + 4096 - size, path, size);
  tell(result, open(pages + 4096 - size, O_WRONLY | O_CREAT, 0600));
}

/* Memory of whoever opens it: the supervisor's would be all there is to know. */
static void symlink_to_own_memory(char *result) {
  static volatile char mark = 'a';
  const char *name = in(stage.work, "a-memory");
  unlink(name);
  if (symlink("/proc/self/mem", name) != 0) {
    tell(result, -1);
    return;
  }
  int fd = open(name, O_RDWR);
  if (fd < 0) tell(result, -1);
  else if (pwrite(fd, "b", 1, (off_t)(uintptr_t)&mark) == 1 && mark == 'b') tell_text(result, "own");
  else tell_text(result, "foreign %d", errno);
  unlink(name);
}

static void symlink_to_own_status(char *result) {
  const char *name = in(stage.work, "a-status");
  unlink(name);
  if (symlink("/proc/self/status", name) != 0) tell(result, -1);
  else tell_content(result, open(name, O_RDONLY));
  unlink(name);
}

const struct row reading_rows[] = {
    {"read-secret", plainly},
    {"read-secret-from-folder", from_folder},
    {"read-secret-openat2", by_openat2},
    {"read-secret-chdir", from_within},
    {"read-secret-own-root", through_own_root},
    {"read-secret-own-cwd", through_own_cwd},
    {"read-secret-first-root", through_first_root},
    {"read-secret-supervisor-root", through_supervisor_root},
    {"read-secret-symlink", by_symlink},
    {"read-secret-hardlink", by_hardlink},
    {"move-secret", by_moving},
    {"read-secret-reopened", reopened},
    {"file-handle", by_handle},
    {"made-file-handle", by_made_handle},
    {"read-ledger", ledger},
    {"read-ledger-head", ledger_head},
    {"read-capability", capability},
    {"read-policy", policy},
    {"read-daemon-pid", daemon_pid},
    {"path-crosses-unmapped-page", crossing_a_page},
    {"path-ends-at-unmapped-page", ending_at_a_page},
    {"symlink-to-own-memory", symlink_to_own_memory},
    {"symlink-to-own-status", symlink_to_own_status},
    {NULL, NULL},
};
