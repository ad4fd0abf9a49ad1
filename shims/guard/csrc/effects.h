/* What was done and not told yet. Producers are any thread; one thread takes. effect() and report_end() are in ask.h. */
#ifndef CSG_EFFECTS_H
#define CSG_EFFECTS_H

#include "../../shell/csrc/frame.h"

/* A batch of this size is sent at once. */
#define EFFECTS_BATCH (64u * 1024u)

struct batch {
  /* An `effects` frame without its seal, or empty. */
  struct bytes effects;
  /* `action NUL how NUL`, repeated, or empty. These ended after what is in `effects` was done. */
  struct bytes ended;
};

/* Makes room; `wake` (an eventfd) is written when there is something after there was nothing, and when a batch is full. */
int effects_start(int wake);

/* Bytes that wait to be told. */
size_t effects_waiting(void);

/* Swaps what waits into `batch`, whose room is used for what comes next. The batch is valid until the next call. */
const struct batch *effects_take(void);

/* From now on nothing is noted, and nobody waits for room. */
void effects_end(void);

#endif
