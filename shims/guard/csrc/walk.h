/* The slow way through a path, one component at a time: for what /proc answers by who asks. */
#ifndef CSG_WALK_H
#define CSG_WALK_H

#include <sys/types.h>

#include "resolve.h"

/* Where a walk begins, and what it does at its end. */
struct walk {
  /* Tracee on whose behalf: "self" is it. */
  pid_t tid;
  /* O_PATH folder for relative paths; stays open. */
  int base;
  /* The last component is not followed when it is a link. */
  int nofollow;
  /* RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS hold. */
  unsigned long resolve;
  /* Filled (folder and last) when only the last component is missing, and the walk then ends with 0 and a descriptor of -1. */
  struct place *missing;
};

/* An O_PATH descriptor of what is there in `fd`; 0, or an errno. */
int walk_path(const struct walk *walk, const char *path, int *fd);

#endif
