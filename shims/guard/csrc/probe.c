/* What this kernel lets an ordinary user do, found out by doing it: sysctls and versions say less than they promise. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "channel.h"
#include "kernel.h"
#include "parts.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef PTRACE_EVENT_EXEC
#define PTRACE_EVENT_EXEC 4
#endif

#define LIMIT_MS 4000
/* A value that no kernel returns for getppid(). */
#define TOKEN 424242
#define PROBED SYS_getppid

/* struct pidfd_info as of Linux 6.15. */
struct exit_info {
  uint64_t mask;
  uint64_t cgroup;
  uint32_t ids[11];
  int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
#define INFO_EXIT (1ull << 3)

enum step {
  STEP_USER,
  STEP_MOUNTS,
  STEP_PROC,
  STEP_TEMP,
  STEP_NETWORK,
  STEP_FUSE,
  STEP_LISTENER,
  STEP_PATIENT,
  STEP_DESCRIPTOR,
  STEP_FAST,
  STEP_TRACE,
  STEP_EXIT,
  STEP_LANDLOCK,
  STEPS
};

static const char *const names[STEPS] = {"user-namespace", "mounts",      "proc",      "temporary-folder", "network", "fuse", "filter-listener",
                                         "patient-wait",   "descriptors", "fast-wake", "trace-exec",       "exit-status", "landlock"};

struct outcome {
  int step;
  int ok;
  char text[160];
};

static struct outcome outcomes[STEPS];

static void note(int step, int ok, const char *format, const char *detail) {
  outcomes[step].ok = ok;
  snprintf(outcomes[step].text, sizeof outcomes[step].text, format, detail);
}

static void tell(int out, int step, int failed, const char *what) {
  struct outcome o = {.step = step, .ok = !failed};
  snprintf(o.text, sizeof o.text, "%s%s%s", what, failed ? ": " : "", failed ? strerror(errno) : "");
  if (write(out, &o, sizeof o) < 0) _exit(1);
}

/* A process that must end within the limit; else it is killed. Its status, or -1. */
static int wait_limited(pid_t pid) {
  long long end = now_ms() + LIMIT_MS;
  int status;
  for (;;) {
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid) return status;
    if (got < 0 && errno != EINTR) return -1;
    if (now_ms() > end) break;
    poll(NULL, 0, 2);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return -1;
}

static int loopback_up(void) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  memcpy(request.ifr_name, "lo", 3);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) return -1;
  request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
  return ioctl(fd, SIOCSIFFLAGS, &request);
}

static int mount_fuse(void) {
  char options[128];
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fd, getuid(), getgid());
  return mount("countersign", "/mnt", "fuse", MS_NOSUID | MS_NODEV, options);
}

/* Inside the new namespaces: each step that a session's start takes. */
static _Noreturn void try_namespaces(int go, int out) {
  char byte;
  struct mount_change readonly = {.set = MOUNT_ATTR_RDONLY};
  if (read(go, &byte, 1) != 1) _exit(1);
  int failed = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0;
  if (!failed) failed = syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &readonly, sizeof readonly) != 0;
  tell(out, STEP_MOUNTS, failed, "the tree made private and read-only");
  tell(out, STEP_PROC, mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0, "a /proc of its own");
  failed = mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0;
  if (!failed) failed = mkdir("/tmp/probe", 0700) != 0;
  tell(out, STEP_TEMP, failed, "a /tmp of its own");
  tell(out, STEP_NETWORK, loopback_up() != 0, "a loopback of its own");
  tell(out, STEP_FUSE, mount_fuse() != 0, "a file system of the guard's own");
  _exit(0);
}

static int write_text(pid_t pid, const char *file, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  errno = error;
  return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_maps(pid_t pid) {
  char uid[64], gid[64];
  snprintf(uid, sizeof uid, "%u %u 1", getuid(), getuid());
  snprintf(gid, sizeof gid, "%u %u 1", getgid(), getgid());
  return write_text(pid, "setgroups", "deny") != 0 || write_text(pid, "uid_map", uid) != 0 || write_text(pid, "gid_map", gid) != 0 ? -1 : 0;
}

static void probe_namespaces(void) {
  static const int rest[] = {STEP_MOUNTS, STEP_PROC, STEP_TEMP, STEP_NETWORK, STEP_FUSE};
  int go[2], out[2];
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) note(rest[i], 0, "%s", "not tried: no user namespace");
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
    note(STEP_USER, 0, "no pipe: %s", strerror(errno));
    return;
  }
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC, 0, 0, 0, 0);
  if (pid == 0) {
    close(go[1]);
    try_namespaces(go[0], out[1]);
  }
  int error = errno;
  close(go[0]);
  close(out[1]);
  if (pid < 0) {
    note(STEP_USER, 0, "cannot be made: %s", strerror(error));
  } else if (write_maps(pid) != 0) {
    note(STEP_USER, 0, "made, but this user cannot be mapped into it: %s", strerror(errno));
    kill(pid, SIGKILL);
  } else {
    note(STEP_USER, 1, "%s", "made, with this user in it");
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) note(rest[i], 0, "%s", "did not end in time");
    if (write(go[1], "g", 1) != 1) kill(pid, SIGKILL);
  }
  if (pid > 0) wait_limited(pid);
  struct outcome o;
  while (read(out[0], &o, sizeof o) == (ssize_t)sizeof o)
    if (o.step > STEP_USER && o.step < STEPS) outcomes[o.step] = o;
  close(go[1]);
  close(out[0]);
}

static volatile sig_atomic_t rang;
static void ring(int number) {
  (void)number;
  rang++;
}

static int install(unsigned long flags) {
  static struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
                                      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PROBED},
                                      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
                                      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program);
}

/* The filtered process: calls once while a timer rings, and once to be given a descriptor. Its exit status says what it saw. */
static _Noreturn void try_filter(int channel) {
  struct itimerval soon = {.it_value = {.tv_usec = 20000}};
  struct sigaction action = {.sa_handler = ring};
  char word = 'p';
  int listener = install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener < 0) {
    word = 'l';
    listener = install(0);
  }
  if (listener < 0) {
    channel_send(channel, 'x', NULL, 0);
    _exit(1);
  }
  if (channel_send(channel, word, &listener, 1) != 0) _exit(1);
  close(listener);
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &soon, NULL);
  long value = syscall(PROBED);
  int patient = value == TOKEN && rang == 1;
  long fd = syscall(PROBED);
  int given = fd >= 0 && fcntl((int)fd, F_GETFD) == FD_CLOEXEC;
  _exit(10 + patient + 2 * given);
}

static int next_request(int listener, struct seccomp_notif *request, size_t size) {
  struct pollfd p = {.fd = listener, .events = POLLIN};
  if (poll(&p, 1, LIMIT_MS) <= 0) return -1;
  memset(request, 0, size);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request);
}

/* Answers the two calls of try_filter, the first one late. */
static void answer_filter(int listener) {
  struct seccomp_notif_sizes sizes;
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) return;
  size_t size = sizes.seccomp_notif > sizeof(struct seccomp_notif) ? sizes.seccomp_notif : sizeof(struct seccomp_notif);
  size_t answer_size = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp) ? sizes.seccomp_notif_resp : sizeof(struct seccomp_notif_resp);
  struct seccomp_notif *request = must_alloc(size);
  struct seccomp_notif_resp *response = must_alloc(answer_size);
  if (next_request(listener, request, size) == 0) {
    poll(NULL, 0, 120);
    response->id = request->id;
    response->val = TOKEN;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (next_request(listener, request, size) == 0) {
      struct seccomp_notif_addfd added = {
          .id = request->id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)fd, .newfd_flags = O_CLOEXEC};
      if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added) < 0) {
        memset(response, 0, answer_size);
        response->id = request->id;
        response->error = -ENOSYS;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
      }
    }
    if (fd >= 0) close(fd);
  }
  free(request);
  free(response);
}

static void probe_filter(void) {
  static const int rest[] = {STEP_LISTENER, STEP_PATIENT, STEP_DESCRIPTOR, STEP_FAST};
  int pair[2];
  struct parcel parcel;
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) note(rest[i], 0, "%s", "not tried: no listener");
  if (channel_make(pair) != 0) return;
  pid_t pid = fork();
  if (pid == 0) try_filter(pair[1]);
  close(pair[1]);
  if (pid > 0 && channel_receive(pair[0], &parcel) == 0 && parcel.count == 1) {
    note(STEP_LISTENER, 1, "%s", "calls of another process can be answered");
    int fast = ioctl(parcel.fds[0], SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
    note(STEP_FAST, fast, "%s", fast ? "answers can be given without a change of processor" : "this kernel is older than 6.6");
    answer_filter(parcel.fds[0]);
    close(parcel.fds[0]);
    int status = wait_limited(pid), seen = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) - 10 : 0;
    int patient = parcel.word == 'p' && seen >= 0 && (seen & 1) != 0;
    note(STEP_PATIENT, patient, "%s", patient ? "a signal does not break off a call that waits" : "a signal breaks off a call that waits");
    int given = seen >= 0 && (seen & 2) != 0;
    note(STEP_DESCRIPTOR, given, "%s", given ? "descriptors can be put into another process" : "descriptors cannot be put into another process");
  } else if (pid > 0) {
    note(STEP_LISTENER, 0, "%s", "calls of another process cannot be answered (another supervisor, or a kernel without it)");
    wait_limited(pid);
  }
  close(pair[0]);
}

static void probe_trace(void) {
  int go[2], status;
  char byte;
  note(STEP_TRACE, 0, "%s", "no process");
  if (pipe2(go, O_CLOEXEC) != 0) return;
  pid_t pid = fork();
  if (pid == 0) {
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(1);
    execl("/bin/true", "true", (char *)NULL);
    execl("/usr/bin/true", "true", (char *)NULL);
    _exit(1);
  }
  close(go[0]);
  if (pid > 0) {
    long options = PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)options) != 0) {
      note(STEP_TRACE, 0, "a process cannot be followed: %s", strerror(errno));
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
    } else {
      int told = write(go[1], "g", 1) == 1;
      status = told ? wait_limited(pid) : -1;
      int stopped = status >= 0 && WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
      int ended = -1;
      if (stopped && ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0) ended = wait_limited(pid);
      int ok = stopped && ended == 0;
      note(STEP_TRACE, ok, "%s", ok ? "a program can be looked at before its first instruction" : "a program did not stop before its first instruction");
      if (!ok && status >= 0 && !WIFEXITED(status) && ended < 0) kill(pid, SIGKILL);
    }
  }
  close(go[1]);
}

static void probe_exit(void) {
  struct exit_info info = {.mask = INFO_EXIT};
  pid_t pid = fork();
  if (pid == 0) _exit(7);
  int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0u) : -1;
  if (pid > 0) wait_limited(pid);
  int ok = pidfd >= 0 && ioctl(pidfd, GET_INFO, &info) == 0 && (info.mask & INFO_EXIT) != 0 && info.exit_code == 7 << 8;
  note(STEP_EXIT, ok, "%s", ok ? "how a process ended can be read by others than its parent" : "this kernel is older than 6.15");
  if (pidfd >= 0) close(pidfd);
}

static void probe_landlock(void) {
  char text[32];
  int abi = landlock_abi();
  snprintf(text, sizeof text, "%d", abi);
  note(STEP_LANDLOCK, abi > 0, abi > 0 ? "ABI %s" : "not there (ABI %s)", text);
}

int probe_main(void) {
  probe_namespaces();
  probe_filter();
  probe_trace();
  probe_exit();
  probe_landlock();
  for (int i = 0; i < STEPS; i++) printf("%s\t%s\t%s\n", names[i], outcomes[i].ok ? "ok" : "no", outcomes[i].text);
  fflush(stdout);
  int decides = outcomes[STEP_LISTENER].ok && outcomes[STEP_DESCRIPTOR].ok && outcomes[STEP_TRACE].ok;
  int apart = outcomes[STEP_USER].ok && outcomes[STEP_MOUNTS].ok && outcomes[STEP_PROC].ok && outcomes[STEP_TEMP].ok && outcomes[STEP_NETWORK].ok;
  if (decides && apart) return 0;
  return decides && outcomes[STEP_LANDLOCK].ok ? 2 : 3;
}
