/* The same files through the host's own mounts, which are writable where the session's are not: only for what the daemon allowed. */
#ifndef CSG_HOST_H
#define CSG_HOST_H

#include "resolve.h"

/*
 * O_PATH descriptor, through the host's mounts, of what `fd` is in the session by the name `name`; -1 when that is another file there:
 * what is hidden, veiled or the session's own has no such twin.
 */
int host_twin(int fd, const char *name);

/* The name of what the session calls `name`, as the host has it. 0, or -1. */
int host_name(const char *name, char out[PATH_ROOM]);

/*
 * Moves what lies in `place` to `target` (an absolute path of the host, where nothing may be yet). A folder only when it is empty: that is
 * what may be removed. 0, or an errno.
 */
int host_move(const struct place *place, const char *target);


/* Opens the regular file `name` (an absolute path of the host) in place of another; never in a preview. -1 and errno. */
int host_open(const char *name, int flags);

#endif
