/* Calls that change an object and not its name: mode, owner, times, attributes, length. They act on the descriptor that was judged. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "changes.h"
#include "host.h"
#include "kernel.h"
#include "proc.h"
#include "resolve.h"
#include "tracee.h"
#include "verdict.h"

/* The same on x86_64 and aarch64. */
#define NR_FCHMODAT2 452
#define NR_SETXATTRAT 463
#define NR_REMOVEXATTRAT 466
#define NR_FILE_SETATTR 469

#define XATTR_NAME_ROOM 256
#define XATTR_VALUE_MOST 65536u
#define ATTRIBUTES_LEAST 24u
#define ATTRIBUTES_MOST 4096u
#define XATTR_ARGUMENTS 16u

enum attribute { MODE, OWNER, TIMES, LENGTH, SET_XATTR, REMOVE_XATTR, SET_ATTRIBUTES };

struct attributing {
  struct notice *notice;
  enum attribute what;
  /* The object: a path, or (has_path 0) what the descriptor is. */
  int has_path;
  int dirfd;
  uint64_t address;
  /* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
  unsigned long flags;
  mode_t mode;
  uid_t user;
  gid_t group;
  int has_times;
  struct timespec times[2];
  long length;
  char name[XATTR_NAME_ROOM];
  int xattr_flags;
  /* Malloc'ed: value of an attribute, or the structure of file_setattr. */
  void *value;
  size_t size;
  struct object object;
};

/* 0 as an error means: go on. */
#define NOTHING_TO_DO (-1)

static void on_path(struct attributing *a, enum attribute what, int dirfd, uint64_t address, unsigned long flags) {
  a->what = what;
  a->has_path = 1;
  a->dirfd = dirfd;
  a->address = address;
  a->flags = flags;
}

static void on_descriptor(struct attributing *a, enum attribute what, int fd) {
  a->what = what;
  a->has_path = 0;
  a->dirfd = fd;
}

static int check_flags(unsigned long flags) {
  return (flags & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0 ? EINVAL : 0;
}

static int read_value(struct attributing *a, uint64_t address, size_t size) {
  a->size = size;
  if (size == 0) return 0;
  a->value = malloc(size);
  if (a->value == NULL) return ENOMEM;
  return tracee_read(a->notice->tid, address, a->value, size) == 0 ? 0 : EFAULT;
}

static int read_xattr_name(struct attributing *a, uint64_t address) {
  int length = tracee_text(a->notice->tid, address, a->name, sizeof a->name);
  if (length == -ENAMETOOLONG || length == 0) return ERANGE;
  return length < 0 ? -length : 0;
}

static int read_xattr(struct attributing *a, uint64_t name, uint64_t value, uint64_t size, uint32_t flags) {
  if ((flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)) != 0) return EINVAL;
  a->xattr_flags = (int)flags;
  int error = read_xattr_name(a, name);
  if (error != 0) return error;
  if (size > XATTR_VALUE_MOST) return E2BIG;
  return read_value(a, value, (size_t)size);
}

/* setxattrat keeps value, size and flags in memory. */
static int read_xattr_arguments(struct attributing *a, uint64_t name, uint64_t address, uint64_t size) {
  unsigned char bytes[ATTRIBUTES_MOST];
  uint64_t value;
  uint32_t rest[2];
  if (size < XATTR_ARGUMENTS) return EINVAL;
  if (size > sizeof bytes) return E2BIG;
  if (tracee_read(a->notice->tid, address, bytes, (size_t)size) != 0) return EFAULT;
  for (size_t i = XATTR_ARGUMENTS; i < size; i++)
    if (bytes[i] != 0) return E2BIG;
  memcpy(&value, bytes, sizeof value);
  memcpy(rest, bytes + sizeof value, sizeof rest);
  return read_xattr(a, name, value, rest[0], rest[1]);
}

#ifdef SYS_utime
/* Seconds and microseconds, of utimes and futimesat. */
static int read_timevals(struct attributing *a, uint64_t address) {
  struct timeval values[2];
  if (address == 0) return 0;
  a->has_times = 1;
  if (tracee_read(a->notice->tid, address, values, sizeof values) != 0) return EFAULT;
  for (int i = 0; i < 2; i++) {
    if (values[i].tv_usec < 0 || values[i].tv_usec >= 1000000) return EINVAL;
    a->times[i] = (struct timespec){.tv_sec = values[i].tv_sec, .tv_nsec = values[i].tv_usec * 1000};
  }
  return 0;
}

static int read_seconds(struct attributing *a, uint64_t address) {
  long seconds[2];
  if (address == 0) return 0;
  a->has_times = 1;
  if (tracee_read(a->notice->tid, address, seconds, sizeof seconds) != 0) return EFAULT;
  for (int i = 0; i < 2; i++) a->times[i] = (struct timespec){.tv_sec = seconds[i], .tv_nsec = 0};
  return 0;
}
#endif

static int read_timespecs(struct attributing *a, uint64_t address) {
  if (address == 0) return 0;
  a->has_times = 1;
  if (tracee_read(a->notice->tid, address, a->times, sizeof a->times) != 0) return EFAULT;
  return a->times[0].tv_nsec == UTIME_OMIT && a->times[1].tv_nsec == UTIME_OMIT ? NOTHING_TO_DO : 0;
}

static void set_owner(struct attributing *a, uint64_t user, uint64_t group) {
  a->user = (uid_t)user;
  a->group = (gid_t)group;
}

/* Calls that x86_64 has from before there were folders in calls. ENOTSUP: none of them. */
static int read_old_call(struct attributing *a, const struct seccomp_data *data) {
#ifdef SYS_chmod
  const uint64_t *at = (const uint64_t *)data->args;
  switch (data->nr) {
    case SYS_chmod: on_path(a, MODE, AT_FDCWD, at[0], 0); a->mode = (mode_t)at[1]; return 0;
    case SYS_chown: on_path(a, OWNER, AT_FDCWD, at[0], 0); set_owner(a, at[1], at[2]); return 0;
    case SYS_lchown: on_path(a, OWNER, AT_FDCWD, at[0], AT_SYMLINK_NOFOLLOW); set_owner(a, at[1], at[2]); return 0;
    case SYS_utime: on_path(a, TIMES, AT_FDCWD, at[0], 0); return read_seconds(a, at[1]);
    case SYS_utimes: on_path(a, TIMES, AT_FDCWD, at[0], 0); return read_timevals(a, at[1]);
    case SYS_futimesat:
      on_path(a, TIMES, (int)at[0], at[1], 0);
      if (at[1] == 0) on_descriptor(a, TIMES, (int)at[0]);
      return read_timevals(a, at[2]);
    default: return ENOTSUP;
  }
#else
  (void)a;
  (void)data;
  return ENOTSUP;
#endif
}

static int read_xattr_call(struct attributing *a, const struct seccomp_data *data) {
  const uint64_t *at = (const uint64_t *)data->args;
  int error;
  switch (data->nr) {
    case SYS_setxattr: on_path(a, SET_XATTR, AT_FDCWD, at[0], 0); return read_xattr(a, at[1], at[2], at[3], (uint32_t)at[4]);
    case SYS_lsetxattr: on_path(a, SET_XATTR, AT_FDCWD, at[0], AT_SYMLINK_NOFOLLOW); return read_xattr(a, at[1], at[2], at[3], (uint32_t)at[4]);
    case SYS_fsetxattr: on_descriptor(a, SET_XATTR, (int)at[0]); return read_xattr(a, at[1], at[2], at[3], (uint32_t)at[4]);
    case SYS_removexattr: on_path(a, REMOVE_XATTR, AT_FDCWD, at[0], 0); return read_xattr_name(a, at[1]);
    case SYS_lremovexattr: on_path(a, REMOVE_XATTR, AT_FDCWD, at[0], AT_SYMLINK_NOFOLLOW); return read_xattr_name(a, at[1]);
    case SYS_fremovexattr: on_descriptor(a, REMOVE_XATTR, (int)at[0]); return read_xattr_name(a, at[1]);
    case NR_SETXATTRAT:
      on_path(a, SET_XATTR, (int)at[0], at[1], (uint32_t)at[2]);
      error = check_flags(a->flags);
      return error != 0 ? error : read_xattr_arguments(a, at[3], at[4], at[5]);
    case NR_REMOVEXATTRAT:
      on_path(a, REMOVE_XATTR, (int)at[0], at[1], (uint32_t)at[2]);
      error = check_flags(a->flags);
      return error != 0 ? error : read_xattr_name(a, at[3]);
    case NR_FILE_SETATTR:
      on_path(a, SET_ATTRIBUTES, (int)at[0], at[1], (uint32_t)at[4]);
      error = check_flags(a->flags);
      if (error != 0) return error;
      if (at[3] > ATTRIBUTES_MOST) return E2BIG;
      return at[3] < ATTRIBUTES_LEAST ? EINVAL : read_value(a, at[2], (size_t)at[3]);
    default: return ENOTSUP;
  }
}

/* 0, an errno, NOTHING_TO_DO; ENOTSUP when the call is none of ours. */
static int read_call(struct attributing *a) {
  const struct seccomp_data *data = &a->notice->request->data;
  const uint64_t *at = (const uint64_t *)data->args;
  int error;
  switch (data->nr) {
    case SYS_fchmod: on_descriptor(a, MODE, (int)at[0]); a->mode = (mode_t)at[1]; return 0;
    case SYS_fchmodat: on_path(a, MODE, (int)at[0], at[1], 0); a->mode = (mode_t)at[2]; return 0;
    case NR_FCHMODAT2: on_path(a, MODE, (int)at[0], at[1], (uint32_t)at[3]); a->mode = (mode_t)at[2]; return check_flags(a->flags);
    case SYS_fchown: on_descriptor(a, OWNER, (int)at[0]); set_owner(a, at[1], at[2]); return 0;
    case SYS_fchownat:
      on_path(a, OWNER, (int)at[0], at[1], (uint32_t)at[4]);
      set_owner(a, at[2], at[3]);
      return check_flags(a->flags);
    case SYS_truncate:
      on_path(a, LENGTH, AT_FDCWD, at[0], 0);
      a->length = (long)at[1];
      return a->length < 0 ? EINVAL : 0;
    case SYS_utimensat:
      on_path(a, TIMES, (int)at[0], at[1], (uint32_t)at[3]);
      if (at[1] == 0) on_descriptor(a, TIMES, (int)at[0]);
      error = read_timespecs(a, at[2]);
      return error != 0 ? error : at[1] == 0 && at[3] != 0 ? EINVAL : check_flags((uint32_t)at[3]);
    default:
      error = read_old_call(a, data);
      return error == ENOTSUP ? read_xattr_call(a, data) : error;
  }
}

/* Finds the object. 0, or an errno. */
static int find(struct attributing *a) {
  char path[PATH_ROOM];
  if (!a->has_path) return resolve_descriptor(a->notice->tid, a->dirfd, &a->object);
  int empty = (a->flags & AT_EMPTY_PATH) != 0;
  /* The newer calls take no path at all for an empty one. */
  int length = a->address == 0 && empty && a->what != MODE && a->what != OWNER ? 0 : tracee_text(a->notice->tid, a->address, path, sizeof path);
  if (length < 0) return -length;
  if (length == 0) return empty ? resolve_descriptor(a->notice->tid, a->dirfd, &a->object) : ENOENT;
  int nofollow = (a->flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0;
  return resolve_object(a->notice->tid, a->dirfd, path, nofollow, 0, &a->object);
}

/* Does it to what `fd` is. 0, or an errno. */
static int perform(const struct attributing *a, int fd) {
  char path[64];
  long result = -1;
  print_path(path, sizeof path, "self/fd/%d", fd);
  switch (a->what) {
    case MODE:
      result = syscall(SYS_fchmodat, AT_FDCWD, path, a->mode);
      break;
    case OWNER:
      result = fchownat(fd, "", a->user, a->group, AT_EMPTY_PATH);
      break;
    case TIMES:
      result = utimensat(AT_FDCWD, path, a->has_times ? a->times : NULL, 0);
      break;
    case LENGTH:
      result = truncate(path, a->length);
      break;
    case SET_XATTR:
      result = setxattr(path, a->name, a->value, a->size, a->xattr_flags);
      break;
    case REMOVE_XATTR:
      result = removexattr(path, a->name);
      break;
    case SET_ATTRIBUTES:
      result = syscall(NR_FILE_SETATTR, AT_FDCWD, path, a->value, a->size, 0);
      break;
  }
  return result == 0 ? 0 : errno;
}

/* What the kernel would answer whoever decides; EROFS is for the daemon to lift. */
static int refusal(const struct attributing *a) {
  char path[64];
  if (a->what == LENGTH) {
    if (S_ISDIR(a->object.facts.st_mode)) return EISDIR;
    if (!S_ISREG(a->object.facts.st_mode)) return EINVAL;
    print_path(path, sizeof path, "self/fd/%d", a->object.fd);
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 && errno != EROFS ? errno : 0;
  }
  return a->what != SET_XATTR && a->what != REMOVE_XATTR && a->object.facts.st_uid != geteuid() ? EPERM : 0;
}

static enum answered carry_out(struct attributing *a) {
  static const char *const ops[] = {"mode", "owner", "times", "truncate", "xattr", "xattr", "xattr"};
  struct notice *notice = a->notice;
  const struct object *object = &a->object;
  char move_to[PATH_ROOM];
  if (is_on_proc(object->fd)) return notice_error(notice, EPERM);
  struct deed deed = {.notice = notice, .op = ops[a->what], .class = a->what == LENGTH ? 'w' : 'm', .name = object->name, .detail = a->mode};
  int nameless = object->name[0] != '/' || (object->facts.st_nlink == 0 && !S_ISDIR(object->facts.st_mode));
  enum row row = nameless ? ROW_ALLOW : row_of(deed.class, object->name);
  enum verdict verdict = MAY;
  if (row != ROW_ALLOW) {
    int error = refusal(a);
    if (error != 0) return notice_error(notice, error);
    /* What acts later is content: a change of mode or times leaves it as it is. */
    if (row != ROW_LATE) verdict = settle(&deed, row, move_to);
    else if (a->what == LENGTH) verdict = settle_late(&deed, "write", object->name, NULL);
  }
  if (verdict == NOBODY_WAITS) return ANSWER_DONE;
  if (verdict == MAY_NOT || verdict == MOVE_INSTEAD) return notice_error(notice, EACCES);
  if (guard.config.mode == FILTER_LANDLOCK && verdict == MAY && !nameless && !is_session_writable(object->name))
    return notice_error(notice, EACCES);
  int error = perform(a, object->fd);
  if (error == EROFS && verdict == MAY_OUTSIDE) {
    int twin = host_twin(object->fd, object->name);
    if (twin >= 0) {
      error = perform(a, twin);
      close(twin);
    }
  }
  if (error != 0) {
    undone(&deed, error);
    return notice_error(notice, error);
  }
  done(&deed);
  return notice_value(notice, 0);
}

int attributes_notified(struct notice *notice, enum answered *answered) {
  struct attributing a = {.notice = notice, .value = NULL, .object.fd = -1};
  int error = read_call(&a);
  if (error == ENOTSUP) return 0;
  if (error == 0) error = find(&a);
  if (error == NOTHING_TO_DO) *answered = notice_value(notice, 0);
  else if (error != 0) *answered = notice_error(notice, error);
  else *answered = carry_out(&a);
  if (a.object.fd >= 0) close(a.object.fd);
  free(a.value);
  return 1;
}
