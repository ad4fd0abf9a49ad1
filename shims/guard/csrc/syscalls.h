/* Every system call that this guard knows, by name, with its number on each architecture and what is done about it. */
#ifndef CSG_SYSCALLS_H
#define CSG_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

/* The newest number known, the same on both architectures. A newer one is answered ENOSYS until someone has read what it does. */
#define NEWEST_SYSCALL 471

enum rule {
  /* Answered as by a kernel without it. What no row names has this rule. */
  RULE_ABSENT,
  RULE_ALLOW,
  RULE_FORBID,
  /* Names a path, a program or an address. */
  RULE_NOTIFY,
  /* Makes namespaces, roots and mounts. */
  RULE_SANDBOX,
  /* Changes an object through a descriptor that need not be open for writing. */
  RULE_DESCRIPTOR,
  RULE_SIGNAL,
  RULE_BIND,
  /* Changes how files are made. */
  RULE_UMASK,
  /* Reaches processes outside by the IPC namespace. */
  RULE_IPC,
  /* Names a process by its first argument; 0 is the caller. */
  RULE_PROCESS,
  /* The rest depends on arguments that are in registers. */
  RULE_SETPRIORITY,
  RULE_IOPRIO_SET,
  RULE_OPEN,
  RULE_OPENAT,
  RULE_UTIMENSAT,
  RULE_CLONE,
  RULE_UNSHARE,
  RULE_IOCTL,
  RULE_FCNTL,
  RULE_SOCKET,
  RULE_SOCKETPAIR,
  /* Flags in the third argument; in the fourth. */
  RULE_SENDMSG,
  RULE_SENDTO,
  RULE_PERSONALITY,
  RULE_PRCTL,
  RULES
};

struct syscall_row {
  const char *name;
  /* -1: not on this architecture. */
  int16_t x86_64;
  int16_t aarch64;
};

struct syscall_list {
  enum rule rule;
  const struct syscall_row *rows;
  size_t size;
};

extern const struct syscall_list syscall_lists[];
extern const size_t syscall_list_count;

#endif
