/* The end of a session without a pid namespace: what it left running is ours by adoption (PR_SET_CHILD_SUBREAPER). */
#ifndef CSG_SWEEP_H
#define CSG_SWEEP_H

#include <sys/types.h>

/*
 * Ends every child of this process but two (0: none), and whatever becomes a child of it meanwhile: TERM at first when `term_ms` is
 * not 0, then KILL until nobody is left, for three seconds at most.
 */
void sweep_children(long long term_ms, pid_t spared, pid_t spared_too);

#endif
