/* /proc of the session: what of it a process may write. */
#ifndef CSG_PROC_H
#define CSG_PROC_H

#include <sys/types.h>

/* 1 when the descriptor is of a proc file system. */
int is_on_proc(int fd);

/* 1 when the tracee may write the file of this canonical name: a few knobs of its own that touch nothing but itself. */
int proc_may_write(pid_t tid, const char *name);

#endif
