#define _GNU_SOURCE
#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#define OPEN_CLOEXEC 1u
#define SET_FLAG 0u
#define SET_STRING 1u
#define CREATE 6u
#define NO_SUID 2u
#define NO_DEVICES 4u

static _Noreturn void cannot(const char *what, const char *place) {
  char text[PATH_ROOM + 256];
  snprintf(text, sizeof text, "%s `%s`: %s (a preview needs Linux 5.11 and an ordinary disk file system for Countersign's own files)", what, place,
           strerror(errno));
  fail("cannot make a preview", text);
}

static int open_folder(const char *path) { return open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

/* A folder of our own below the overlay folder; it must not be there yet: what lies in it is the session's doing alone. */
static int make_folder(const char *folder, size_t number, const char *name, mode_t mode) {
  char path[PATH_ROOM];
  if (print_path(path, sizeof path, "%s/%zu%s", folder, number, name) < 0) {
    errno = ENAMETOOLONG;
    return -1;
  }
  if (mkdir(path, mode) != 0) return -1;
  return open_folder(path);
}

/* The layers are named by descriptors: a path may hold what separates options. */
static int set_layer(int context, const char *key, int fd) {
  char path[64];
  print_path(path, sizeof path, "/proc/self/fd/%d", fd);
  return (int)syscall(SYS_fsconfig, context, SET_STRING, key, path, 0);
}

static int set_text(int context, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, context, SET_STRING, key, value, 0);
}

int overlay_tree(const char *place, const char *folder, size_t number) {
  struct stat facts;
  int lower = open_folder(place);
  if (lower < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return -1;
    cannot("cannot open", place);
  }
  if (fstat(lower, &facts) != 0) cannot("cannot look at", place);
  int above = make_folder(folder, number, "", 0700);
  int upper = above < 0 ? -1 : make_folder(folder, number, "/upper", facts.st_mode & 07777);
  int work = upper < 0 ? -1 : make_folder(folder, number, "/work", 0700);
  if (work < 0) cannot("cannot make a layer over", place);
  /* The root of the upper layer is what shows as the place itself. */
  char itself[64];
  print_path(itself, sizeof itself, "/proc/self/fd/%d", upper);
  if (chmod(itself, facts.st_mode & 07777) != 0) cannot("cannot make a layer over", place);
  int context = (int)syscall(SYS_fsopen, "overlay", OPEN_CLOEXEC);
  if (context < 0) cannot("cannot make an overlay over", place);
  /* `userxattr`: the only kind of overlay for who is root in a namespace alone; it renames no folder that has a lower one (EXDEV). */
  if (set_layer(context, "lowerdir", lower) != 0 || set_layer(context, "upperdir", upper) != 0 || set_layer(context, "workdir", work) != 0 ||
      syscall(SYS_fsconfig, context, SET_FLAG, "userxattr", NULL, 0) != 0 || set_text(context, "source", "countersign-preview") != 0 ||
      syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) != 0)
    cannot("cannot make an overlay over", place);
  int tree = (int)syscall(SYS_fsmount, context, OPEN_CLOEXEC, NO_SUID | NO_DEVICES);
  if (tree < 0) cannot("cannot mount an overlay over", place);
  close(context);
  close(work);
  close(upper);
  close(above);
  close(lower);
  return tree;
}
