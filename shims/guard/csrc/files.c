/*
 * Opening files. What is opened is opened here, through a descriptor whose canonical name was judged, and put into the process: no
 * name is read twice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "borrow.h"
#include "host.h"
#include "kernel.h"
#include "notice.h"
#include "proc.h"
#include "resolve.h"
#include "terminal.h"
#include "tracee.h"
#include "veil.h"
#include "verdict.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
/* O_TMPFILE without O_DIRECTORY, and what decides how wide an open is. */
#define UNNAMED (O_TMPFILE & ~O_DIRECTORY)
#define RESOLVE_CACHED 0x20ul
#define HOW_LEAST 24u
#define HOW_MOST 4096u
/* The folder is shared: a file may come or go between two looks. */
#define MOST_TURNS 16
/* A writer of a FIFO looks this often whether a reader has come. */
#define FIFO_BEAT_MS 20

struct opening {
  struct notice *notice;
  pid_t tid;
  int dirfd;
  char path[PATH_ROOM];
  uint64_t flags;
  mode_t mode;
  uint64_t resolve;
};

static int changes_content(uint64_t flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

/* What the kernel says about the flags alone: it is asked with a path that is never there. 0, or an errno. */
static int check_how(const void *how, size_t size) {
  if (syscall(SYS_openat2, AT_FDCWD, "", how, size) >= 0) return EINVAL;
  return errno == ENOENT ? 0 : errno;
}

static int read_how(struct opening *opening, uint64_t address, uint64_t size) {
  union {
    unsigned char bytes[HOW_MOST];
    struct open_as how;
  } copy;
  if (size < HOW_LEAST) return EINVAL;
  if (size > HOW_MOST) return E2BIG;
  if (tracee_read(opening->tid, address, copy.bytes, (size_t)size) != 0) return EFAULT;
  int error = check_how(copy.bytes, (size_t)size);
  if (error != 0) return error;
  /* Nothing here knows what is in the kernel's caches: "not in them" is what callers must expect anyway. */
  if ((copy.how.resolve & RESOLVE_CACHED) != 0) return EAGAIN;
  /* A descriptor of a place alone cannot be put into a process: let the caller use its older way. */
  if ((copy.how.flags & O_PATH) != 0) return ENOSYS;
  opening->flags = copy.how.flags;
  opening->mode = (mode_t)copy.how.mode;
  opening->resolve = copy.how.resolve;
  return 0;
}

/* open and openat ignore what they do not know. */
static int check_flags(struct opening *opening) {
  static const uint64_t known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC |
                                O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
  opening->flags &= known;
  opening->mode &= 07777;
  if ((opening->flags & (O_CREAT | UNNAMED)) == 0) opening->mode = 0;
  /* Of these the kernel takes every combination. */
  static const uint64_t plain = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_LARGEFILE | O_NOFOLLOW | O_CLOEXEC;
  if ((opening->flags & ~plain) == 0) return 0;
  struct open_as how = {.flags = opening->flags, .mode = opening->mode, .resolve = 0};
  return check_how(&how, sizeof how);
}

/* Fills everything but the path; its address in `*path`. 0, or an errno. */
static int read_call(struct opening *opening, uint64_t *path) {
  const struct seccomp_data *data = &opening->notice->request->data;
  opening->dirfd = AT_FDCWD;
  opening->resolve = 0;
  switch (data->nr) {
#ifdef SYS_open
    case SYS_open:
      *path = data->args[0];
      opening->flags = (uint32_t)data->args[1];
      opening->mode = (mode_t)data->args[2];
      return check_flags(opening);
    case SYS_creat:
      *path = data->args[0];
      opening->flags = O_CREAT | O_WRONLY | O_TRUNC;
      opening->mode = (mode_t)data->args[1];
      return check_flags(opening);
#endif
    case SYS_openat:
      opening->dirfd = (int)data->args[0];
      *path = data->args[1];
      opening->flags = (uint32_t)data->args[2];
      opening->mode = (mode_t)data->args[3];
      return check_flags(opening);
    case SYS_openat2:
      opening->dirfd = (int)data->args[0];
      *path = data->args[1];
      return read_how(opening, data->args[2], data->args[3]);
    default:
      return ENOSYS;
  }
}

/* Flags for opening here: this process takes no terminal for its own, and the object itself is at hand already. */
static int flags_here(uint64_t flags) {
  /* With O_TMPFILE, O_EXCL means that the file never gets a name. */
  uint64_t dropped = O_CREAT | O_NOFOLLOW | ((flags & UNNAMED) != 0 ? 0 : O_EXCL);
  return (int)((flags & ~dropped) | O_NOCTTY | O_CLOEXEC);
}

static int reopen(int fd, int flags, mode_t mode) {
  struct own_link link = own_link(fd);
  return openat(link.folder, link.name, flags, mode);
}

/* A FIFO is opened for writing once a reader is there, and not for a process that has gone. */
static int open_fifo(const struct opening *opening, int fd) {
  int flags = flags_here(opening->flags), got = -1, error = 0;
  if ((flags & O_ACCMODE) != O_WRONLY || (flags & O_NONBLOCK) != 0) {
    supervisor_waits();
    got = reopen(fd, flags, 0);
    error = errno;
    supervisor_goes_on();
    errno = error;
    return got;
  }
  supervisor_waits();
  for (int wait_ms = 1; (got = reopen(fd, flags | O_NONBLOCK, 0)) < 0 && errno == ENXIO; wait_ms *= 2) {
    poll(NULL, 0, wait_ms < FIFO_BEAT_MS ? wait_ms : FIFO_BEAT_MS);
    if (!notice_valid(opening->notice)) break;
  }
  error = errno;
  supervisor_goes_on();
  if (got >= 0) fcntl(got, F_SETFL, flags & ~(O_NONBLOCK | O_ACCMODE | O_NOCTTY | O_CLOEXEC | O_TRUNC));
  errno = error;
  return got;
}

/* What lies on a veil is answered by a thread of ours that may ask a person. */
static int is_on_veil(const struct object *object) {
  struct statfs facts;
  int veiled = 0;
  for (size_t i = 0; i < guard.config.veiled.count; i++) veiled |= is_below(object->name, guard.config.veiled.at[i]);
  return veiled && S_ISREG(object->facts.st_mode) && fstatfs(object->fd, &facts) == 0 && facts.f_type == FUSE_SUPER_MAGIC;
}

static int open_object(const struct opening *opening, const struct object *object) {
  if (S_ISFIFO(object->facts.st_mode)) return open_fifo(opening, object->fd);
  if (!is_on_veil(object)) return reopen(object->fd, flags_here(opening->flags), opening->mode);
  supervisor_waits();
  int error = (opening->flags & O_ACCMODE) == O_RDONLY ? veil_ask(opening->notice, object->name) : 0;
  int fd = error == 0 ? reopen(object->fd, flags_here(opening->flags), opening->mode) : -1;
  if (error == 0) error = errno;
  supervisor_goes_on();
  errno = error;
  return fd;
}

static enum answered install(const struct opening *opening, int fd) {
  return notice_install(opening->notice, fd, (int)(opening->flags & O_CLOEXEC));
}

static enum answered open_device(const struct opening *opening, const struct object *object, enum device kind) {
  int fd = -1;
  if (kind == DEVICE_FOREIGN) return notice_error(opening->notice, EACCES);
  if (kind == DEVICE_OWN) {
    int terminal = terminal_of(opening->tid);
    if (terminal < 0) return notice_error(opening->notice, ENXIO);
    fd = reopen(terminal, flags_here(opening->flags), 0);
    int error = errno;
    close(terminal);
    errno = error;
  } else {
    fd = reopen(object->fd, flags_here(opening->flags), 0);
  }
  if (fd < 0) return notice_error(opening->notice, errno);
  if (kind == DEVICE_MASTER) terminal_made(fd);
  return install(opening, fd);
}

/*
 * What has no name cannot be protected by one: pipes, and files whose last name is gone. Only who holds it open comes by it.
 */
static int is_nameless(const struct object *object) {
  return object->name[0] != '/' || (object->facts.st_nlink == 0 && !S_ISDIR(object->facts.st_mode));
}

/* What the kernel would answer to opening this for writing, whoever decides. EROFS is no answer: that is for the daemon to lift. */
static int refusal_for_write(const struct opening *opening, const struct object *object) {
  int unnamed = (opening->flags & UNNAMED) != 0;
  if (S_ISLNK(object->facts.st_mode)) return ELOOP;
  if (S_ISSOCK(object->facts.st_mode)) return ENXIO;
  if (S_ISDIR(object->facts.st_mode) != unnamed) return unnamed ? ENOTDIR : EISDIR;
  if ((opening->flags & O_DIRECTORY) != 0 && !unnamed) return ENOTDIR;
  char path[64];
  print_path(path, sizeof path, "self/fd/%d", object->fd);
  int wanted = W_OK | (unnamed ? X_OK : (opening->flags & O_ACCMODE) == O_RDWR ? R_OK : 0);
  if (faccessat(AT_FDCWD, path, wanted, AT_EACCESS) != 0 && errno != EROFS) return errno;
  return 0;
}

/* Opens through the host's mounts what the daemon allowed and the session's mounts refuse. */
static int open_outside(const struct opening *opening, const struct object *object) {
  int twin = host_twin(object->fd, object->name);
  if (twin < 0) {
    errno = EROFS;
    return -1;
  }
  int fd = reopen(twin, flags_here(opening->flags), opening->mode);
  int error = errno;
  close(twin);
  errno = error;
  return fd;
}

static enum answered judge_and_open(struct opening *opening, const struct object *object) {
  struct deed deed = {.notice = opening->notice, .op = "write", .class = 'w', .name = object->name, .detail = opening->flags};
  char move_to[PATH_ROOM];
  if ((opening->flags & UNNAMED) != 0) deed.op = "create";
  enum row row = is_nameless(object) ? ROW_ALLOW : row_of('w', object->name);
  enum verdict verdict = MAY;
  if (row != ROW_ALLOW) {
    int error = refusal_for_write(opening, object);
    if (error != 0) return notice_error(opening->notice, error);
    verdict = row == ROW_LATE ? settle_late(&deed, "write", object->name, NULL) : settle(&deed, row, move_to);
  }
  if (verdict == NOBODY_WAITS) return ANSWER_DONE;
  if (verdict == MAY_NOT || verdict == MOVE_INSTEAD) return notice_error(opening->notice, EACCES);
  if (guard.config.mode == FILTER_LANDLOCK && verdict == MAY && !is_nameless(object) && !is_session_writable(object->name))
    return notice_error(opening->notice, EACCES);
  /* Asking took time: the umask of a file without a name is the one of now. */
  if ((opening->flags & UNNAMED) != 0) borrow_umask(opening->notice);
  int fd = open_object(opening, object);
  if (fd < 0 && errno == EROFS && verdict == MAY_OUTSIDE) fd = open_outside(opening, object);
  if (fd < 0) {
    int error = errno;
    undone(&deed, error);
    return notice_error(opening->notice, error);
  }
  done(&deed);
  return install(opening, fd);
}

/* The object is there. */
static enum answered open_there(struct opening *opening, const struct object *object) {
  if (guard.config.mode == FILTER_LANDLOCK && is_session_hidden(object->name)) return notice_error(opening->notice, EACCES);
  if ((opening->flags & O_CREAT) != 0) {
    if ((opening->flags & O_EXCL) != 0) return notice_error(opening->notice, EEXIST);
    if (S_ISDIR(object->facts.st_mode)) return notice_error(opening->notice, EISDIR);
  }
  /* A link that is not to be followed can only be refused: for which reason is the kernel's to say. */
  if (S_ISLNK(object->facts.st_mode)) return notice_error(opening->notice, (opening->flags & O_DIRECTORY) != 0 ? ENOTDIR : ELOOP);
  if (is_on_proc(object->fd)) {
    if (changes_content(opening->flags) && !proc_may_write(opening->tid, object->name)) return notice_error(opening->notice, EACCES);
    borrow_exactly();
    int fd = open_object(opening, object);
    int error = errno;
    borrow();
    return fd < 0 ? notice_error(opening->notice, error) : install(opening, fd);
  }
  enum device kind = device_kind(opening->tid, object);
  if (kind != DEVICE_NONE && (opening->flags & O_DIRECTORY) == 0) return open_device(opening, object, kind);
  if (changes_content(opening->flags)) return judge_and_open(opening, object);
  int fd = open_object(opening, object);
  return fd < 0 ? notice_error(opening->notice, errno) : install(opening, fd);
}

/* Makes the file that was judged to be made. -1 and errno; EEXIST when somebody was faster. */
static int create_in(const struct opening *opening, int folder, const char *last) {
  struct open_as how = {.flags = (opening->flags | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC) & ~(uint64_t)O_TRUNC,
                        .mode = opening->mode,
                        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH};
  return (int)syscall(SYS_openat2, folder, last, &how, sizeof how);
}

static int refusal_for_create(const struct place *place) {
  struct stat facts;
  char path[64];
  if (fstat(place->folder, &facts) != 0) return errno;
  if (facts.st_nlink == 0) return ENOENT;
  print_path(path, sizeof path, "self/fd/%d", place->folder);
  if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0 && errno != EROFS) return errno;
  return 0;
}

/* Nothing is there: makes it. `*again` when something is there by now. */
static enum answered create(struct opening *opening, const struct place *place, int *again) {
  struct deed deed = {.notice = opening->notice, .op = "create", .class = 'w', .name = place->name, .detail = opening->mode};
  char move_to[PATH_ROOM];
  enum row row = row_of('w', place->name);
  enum verdict verdict = MAY;
  *again = 0;
  if (row != ROW_ALLOW) {
    int error = refusal_for_create(place);
    if (error != 0) return notice_error(opening->notice, error);
    verdict = row == ROW_LATE ? settle_late(&deed, "write", place->name, NULL) : settle(&deed, row, move_to);
  }
  if (verdict == NOBODY_WAITS) return ANSWER_DONE;
  if (verdict == MAY_NOT || verdict == MOVE_INSTEAD) return notice_error(opening->notice, EACCES);
  if (guard.config.mode == FILTER_LANDLOCK && verdict == MAY && !is_session_writable(place->name))
    return notice_error(opening->notice, EACCES);
  borrow_umask(opening->notice);
  int folder = place->folder, twin = -1;
  int fd = create_in(opening, folder, place->last);
  if (fd < 0 && errno == EROFS && verdict == MAY_OUTSIDE) {
    char name[PATH_ROOM];
    if (name_of(place->folder, name, sizeof name) > 0) twin = host_twin(place->folder, name);
    if (twin >= 0) fd = create_in(opening, folder = twin, place->last);
    else errno = EROFS;
  }
  int error = errno;
  *again = fd < 0 && error == EEXIST && (opening->flags & O_EXCL) == 0;
  enum answered answered = ANSWER_DONE;
  if (fd < 0) {
    undone(&deed, error);
    answered = notice_error(opening->notice, error);
  } else {
    done(&deed);
    answered = install(opening, fd);
    /* Its table of descriptors is full: the kernel would have noticed before it made anything. */
    if (answered == ANSWER_RESULT) unlinkat(folder, place->last, 0);
  }
  if (twin >= 0) close(twin);
  return answered;
}

/* An open that may make the file. `*again` when the folder changed meanwhile. */
static enum answered open_or_create(struct opening *opening, int *again) {
  struct place place;
  struct object object;
  *again = 0;
  int error = resolve_place(opening->tid, opening->dirfd, opening->path, opening->resolve, &place);
  if (error != 0) return notice_error(opening->notice, error);
  int follows = (opening->flags & (O_EXCL | O_NOFOLLOW)) == 0;
  if (place.wants_folder && !place.is_dots) error = EISDIR;
  else if (place.is_dots) error = resolve_object(opening->tid, opening->dirfd, opening->path, 0, opening->resolve, &object);
  else error = resolve_in_place(&place, &object);
  if (error == 0 && S_ISLNK(object.facts.st_mode) && follows) {
    close(object.fd);
    error = resolve_object(opening->tid, opening->dirfd, opening->path, 0, opening->resolve, &object);
    if (error == ENOENT && opening->resolve == 0) {
      close(place.folder);
      error = resolve_dangling(opening->tid, opening->dirfd, opening->path, &place);
      *again = error == EAGAIN;
      if (error == 0 && place.wants_folder) error = EISDIR;
      else if (error == 0) error = ENOENT;
      else if (error == ENOENT) return notice_error(opening->notice, ENOENT);
    } else if (error == ENOENT) {
      /* Through a link, within bounds of its own choice: nobody does that, and it is not worth a mistake. */
      error = EACCES;
    }
  }
  enum answered answered;
  if (error == 0) {
    answered = open_there(opening, &object);
    close(object.fd);
  } else if (error == ENOENT && !place.is_dots) {
    answered = create(opening, &place, again);
  } else {
    answered = notice_error(opening->notice, error);
  }
  if (place.folder >= 0) close(place.folder);
  return answered;
}

static enum answered open_existing(struct opening *opening) {
  struct object object;
  int nofollow = (int)(opening->flags & O_NOFOLLOW);
  int error = resolve_object(opening->tid, opening->dirfd, opening->path, nofollow, opening->resolve, &object);
  if (error != 0) return notice_error(opening->notice, error);
  enum answered answered = open_there(opening, &object);
  close(object.fd);
  return answered;
}

enum answered open_notified(struct notice *notice) {
  struct opening opening = {.notice = notice, .tid = notice->tid};
  uint64_t address = 0;
  int is_how = notice->request->data.nr == SYS_openat2;
  borrow();
  if (is_elsewhere(notice->tid)) return ANSWER_CONTINUE;
  int error = read_call(&opening, &address);
  if (error != 0) return notice_error(notice, error);
  /* The flag is in a register: such a descriptor grants nothing until it is used for a call that is mediated. */
  if (!is_how && (opening.flags & O_PATH) != 0) return ANSWER_CONTINUE;
  int length = tracee_text(notice->tid, address, opening.path, sizeof opening.path);
  if (length < 0) return notice_error(notice, -length);
  if (length == 0) return notice_error(notice, ENOENT);
  if ((opening.flags & O_CREAT) == 0) return open_existing(&opening);
  for (int turn = 0; turn < MOST_TURNS; turn++) {
    int again;
    enum answered answered = open_or_create(&opening, &again);
    if (!again) return answered;
  }
  return notice_error(notice, EAGAIN);
}
