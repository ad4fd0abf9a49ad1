/* From a change of files that is about to be made to whether it may be: tables, what is remembered, the daemon. */
#ifndef CSG_VERDICT_H
#define CSG_VERDICT_H

#include "guard.h"
#include "notice.h"
#include "scope.h"
#include "table.h"

/* What is about to be done, in the words of docs/guard-protocol.md. */
struct deed {
  struct notice *notice;
  /* One of the `O` values of `file`. */
  const char *op;
  /* Letter of the table. */
  char class;
  /* Canonical names; `second` (destination, or a symlink's text) may be null. */
  const char *name;
  const char *second;
  /* Flags or mode. */
  unsigned long detail;
  char scope[SCOPE_ROOM];
};

enum verdict {
  MAY,
  /* The daemon said so: also where the session's mounts are read-only. */
  MAY_OUTSIDE,
  MAY_NOT,
  /* Rename it to `move_to` (a path of the host) instead. */
  MOVE_INSTEAD,
  /* Nobody waits for the answer any more. */
  NOBODY_WAITS
};

/* The stricter of two rows. */
/* What the tables say of a canonical name; a place that is only shown below /tmp is not part of /tmp to them. */
enum row row_of(char ops, const char *name);
/* 1 for MAY and MAY_OUTSIDE. */
int is_permission(enum verdict verdict);
enum row stricter(enum row a, enum row b);

/*
 * Settles a deed whose strictest row is `row`: asks where it must, and may then take long. A refusal is reported as an effect here;
 * what is done is reported by whoever does it (`done`).
 */
enum verdict settle(struct deed *deed, enum row row, char move_to[PATH_ROOM]);

/*
 * Asks about a file whose content acts later. `op`: "write" before it is opened, "replace" with `content` where its new content lies
 * (null: it goes away).
 */
enum verdict settle_late(struct deed *deed, const char *op, const char *file, const char *content);

/* Reports that a deed was done. */
void done(struct deed *deed);

/* Reports what a preview does not let happen: a change outside of it (`error` EROFS). Nothing otherwise. */
void undone(struct deed *deed, int error);

#endif
