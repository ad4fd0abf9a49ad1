/*
 * The session's view of the files: everything read-only, what it works on writable, /tmp its own, secrets veiled, and the doors of other
 * programs (sockets of docker, D-Bus, agents that hold keys, our own) not there at all. Mounts are what stays when the
 * supervisor has a flaw, and the supervisor itself stands behind them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices.h"
#include "kernel.h"
#include "mounts.h"
#include "overlay.h"
#include "parts.h"
#include "veil-stay.h"
#include "veil.h"

_Noreturn void cannot(const char *what, const char *path) {
  char text[PATH_ROOM + 128];
  snprintf(text, sizeof text, "%s `%s`: %s", what, path, strerror(errno));
  fail("cannot arrange the session's files", text);
}

int clone_tree(const char *path) {
  int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR) cannot("cannot copy the mount of", path);
  return fd;
}

/* A device node that lies elsewhere, in a chroot or on another mount of the host's terminals, is a device all the same. */
static int may_have_devices(const char *path) { return is_below(path, "/dev") && !is_below(path, "/dev/shm"); }

void attach(int tree, const char *path) {
  struct mount_change change = {.set = MOUNT_ATTR_NODEV};
  if (!may_have_devices(path) && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change) != 0)
    cannot("cannot take the devices from", path);
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) cannot("cannot mount", path);
  close(tree);
}

void set_readonly(const char *path, unsigned flags) {
  struct mount_change change = {.set = MOUNT_ATTR_RDONLY};
  if (syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &change, sizeof change) != 0) cannot("cannot make read-only", path);
}

/* Makes every missing folder of `path`, and at its end a folder or an empty file to mount upon. */
static void make_mount_point(const char *path, int is_folder) {
  char part[PATH_ROOM];
  if (print_path(part, sizeof part, "%s", path) < 0) cannot("path too long", path);
  for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS) cannot("cannot make a place for", path);
    *slash = '/';
  }
  if (is_folder) {
    if (mkdir(path, 0755) != 0 && errno != EEXIST && errno != EROFS) cannot("cannot make a place for", path);
  } else {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EROFS) cannot("cannot make a place for", path);
    if (fd >= 0) close(fd);
  }
}

static int *clone_all(const struct texts *paths) {
  int *trees = must_alloc((paths->count + 1) * sizeof *trees);
  for (size_t i = 0; i < paths->count; i++) trees[i] = clone_tree(paths->at[i]);
  return trees;
}

/* What the session may write: the places themselves, or in a preview layers over them. */
static int *writable_trees(const struct config *config) {
  if (config->overlay == NULL) return clone_all(&config->writable);
  int *trees = must_alloc((config->writable.count + 1) * sizeof *trees);
  for (size_t i = 0; i < config->writable.count; i++) trees[i] = overlay_tree(config->writable.at[i], config->overlay, i);
  return trees;
}

static int is_folder(int fd) {
  struct stat facts;
  return fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
}

static void attach_all(const struct texts *paths, int *trees) {
  for (size_t i = 0; i < paths->count; i++) {
    if (trees[i] < 0) continue;
    make_mount_point(paths->at[i], is_folder(trees[i]));
    attach(trees[i], paths->at[i]);
  }
}

static void attach_readonly(const struct texts *paths, int *trees) {
  attach_all(paths, trees);
  for (size_t i = 0; i < paths->count; i++)
    if (trees[i] >= 0) set_readonly(paths->at[i], AT_RECURSIVE);
}

void mount_tmpfs(const char *path, const char *options) {
  if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) cannot("cannot mount an empty folder on", path);
}

/* A file nobody may open, to lie over files that are hidden: an open fails visibly, where an empty file would deceive. */
static const char *shut_file(void) {
  static const char path[] = "/dev/shm/.countersign-shut";
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0);
  if (fd >= 0) close(fd);
  return path;
}

static void mask(const char *path, const char *shut, const struct texts *shown) {
  struct stat facts;
  if (lstat(path, &facts) != 0 || S_ISLNK(facts.st_mode)) return;
  if (!S_ISDIR(facts.st_mode)) {
    if (mount(shut, path, NULL, MS_BIND, NULL) != 0) cannot("cannot hide", path);
    return;
  }
  mount_tmpfs(path, "mode=0555,size=64k");
  for (size_t i = 0; i < shown->count; i++) {
    struct stat other;
    if (!is_below(shown->at[i], path) || strcmp(shown->at[i], path) == 0) continue;
    make_mount_point(shown->at[i], fstatat(guard.host_root, shown->at[i] + 1, &other, 0) != 0 || S_ISDIR(other.st_mode));
  }
  set_readonly(path, 0);
}

/* Everything of the host: to be read, and without its devices. */
static void bound_host(void) {
  struct mount_change change = {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV};
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &change, sizeof change) != 0) cannot("cannot make read-only", "/");
}

/* The name servers are ours: names become addresses that stand for them, and the supervisor knows which. */
static void mount_resolver(const char *file) {
  char real[PATH_MAX];
  if (file == NULL || realpath("/etc/resolv.conf", real) == NULL) return;
  if (mount(file, real, NULL, MS_BIND, NULL) != 0) cannot("cannot mount", real);
}

static int veil_or_mask(const struct config *config, size_t at, const char *shut) {
  static const struct texts none = {0};
  const char *path = config->veiled.at[at];
  if (stay_is_covered((unsigned)at)) return -1;
  int veil = veil_mount(path);
  if (veil < 0) mask(path, shut, &none);
  return veil;
}

void mounts_make(const struct config *config, int *veils) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) cannot("cannot make private", "/");
  int *writable = writable_trees(config);
  int *kept = clone_all(&config->kept);
  int *shown = clone_all(&config->shown);
  int temp = config->temp == NULL ? -1 : clone_tree(config->temp);
  int var_temp = config->temp == NULL ? -1 : clone_tree(config->temp);
  int resolver = -1;
  struct devices devices;
  char resolv[PATH_ROOM];
  if (config->resolv != NULL) resolver = open(config->resolv, O_PATH | O_CLOEXEC);
  devices_take(&devices);
  bound_host();
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) cannot("cannot mount", "/proc");
  devices_mount(&devices);
  mount_tmpfs("/dev/shm", "mode=1777");
  const char *shut = shut_file();
  if (temp >= 0) attach(temp, "/tmp");
  if (var_temp >= 0) attach(var_temp, "/var/tmp");
  attach_readonly(&config->kept, kept);
  attach_all(&config->writable, writable);
  int veiling = config->reads && veil_possible();
  for (size_t i = 0; i < config->veiled.count && !veiling; i++) mask(config->veiled.at[i], shut, &config->shown);
  for (size_t i = 0; i < config->hidden.count; i++) mask(config->hidden.at[i], shut, &config->shown);
  /* The layers of a preview have no other name: whoever wrote there past the overlay would change what is shown of it. */
  if (config->overlay != NULL) mask(config->overlay, shut, &(const struct texts){0});
  attach_readonly(&config->shown, shown);
  if (resolver >= 0) {
    print_path(resolv, sizeof resolv, "/proc/self/fd/%d", resolver);
    mount_resolver(resolv);
    close(resolver);
  }
  /* Last: nobody answers behind a veil yet, so nothing below one can be mounted or looked at any more. */
  for (size_t i = 0; i < config->veiled.count; i++) veils[i] = veiling ? veil_or_mask(config, i, shut) : -1;
  unlink(shut);
  devices_close();
}
