/*
 * Whether the supervisor lives. Outside calls it at every beat, and its heart answers: a stopped supervisor is noticed whatever it held when it
 * was stopped. (A notification that the kernel gave to a worker is not told apart from one that a worker is at work on, so counting them says nothing
 * about those who were stopped between the two.) A supervisor that answers may be stuck all the same: then notifications wait though workers are free.
 *
 * Beats are counted and not time: what stops or freezes both ends at once is not taken for a supervisor that hangs.
 */
#ifndef CSG_HEART_H
#define CSG_HEART_H

#include <stdint.h>

/* Of a second each. */
#define HUNG_BEATS 10

/* In the supervisor, once. */
void heart_start(void);

/* What outside saw at its last beats; all zero at first. */
struct heartbeat {
  unsigned unheard;
  unsigned still;
  uint64_t moves;
};

/* Outside, at every beat; `asked`: a notification waits that nobody took. 1 when the supervisor hangs. */
int heart_stands_still(struct heartbeat *seen, int asked);

#endif
