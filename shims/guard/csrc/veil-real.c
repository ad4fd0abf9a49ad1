#define _GNU_SOURCE
#include "veil-real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guard.h"
#include "kernel.h"
#include "tracee.h"

/* Linux 6.12: translates a number of that namespace into the caller's. */
#define PID_FROM_NAMESPACE _IOR(0xb7, 0x6, int)

static int pid_namespace = -1;

int real_open(const char *path, int flags) {
  struct open_as how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NOCTTY)),
                        .mode = 0,
                        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, guard.host_root, path, &how, sizeof how);
}

int real_facts(const char *path, struct stat *facts) {
  int fd = real_open(path, O_PATH | O_NOFOLLOW);
  if (fd < 0) return -1;
  int result = fstat(fd, facts);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

int real_is_hidden(const char *path) {
  int hidden = 0;
  for (size_t i = 0; i < guard.config.hidden.count; i++) hidden |= is_below(path, guard.config.hidden.at[i]);
  for (size_t i = 0; i < guard.config.shown.count; i++) hidden &= !is_below(path, guard.config.shown.at[i]);
  return hidden;
}

int real_is_shown(const char *path, const char *root) {
  for (size_t i = 0; i < guard.config.shown.count; i++) {
    const char *shown = guard.config.shown.at[i];
    if (is_below(path, shown) && is_below(shown, root) && strcmp(shown, root) != 0) return 1;
  }
  return 0;
}

void real_pids_start(void) {
  char path[64];
  if (guard.config.mode == FILTER_LANDLOCK) return;
  snprintf(path, sizeof path, "%d/ns/pid", guard.agent);
  pid_namespace = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
}

/* 1 when the host's process `pid` is the session's `inner`. */
static int is_inner(pid_t pid, pid_t inner, const struct stat *ours) {
  char path[64];
  struct stat other;
  snprintf(path, sizeof path, "%d/ns/pid", pid);
  if (tracee_inner_pid(pid) != inner || fstatat(guard.host_proc, path, &other, 0) != 0) return 0;
  return other.st_ino == ours->st_ino && other.st_dev == ours->st_dev;
}

/* For kernels that do not translate: looks at every process of the host. Only questions come here, and they are few. */
static pid_t search(pid_t inner) {
  struct stat ours;
  char path[64];
  pid_t found = 0, process, parent;
  if (fstat(pid_namespace, &ours) != 0) return 0;
  /* A thread is not listed; the session's own /proc knows whose it is. */
  snprintf(path, sizeof path, "/proc/%d/status", inner);
  char status[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return 0;
  status[n] = 0;
  char *group = strstr(status, "\nTgid:");
  process = group == NULL ? inner : (pid_t)strtol(group + 6, NULL, 10);
  int folder = openat(guard.host_proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *all = folder < 0 ? NULL : fdopendir(folder);
  if (all == NULL) return 0;
  for (struct dirent *entry = readdir(all); entry != NULL && found == 0; entry = readdir(all)) {
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid <= 0 || !is_inner(pid, process, &ours)) continue;
    found = pid;
  }
  closedir(all);
  return found != 0 && tracee_family(found, &process, &parent) == 0 ? found : 0;
}

pid_t real_pid(pid_t inner) {
  if (inner <= 0 || pid_namespace < 0) return 0;
#ifndef CSG_WITHOUT_PID_TRANSLATION
  int outer = ioctl(pid_namespace, PID_FROM_NAMESPACE, inner);
  if (outer > 0) return outer;
  if (errno == ESRCH) return 0;
#endif
  return search(inner);
}
