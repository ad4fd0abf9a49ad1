#define _GNU_SOURCE
#include "veil-tree.h"

#include <stdlib.h>
#include <string.h>

#include "guard.h"

/* A session that walks through more secrets than this is told so (ENFILE) until the kernel forgets some. */
#define MOST_NODES 65536u
#define BUCKETS 4096u
/* Numbers from here on: 1 is the root of every veil. */
#define FIRST_SLOT 2u

struct slot {
  struct veil_node *node;
  /* Uses of this slot so far: the upper half of a number, so that a number is never given out twice. */
  uint32_t uses;
  uint32_t next_free;
};

static struct slot *slots;
static uint32_t slot_count, slot_room, first_free;
static struct veil_node **buckets;

static uint32_t bucket_of(const struct veil_node *parent, const char *name, size_t size) {
  uint64_t hash = (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
  return (uint32_t)(hash >> 32) % BUCKETS;
}

struct veil_node *node_make_root(const char *path) {
  struct veil_node *root = must_alloc(sizeof *root);
  root->name = must_copy(path);
  return root;
}

struct veil_node *node_of(uint64_t id) {
  uint32_t at = (uint32_t)id;
  if (at < FIRST_SLOT || at - FIRST_SLOT >= slot_count) return NULL;
  struct veil_node *node = slots[at - FIRST_SLOT].node;
  return node != NULL && node->id == id ? node : NULL;
}

/* A free slot with its new number; UINT32_MAX when there is none. */
static uint32_t take_slot(void) {
  if (first_free != 0) {
    uint32_t at = first_free - 1;
    first_free = slots[at].next_free;
    return at;
  }
  if (slot_count == slot_room) {
    uint32_t room = slot_room == 0 ? 64 : slot_room * 2;
    if (room > MOST_NODES) return UINT32_MAX;
    struct slot *grown = realloc(slots, room * sizeof *grown);
    if (grown == NULL) return UINT32_MAX;
    memset(grown + slot_room, 0, (room - slot_room) * sizeof *grown);
    slots = grown;
    slot_room = room;
  }
  return slot_count++;
}

static struct veil_node *make_node(struct veil_node *parent, const char *name, size_t size, uint32_t bucket) {
  struct veil_node *node = calloc(1, sizeof *node);
  char *copy = malloc(size + 1);
  uint32_t at = node == NULL || copy == NULL ? UINT32_MAX : take_slot();
  if (at == UINT32_MAX) {
    free(node);
    free(copy);
    return NULL;
  }
  memcpy(copy, name, size);
  copy[size] = 0;
  *node = (struct veil_node){.id = (uint64_t)slots[at].uses++ << 32 | (at + FIRST_SLOT), .parent = parent, .name = copy,
                             .next = buckets[bucket]};
  buckets[bucket] = node;
  slots[at].node = node;
  parent->children++;
  return node;
}

struct veil_node *node_enter(struct veil_node *parent, const char *name, size_t size) {
  if (buckets == NULL) buckets = calloc(BUCKETS, sizeof(struct veil_node *));
  if (buckets == NULL) return NULL;
  uint32_t bucket = bucket_of(parent, name, size);
  struct veil_node *node = buckets[bucket];
  while (node != NULL && (node->parent != parent || strncmp(node->name, name, size) != 0 || node->name[size] != 0)) node = node->next;
  if (node == NULL) node = make_node(parent, name, size, bucket);
  if (node != NULL) node->lookups++;
  return node;
}

static void remove_node(struct veil_node *node) {
  struct veil_node **link = &buckets[bucket_of(node->parent, node->name, strlen(node->name))];
  while (*link != node) link = &(*link)->next;
  *link = node->next;
  uint32_t at = (uint32_t)node->id - FIRST_SLOT;
  slots[at].node = NULL;
  slots[at].next_free = first_free;
  first_free = at + 1;
  free(node->name);
  free(node);
}

void node_forget(uint64_t id, uint64_t count) {
  struct veil_node *node = node_of(id);
  if (node == NULL) return;
  node->lookups -= count < node->lookups ? count : node->lookups;
  /* A folder that was forgotten stays as long as something in it is known. */
  while (node->parent != NULL && node->lookups == 0 && node->children == 0) {
    struct veil_node *parent = node->parent;
    remove_node(node);
    parent->children--;
    node = parent;
  }
}

int node_path(const struct veil_node *node, const char *name, char *out, size_t room) {
  size_t at = room - 1;
  out[at] = 0;
  const char *part = name == NULL ? node->name : name;
  const struct veil_node *in = name == NULL ? node->parent : node;
  for (;;) {
    size_t size = strlen(part);
    if (size + 1 > at) return -1;
    at -= size;
    memcpy(out + at, part, size);
    if (in == NULL) break;
    out[--at] = '/';
    part = in->name;
    in = in->parent;
  }
  memmove(out, out + at, room - at);
  return 0;
}
