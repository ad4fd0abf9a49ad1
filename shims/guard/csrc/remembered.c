#define _GNU_SOURCE
#include "remembered.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4u
#define SETS 1024u
/* Longer objects are asked about each time. */
#define LONGEST 8192u

struct answer {
  /* Null when free. */
  char *object;
  uint32_t hash;
  char ops;
  unsigned char verdict;
};

/* An object has one set that it may be in; a full set forgets the answer that it has had longest. */
static struct answer answers[SETS][WAYS];
static unsigned char oldest[SETS];

static uint32_t hash_of(char ops, const char *object) {
  uint32_t hash = (2166136261u ^ (unsigned char)ops) * 16777619u;
  for (; *object != 0; object++) hash = (hash ^ (unsigned char)*object) * 16777619u;
  return hash ^ hash >> 15;
}

static struct answer *find(uint32_t hash, char ops, const char *object) {
  struct answer *set = answers[hash % SETS];
  for (unsigned i = 0; i < WAYS; i++) {
    struct answer *a = &set[i];
    if (a->object != NULL && a->hash == hash && a->ops == ops && strcmp(a->object, object) == 0) return a;
  }
  return NULL;
}

void remembered_put(char ops, const char *object, enum row verdict) {
  uint32_t hash = hash_of(ops, object);
  struct answer *known = find(hash, ops, object);
  if (known != NULL) {
    known->verdict = (unsigned char)verdict;
    return;
  }
  size_t size = strlen(object) + 1;
  char *copy = size > LONGEST ? NULL : malloc(size);
  if (copy == NULL) return;
  memcpy(copy, object, size);
  struct answer *place = &answers[hash % SETS][oldest[hash % SETS]++ % WAYS];
  free(place->object);
  *place = (struct answer){.object = copy, .hash = hash, .ops = ops, .verdict = (unsigned char)verdict};
}

int remembered_get(char ops, const char *object, enum row *verdict) {
  const struct answer *known = find(hash_of(ops, object), ops, object);
  if (known == NULL) return 0;
  *verdict = (enum row)known->verdict;
  return 1;
}

void remembered_forget(void) {
  for (unsigned set = 0; set < SETS; set++)
    for (unsigned i = 0; i < WAYS; i++) free(answers[set][i].object);
  memset(answers, 0, sizeof answers);
  memset(oldest, 0, sizeof oldest);
}
