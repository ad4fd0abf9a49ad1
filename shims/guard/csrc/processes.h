/* Calls about other processes, where no namespace keeps the session's apart from the person's (mode `landlock`). */
#ifndef CSG_PROCESSES_H
#define CSG_PROCESSES_H

#include "notice.h"

/*
 * Limits, scheduling, priorities and (before Landlock's ABI 6) signals: done for processes of the session, EPERM for all others. 1 when the call is one of
 * them, and then `*answered` is the answer.
 */
int processes_notified(struct notice *notice, enum answered *answered);

#endif
