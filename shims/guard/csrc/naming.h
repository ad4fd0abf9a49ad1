/* One call that makes, removes or moves a name, as it was read and resolved (names.c). */
#ifndef CSG_NAMING_H
#define CSG_NAMING_H

#include "notice.h"
#include "resolve.h"
#include "tree.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

enum naming_kind { UNLINK, RMDIR, MKDIR, MKNOD, SYMLINK, LINK, RENAME };

struct naming {
  struct notice *notice;
  enum naming_kind kind;
  /* Where the name is made or removed; of LINK and RENAME, the new one. */
  int dirfd;
  uint64_t address;
  /* The old name of LINK and RENAME; the text of SYMLINK (without a folder). */
  int old_dirfd;
  uint64_t old_address;
  unsigned long flags;
  mode_t mode;
  dev_t device;
  char path[PATH_ROOM];
  char old_path[PATH_ROOM];
  struct place place;
  /* RENAME. */
  struct place old_place;
  /* LINK. */
  struct object old_object;
  /* RENAME of a folder: what is below it, and below the other one of an exchange. */
  struct tree below[2];
};

/*
 * What the kernel would answer whoever decides, so that nobody is asked about what cannot be. 0 when it would do it. A mount that
 * is read-only is no answer: that is for the daemon to lift.
 */
int naming_refusal(const struct naming *naming);

#endif
