#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *tracked_realloc(void *old, size_t size);
static void *tracked_calloc(size_t count, size_t size);
static char *tracked_strdup(const char *text);

#define fail program_fail
#define calloc tracked_calloc
#define realloc tracked_realloc
#undef strdup
#define strdup tracked_strdup
#include "../csrc/guard.c"
#undef fail
#undef calloc
#undef realloc
#undef strdup

#include "world.h"

#define MOST 65536

static void *kept[MOST];
static size_t count;
jmp_buf world_failed;
int world_fails_here;

_Noreturn void fail(const char *what, const char *detail);

_Noreturn void world_broken(const char *what) {
  fprintf(stderr, "does not hold: %s\n", what);
  abort();
}

static void *keep(void *at) {
  if (world_fails_here && count < MOST && at != NULL) kept[count++] = at;
  return at;
}

static void *tracked_calloc(size_t number, size_t size) { return keep(calloc(number, size)); }
static char *tracked_strdup(const char *text) { return keep(strdup(text)); }

static void *tracked_realloc(void *old, size_t size) {
  for (size_t i = count; i > 0 && old != NULL; i--) {
    if (kept[i - 1] != old) continue;
    kept[i - 1] = kept[--count];
    break;
  }
  return keep(realloc(old, size));
}

void world_free(void) {
  while (count > 0) free(kept[--count]);
}

void fail(const char *what, const char *detail) {
  (void)detail;
  if (!world_fails_here) world_broken(what);
  longjmp(world_failed, 1);
}
