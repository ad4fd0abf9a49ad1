/*
 * The umask of processes, which only /proc/PID/status tells, and that is a dear text to read for every file that is made. It is read once for
 * each process and followed from there on: umask(2) is notified, its argument is a register, and what separates a thread's umask from its
 * process's, or shares one between processes (CLONE_FS without CLONE_THREAD and the reverse, unshare), is notified too and ends the
 * following for the whole session. Where the filter does not notify these (NESTED), status is read every time.
 */
#ifndef CSG_UMASK_H
#define CSG_UMASK_H

#include "notice.h"

/* The umask of the process that made this call. */
mode_t umask_of(const struct notice *notice);

/* umask(2), and clone and unshare with CLONE_FS: they always go on. */
enum answered umask_notified(struct notice *notice);

#endif
