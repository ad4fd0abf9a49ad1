/*
 * Socket files that the session made, where no network of its own says which they are (mode `landlock`): there the supervisor binds for it and remembers
 * them.
 */
#ifndef CSG_BOUND_H
#define CSG_BOUND_H

#include <sys/stat.h>

/* Remembers what lies in `folder` by this name, and keeps hold of it: its number is nobody else's meanwhile. */
void bound_remember(int folder, const char *last);
/* 1 when this is one of the 1024 that were remembered last. */
int bound_knows(const struct stat *facts);

#endif
