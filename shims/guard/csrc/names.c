/* Calls that make, remove and move names. They act on folders that were walked to once, and on one component in them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "borrow.h"
#include "changes.h"
#include "host.h"
#include "kernel.h"
#include "naming.h"
#include "resolve.h"
#include "tracee.h"
#include "verdict.h"

static const char *const ops[] = {"delete", "rmdir", "mkdir", "node", "symlink", "link", "rename"};

static int has_old(const struct naming *n) { return n->kind == LINK || n->kind == RENAME; }

static void set_at(struct naming *n, enum naming_kind kind, int dirfd, uint64_t address) {
  n->kind = kind;
  n->dirfd = dirfd;
  n->address = address;
}

static void set_old(struct naming *n, int dirfd, uint64_t address, unsigned long flags) {
  n->old_dirfd = dirfd;
  n->old_address = address;
  n->flags = flags;
}

/* 1 when the call is one of ours. */
static int read_arguments(struct naming *n) {
  const struct seccomp_data *data = &n->notice->request->data;
  const uint64_t *a = (const uint64_t *)data->args;
  switch (data->nr) {
#ifdef SYS_unlink
    case SYS_unlink: set_at(n, UNLINK, AT_FDCWD, a[0]); return 1;
    case SYS_rmdir: set_at(n, RMDIR, AT_FDCWD, a[0]); return 1;
    case SYS_mkdir: set_at(n, MKDIR, AT_FDCWD, a[0]); n->mode = (mode_t)a[1]; return 1;
    case SYS_mknod: set_at(n, MKNOD, AT_FDCWD, a[0]); n->mode = (mode_t)a[1]; n->device = (dev_t)(uint32_t)a[2]; return 1;
    case SYS_symlink: set_at(n, SYMLINK, AT_FDCWD, a[1]); set_old(n, AT_FDCWD, a[0], 0); return 1;
    case SYS_link: set_at(n, LINK, AT_FDCWD, a[1]); set_old(n, AT_FDCWD, a[0], 0); return 1;
    case SYS_rename: set_at(n, RENAME, AT_FDCWD, a[1]); set_old(n, AT_FDCWD, a[0], 0); return 1;
#endif
#ifdef SYS_renameat
    case SYS_renameat: set_at(n, RENAME, (int)a[2], a[3]); set_old(n, (int)a[0], a[1], 0); return 1;
#endif
    case SYS_unlinkat:
      set_at(n, ((int)a[2] & AT_REMOVEDIR) != 0 ? RMDIR : UNLINK, (int)a[0], a[1]);
      n->flags = (uint32_t)a[2];
      return 1;
    case SYS_mkdirat: set_at(n, MKDIR, (int)a[0], a[1]); n->mode = (mode_t)a[2]; return 1;
    case SYS_mknodat: set_at(n, MKNOD, (int)a[0], a[1]); n->mode = (mode_t)a[2]; n->device = (dev_t)(uint32_t)a[3]; return 1;
    case SYS_symlinkat: set_at(n, SYMLINK, (int)a[1], a[2]); set_old(n, AT_FDCWD, a[0], 0); return 1;
    case SYS_linkat: set_at(n, LINK, (int)a[2], a[3]); set_old(n, (int)a[0], a[1], (uint32_t)a[4]); return 1;
    case SYS_renameat2: set_at(n, RENAME, (int)a[2], a[3]); set_old(n, (int)a[0], a[1], (uint32_t)a[4]); return 1;
    default: return 0;
  }
}

/* What the kernel says before it looks at any path. 0, or an errno. */
static int check_arguments(const struct naming *n) {
  switch (n->kind) {
    case UNLINK:
    case RMDIR:
      return (n->flags & ~(unsigned long)AT_REMOVEDIR) != 0 ? EINVAL : 0;
    case MKNOD:
      switch (n->mode & S_IFMT) {
        case 0: case S_IFREG: case S_IFCHR: case S_IFBLK: case S_IFIFO: case S_IFSOCK: return 0;
        case S_IFDIR: return EPERM;
        default: return EINVAL;
      }
    case LINK:
      return (n->flags & ~(unsigned long)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0 ? EINVAL : 0;
    case RENAME:
      if ((n->flags & ~(unsigned long)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) != 0) return EINVAL;
      return (n->flags & RENAME_EXCHANGE) != 0 && (n->flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0 ? EINVAL : 0;
    case MKDIR:
    case SYMLINK:
      return 0;
  }
  return EINVAL;
}

static int read_paths(struct naming *n) {
  int length;
  if (has_old(n) || n->kind == SYMLINK) {
    length = tracee_text(n->notice->tid, n->old_address, n->old_path, sizeof n->old_path);
    if (length < 0) return -length;
    if (length == 0 && (n->kind != LINK || (n->flags & AT_EMPTY_PATH) == 0)) return ENOENT;
  }
  length = tracee_text(n->notice->tid, n->address, n->path, sizeof n->path);
  return length < 0 ? -length : length == 0 ? ENOENT : 0;
}

static int resolve_old(struct naming *n) {
  pid_t tid = n->notice->tid;
  if (n->kind == RENAME) return resolve_place(tid, n->old_dirfd, n->old_path, 0, &n->old_place);
  if (n->old_path[0] == 0) return resolve_descriptor(tid, n->old_dirfd, &n->old_object);
  return resolve_object(tid, n->old_dirfd, n->old_path, (n->flags & AT_SYMLINK_FOLLOW) != 0 ? 0 : O_NOFOLLOW, 0, &n->old_object);
}

/* The folders to act in: the session's, or their twins outside. */
struct at {
  int folder;
  /* Folder of the old name (RENAME), or the object itself (LINK). */
  int old;
};

/* Does it. 0, or an errno. */
static int perform(const struct naming *n, const struct at *at) {
  char object[64];
  long result = -1;
  switch (n->kind) {
    case UNLINK:
    case RMDIR:
      result = unlinkat(at->folder, n->place.last, n->kind == RMDIR ? AT_REMOVEDIR : 0);
      break;
    case MKDIR:
      result = mkdirat(at->folder, n->place.last, n->mode);
      break;
    case MKNOD:
      result = syscall(SYS_mknodat, at->folder, n->place.last, n->mode, (unsigned)n->device);
      break;
    case SYMLINK:
      result = symlinkat(n->old_path, at->folder, n->place.last);
      break;
    case LINK:
      print_path(object, sizeof object, "self/fd/%d", at->old);
      result = linkat(AT_FDCWD, object, at->folder, n->place.last, AT_SYMLINK_FOLLOW);
      break;
    case RENAME:
      result = syscall(SYS_renameat2, at->old, n->old_place.last, at->folder, n->place.last, n->flags);
      break;
  }
  return result == 0 ? 0 : errno;
}

struct rows {
  /* About the name, and of RENAME and LINK about the old one. */
  enum row here;
  enum row old;
};

/* What a moved folder has below it, at both ends of an exchange. */
static void look_below(struct naming *n, struct rows *rows) {
  const char *from = n->old_place.name, *to = n->place.name;
  tree_look(n->old_place.folder, n->old_place.last, from, to, &n->below[0]);
  if ((n->flags & RENAME_EXCHANGE) != 0) tree_look(n->place.folder, n->place.last, to, from, &n->below[1]);
  for (size_t i = 0; i < 2; i++) {
    rows->old = stricter(rows->old, n->below[i].row);
    if (n->below[i].late_count > 0) rows->old = stricter(rows->old, ROW_LATE);
  }
}

static struct rows rows_of(struct naming *n) {
  static const char classes[] = {'d', 'd', 'c', 'w', 'c', 'c', 'c'};
  struct rows rows = {.here = row_of(classes[n->kind], n->place.name), .old = ROW_ALLOW};
  if (n->kind == RENAME) {
    rows.old = row_of('d', n->old_place.name);
    if ((n->flags & RENAME_EXCHANGE) != 0) {
      rows.here = stricter(rows.here, row_of('d', n->place.name));
      rows.old = stricter(rows.old, row_of('c', n->old_place.name));
    }
    if (rows.old != ROW_DENY && rows.here != ROW_DENY) look_below(n, &rows);
  }
  /* By its new name the old one's content can be written: what may not be written may not get another name. */
  if (n->kind == LINK && n->old_object.facts.st_nlink > 0) rows.old = row_of('w', n->old_object.name);
  return rows;
}

/* Where the content of a new symlink lies. */
static int text_from_folder(const struct naming *n, char out[PATH_ROOM]) {
  if (n->old_path[0] == '/') return print_path(out, PATH_ROOM, "%s", n->old_path);
  return print_path(out, PATH_ROOM, "%.*s%s", (int)(strrchr(n->place.name, '/') - n->place.name + 1), n->place.name, n->old_path);
}

/* One name goes from here to there. */
static enum verdict settle_move(struct deed *deed, const char *from, const char *to) {
  enum verdict verdict = row_of('d', from) == ROW_LATE ? settle_late(deed, "replace", from, NULL) : MAY;
  return is_permission(verdict) && row_of('c', to) == ROW_LATE ? settle_late(deed, "replace", to, from) : verdict;
}

/* Everything that a rename moves and whose content acts later, but for the new name itself. */
static enum verdict settle_moved(const struct naming *n, struct deed *deed) {
  const char *old = n->old_place.name;
  enum verdict verdict = MAY;
  if ((n->flags & RENAME_EXCHANGE) != 0) verdict = settle_move(deed, n->place.name, old);
  else if (row_of('d', old) == ROW_LATE) verdict = settle_late(deed, "replace", old, NULL);
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; is_permission(verdict) && k < n->below[i].late_count; k++)
      verdict = settle_move(deed, n->below[i].late[k].from, n->below[i].late[k].to);
  return verdict;
}

/* Names whose content acts later. */
static enum verdict settle_later(const struct naming *n, struct deed *deed, const struct rows *rows) {
  char text[PATH_ROOM];
  const char *content = NULL;
  enum verdict verdict = MAY;
  if (n->kind == MKDIR) return MAY;
  if (n->kind == LINK && rows->old == ROW_LATE) verdict = settle_late(deed, "write", n->old_object.name, NULL);
  if (n->kind == RENAME) verdict = settle_moved(n, deed);
  if (!is_permission(verdict) || rows->here != ROW_LATE) return verdict;
  if (n->kind == MKNOD) return settle_late(deed, "write", n->place.name, NULL);
  if (n->kind == RENAME) content = n->old_place.name;
  if (n->kind == LINK) content = n->old_object.name;
  if (n->kind == SYMLINK) {
    if (text_from_folder(n, text) < 0) return MAY_NOT;
    content = text;
  }
  return settle_late(deed, "replace", n->place.name, content);
}

/* What is in the place that loses its name, to see whether it is still the same after an answer. */
static int remember_removed(const struct naming *n, struct stat *facts) {
  const struct place *place = n->kind == RENAME ? &n->old_place : &n->place;
  if (n->kind != RENAME && n->kind != UNLINK && n->kind != RMDIR) return 0;
  return fstatat(place->folder, place->last, facts, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

static enum verdict judge(const struct naming *n, struct deed *deed, const struct rows *rows, char move_to[PATH_ROOM]) {
  struct stat before = {.st_ino = 0}, after = {.st_ino = 0};
  enum row row = stricter(rows->here, rows->old);
  if (row == ROW_ALLOW) return MAY;
  if (remember_removed(n, &before) != 0) return MAY_NOT;
  enum verdict verdict = row == ROW_LATE ? settle_later(n, deed, rows) : settle(deed, row, move_to);
  /* Asked because of one name, and the other's content acts later: both must be allowed. */
  if (row != ROW_LATE && is_permission(verdict) && (rows->here == ROW_LATE || rows->old == ROW_LATE)) {
    enum verdict later = settle_later(n, deed, rows);
    if (!is_permission(later)) verdict = later;
  }
  /* An answer holds for what was asked about. */
  if (verdict != MAY_NOT && verdict != NOBODY_WAITS &&
      (remember_removed(n, &after) != 0 || before.st_ino != after.st_ino || before.st_dev != after.st_dev))
    return MAY_NOT;
  return verdict;
}

/* 1 when the mounts of a session would let this be done; asked where there are none. */
static int is_within(const struct naming *n) {
  if (guard.config.mode != FILTER_LANDLOCK) return 1;
  if (!is_session_writable(n->place.name)) return 0;
  return n->kind != RENAME || is_session_writable(n->old_place.name);
}

static int twin_of_folder(int folder) {
  char name[PATH_ROOM];
  return name_of(folder, name, sizeof name) < 0 ? -1 : host_twin(folder, name);
}

/* Does through the host's mounts what the daemon allowed. 0, or an errno. */
static int perform_outside(const struct naming *n) {
  struct at at = {.folder = twin_of_folder(n->place.folder), .old = -1};
  int error = EROFS;
  if (n->kind == RENAME) at.old = twin_of_folder(n->old_place.folder);
  if (n->kind == LINK) at.old = host_twin(n->old_object.fd, n->old_object.name);
  if (at.folder >= 0 && (!has_old(n) || at.old >= 0)) error = perform(n, &at);
  if (at.folder >= 0) close(at.folder);
  if (at.old >= 0) close(at.old);
  return error;
}

static enum answered carry_out(struct naming *n) {
  struct notice *notice = n->notice;
  struct at at = {.folder = n->place.folder, .old = n->kind == LINK ? n->old_object.fd : n->old_place.folder};
  if (n->kind == MKDIR || n->kind == MKNOD) borrow_umask(notice);
  /* Such names can be neither made nor removed: whichever error it is, the kernel knows. */
  if (n->place.is_dots || (n->kind == RENAME && n->old_place.is_dots)) return notice_error(notice, perform(n, &at));
  struct deed deed = {.notice = notice, .op = ops[n->kind], .class = n->kind == MKNOD ? 'w' : n->kind == UNLINK || n->kind == RMDIR ? 'd' : 'c'};
  deed.name = n->kind == RENAME ? n->old_place.name : n->kind == LINK ? n->old_object.name : n->place.name;
  deed.second = has_old(n) ? n->place.name : n->kind == SYMLINK ? n->old_path : NULL;
  deed.detail = n->kind == MKDIR || n->kind == MKNOD ? n->mode : n->flags;
  struct rows rows = rows_of(n);
  char move_to[PATH_ROOM];
  if (stricter(rows.here, rows.old) != ROW_ALLOW) {
    int error = naming_refusal(n);
    if (error != 0) return notice_error(notice, error);
  }
  int error = EACCES;
  switch (judge(n, &deed, &rows, move_to)) {
    case MAY:
      if (is_within(n)) error = perform(n, &at);
      break;
    case MAY_OUTSIDE:
      error = perform(n, &at);
      if (error == EROFS) error = perform_outside(n);
      break;
    case MAY_NOT:
      break;
    case MOVE_INSTEAD:
      if (n->kind == UNLINK || n->kind == RMDIR) error = host_move(&n->place, move_to);
      break;
    case NOBODY_WAITS:
      return ANSWER_DONE;
  }
  if (error != 0) {
    undone(&deed, error);
    return notice_error(notice, error);
  }
  done(&deed);
  return notice_value(notice, 0);
}

static enum answered answer(struct naming *n) {
  int error = check_arguments(n);
  if (error == 0) error = read_paths(n);
  if (error == 0 && has_old(n)) error = resolve_old(n);
  if (error != 0) return notice_error(n->notice, error);
  error = resolve_place(n->notice->tid, n->dirfd, n->path, 0, &n->place);
  enum answered answered = error == 0 ? carry_out(n) : notice_error(n->notice, error);
  if (n->place.folder >= 0) close(n->place.folder);
  if (n->kind == RENAME) close(n->old_place.folder);
  for (size_t i = 0; i < 2; i++) tree_free(&n->below[i]);
  if (n->kind == LINK) close(n->old_object.fd);
  return answered;
}

int names_notified(struct notice *notice, enum answered *answered) {
  /* On the stack, and not cleared: it is large, and this is the busiest path of all. */
  struct naming n;
  n.notice = notice;
  n.flags = 0;
  n.mode = 0;
  n.device = 0;
  n.place.folder = -1;
  n.old_place.folder = -1;
  n.old_object.fd = -1;
  n.below[0] = n.below[1] = (struct tree){.row = ROW_ALLOW, .late = NULL, .late_count = 0};
  if (!read_arguments(&n)) return 0;
  *answered = answer(&n);
  return 1;
}
