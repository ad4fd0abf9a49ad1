#define _GNU_SOURCE
#include "naming.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder_refuses(int folder) {
  char path[64];
  print_path(path, sizeof path, "self/fd/%d", folder);
  return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0 && errno != EROFS ? errno : 0;
}

/* Why the kernel would not let go of the name in this place; 0 when it would. `facts` gets what is there. */
static int refusal_to_remove(const struct place *place, struct stat *facts) {
  struct stat folder;
  if (fstatat(place->folder, place->last, facts, AT_SYMLINK_NOFOLLOW) != 0 || fstat(place->folder, &folder) != 0) return errno;
  int error = folder_refuses(place->folder);
  if (error != 0) return error;
  int is_sticky = (folder.st_mode & S_ISVTX) != 0;
  return is_sticky && folder.st_uid != geteuid() && facts->st_uid != geteuid() ? EPERM : 0;
}

static int refusal_to_make(const struct place *place, int may_replace) {
  struct stat facts;
  if (fstat(place->folder, &facts) != 0) return errno;
  if (facts.st_nlink == 0) return ENOENT;
  if (!may_replace && fstatat(place->folder, place->last, &facts, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  return folder_refuses(place->folder);
}

/* 1 when both lie on one mount: across mounts nothing is linked or renamed. */
static int is_one_mount(int a, int b) {
  struct statx here, there;
  if (statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) != 0 || statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &there) != 0) return 1;
  return (here.stx_mask & there.stx_mask & STATX_MNT_ID) == 0 || here.stx_mnt_id == there.stx_mnt_id;
}

int naming_refusal(const struct naming *n) {
  struct stat facts;
  int error;
  switch (n->kind) {
    case UNLINK:
      error = refusal_to_remove(&n->place, &facts);
      return error != 0 ? error : S_ISDIR(facts.st_mode) ? EISDIR : n->place.wants_folder ? ENOTDIR : 0;
    case RMDIR:
      error = refusal_to_remove(&n->place, &facts);
      return error != 0 ? error : !S_ISDIR(facts.st_mode) ? ENOTDIR : 0;
    case MKDIR:
    case MKNOD:
    case SYMLINK:
      error = refusal_to_make(&n->place, 0);
      return error != 0 ? error : n->place.wants_folder && n->kind != MKDIR ? ENOENT : 0;
    case LINK:
      error = refusal_to_make(&n->place, 0);
      if (error == 0 && !is_one_mount(n->old_object.fd, n->place.folder)) error = EXDEV;
      return error != 0 ? error : S_ISDIR(n->old_object.facts.st_mode) ? EPERM : n->place.wants_folder ? ENOENT : 0;
    case RENAME:
      if (!is_one_mount(n->old_place.folder, n->place.folder)) return EXDEV;
      error = refusal_to_remove(&n->old_place, &facts);
      if (error == 0) error = refusal_to_make(&n->place, (n->flags & RENAME_NOREPLACE) == 0);
      if (error == 0 && !S_ISDIR(facts.st_mode) && (n->place.wants_folder || n->old_place.wants_folder)) error = ENOTDIR;
      return error;
  }
  return EINVAL;
}
