/*
 * A worker acts with the rights of the process it acts for, never with its own: in the session's user namespace the supervisor holds every
 * capability, and with them it would open what the process may not.
 */
#ifndef CSG_BORROW_H
#define CSG_BORROW_H

#include "notice.h"

/* This thread has the capabilities of the session's processes, none, but for the one that lets it look into them. */
void borrow(void);
/* As `borrow`, without that one: for opening what belongs to other processes. */
void borrow_exactly(void);
/* This thread has the supervisor's own again: a thread begins with what the one that made it had just then. */
void borrow_nothing(void);
/* This thread takes the umask of who made the call: the kernel applies it where (and only where) no default ACL stands. */
void borrow_umask(const struct notice *notice);

#endif
