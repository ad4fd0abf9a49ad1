#include "syscalls.h"

/*
 * Numbers are written out, because the headers that the guard is built with may be older than the kernel that it runs on.
 * They are those of arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl; 470 and 471 came after Linux 6.18.
 * What each rule means in each mode is in filter.c; why, in docs/decisions/0030-guard-filter.md.
 */

/*
 * Not named, so ABSENT: io_uring_setup, io_uring_enter, io_uring_register (operations that no filter sees), clone3 (its
 * flags are in memory, and every caller falls back to clone), memfd_secret (memory that the supervisor cannot read),
 * listns (what it tells is for administrators), and what no kernel implements any more.
 */

static const struct syscall_row allowed[] = {
  /* Descriptors. */
  {"read", 0, 63}, {"write", 1, 64}, {"close", 3, 57}, {"lseek", 8, 62}, {"pread64", 17, 67}, {"pwrite64", 18, 68},
  {"readv", 19, 65}, {"writev", 20, 66}, {"preadv", 295, 69}, {"pwritev", 296, 70}, {"preadv2", 327, 286},
  {"pwritev2", 328, 287}, {"dup", 32, 23}, {"dup2", 33, -1}, {"dup3", 292, 24}, {"flock", 73, 32}, {"fsync", 74, 82},
  {"fdatasync", 75, 83}, {"ftruncate", 77, 46}, {"fallocate", 285, 47}, {"getdents", 78, -1}, {"getdents64", 217, 61},
  {"fstat", 5, 80}, {"fstatfs", 138, 44}, {"fchdir", 81, 50}, {"fgetxattr", 193, 10}, {"flistxattr", 196, 13},
  {"readahead", 187, 213}, {"sendfile", 40, 71}, {"splice", 275, 76}, {"tee", 276, 77}, {"vmsplice", 278, 75},
  {"sync_file_range", 277, 84}, {"copy_file_range", 326, 285}, {"fadvise64", 221, 223}, {"syncfs", 306, 267},
  {"sync", 162, 81}, {"close_range", 436, 436}, {"cachestat", 451, 451}, {"memfd_create", 319, 279},
  /* Names, looked at only: what is hidden is masked or not granted. */
  {"stat", 4, -1}, {"lstat", 6, -1}, {"access", 21, -1}, {"readlink", 89, -1}, {"statfs", 137, 43}, {"chdir", 80, 49},
  {"getcwd", 79, 17}, {"newfstatat", 262, 79}, {"readlinkat", 267, 78}, {"faccessat", 269, 48}, {"faccessat2", 439, 439},
  {"statx", 332, 291}, {"getxattr", 191, 8}, {"lgetxattr", 192, 9}, {"listxattr", 194, 11}, {"llistxattr", 195, 12},
  {"getxattrat", 464, 464}, {"listxattrat", 465, 465}, {"file_getattr", 468, 468}, {"statmount", 457, 457},
  {"listmount", 458, 458}, {"inotify_init", 253, -1}, {"inotify_init1", 294, 26},
  {"inotify_add_watch", 254, 27}, {"inotify_rm_watch", 255, 28},
  /* Memory. */
  {"mmap", 9, 222}, {"mprotect", 10, 226}, {"munmap", 11, 215}, {"brk", 12, 214}, {"mremap", 25, 216}, {"msync", 26, 227},
  {"mincore", 27, 232}, {"madvise", 28, 233}, {"mlock", 149, 228}, {"mlock2", 325, 284}, {"munlock", 150, 229},
  {"mlockall", 151, 230}, {"munlockall", 152, 231}, {"remap_file_pages", 216, 234}, {"mbind", 237, 235},
  {"set_mempolicy", 238, 237}, {"get_mempolicy", 239, 236}, {"set_mempolicy_home_node", 450, 450},
  {"pkey_mprotect", 329, 288}, {"pkey_alloc", 330, 289}, {"pkey_free", 331, 290}, {"membarrier", 324, 283},
  {"map_shadow_stack", 453, 453}, {"mseal", 462, 462},
  /* Waiting. */
  {"poll", 7, -1}, {"ppoll", 271, 73}, {"select", 23, -1}, {"pselect6", 270, 72}, {"pipe", 22, -1}, {"pipe2", 293, 59},
  {"epoll_create", 213, -1}, {"epoll_create1", 291, 20}, {"epoll_wait", 232, -1}, {"epoll_pwait", 281, 22},
  {"epoll_pwait2", 441, 441}, {"epoll_ctl", 233, 21}, {"eventfd", 284, -1}, {"eventfd2", 290, 19}, {"signalfd", 282, -1},
  {"signalfd4", 289, 74}, {"timerfd_create", 283, 85}, {"timerfd_settime", 286, 86}, {"timerfd_gettime", 287, 87},
  {"io_setup", 206, 0}, {"io_destroy", 207, 1}, {"io_getevents", 208, 4}, {"io_submit", 209, 2}, {"io_cancel", 210, 3},
  {"io_pgetevents", 333, 292},
  /* Sockets that stand. */
  {"accept", 43, 202}, {"accept4", 288, 242}, {"recvfrom", 45, 207}, {"recvmsg", 47, 212}, {"recvmmsg", 299, 243},
  {"shutdown", 48, 210}, {"getsockname", 51, 204}, {"getpeername", 52, 205}, {"setsockopt", 54, 208},
  {"getsockopt", 55, 209},
  /* Signals to oneself, restarts. */
  {"rt_sigaction", 13, 134}, {"rt_sigprocmask", 14, 135}, {"rt_sigreturn", 15, 139}, {"rt_sigpending", 127, 136},
  {"rt_sigtimedwait", 128, 137}, {"rt_sigsuspend", 130, 133}, {"sigaltstack", 131, 132}, {"pause", 34, -1},
  {"restart_syscall", 219, 128},
  /* Processes. */
  {"fork", 57, -1}, {"vfork", 58, -1}, {"exit", 60, 93}, {"exit_group", 231, 94}, {"wait4", 61, 260}, {"waitid", 247, 95},
  {"getpid", 39, 172}, {"gettid", 186, 178}, {"getppid", 110, 173}, {"getpgrp", 111, -1}, {"getpgid", 121, 155},
  {"setpgid", 109, 154}, {"getsid", 124, 156}, {"setsid", 112, 157}, {"pidfd_open", 434, 434},
  {"process_mrelease", 448, 448}, {"getpriority", 140, 141}, {"ioprio_get", 252, 31}, {"sched_yield", 24, 124},
  {"sched_getparam", 143, 121}, {"sched_getscheduler", 145, 120}, {"sched_get_priority_max", 146, 125},
  {"sched_get_priority_min", 147, 126}, {"sched_rr_get_interval", 148, 127}, {"sched_getaffinity", 204, 123},
  {"sched_getattr", 315, 275}, {"getrlimit", 97, 163}, {"setrlimit", 160, 164}, {"getrusage", 98, 165}, {"times", 100, 153},
  {"arch_prctl", 158, -1}, {"set_tid_address", 218, 96},
  /* Threads. */
  {"futex", 202, 98}, {"futex_waitv", 449, 449}, {"futex_wake", 454, 454}, {"futex_wait", 455, 455},
  {"futex_requeue", 456, 456}, {"set_robust_list", 273, 99}, {"get_robust_list", 274, 100}, {"rseq", 334, 293},
  {"rseq_slice_yield", 471, 471}, {"getcpu", 309, 168},
  /* Who one is; no_new_privs and the namespace bound it. */
  {"getuid", 102, 174}, {"getgid", 104, 176}, {"geteuid", 107, 175}, {"getegid", 108, 177}, {"setuid", 105, 146},
  {"setgid", 106, 144}, {"setreuid", 113, 145}, {"setregid", 114, 143}, {"getgroups", 115, 158}, {"setgroups", 116, 159},
  {"setresuid", 117, 147}, {"getresuid", 118, 148}, {"setresgid", 119, 149}, {"getresgid", 120, 150},
  {"setfsuid", 122, 151}, {"setfsgid", 123, 152}, {"capget", 125, 90}, {"capset", 126, 91},
  /* Clocks. */
  {"nanosleep", 35, 101}, {"getitimer", 36, 102}, {"setitimer", 38, 103}, {"alarm", 37, -1}, {"gettimeofday", 96, 169},
  {"time", 201, -1}, {"clock_gettime", 228, 113}, {"clock_getres", 229, 114}, {"clock_nanosleep", 230, 115},
  {"timer_create", 222, 107}, {"timer_settime", 223, 110}, {"timer_gettime", 224, 108}, {"timer_getoverrun", 225, 109},
  {"timer_delete", 226, 111},
  /* The machine, looked at. */
  {"uname", 63, 160}, {"sysinfo", 99, 179}, {"getrandom", 318, 278},
  /* Further restrictions of oneself: they only ever take away. */
  {"seccomp", 317, 277}, {"landlock_create_ruleset", 444, 444}, {"landlock_add_rule", 445, 445},
  {"landlock_restrict_self", 446, 446}, {"lsm_get_self_attr", 459, 459}, {"lsm_list_modules", 461, 461},
  /* The kernel's own trampolines; anything else that calls them gets SIGILL or ENXIO. */
  {"uretprobe", 335, -1}, {"uprobe", 336, -1},
};

/*
 * Other processes' memory and descriptors; files by handle, past every path; the machine; kernel interfaces that are
 * mostly attack surface. clock_adjtime and adjtimex say in memory whether they read or write. lsm_set_self_attr is a write
 * to /proc/self/attr, which Landlock denies.
 */
static const struct syscall_row forbid[] = {
  {"ptrace", 101, 117}, {"process_vm_readv", 310, 270}, {"process_vm_writev", 311, 271}, {"process_madvise", 440, 440},
  {"pidfd_getfd", 438, 438}, {"kcmp", 312, 272}, {"name_to_handle_at", 303, 264}, {"open_by_handle_at", 304, 265},
  {"bpf", 321, 280}, {"perf_event_open", 298, 241}, {"userfaultfd", 323, 282}, {"add_key", 248, 217},
  {"request_key", 249, 218}, {"keyctl", 250, 219}, {"kexec_load", 246, 104}, {"kexec_file_load", 320, 294},
  {"init_module", 175, 105}, {"finit_module", 313, 273}, {"delete_module", 176, 106}, {"swapon", 167, 224},
  {"swapoff", 168, 225}, {"reboot", 169, 142}, {"acct", 163, 89}, {"quotactl", 179, 60}, {"quotactl_fd", 443, 443},
  {"fanotify_init", 300, 262}, {"fanotify_mark", 301, 263}, {"lookup_dcookie", 212, 18}, {"iopl", 172, -1},
  {"ioperm", 173, -1}, {"vhangup", 153, 58}, {"syslog", 103, 116}, {"settimeofday", 164, 170}, {"clock_settime", 227, 112},
  {"clock_adjtime", 305, 266}, {"adjtimex", 159, 171}, {"uselib", 134, -1}, {"ustat", 136, -1}, {"sysfs", 139, -1},
  {"modify_ldt", 154, -1}, {"migrate_pages", 256, 238}, {"move_pages", 279, 239}, {"nfsservctl", 180, 42},
  {"lsm_set_self_attr", 460, 460},
};

static const struct syscall_row sandbox[] = {
  {"mount", 165, 40}, {"umount2", 166, 39}, {"pivot_root", 155, 41}, {"chroot", 161, 51}, {"setns", 308, 268},
  {"move_mount", 429, 429}, {"open_tree", 428, 428}, {"open_tree_attr", 467, 467}, {"fsopen", 430, 430},
  {"fsconfig", 431, 431}, {"fsmount", 432, 432}, {"fspick", 433, 433}, {"mount_setattr", 442, 442},
  {"sethostname", 170, 161}, {"setdomainname", 171, 162},
};

/*
 * openat2 keeps its flags in memory. setxattrat, removexattrat and file_setattr name a descriptor by AT_EMPTY_PATH, which
 * does not mean that the path is empty.
 */
static const struct syscall_row notify[] = {
  {"execve", 59, 221}, {"execveat", 322, 281}, {"connect", 42, 203}, {"listen", 50, 201}, {"creat", 85, -1}, {"openat2", 437, 437},
  {"unlink", 87, -1}, {"unlinkat", 263, 35}, {"rmdir", 84, -1}, {"rename", 82, -1}, {"renameat", 264, 38},
  {"renameat2", 316, 276}, {"mkdir", 83, -1}, {"mkdirat", 258, 34}, {"link", 86, -1}, {"linkat", 265, 37},
  {"symlink", 88, -1}, {"symlinkat", 266, 36}, {"mknod", 133, -1}, {"mknodat", 259, 33}, {"chmod", 90, -1},
  {"fchmodat", 268, 53}, {"fchmodat2", 452, 452}, {"chown", 92, -1}, {"lchown", 94, -1}, {"fchownat", 260, 54},
  {"truncate", 76, 45}, {"utime", 132, -1}, {"utimes", 235, -1}, {"futimesat", 261, -1}, {"setxattr", 188, 5},
  {"lsetxattr", 189, 6}, {"setxattrat", 463, 463}, {"removexattr", 197, 14}, {"lremovexattr", 198, 15},
  {"removexattrat", 466, 466}, {"file_setattr", 469, 469},
};

static const struct syscall_row descriptor[] = {
  {"fchmod", 91, 52}, {"fchown", 93, 55}, {"fsetxattr", 190, 7}, {"fremovexattr", 199, 16},
};
static const struct syscall_row signal[] = {
  {"kill", 62, 129}, {"tkill", 200, 130}, {"tgkill", 234, 131}, {"rt_sigqueueinfo", 129, 138},
  {"rt_tgsigqueueinfo", 297, 240}, {"pidfd_send_signal", 424, 424},
};

static const struct syscall_row bind[] = {{"bind", 49, 200}};
static const struct syscall_row ipc[] = {
  {"shmget", 29, 194}, {"shmat", 30, 196}, {"shmctl", 31, 195}, {"shmdt", 67, 197}, {"semget", 64, 190}, {"semop", 65, 193},
  {"semctl", 66, 191}, {"semtimedop", 220, 192}, {"msgget", 68, 186}, {"msgsnd", 69, 189}, {"msgrcv", 70, 188},
  {"msgctl", 71, 187}, {"mq_open", 240, 180}, {"mq_unlink", 241, 181}, {"mq_timedsend", 242, 182},
  {"mq_timedreceive", 243, 183}, {"mq_notify", 244, 184}, {"mq_getsetattr", 245, 185},
};

static const struct syscall_row process[] = {
  {"prlimit64", 302, 261}, {"sched_setparam", 142, 118}, {"sched_setscheduler", 144, 119}, {"sched_setattr", 314, 274},
  {"sched_setaffinity", 203, 122},
};

static const struct syscall_row setpriority[] = {{"setpriority", 141, 140}};
static const struct syscall_row ioprio_set[] = {{"ioprio_set", 251, 30}};
static const struct syscall_row open[] = {{"open", 2, -1}};
static const struct syscall_row openat[] = {{"openat", 257, 56}};
static const struct syscall_row utimensat[] = {{"utimensat", 280, 88}};
static const struct syscall_row umask[] = {{"umask", 95, 166}};
static const struct syscall_row clone[] = {{"clone", 56, 220}};
static const struct syscall_row unshare[] = {{"unshare", 272, 97}};
static const struct syscall_row ioctl[] = {{"ioctl", 16, 29}};
static const struct syscall_row fcntl[] = {{"fcntl", 72, 25}};
static const struct syscall_row socket[] = {{"socket", 41, 198}};
static const struct syscall_row socketpair[] = {{"socketpair", 53, 199}};
static const struct syscall_row sendmsg[] = {{"sendmsg", 46, 211}};
static const struct syscall_row sendto[] = {{"sendto", 44, 206}, {"sendmmsg", 307, 269}};
static const struct syscall_row personality[] = {{"personality", 135, 92}};
static const struct syscall_row prctl[] = {{"prctl", 157, 167}};

#define LIST(rule, rows) {rule, rows, sizeof(rows) / sizeof((rows)[0])}

const struct syscall_list syscall_lists[] = {
  LIST(RULE_ALLOW, allowed), LIST(RULE_FORBID, forbid), LIST(RULE_SANDBOX, sandbox), LIST(RULE_NOTIFY, notify),
  LIST(RULE_DESCRIPTOR, descriptor), LIST(RULE_SIGNAL, signal), LIST(RULE_BIND, bind), LIST(RULE_IPC, ipc),
  LIST(RULE_PROCESS, process), LIST(RULE_SETPRIORITY, setpriority), LIST(RULE_IOPRIO_SET, ioprio_set), LIST(RULE_OPEN, open),
  LIST(RULE_OPENAT, openat), LIST(RULE_UTIMENSAT, utimensat), LIST(RULE_UMASK, umask), LIST(RULE_CLONE, clone), LIST(RULE_UNSHARE, unshare),
  LIST(RULE_IOCTL, ioctl), LIST(RULE_FCNTL, fcntl), LIST(RULE_SOCKET, socket), LIST(RULE_SOCKETPAIR, socketpair),
  LIST(RULE_SENDMSG, sendmsg), LIST(RULE_SENDTO, sendto), LIST(RULE_PERSONALITY, personality), LIST(RULE_PRCTL, prctl),
};

const size_t syscall_list_count = sizeof syscall_lists / sizeof syscall_lists[0];
