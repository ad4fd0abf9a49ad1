/* Moving a folder moves every name below it: what the rules say about those. */
#ifndef CSG_TREE_H
#define CSG_TREE_H

#include <stddef.h>

#include "guard.h"
#include "table.h"

/* A name below a moved folder whose content acts later. */
struct moved {
  char *from;
  char *to;
};

struct tree {
  /* Strictest row but LATE. ROW_ASK when there is more below than can be looked through. */
  enum row row;
  /* At either end a row says LATE. */
  struct moved *late;
  size_t late_count;
};

/*
 * Looks through what lies below the folder `last` in `folder`, which is to be moved from the canonical name `from` to `to`. Nothing when it
 * is no folder. Free with tree_free.
 */
void tree_look(int folder, const char *last, const char *from, const char *to, struct tree *tree);
void tree_free(struct tree *tree);

#endif
