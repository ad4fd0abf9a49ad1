#define _GNU_SOURCE
#include "veil-grants.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

/* The oldest goes when there are more: its path is asked about once more. */
#define MOST_GRANTS 1024u

struct grant {
  char *path;
  enum granted granted;
};

/* Oldest first. */
static struct grant grants[MOST_GRANTS];
static size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int grant_covers(const char *granted, const char *path) {
  size_t size = strlen(granted);
  if (size > 0 && granted[size - 1] == '/') return strncmp(path, granted, size) == 0;
  return strcmp(path, granted) == 0;
}

static void remove_at(size_t at) {
  free(grants[at].path);
  memmove(&grants[at], &grants[at + 1], (count - at - 1) * sizeof *grants);
  count--;
}

void grants_say(const char *path, enum granted granted) {
  char *copy = must_copy(path);
  pthread_mutex_lock(&lock);
  /* What was said before about this, or about less than this, is over. */
  for (size_t i = count; i > 0; i--)
    if (grant_covers(path, grants[i - 1].path)) remove_at(i - 1);
  if (count == MOST_GRANTS) remove_at(0);
  grants[count++] = (struct grant){.path = copy, .granted = granted};
  pthread_mutex_unlock(&lock);
}

enum granted grants_of(const char *path) {
  enum granted granted = GRANTED_UNKNOWN;
  pthread_mutex_lock(&lock);
  for (size_t i = count; i > 0 && granted == GRANTED_UNKNOWN; i--)
    if (grant_covers(grants[i - 1].path, path)) granted = grants[i - 1].granted;
  pthread_mutex_unlock(&lock);
  return granted;
}
