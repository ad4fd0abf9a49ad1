#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "bpf.h"
#include "syscalls.h"

/*
 * The program: another architecture is killed; a number newer than we know, x32's included, does not exist; a binary search over
 * the number finds an answer, or the test of a register. Only those tests load an argument, so the kernel caches every call that
 * is always allowed and does not run the filter for it.
 *
 * INVARIANT (registers only): nothing here depends on memory that a second thread could change.
 */

#define ALLOW SECCOMP_RET_ALLOW
#define NOTIFY SECCOMP_RET_USER_NOTIF
#define FAIL(error) (SECCOMP_RET_ERRNO | (error))

/* Arguments are 64 bits, little endian on both architectures; what the kernel takes as an int has its value in the low half. */
#define LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define HIGH(n) (LOW(n) + 4)

/*
 * Values of the kernel's interface that are alike on both architectures, written out: this builds filters for the one that it was
 * not compiled for, with headers that may be old.
 */
enum {
  OPEN_WRITES = 00000003 | 00000100 | 00001000 | 00002000 | 020000000, /* O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND, __O_TMPFILE */
  OPEN_PATH = 010000000,
  CLONE_NAMESPACES = 0x7e020000,
  CLONE_OF_FOLDERS = 0x200,   /* CLONE_FS: working directory, root and umask */
  CLONE_OF_THREADS = 0x10000, /* CLONE_THREAD */
  /* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM: all that unshare takes besides namespaces. */
  UNSHARE_PLAIN = 0x00050f00,
  DOMAIN_UNIX = 1,
  DOMAIN_INET = 2,
  DOMAIN_INET6 = 10,
  DOMAIN_NETLINK = 16,
  TYPE_MASK = 0xf,
  TYPE_STREAM = 1,
  TYPE_DGRAM = 2,
  TYPE_RAW = 3,
  TYPE_SEQPACKET = 5,
  PROTOCOL_LIMIT = 18,
  PROTOCOL_ICMPV6 = 58,
  MESSAGE_FASTOPEN = 0x20000000,
  PRCTL_SET_DUMPABLE = 4,
  PRCTL_SET_MM = 35,
  FCNTL_SETOWN = 8,
  FCNTL_SETOWN_EX = 15,
  PRIORITY_PROCESS = 0,
  IOPRIO_PROCESS = 1
};

/* Input put into a terminal as if it had been typed; line disciplines; subvolumes that are made and removed by name. */
static const uint32_t ioctls_never[] = {
  0x5412,     /* TIOCSTI */
  0x541c,     /* TIOCLINUX */
  0x5423,     /* TIOCSETD */
  0x50009401, /* BTRFS_IOC_SNAP_CREATE */
  0x5000940e, /* BTRFS_IOC_SUBVOL_CREATE */
  0x5000940f, /* BTRFS_IOC_SNAP_DESTROY */
  0x50009417, /* BTRFS_IOC_SNAP_CREATE_V2 */
  0x50009418, /* BTRFS_IOC_SUBVOL_CREATE_V2 */
  0x5000943f, /* BTRFS_IOC_SNAP_DESTROY_V2 */
  0x4020bc10, /* BCH_IOCTL_SUBVOLUME_CREATE */
  0x4020bc11, /* BCH_IOCTL_SUBVOLUME_DESTROY */
};

/* They change a file through a descriptor that is open for reading: a read-only mount stops them, Landlock does not. */
static const uint32_t ioctls_of_inodes[] = {
  0x40086602, /* FS_IOC_SETFLAGS */
  0x401c5820, /* FS_IOC_FSSETXATTR */
  0x40087602, /* FS_IOC_SETVERSION */
  0x40806685, /* FS_IOC_ENABLE_VERITY */
  0x800c6613, /* FS_IOC_SET_ENCRYPTION_POLICY */
  0x40047211, /* FAT_IOCTL_SET_ATTRIBUTES */
  0x4008941a, /* BTRFS_IOC_SUBVOL_SETFLAGS */
};

/* Who gets a descriptor's signals: any process of the same user. */
static const uint32_t ioctls_of_owners[] = {
  0x8901, /* FIOSETOWN */
  0x8902, /* SIOCSPGRP */
};

struct range {
  uint32_t first;
  /* The test; or BPF_NEXT, and then `action` is the answer. */
  bpf_label test;
  uint32_t action;
};

struct build {
  struct bpf bpf;
  const struct filter_choice *choice;
  bpf_label tests[RULES];
  bpf_label allow, notify, pretend, eperm, eacces, eafnosupport, eopnotsupp;
};

static int has_namespaces(const struct filter_choice *choice) { return choice->mode != FILTER_LANDLOCK; }

/* From ABI 6, Landlock bounds signals. */
static int signals_unbounded(const struct filter_choice *choice) {
  return choice->mode == FILTER_LANDLOCK && choice->landlock_abi < 6;
}

/* The answer of a rule that needs no argument in this mode: 1, or 0 when it must be tested. */
static int settle(const struct filter_choice *choice, enum rule rule, uint32_t *action) {
  int namespaces = has_namespaces(choice);
  int nested = choice->mode == FILTER_NESTED;
  int always = 1;
  *action = ALLOW;
  switch (rule) {
    case RULE_ALLOW: break;
    case RULE_FORBID: *action = FAIL(EPERM); break;
    case RULE_NOTIFY: *action = NOTIFY; break;
    /*
     * What NESTED costs: inside a namespace of its own the caller may give a file another name, so rules by name (`*` patterns,
     * `late`, `ask`) can be walked around; read-only mounts and masks hold, because they are locked there. Landlock cannot stand
     * beside it: whoever has file rules may not mount. The kernel's mount and network administration becomes reachable, and a file
     * system in user space can stall whoever reads through it.
     */
    case RULE_SANDBOX: if (!nested) *action = FAIL(EPERM); break;
    case RULE_CLONE: case RULE_UNSHARE: always = nested; break;
    /* The supervisor follows it (umask.c), and who shares one with whom. */
    case RULE_UMASK: if (!nested) *action = NOTIFY; break;
    case RULE_DESCRIPTOR: case RULE_BIND: if (!namespaces) *action = NOTIFY; break;
    case RULE_SIGNAL: if (signals_unbounded(choice)) *action = NOTIFY; break;
    /* Other programs' shared memory and queues of the same user; programs know kernels that are built without. */
    case RULE_IPC: if (!namespaces) *action = FAIL(ENOSYS); break;
    case RULE_PROCESS: case RULE_SETPRIORITY: case RULE_IOPRIO_SET: always = namespaces; break;
    case RULE_FCNTL: always = !signals_unbounded(choice); break;
    case RULE_UTIMENSAT:
      always = !namespaces;
      if (always) *action = NOTIFY;
      break;
    case RULE_OPEN: case RULE_OPENAT: case RULE_IOCTL: case RULE_SOCKET: case RULE_SOCKETPAIR: case RULE_SENDMSG:
    case RULE_SENDTO: case RULE_PERSONALITY: case RULE_PRCTL: always = 0; break;
    case RULE_ABSENT: case RULES: *action = FAIL(ENOSYS); break;
  }
  return always;
}

/* Goes to `yes` when the loaded value is one of the list; else on to the next instruction. */
static void jump_if_any(struct build *build, const uint32_t *values, size_t size, bpf_label yes) {
  for (size_t i = 0; i < size; i++) bpf_jump(&build->bpf, BPF_JEQ, values[i], yes, BPF_NEXT);
}

#define ANY(build, list, yes) jump_if_any(build, list, sizeof(list) / sizeof((list)[0]), yes)

static void test_open(struct build *build, size_t flags) {
  struct bpf *b = &build->bpf;
  bpf_load(b, LOW(flags));
  /*
   * With O_PATH the kernel ignores every flag that writes or creates, and what is opened grants nothing until it is used by another
   * call. It cannot be handed over by the supervisor (ADDFD refuses it), so it must not be notified even when reads are.
   */
  bpf_jump(b, BPF_JSET, OPEN_PATH, build->allow, BPF_NEXT);
  if (build->choice->reads) bpf_go(b, build->notify);
  else bpf_jump(b, BPF_JSET, OPEN_WRITES, build->notify, build->allow);
}

/* Types are a list of what is allowed: SOCK_RAW of AF_UNIX is a datagram socket, and SCTP and DCCP hide behind protocol 0. */
static void test_socket(struct build *build, int pair) {
  struct bpf *b = &build->bpf;
  bpf_label inet = bpf_new_label(b);
  bpf_label netlink = bpf_new_label(b);
  bpf_label protocol = bpf_new_label(b);
  bpf_label local = bpf_new_label(b);
  bpf_load(b, LOW(0));
  bpf_jump(b, BPF_JEQ, DOMAIN_UNIX, local, pair ? build->eafnosupport : BPF_NEXT);
  if (!pair) {
    bpf_jump(b, BPF_JEQ, DOMAIN_INET, inet, BPF_NEXT);
    bpf_jump(b, BPF_JEQ, DOMAIN_INET6, inet, BPF_NEXT);
    bpf_jump(b, BPF_JEQ, DOMAIN_NETLINK, netlink, build->eafnosupport);

    bpf_place(b, inet);
    bpf_load(b, LOW(1));
    bpf_mask(b, TYPE_MASK);
    /* Without a network namespace datagrams would leave past every connect. */
    bpf_jump(b, BPF_JEQ, TYPE_STREAM, protocol, has_namespaces(build->choice) ? BPF_NEXT : build->eacces);
    if (has_namespaces(build->choice)) {
      bpf_jump(b, BPF_JEQ, TYPE_DGRAM, protocol, BPF_NEXT);
      bpf_jump(b, BPF_JEQ, TYPE_RAW, build->eperm, build->eafnosupport);
    }
    bpf_place(b, protocol);
    bpf_load(b, LOW(2));
    bpf_jump(b, BPF_JGE, PROTOCOL_LIMIT, BPF_NEXT, build->allow);
    bpf_jump(b, BPF_JEQ, PROTOCOL_ICMPV6, build->allow, build->eafnosupport);

    bpf_place(b, netlink);
    bpf_load(b, LOW(2));
    bpf_jump(b, BPF_JEQ, 0, build->allow, build->eafnosupport);
  }
  bpf_place(b, local);
  bpf_load(b, LOW(1));
  bpf_mask(b, TYPE_MASK);
  bpf_jump(b, BPF_JEQ, TYPE_STREAM, build->allow, BPF_NEXT);
  bpf_jump(b, BPF_JEQ, TYPE_SEQPACKET, build->allow, build->eacces);
}

/* MSG_FASTOPEN connects while it sends, past the notified connect. */
static void test_message_flags(struct build *build, size_t flags) {
  bpf_load(&build->bpf, LOW(flags));
  bpf_jump(&build->bpf, BPF_JSET, MESSAGE_FASTOPEN, build->eopnotsupp, build->allow);
}

static void test_ioctl(struct build *build) {
  bpf_load(&build->bpf, LOW(1));
  ANY(build, ioctls_never, build->eperm);
  if (!has_namespaces(build->choice)) ANY(build, ioctls_of_inodes, build->eperm);
  if (signals_unbounded(build->choice)) ANY(build, ioctls_of_owners, build->eperm);
  bpf_go(&build->bpf, build->allow);
}

static void test_prctl(struct build *build) {
  struct bpf *b = &build->bpf;
  bpf_load(b, LOW(0));
  /* /proc/PID/exe and cmdline say what runs: they are not for the program to change. */
  bpf_jump(b, BPF_JEQ, PRCTL_SET_MM, build->eperm, BPF_NEXT);
  if (has_namespaces(build->choice)) {
    bpf_go(b, build->allow);
    return;
  }
  /* A process that is not dumpable could not be read by a supervisor that does not own its user namespace. */
  bpf_jump(b, BPF_JEQ, PRCTL_SET_DUMPABLE, BPF_NEXT, build->allow);
  bpf_load(b, LOW(1));
  bpf_jump(b, BPF_JEQ, 0, build->pretend, build->allow);
}

/* Allows when both arguments, as ints, are `first` and 0: the caller itself. */
static void test_oneself(struct build *build, uint32_t first) {
  struct bpf *b = &build->bpf;
  bpf_load(b, LOW(0));
  bpf_jump(b, BPF_JEQ, first, BPF_NEXT, build->notify);
  bpf_load(b, LOW(1));
  bpf_jump(b, BPF_JEQ, 0, build->allow, build->notify);
}

static void emit_test(struct build *build, enum rule rule) {
  struct bpf *b = &build->bpf;
  switch (rule) {
    case RULE_OPEN: test_open(build, 1); break;
    case RULE_OPENAT: test_open(build, 2); break;
    case RULE_SOCKET: test_socket(build, 0); break;
    case RULE_SOCKETPAIR: test_socket(build, 1); break;
    case RULE_SENDMSG: test_message_flags(build, 2); break;
    case RULE_SENDTO: test_message_flags(build, 3); break;
    case RULE_IOCTL: test_ioctl(build); break;
    case RULE_PRCTL: test_prctl(build); break;
    case RULE_SETPRIORITY: test_oneself(build, PRIORITY_PROCESS); break;
    case RULE_IOPRIO_SET: test_oneself(build, IOPRIO_PROCESS); break;
    case RULE_PROCESS:
      bpf_load(b, LOW(0));
      bpf_jump(b, BPF_JEQ, 0, build->allow, build->notify);
      break;
    case RULE_UTIMENSAT:
      /* Without a path it is a change of the descriptor, which mounts bound. */
      bpf_load(b, HIGH(1));
      bpf_jump(b, BPF_JEQ, 0, BPF_NEXT, build->notify);
      bpf_load(b, LOW(1));
      bpf_jump(b, BPF_JEQ, 0, build->allow, build->notify);
      break;
    case RULE_CLONE: {
      bpf_load(b, LOW(0));
      bpf_jump(b, BPF_JSET, CLONE_NAMESPACES, build->eperm, BPF_NEXT);
      /* Processes with one umask, and threads with their own. */
      bpf_label shares = bpf_new_label(b);
      bpf_jump(b, BPF_JSET, CLONE_OF_FOLDERS, shares, BPF_NEXT);
      bpf_jump(b, BPF_JSET, CLONE_OF_THREADS, build->notify, build->allow);
      bpf_place(b, shares);
      bpf_jump(b, BPF_JSET, CLONE_OF_THREADS, build->allow, build->notify);
      break;
    }
    case RULE_UNSHARE:
      /* New flags may make namespaces too (UNSHARE_EMPTY_MNTNS does), so what is not known to be plain is refused. */
      bpf_load(b, HIGH(0));
      bpf_jump(b, BPF_JEQ, 0, BPF_NEXT, build->eperm);
      bpf_load(b, LOW(0));
      bpf_jump(b, BPF_JSET, ~(uint32_t)UNSHARE_PLAIN, build->eperm, BPF_NEXT);
      bpf_jump(b, BPF_JSET, CLONE_OF_FOLDERS, build->notify, build->allow);
      break;
    case RULE_FCNTL:
      bpf_load(b, LOW(1));
      bpf_jump(b, BPF_JEQ, FCNTL_SETOWN, build->eperm, BPF_NEXT);
      bpf_jump(b, BPF_JEQ, FCNTL_SETOWN_EX, build->eperm, build->allow);
      break;
    case RULE_PERSONALITY:
      /* 0 sets the ordinary one, 0xffffffff asks. */
      bpf_load(b, LOW(0));
      bpf_jump(b, BPF_JEQ, 0, build->allow, BPF_NEXT);
      bpf_jump(b, BPF_JEQ, 0xffffffff, build->allow, build->eperm);
      break;
    case RULE_ABSENT: case RULE_ALLOW: case RULE_FORBID: case RULE_NOTIFY: case RULE_SANDBOX: case RULE_DESCRIPTOR:
    case RULE_SIGNAL: case RULE_BIND: case RULE_UMASK: case RULE_IPC: case RULES:
      /* They are settled in every mode; a jump to here is our mistake. */
      bpf_return(b, SECCOMP_RET_KILL_PROCESS);
      break;
  }
}

static void fill_rules(uint32_t arch, enum rule rules[NEWEST_SYSCALL + 1]) {
  for (size_t i = 0; i <= NEWEST_SYSCALL; i++) rules[i] = RULE_ABSENT;
  for (size_t i = 0; i < syscall_list_count; i++) {
    const struct syscall_list *list = &syscall_lists[i];
    for (size_t k = 0; k < list->size; k++) {
      int number = arch == AUDIT_ARCH_X86_64 ? list->rows[k].x86_64 : list->rows[k].aarch64;
      if (number >= 0 && number <= NEWEST_SYSCALL) rules[number] = list->rule;
    }
  }
}

/* Joins neighbours with one answer; how many ranges there are. */
static size_t find_ranges(struct build *build, struct range ranges[NEWEST_SYSCALL + 1]) {
  enum rule rules[NEWEST_SYSCALL + 1];
  size_t count = 0;
  fill_rules(build->choice->arch, rules);
  for (uint32_t number = 0; number <= NEWEST_SYSCALL; number++) {
    struct range next = {.first = number, .test = BPF_NEXT};
    enum rule rule = rules[number];
    if (!settle(build->choice, rule, &next.action)) {
      if (build->tests[rule] == BPF_NEXT) build->tests[rule] = bpf_new_label(&build->bpf);
      next.test = build->tests[rule];
      next.action = 0;
    }
    const struct range *last = count > 0 ? &ranges[count - 1] : NULL;
    if (last == NULL || last->test != next.test || last->action != next.action) ranges[count++] = next;
  }
  return count;
}

/* Depth is the logarithm of the ranges: at most 9. */
static void emit_search(struct build *build, const struct range *ranges, size_t count) {
  struct bpf *b = &build->bpf;
  if (count == 1) {
    if (ranges->test == BPF_NEXT) bpf_return(b, ranges->action);
    else bpf_go(b, ranges->test);
    return;
  }
  size_t half = count / 2;
  bpf_label above = bpf_new_label(b);
  bpf_jump(b, BPF_JGE, ranges[half].first, above, BPF_NEXT);
  emit_search(build, ranges, half);
  bpf_place(b, above);
  emit_search(build, ranges + half, count - half);
}

static void place_answer(struct build *build, bpf_label label, uint32_t action) {
  bpf_place(&build->bpf, label);
  bpf_return(&build->bpf, action);
}

size_t filter_build(const struct filter_choice *choice, struct sock_filter *out) {
  if (choice->arch != AUDIT_ARCH_X86_64 && choice->arch != AUDIT_ARCH_AARCH64) return 0;
  if (choice->mode != FILTER_FULL && choice->mode != FILTER_LANDLOCK && choice->mode != FILTER_NESTED) return 0;
  struct range ranges[NEWEST_SYSCALL + 1];
  struct build build = {.choice = choice};
  struct bpf *b = &build.bpf;
  bpf_start(b);
  bpf_label *answers[] = {&build.allow,  &build.notify,       &build.pretend,   &build.eperm,
                          &build.eacces, &build.eafnosupport, &build.eopnotsupp};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) *answers[i] = bpf_new_label(b);
  bpf_label ours = bpf_new_label(b);
  bpf_label known = bpf_new_label(b);

  bpf_load(b, offsetof(struct seccomp_data, arch));
  bpf_jump(b, BPF_JEQ, choice->arch, ours, BPF_NEXT);
  bpf_return(b, SECCOMP_RET_KILL_PROCESS);
  bpf_place(b, ours);
  bpf_load(b, offsetof(struct seccomp_data, nr));
  /* x32 numbers have bit 30 set, so they are among these. */
  bpf_jump(b, BPF_JGT, NEWEST_SYSCALL, BPF_NEXT, known);
  bpf_return(b, FAIL(ENOSYS));
  bpf_place(b, known);
  emit_search(&build, ranges, find_ranges(&build, ranges));
  for (int rule = 0; rule < RULES; rule++) {
    if (build.tests[rule] == BPF_NEXT) continue;
    bpf_place(b, build.tests[rule]);
    emit_test(&build, (enum rule)rule);
  }
  place_answer(&build, build.allow, ALLOW);
  place_answer(&build, build.notify, NOTIFY);
  /* ERRNO 0: the call returns 0 and did nothing. */
  place_answer(&build, build.pretend, FAIL(0));
  place_answer(&build, build.eperm, FAIL(EPERM));
  place_answer(&build, build.eacces, FAIL(EACCES));
  place_answer(&build, build.eafnosupport, FAIL(EAFNOSUPPORT));
  place_answer(&build, build.eopnotsupp, FAIL(EOPNOTSUPP));
  return bpf_finish(b, out, FILTER_ROOM);
}

uint32_t filter_native_arch(void) {
#if defined(__x86_64__)
  return AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  return AUDIT_ARCH_AARCH64;
#else
#error "the guard is for x86_64 and aarch64"
#endif
}
