/*
 * restricted WHAT… -- PROGRAM ARGUMENT…: runs a program on a kernel that lacks something, or forbids it: `user-namespaces`, `mounts`, `landlock`, `listener`,
 * `descriptors`, `trace`. A seccomp filter answers as such a kernel would.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_USER 0x10000000
#define CLONE3 435
#define MOUNT_SETATTR 442
#define LANDLOCK_CREATE_RULESET 444
#define NOTIF_ADDFD 0x40182103

static struct sock_filter code[64];
static unsigned short length;

static void put(uint16_t op, uint32_t k, uint8_t yes, uint8_t no) { code[length++] = (struct sock_filter){op, yes, no, k}; }

/* When the call is `number`, and argument `at` (or -1) has a bit of `bits` (or is just that, when `whole`): fails with `error`. */
static void refuse(uint32_t number, int at, uint32_t bits, int whole, uint32_t error) {
  put(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
  put(BPF_JMP | BPF_JEQ | BPF_K, number, 0, at < 0 ? 1 : 3);
  if (at >= 0) {
    put(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)at), 0, 0);
    put((uint16_t)(BPF_JMP | (whole ? BPF_JEQ : BPF_JSET) | BPF_K), bits, 0, 1);
  }
  put(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error, 0, 0);
}

int main(int argc, char **argv) {
  int at = 1;
  for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
    const char *what = argv[at];
    if (strcmp(what, "user-namespaces") == 0) {
      /* As with user.max_user_namespaces=0. */
      refuse(SYS_clone, 0, NEW_USER, 0, ENOSPC);
      refuse(SYS_unshare, 0, NEW_USER, 0, ENOSPC);
      refuse(CLONE3, -1, 0, 0, ENOSYS);
    } else if (strcmp(what, "mounts") == 0) {
      refuse(MOUNT_SETATTR, -1, 0, 0, EPERM);
    } else if (strcmp(what, "landlock") == 0) {
      refuse(LANDLOCK_CREATE_RULESET, -1, 0, 0, EOPNOTSUPP);
    } else if (strcmp(what, "listener") == 0) {
      refuse(SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, EBUSY);
    } else if (strcmp(what, "descriptors") == 0) {
      refuse(SYS_ioctl, 1, NOTIF_ADDFD, 1, ENOTTY);
    } else if (strcmp(what, "trace") == 0) {
      refuse(SYS_ptrace, -1, 0, 0, EPERM);
    } else {
      fprintf(stderr, "unknown: %s\n", what);
      return 99;
    }
  }
  put(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  struct sock_fprog program = {.len = length, .filter = code};
  if (at + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    perror("restricted");
    return 99;
  }
  execvp(argv[at + 1], argv + at + 1);
  perror(argv[at + 1]);
  return 99;
}
