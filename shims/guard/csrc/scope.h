/*
 * Under which decision a process runs (docs/guard-protocol.md, `P`): set when an asked program starts, inherited by what it starts.
 * Attribution only; nothing is permitted because of it.
 */
#ifndef CSG_SCOPE_H
#define CSG_SCOPE_H

#include <sys/types.h>

#define SCOPE_ROOM 80

/* Copies the action id of the process (or its nearest known ancestor) into `out`; empty for the agent itself. */
void scope_of(pid_t tid, char out[SCOPE_ROOM]);
/* The process now runs under `action`. */
void scope_set(pid_t process, const char *action);

#endif
