/* What the kernel knows of the veils by number: names below their roots. Only the thread that answers the kernel touches them. */
#ifndef CSG_VEIL_TREE_H
#define CSG_VEIL_TREE_H

#include <stddef.h>
#include <stdint.h>

struct veil_node {
  uint64_t id;
  /* Null for a root, whose name is its path. */
  struct veil_node *parent;
  char *name;
  /* How often the kernel was told of it, less what it forgot; and nodes that lie in it. */
  uint64_t lookups;
  uint32_t children;
  struct veil_node *next;
};

/* The node of a veil's root; the kernel calls it WIRE_ROOT. */
struct veil_node *node_make_root(const char *path);

/* The node of a number given out before; null when it is none. */
struct veil_node *node_of(uint64_t id);

/* `name` (of `size` bytes) in `parent`, known to the kernel once more; null when there are too many. */
struct veil_node *node_enter(struct veil_node *parent, const char *name, size_t size);

/* The kernel forgets `count` of its lookups; what it does not know any more is freed. */
void node_forget(uint64_t id, uint64_t count);

/* The path of `name` in `node` (or, null, of the node itself); -1 when it is longer than `room`. */
int node_path(const struct veil_node *node, const char *name, char *out, size_t room);

#endif
