#define _GNU_SOURCE
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "tracee.h"
#include "walk.h"

/* Threads of their own have a pidfd since 6.9; before, the slower way is taken for all. */
#define PIDFD_THREAD ((unsigned)O_EXCL)
#define RESOLVE_NO_XDEV 0x01
/* Bounds that a walk of single components does not keep. */
#define RESOLVE_BOUNDS (RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_IN_ROOT)

static int open_path(int base, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_as how = {.flags = O_PATH | O_CLOEXEC | flags, .mode = 0, .resolve = RESOLVE_NO_MAGICLINKS | resolve};
  return (int)syscall(SYS_openat2, base, path, &how, sizeof how);
}

/*
 * The tracee's descriptor, as one of ours: half the price of a path below /proc. A pidfd stays with the process that it was opened
 * for: when the number is used again, this one only says that its process is gone.
 */
static int borrow_descriptor(pid_t tid, int number) {
  static __thread struct {
    pid_t tid;
    int fd;
  } last = {0, -1};
  for (int turn = 0; turn < 2; turn++) {
    if (last.tid != tid) {
      if (last.fd >= 0) close(last.fd);
      last.tid = 0;
      last.fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
      if (last.fd < 0) return -1;
      last.tid = tid;
    }
    int fd = (int)syscall(SYS_pidfd_getfd, last.fd, number, 0);
    if (fd >= 0 || errno != ESRCH) return fd;
    last.tid = 0;
  }
  return -1;
}

/* Where relative paths begin; -1 and no error for absolute ones, which need none. */
static int base_of(pid_t tid, int dirfd, const char *path, unsigned long resolve, int *base) {
  *base = -1;
  if (*path == '/' && (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == 0) return 0;
  if (dirfd != AT_FDCWD) *base = borrow_descriptor(tid, dirfd);
  if (*base < 0) *base = tracee_base(tid, dirfd);
  return *base < 0 ? errno : 0;
}

/* Without namespaces /proc is the host's: what was found there by our own name is not the tracee's. */
static int is_ours_on_proc(int fd) {
  char name[PATH_ROOM];
  return guard.config.mode == FILTER_LANDLOCK && name_of(fd, name, sizeof name) > 0 && is_below(name, "/proc");
}

/* An O_PATH descriptor of `path`; 0, or an errno. */
static int find(pid_t tid, int base, const char *path, int flags, unsigned long resolve, int *out) {
  *out = open_path(base, path, (uint64_t)(flags & (O_NOFOLLOW | O_DIRECTORY)), resolve);
  int error = *out < 0 ? errno : 0;
  if (error == 0 && !is_ours_on_proc(*out)) return 0;
  if (error != 0 && error != ENOENT && error != ELOOP) return error;
  if (error != 0 && (resolve & RESOLVE_BOUNDS) != 0) return error;
  if (*out >= 0) close(*out);
  struct walk walk = {.tid = tid, .base = base, .nofollow = (flags & O_NOFOLLOW) != 0, .resolve = resolve, .missing = NULL};
  int slow = walk_path(&walk, path, out);
  if (slow != 0) return slow;
  struct stat facts;
  if ((flags & O_DIRECTORY) != 0 && (fstat(*out, &facts) != 0 || !S_ISDIR(facts.st_mode))) {
    close(*out);
    return ENOTDIR;
  }
  return 0;
}

/*
 * INVARIANT (the supervisor reaches no more than the session): where no mounts keep it, names do. What is hidden cannot be named, whatever anybody answers.
 */
static int is_shut(const char *name) { return guard.config.mode == FILTER_LANDLOCK && is_session_hidden(name); }

static int describe(struct object *object) {
  int error = 0;
  if (fstat(object->fd, &object->facts) != 0) error = errno;
  else if (name_of(object->fd, object->name, sizeof object->name) < 0) error = ENAMETOOLONG;
  else if (is_shut(object->name)) error = EACCES;
  if (error != 0) {
    close(object->fd);
    object->fd = -1;
  }
  return error;
}

int resolve_object(pid_t tid, int dirfd, const char *path, int flags, unsigned long resolve, struct object *object) {
  int base;
  object->fd = -1;
  if (*path == 0) return ENOENT;
  int error = base_of(tid, dirfd, path, resolve, &base);
  if (error != 0) return error;
  error = find(tid, base, path, flags, resolve, &object->fd);
  if (base >= 0) close(base);
  return error != 0 ? error : describe(object);
}

int resolve_descriptor(pid_t tid, int dirfd, struct object *object) {
  object->fd = tracee_base(tid, dirfd);
  if (object->fd < 0) return errno;
  return describe(object);
}

static int is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Splits off the last component. `parent` gets what is before it (empty: the base itself). 0, or an errno. */
static int split(const char *path, char *parent, struct place *place) {
  size_t end = strlen(path);
  place->wants_folder = 0;
  while (end > 0 && path[end - 1] == '/') {
    end--;
    place->wants_folder = 1;
  }
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  memcpy(parent, path, start);
  parent[start] = 0;
  size_t length = end - start;
  if (length == 0) {
    memcpy(place->last, "/", 2);
    place->is_dots = 1;
    return 0;
  }
  if (length > NAME_MAX) return ENAMETOOLONG;
  memcpy(place->last, path + start, length);
  place->last[length] = 0;
  place->is_dots = is_dots(place->last);
  if (place->wants_folder) memcpy(place->last + length, "/", 2);
  return 0;
}

/* The canonical name of a place whose folder and last component are known. */
static int name_place(struct place *place) {
  int length = name_of(place->folder, place->name, sizeof place->name);
  size_t more = strcspn(place->last, "/");
  if (length < 0) return ENAMETOOLONG;
  if (place->is_dots) return 0;
  /* The root's name ends in its slash already. */
  if (length == 1) length = 0;
  if ((size_t)length + 1 + more >= sizeof place->name) return ENAMETOOLONG;
  place->name[length] = '/';
  memcpy(place->name + length + 1, place->last, more);
  place->name[(size_t)length + 1 + more] = 0;
  return 0;
}

static int finish_place(struct place *place, int error) {
  if (error == 0) error = name_place(place);
  if (error == 0 && is_shut(place->name)) error = EACCES;
  if (error != 0 && place->folder >= 0) {
    close(place->folder);
    place->folder = -1;
  }
  return error;
}

int resolve_place(pid_t tid, int dirfd, const char *path, unsigned long resolve, struct place *place) {
  char parent[PATH_ROOM];
  int base;
  place->folder = -1;
  if (*path == 0) return ENOENT;
  int late = split(path, parent, place);
  int error = base_of(tid, dirfd, path, resolve, &base);
  if (error != 0) return error;
  if (*parent == 0) {
    place->folder = base >= 0 ? base : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return finish_place(place, place->folder < 0 ? errno : late);
  }
  error = find(tid, base, parent, O_DIRECTORY, resolve, &place->folder);
  if (base >= 0) close(base);
  if (error != 0) {
    place->folder = -1;
    return error;
  }
  return finish_place(place, late);
}

int resolve_in_place(const struct place *place, struct object *object) {
  object->fd = open_path(place->folder, place->last, O_NOFOLLOW, 0);
  if (object->fd < 0) return errno;
  return describe(object);
}

int resolve_dangling(pid_t tid, int dirfd, const char *path, struct place *place) {
  int base, found = -1;
  place->folder = -1;
  place->is_dots = 0;
  int error = base_of(tid, dirfd, path, 0, &base);
  if (error != 0) return error;
  struct walk walk = {.tid = tid, .base = base, .nofollow = 0, .resolve = 0, .missing = place};
  error = walk_path(&walk, path, &found);
  if (base >= 0) close(base);
  /* Something is there by now. */
  if (error == 0 && found >= 0) {
    close(found);
    return EAGAIN;
  }
  return error != 0 ? error : finish_place(place, 0);
}

static int is_below_any(const char *name, const struct texts *texts) {
  for (size_t i = 0; i < texts->count; i++)
    if (is_below(name, texts->at[i])) return 1;
  return 0;
}

/* Without mounts of its own a session has its folder for temporary files where it lies outside. */
static int is_own_temp(const char *name) {
  return guard.config.mode == FILTER_LANDLOCK && guard.config.temp != NULL && is_below(name, guard.config.temp);
}

int is_session_writable(const char *name) {
  if (is_own_temp(name)) return 1;
  if (is_session_hidden(name) || is_below_any(name, &guard.config.shown)) return 0;
  if (is_below_any(name, &guard.config.writable) || is_below(name, "/dev/shm")) return 1;
  if (is_below_any(name, &guard.config.kept)) return 0;
  return guard.config.mode != FILTER_LANDLOCK && guard.config.temp != NULL && (is_below(name, "/tmp") || is_below(name, "/var/tmp"));
}

int is_session_hidden(const char *name) {
  if (is_own_temp(name) || is_below_any(name, &guard.config.shown)) return 0;
  return is_below_any(name, &guard.config.hidden) || is_below_any(name, &guard.config.veiled);
}
