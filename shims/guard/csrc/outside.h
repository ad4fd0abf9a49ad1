#ifndef CSG_OUTSIDE_H
#define CSG_OUTSIDE_H

#include <sys/types.h>

/*
 * Accompanies the session from outside: passes signals on, stops and goes on with the agent, ends everything when the supervisor
 * dies or hangs, and ends as the agent ended. `first`: channel to the first process; `supervisor`: its pid, `leash`: a descriptor
 * whose closing tells it that the session is over.
 */
_Noreturn void outside_main(int first, pid_t supervisor, int leash);

#endif
