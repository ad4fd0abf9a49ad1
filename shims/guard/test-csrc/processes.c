/*
 * processes PID: tries every call that acts on another process by its number, on a child of its own, on itself, on its group and on PID, which is a process outside.
 * One line each: `CALL TAB own TAB group TAB outside`, each 0 or an errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIDFD_SEND_SIGNAL 424
#define PIDFD_OPEN 434

static long by_prlimit(pid_t pid) {
  struct rlimit limit = {77, 77};
  return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &limit, NULL);
}
static long by_sched_setparam(pid_t pid) {
  struct sched_param none = {0};
  return syscall(SYS_sched_setparam, pid, &none);
}
static long by_sched_setscheduler(pid_t pid) {
  struct sched_param none = {0};
  return syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, &none);
}
static long by_affinity(pid_t pid) {
  cpu_set_t all;
  memset(&all, 0xff, sizeof all);
  return syscall(SYS_sched_setaffinity, pid, sizeof all, &all) >= 0 ? 0 : -1;
}
static long by_priority(pid_t pid) { return syscall(SYS_setpriority, PRIO_PROCESS, pid, 5); }
static long by_ioprio(pid_t pid) { return syscall(SYS_ioprio_set, 1, pid, 3 << 13); }
static long by_kill(pid_t pid) { return syscall(SYS_kill, pid, SIGUSR1); }
static long by_tkill(pid_t pid) { return syscall(SYS_tkill, pid, SIGUSR1); }
static long by_tgkill(pid_t pid) { return syscall(SYS_tgkill, pid, pid, SIGUSR1); }
static long by_queue(pid_t pid) {
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  return syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info);
}
static long by_thread_queue(pid_t pid) {
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  return syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info);
}
static long by_descriptor(pid_t pid) {
  int fd = (int)syscall(PIDFD_OPEN, pid, 0);
  long result = fd < 0 ? -1 : syscall(PIDFD_SEND_SIGNAL, fd, SIGUSR1, NULL, 0);
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return result;
}

static const struct {
  const char *name;
  long (*act)(pid_t pid);
  int is_signal;
} calls[] = {
    {"prlimit64", by_prlimit, 0},
    {"sched_setparam", by_sched_setparam, 0},
    {"sched_setscheduler", by_sched_setscheduler, 0},
    {"sched_setaffinity", by_affinity, 0},
    {"setpriority", by_priority, 0},
    {"ioprio_set", by_ioprio, 0},
    {"kill", by_kill, 1},
    {"tkill", by_tkill, 1},
    {"tgkill", by_tgkill, 1},
    {"rt_sigqueueinfo", by_queue, 1},
    {"rt_tgsigqueueinfo", by_thread_queue, 1},
    {"pidfd_send_signal", by_descriptor, 1},
};

static volatile sig_atomic_t heard;
static void hear(int number) {
  (void)number;
  heard = heard + 1;
}

static int result_of(long (*act)(pid_t pid), pid_t pid) { return act(pid) == 0 ? 0 : errno; }

/* A child that counts the signals it hears and says so when it is asked to end. */
static pid_t child_that_counts(int out) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  sigset_t waits, now;
  sigemptyset(&waits);
  sigaddset(&waits, SIGTERM);
  sigprocmask(SIG_BLOCK, &waits, &now);
  heard = 0;
  signal(SIGUSR1, hear);
  dprintf(out, "r");
  siginfo_t info;
  while (sigwaitinfo(&waits, &info) != SIGTERM) continue;
  _exit(heard);
}

int main(int argc, char **argv) {
  int ends[2], status, signals = 0;
  char byte;
  pid_t outside = argc > 1 ? (pid_t)atoi(argv[1]) : -1;
  signal(SIGUSR1, hear);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (pipe(ends) != 0) return 1;
    fflush(stdout);
    pid_t child = child_that_counts(ends[1]);
    if (read(ends[0], &byte, 1) != 1) return 1;
    close(ends[0]);
    close(ends[1]);
    int own = result_of(calls[i].act, child);
    int before = heard, self = result_of(calls[i].act, getpid());
    if (calls[i].is_signal) signals += heard - before;
    int other = outside > 0 ? result_of(calls[i].act, outside) : 0;
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    printf("%s\t%d\t%d\t%d\theard %d\n", calls[i].name, own, self, other, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  }
  /* A group of its own hears its leader, nobody else does; everybody else is not everybody. */
  fflush(stdout);
  pid_t leader = fork();
  if (leader == 0) {
    setpgid(0, 0);
    heard = 0;
    int group = kill(0, SIGUSR1) == 0 ? 0 : errno, nice = syscall(SYS_setpriority, PRIO_PGRP, 0, 6) == 0 ? 0 : errno;
    /* A user who has no processes: where the call is let through, nothing changes. */
    int user = syscall(SYS_setpriority, PRIO_USER, 0x3fffffff, 6) == 0 ? 0 : errno;
    int foreign = kill(-getpgid(outside), SIGUSR1) == 0 ? 0 : errno;
    int nobody = kill(0x3fffffff, SIGUSR1) == 0 ? 0 : errno;
    printf("group\t%d\t%d\t%d\t%d\t%d\theard %d\n", group, nice, user, foreign, nobody, heard > 0);
    fflush(stdout);
    _exit(0);
  }
  waitpid(leader, &status, 0);
  printf("self\t%d\n", signals);
  return 0;
}
