/* Looking into the process that made a call. All numbers are the host's. Nothing here may be trusted twice: it can change. */
#ifndef CSG_TRACEE_H
#define CSG_TRACEE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads exactly `size` bytes at `address`; 0, or -1. */
int tracee_read(pid_t tid, uint64_t address, void *out, size_t size);
/* Reads a string with its end; its length, -EFAULT or -ENAMETOOLONG. */
int tracee_text(pid_t tid, uint64_t address, char *out, size_t room);
/*
 * Reads a null-terminated array of strings (argv) into one block, each ended by NUL. `*out` is malloc'ed. The size of the block, or
 * -EFAULT, -E2BIG past `most` bytes. `count` may be null.
 */
long tracee_texts(pid_t tid, uint64_t address, char **out, size_t *count, size_t most);

/* O_PATH descriptor of what `dirfd` is to the process (AT_FDCWD: its working directory); -1 with errno. */
int tracee_base(pid_t tid, int dirfd);
mode_t tracee_umask(pid_t tid);
/* The process's number inside the session's pid namespace; the host's one when there is none. */
pid_t tracee_inner_pid(pid_t tid);
/* The process (thread group) a thread belongs to, and its parent; 0, or -1 when it is gone. */
int tracee_family(pid_t tid, pid_t *process, pid_t *parent);
/* Device number of its controlling terminal; 0 when it has none. */
int tracee_terminal(pid_t tid);

/* An open descriptor of our own, as a link: `folder` and the name in it, for the *at calls. */
struct own_link {
  int folder;
  char name[12];
};
struct own_link own_link(int fd);

/* Canonical name of an open descriptor of our own, as this (the session's) mount view names it; its length, or -1. */
int name_of(int fd, char *out, size_t room);
/* Canonical program of the process into `out`; empty when unknown. */
void tracee_program(pid_t tid, char *out, size_t room);

/* Reads a small file below host /proc (`%d/status`); its length, or -1. NUL-terminated. */
int read_proc(pid_t pid, const char *name, char *out, size_t room);

#endif
