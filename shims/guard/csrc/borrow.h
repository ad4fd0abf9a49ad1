/*
 * A worker acts with the rights of the process it acts for, never with its own: in the session's user namespace the supervisor holds every
 * capability, and with them it would open what the process may not.
 */
#ifndef CSG_BORROW_H
#define CSG_BORROW_H

#include <sys/types.h>

/* This thread takes the tracee's effective capabilities, and keeps the one that lets it look into the tracee. */
void borrow(pid_t tid);
/* As `borrow`, without that one: for opening what belongs to other processes. */
void borrow_exactly(pid_t tid);
/* This thread takes the tracee's umask: the kernel applies it where (and only where) no default ACL stands. */
void borrow_umask(pid_t tid);

#endif
