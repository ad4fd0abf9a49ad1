/* Which processes belong to a session that has no pid namespace: those below its first process, which adopts every orphan of theirs. */
#ifndef CSG_MEMBERS_H
#define CSG_MEMBERS_H

#include <sys/types.h>

enum member { MEMBER_YES, MEMBER_NO, MEMBER_GONE };

/* Whether the process of this thread is one of the session's. */
enum member member_of(pid_t tid);

/*
 * Calls `each` for every process of this machine but the first of the session and ourselves, with its group, until it returns non-zero; returns that, or 0.
 */
int each_process(int (*each)(void *context, pid_t process, pid_t group), void *context);

#endif
