/*
 * /proc answers by who asks: `self`, and the links below /proc/PID. The supervisor is another process, outside the session's pid
 * namespace, so it names the tracee itself, and follows such links only where the tracee could.
 */
#define _GNU_SOURCE
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "borrow.h"
#include "kernel.h"
#include "proc.h"
#include "tracee.h"

/* As the kernel: more links in one path are a loop. */
#define MOST_LINKS 40
#define PENDING_ROOM (2 * PATH_ROOM)

struct step {
  int at;
  char pending[PENDING_ROOM];
  int links;
};

/* Puts the text of a link before what is left to walk. 0, or an errno. */
static int prepend(struct step *step, const char *link, const char *rest) {
  char joined[PENDING_ROOM];
  if (*link == 0) return ENOENT;
  if (print_path(joined, sizeof joined, "%s%s", link, rest) < 0) return ENAMETOOLONG;
  memcpy(step->pending, joined, strlen(joined) + 1);
  return 0;
}

/* The number in a canonical `/proc/NUMBER/…`; 0 when it is none. `rest` points behind it. */
static pid_t process_in(const char *name, const char **rest) {
  if (strncmp(name, "/proc/", 6) != 0) return 0;
  char *end;
  long number = strtol(name + 6, &end, 10);
  if (end == name + 6 || number <= 0 || number > INT_MAX || (*end != '/' && *end != 0)) return 0;
  *rest = end;
  return (pid_t)number;
}

/*
 * Follows a magic link (`folder`/`last`, below /proc). The tracee's own ones are opened by its number outside: it may always look into
 * itself. Those of others are opened with exactly the tracee's rights, and without namespaces not at all.
 */
static int follow_magic(const struct walk *walk, int folder, const char *last, int *out) {
  char name[PATH_ROOM], outside[PATH_ROOM];
  const char *rest;
  pid_t process, parent, inner_process;
  if (name_of(folder, name, sizeof name) < 0) return ENAMETOOLONG;
  pid_t named = process_in(name, &rest);
  if (named == 0 || tracee_family(walk->tid, &process, &parent) != 0) return ENOENT;
  inner_process = tracee_inner_pid(process);
  if (named == inner_process || named == tracee_inner_pid(walk->tid)) {
    pid_t number = named == inner_process ? process : walk->tid;
    /* Another thread's folder (task/TID) has the same files; its number inside means nothing outside. */
    if (strncmp(rest, "/task/", 6) == 0) {
      const char *below = strchr(rest + 6, '/');
      rest = below == NULL ? "" : below;
      number = walk->tid;
    }
    if (print_path(outside, sizeof outside, "%d%s/%s", number, rest, last) < 0) return ENAMETOOLONG;
    *out = openat(guard.host_proc, outside, O_PATH | O_CLOEXEC);
    return *out < 0 ? errno : 0;
  }
  if (guard.config.mode == FILTER_LANDLOCK) return EACCES;
  borrow_exactly();
  *out = openat(folder, last, O_PATH | O_CLOEXEC);
  int error = *out < 0 ? errno : 0;
  borrow();
  return error;
}

/* 1 when `name` in `folder` is /proc/self or /proc/thread-self: their text, as the tracee would read it, into `text`. */
static int names_tracee(const struct walk *walk, int folder, const char *name, char *text, size_t room) {
  int is_self = strcmp(name, "self") == 0;
  char where[PATH_ROOM];
  pid_t process, parent;
  if (!is_self && strcmp(name, "thread-self") != 0) return 0;
  if (name_of(folder, where, sizeof where) < 0 || strcmp(where, "/proc") != 0) return 0;
  if (tracee_family(walk->tid, &process, &parent) != 0) return 0;
  pid_t inner = tracee_inner_pid(process);
  if (is_self) return snprintf(text, room, "%d", inner) > 0;
  return snprintf(text, room, "%d/task/%d", inner, tracee_inner_pid(walk->tid)) > 0;
}

/* Follows the link `fd` named `name`, in step->at. Replaces step->at or puts its text before the rest. 0, or an errno. */
static int follow(const struct walk *walk, struct step *step, int fd, const char *name, const char *rest) {
  char text[PATH_ROOM];
  if (++step->links > MOST_LINKS || (walk->resolve & RESOLVE_NO_SYMLINKS) != 0) return ELOOP;
  if (is_on_proc(fd)) {
    struct open_as how = {.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_NO_MAGICLINKS};
    if (names_tracee(walk, step->at, name, text, sizeof text)) return prepend(step, text, rest);
    int plain = (int)syscall(SYS_openat2, step->at, name, &how, sizeof how);
    int magic = plain < 0 && errno == ELOOP;
    if (plain >= 0) close(plain);
    if (magic) {
      if ((walk->resolve & RESOLVE_NO_MAGICLINKS) != 0) return ELOOP;
      int there, error = follow_magic(walk, step->at, name, &there);
      if (error != 0) return error;
      close(step->at);
      step->at = there;
      memmove(step->pending, rest, strlen(rest) + 1);
      return 0;
    }
  }
  ssize_t n = readlinkat(fd, "", text, sizeof text - 1);
  if (n < 0) return errno;
  text[n] = 0;
  int error = prepend(step, text, rest);
  if (error == 0 && text[0] == '/') {
    close(step->at);
    step->at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (step->at < 0) error = errno;
  }
  return error;
}

static int is_only_slashes(const char *text) { return text[strspn(text, "/")] == 0; }

static int note_missing(struct place *place, int folder, const char *name, const char *rest) {
  place->folder = folder;
  place->wants_folder = *rest == '/';
  print_path(place->last, sizeof place->last, "%s%s", name, place->wants_folder ? "/" : "");
  return 0;
}

/* One component. 0 to go on, or an errno; `*done` when the walk is over. */
static int advance(const struct walk *walk, struct step *step, int *done) {
  char name[LAST_ROOM], rest[PENDING_ROOM];
  struct stat facts;
  char *at = step->pending + strspn(step->pending, "/");
  size_t length = strcspn(at, "/");
  if (length == 0) {
    *done = 1;
    return 0;
  }
  if (length > NAME_MAX) return ENAMETOOLONG;
  memcpy(name, at, length);
  name[length] = 0;
  memcpy(rest, at + length, strlen(at + length) + 1);
  int is_last = is_only_slashes(rest);
  int fd = openat(step->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    int error = errno;
    if (error != ENOENT || !is_last || walk->missing == NULL) return error;
    note_missing(walk->missing, step->at, name, rest);
    step->at = -1;
    *done = 1;
    return 0;
  }
  if (fstat(fd, &facts) != 0) {
    close(fd);
    return EIO;
  }
  if (S_ISLNK(facts.st_mode) && !(is_last && *rest == 0 && walk->nofollow)) {
    int error = follow(walk, step, fd, name, rest);
    close(fd);
    /* The link may have led to something that is no folder, with more of the path to come. */
    return error;
  }
  if (*rest != 0 && !S_ISDIR(facts.st_mode)) {
    close(fd);
    return ENOTDIR;
  }
  close(step->at);
  step->at = fd;
  memcpy(step->pending, rest, strlen(rest) + 1);
  return 0;
}

int walk_path(const struct walk *walk, const char *path, int *out) {
  struct step step = {.links = 0};
  int done = 0, error = 0;
  if (print_path(step.pending, sizeof step.pending, "%s", path) < 0) return ENAMETOOLONG;
  step.at = *path == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : fcntl(walk->base, F_DUPFD_CLOEXEC, 3);
  if (step.at < 0) return errno;
  while (!done && error == 0) error = advance(walk, &step, &done);
  if (error != 0) {
    if (step.at >= 0) close(step.at);
    return error;
  }
  *out = step.at;
  return 0;
}
