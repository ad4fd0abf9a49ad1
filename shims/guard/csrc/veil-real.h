/* What really lies behind a veil, by the host's own mounts, and which of it may be seen. */
#ifndef CSG_VEIL_REAL_H
#define CSG_VEIL_REAL_H

#include <sys/stat.h>
#include <sys/types.h>

/*
 * Opens a canonical path of the host; -1 with errno. A link anywhere on the way is refused: whoever can plant one behind a
 * veil must not choose what a grant opens. With O_PATH | O_NOFOLLOW the link itself is opened.
 */
int real_open(const char *path, int flags);

/* lstat() of it; 0, or -1 with errno. */
int real_facts(const char *path, struct stat *facts);

/* 1 when not even the name may be seen, and 1 when it lies behind the veil at `root` and may be read without a question. */
int real_is_hidden(const char *path);
int real_is_shown(const char *path, const char *root);

/* Remembers the session's pid namespace; before the agent runs. */
void real_pids_start(void);
/* The thread, as the host numbers it, that the session numbers so; 0 when there is none. */
pid_t real_pid(pid_t inner);

#endif
