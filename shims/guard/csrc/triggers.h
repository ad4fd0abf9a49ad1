/* Finds any of many byte strings in a large block, in one pass. Lives in memory that its owner provides. */
#ifndef CSG_TRIGGERS_H
#define CSG_TRIGGERS_H

#include <stddef.h>

struct triggers;

/* What `count` triggers of `bytes` bytes together need. */
size_t triggers_size(size_t count, size_t bytes);

/* Makes an empty set for `count` triggers in zeroed, aligned memory; each is then added, and triggers_ready() called once. */
struct triggers *triggers_place(void *memory, size_t count);
void triggers_add(struct triggers *set, const unsigned char *at, size_t size);
void triggers_ready(struct triggers *set);

/* Whether the block holds one. */
int triggers_found(const struct triggers *set, const unsigned char *at, size_t size);

#endif
