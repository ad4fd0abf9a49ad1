#define _GNU_SOURCE
#include "triggers.h"

#include <stdint.h>
#include <string.h>

/* Chains of triggers that share their first two bytes. */
#define CHAINS 1024u

struct trigger {
  uint32_t at, size;
  /* 1 + the next of the chain; 0 at its end. */
  uint32_t next;
};

struct triggers {
  /* One bit for each pair of bytes with which a trigger begins: 8 KiB, so it stays in the nearest cache. */
  unsigned char pairs[65536 / 8];
  /* Triggers of one byte. */
  unsigned char single[256];
  uint32_t chains[CHAINS];
  uint32_t count, used;
  int any, any_single;
  struct trigger *rows;
  unsigned char *bytes;
};

static size_t rounded(size_t size) { return (size + 15) & ~(size_t)15; }

size_t triggers_size(size_t count, size_t bytes) {
  return rounded(sizeof(struct triggers)) + rounded(count * sizeof(struct trigger)) + bytes;
}

struct triggers *triggers_place(void *memory, size_t count) {
  struct triggers *set = memory;
  set->rows = (struct trigger *)(void *)((char *)memory + rounded(sizeof *set));
  set->bytes = (unsigned char *)set->rows + rounded(count * sizeof(struct trigger));
  return set;
}

void triggers_add(struct triggers *set, const unsigned char *at, size_t size) {
  memcpy(set->bytes + set->used, at, size);
  set->rows[set->count++] = (struct trigger){.at = set->used, .size = (uint32_t)size, .next = 0};
  set->used += (uint32_t)size;
}

static unsigned pair_at(const unsigned char *at) { return (unsigned)at[0] | (unsigned)at[1] << 8; }

static unsigned chain_of(unsigned pair) { return (pair * 40503u >> 6) % CHAINS; }

void triggers_ready(struct triggers *set) {
  for (uint32_t i = 0; i < set->count; i++) {
    struct trigger *row = &set->rows[i];
    const unsigned char *text = set->bytes + row->at;
    if (row->size == 1) {
      set->single[*text] = 1;
      set->any_single = 1;
      continue;
    }
    unsigned pair = pair_at(text);
    set->pairs[pair / 8] = (unsigned char)(set->pairs[pair / 8] | 1u << pair % 8);
    row->next = set->chains[chain_of(pair)];
    set->chains[chain_of(pair)] = i + 1;
    set->any = 1;
  }
}

static int found_here(const struct triggers *set, const unsigned char *at, size_t left, unsigned pair) {
  for (uint32_t i = set->chains[chain_of(pair)]; i != 0; i = set->rows[i - 1].next) {
    const struct trigger *row = &set->rows[i - 1];
    if (row->size <= left && memcmp(set->bytes + row->at, at, row->size) == 0) return 1;
  }
  return 0;
}

int triggers_found(const struct triggers *set, const unsigned char *at, size_t size) {
  if (set->any_single)
    for (size_t i = 0; i < size; i++)
      if (set->single[at[i]]) return 1;
  if (!set->any) return 0;
  for (size_t i = 0; i + 1 < size; i++) {
    unsigned pair = pair_at(at + i);
    if (((unsigned)set->pairs[pair / 8] >> pair % 8 & 1u) != 0 && found_here(set, at + i, size - i, pair)) return 1;
  }
  return 0;
}
