/* /proc of the session: what of it a process may write. */
#ifndef CSG_PROC_H
#define CSG_PROC_H

#include <sys/types.h>

/* 1 when the descriptor is of a proc file system. */
int is_on_proc(int fd);

/* 1 when the tracee may write the file of this canonical name: a few knobs of its own that touch nothing but itself. */
int proc_may_write(pid_t tid, const char *name);

/*
 * 1 when the tracee has made itself a mount namespace or root of its own, which only FILTER_NESTED lets it. There names mean what it
 * likes, so rules by name say nothing; the session's mounts are locked there and bound it as before.
 */
int is_elsewhere(pid_t tid);

#endif
