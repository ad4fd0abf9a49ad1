/*
 * From what a process named to what the kernel will act on: paths are walked in the session's mount view, from the process's own folders,
 * without following links of /proc, and from there on only descriptors are used.
 */
#ifndef CSG_RESOLVE_H
#define CSG_RESOLVE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "guard.h"

/* A last component and its slash. */
#define LAST_ROOM 258

/* An object: O_PATH descriptor, its canonical name, what it is. */
struct object {
  int fd;
  char name[PATH_ROOM];
  struct stat facts;
};

/* A place in a folder: O_PATH descriptor of the folder, last component, canonical name of both together. */
struct place {
  int folder;
  /* As the kernel is to be told: with its slash when the path ended in one; "." or ".." or "/" when that is what was named. */
  char last[LAST_ROOM];
  char name[PATH_ROOM];
  /* The path ended in a slash: what is there must be a folder. */
  int wants_folder;
  /* The last component is none that can be made, removed or renamed: the kernel answers with an error of its own. */
  int is_dots;
};

/*
 * Resolves `path` (as tracee `tid` wrote it, relative to its `dirfd`) to what is there. `flags`: O_NOFOLLOW, and RESOLVE_* bits in
 * `resolve` that the caller itself asked for (openat2). 0, or an errno. /proc/self, /dev/fd, /dev/tty and their like are those
 * of the tracee. Close `object->fd`.
 */
int resolve_object(pid_t tid, int dirfd, const char *path, int flags, unsigned long resolve, struct object *object);

/* As resolve_object for a path that may be empty: then it is what `dirfd` is (AT_EMPTY_PATH). */
int resolve_descriptor(pid_t tid, int dirfd, struct object *object);

/* Resolves all but the last component. 0, or an errno. Close `place->folder`. */
int resolve_place(pid_t tid, int dirfd, const char *path, unsigned long resolve, struct place *place);

/* What lies in a place, its last link not followed. 0, or an errno. Close `object->fd`. */
int resolve_in_place(const struct place *place, struct object *object);

/*
 * Where a path whose last component is a link leads when nothing is there yet: the place that an open with O_CREAT makes. 0, or an
 * errno. Close `place->folder`.
 */
int resolve_dangling(pid_t tid, int dirfd, const char *path, struct place *place);

/* 1 when the session's mounts let this path be written (workspace, tools, temp): also what it could have put there itself. */
int is_session_writable(const char *name);

/* 1 when the name is hidden or veiled and not shown. Where there are no mounts of our own, this is all that hides it. */
int is_session_hidden(const char *name);

#endif
