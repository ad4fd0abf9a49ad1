/* Answers that hold for the session, bounded. Not thread-safe: table.c calls it under its lock. */
#ifndef CSG_REMEMBERED_H
#define CSG_REMEMBERED_H

#include "table.h"

void remembered_put(char ops, const char *object, enum row verdict);
int remembered_get(char ops, const char *object, enum row *verdict);
void remembered_forget(void);

#endif
