/*
 * INVARIANT (only its own): a signal goes to a process through a descriptor of it that was opened before it was found to be the session's, so that a number
 * that is used again meanwhile leads nowhere. Limits and priorities have no call that takes a descriptor: there the kernel goes on with the number, which
 * lies in a register.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "members.h"
#include "socket.h"
#include "tracee.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#define IOPRIO_OF_PROCESS 1
#define IOPRIO_OF_GROUP 2

static enum answered result(struct notice *notice, int error) {
  return error == 0 ? notice_value(notice, 0) : notice_error(notice, error);
}

static int error_of(enum member member) { return member == MEMBER_YES ? 0 : member == MEMBER_GONE ? ESRCH : EPERM; }

static pid_t process_of(pid_t tid) {
  pid_t process, parent;
  return tracee_family(tid, &process, &parent) == 0 ? process : -1;
}

static pid_t group_of_caller(const struct notice *notice) { return getpgid(notice->tid); }

struct group {
  /* -1: everybody. */
  pid_t number;
  int signal;
  siginfo_t *info;
  pid_t except;
  int own;
  int foreign;
};

static int count_group(void *context, pid_t process, pid_t group) {
  struct group *of = context;
  if (group != of->number) return 0;
  if (member_of(process) == MEMBER_YES) of->own++;
  else of->foreign++;
  return 0;
}

/* 0 when every process of the group is the session's; EPERM, or ESRCH when there is none. */
static int group_error(pid_t number) {
  struct group group = {.number = number};
  each_process(count_group, &group);
  return group.foreign > 0 ? EPERM : group.own > 0 ? 0 : ESRCH;
}

/* Sends to one process, if it is the session's. 0, or an errno. */
static int send_to(pid_t process, int number, siginfo_t *info) {
  int fd = (int)syscall(SYS_pidfd_open, process, 0u);
  if (fd < 0) return errno == EMFILE || errno == ENFILE ? EAGAIN : ESRCH;
  int error = error_of(member_of(process));
  if (error == 0 && syscall(SYS_pidfd_send_signal, fd, number, info, 0u) != 0) error = errno;
  close(fd);
  return error;
}

static int send_to_member(void *context, pid_t process, pid_t group) {
  struct group *to = context;
  if ((to->number >= 0 && group != to->number) || process == to->except) return 0;
  if (send_to(process, to->signal, to->info) == 0) to->own++;
  else to->foreign++;
  return 0;
}

/* As kill() does with a group: whom it may reach it reaches. */
static int send_to_group(pid_t number, pid_t except, int signal) {
  struct group to = {.number = number, .signal = signal, .except = except};
  each_process(send_to_member, &to);
  /* Everybody, and nobody is there but others: as if there were none. */
  return to.own > 0 ? 0 : to.foreign > 0 && number >= 0 ? EPERM : ESRCH;
}

static int read_info(const struct notice *notice, uint64_t address, int number, siginfo_t *out) {
  if (tracee_read(notice->tid, address, out, sizeof *out) != 0) return EFAULT;
  out->si_signo = number;
  return 0;
}

static enum answered kill_notified(struct notice *notice, pid_t target, int number) {
  pid_t own = process_of(notice->tid);
  if (target == own) return ANSWER_CONTINUE;
  if (target > 0) return result(notice, send_to(target, number, NULL));
  if (target == -1) return result(notice, send_to_group(-1, own, number));
  return result(notice, send_to_group(target == 0 ? group_of_caller(notice) : -target, 0, number));
}

static enum answered thread_kill_notified(struct notice *notice, pid_t process, pid_t thread, int number) {
  if (process <= 0 || thread <= 0) return notice_error(notice, EINVAL);
  /* Only a thread of that process is reached: the caller's own is there as long as it waits here. */
  if (process == process_of(notice->tid)) return ANSWER_CONTINUE;
  int error = error_of(member_of(process));
  if (error == 0 && syscall(SYS_tgkill, process, thread, number) != 0) error = errno;
  return result(notice, error);
}

/* As tgkill with the process that the thread belongs to: a thread of the session, then, or nobody. */
static enum answered bare_thread_kill_notified(struct notice *notice, pid_t thread, int number) {
  if (thread == notice->tid) return ANSWER_CONTINUE;
  if (thread <= 0) return notice_error(notice, EINVAL);
  pid_t process = process_of(thread);
  int error = process < 0 ? ESRCH : process == process_of(notice->tid) ? 0 : error_of(member_of(process));
  if (error == 0 && syscall(SYS_tgkill, process, thread, number) != 0) error = errno;
  return result(notice, error);
}

static enum answered queue_notified(struct notice *notice, pid_t process, int number, uint64_t address) {
  siginfo_t info;
  if (process == process_of(notice->tid)) return ANSWER_CONTINUE;
  int error = read_info(notice, address, number, &info);
  return result(notice, error != 0 ? error : send_to(process, number, &info));
}

static enum answered thread_queue_notified(struct notice *notice, pid_t process, pid_t thread, int number, uint64_t address) {
  siginfo_t info;
  if (process == process_of(notice->tid)) return ANSWER_CONTINUE;
  int error = read_info(notice, address, number, &info);
  if (error == 0) error = error_of(member_of(process));
  if (error == 0 && syscall(SYS_rt_tgsigqueueinfo, process, thread, number, &info) != 0) error = errno;
  return result(notice, error);
}

/* What the descriptor is can change in the caller's table: acted on is our copy. */
static enum answered descriptor_signal_notified(struct notice *notice, int number_of_fd, int number, uint64_t address, unsigned flags) {
  char name[64], text[1024];
  siginfo_t info;
  int process = -1, error = 0, fd = socket_of(notice->tid, number_of_fd);
  if (fd < 0) return notice_error(notice, errno);
  snprintf(name, sizeof name, "fdinfo/%d", fd);
  char *at = read_proc(getpid(), name, text, sizeof text) <= 0 ? NULL : strstr(text, "Pid:");
  if (at == NULL) error = EBADF;
  else if (sscanf(at, "Pid: %d", &process) != 1 || process <= 0) error = ESRCH;
  /* A whole group (4) may have others in it. */
  else if ((flags & ~3u) != 0) error = EINVAL;
  else error = error_of(member_of(process));
  if (error == 0 && address != 0) error = read_info(notice, address, number, &info);
  if (error == 0 && syscall(SYS_pidfd_send_signal, fd, number, address != 0 ? &info : NULL, flags) != 0) error = errno;
  close(fd);
  return result(notice, error);
}

static enum answered one_process(struct notice *notice, pid_t target) {
  int error = target < 0 ? EINVAL : target == 0 ? 0 : error_of(member_of(target));
  return error == 0 ? ANSWER_CONTINUE : notice_error(notice, error);
}

/* setpriority and ioprio_set, which name a process, a group or a user. */
static enum answered some_processes(struct notice *notice, int is_process, int is_group, pid_t target) {
  if (is_process) return one_process(notice, target);
  if (!is_group) return notice_error(notice, EPERM);
  int error = group_error(target == 0 ? group_of_caller(notice) : target);
  return error == 0 ? ANSWER_CONTINUE : notice_error(notice, error);
}

int processes_notified(struct notice *notice, enum answered *answered) {
  const struct seccomp_data *data = &notice->request->data;
  const uint64_t *at = (const uint64_t *)data->args;
  int first = (int)at[0], second = (int)at[1], third = (int)at[2];
  switch (data->nr) {
    case SYS_kill: *answered = kill_notified(notice, first, second); return 1;
    case SYS_tkill: *answered = bare_thread_kill_notified(notice, first, second); return 1;
    case SYS_tgkill: *answered = thread_kill_notified(notice, first, second, third); return 1;
    case SYS_rt_sigqueueinfo: *answered = queue_notified(notice, first, second, at[2]); return 1;
    case SYS_rt_tgsigqueueinfo: *answered = thread_queue_notified(notice, first, second, third, at[3]); return 1;
    case SYS_pidfd_send_signal: *answered = descriptor_signal_notified(notice, first, second, at[2], (unsigned)at[3]); return 1;
    case SYS_prlimit64:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
    case SYS_sched_setattr:
    case SYS_sched_setaffinity: *answered = one_process(notice, first); return 1;
    case SYS_setpriority: *answered = some_processes(notice, first == PRIO_PROCESS, first == PRIO_PGRP, second); return 1;
    case SYS_ioprio_set: *answered = some_processes(notice, first == IOPRIO_OF_PROCESS, first == IOPRIO_OF_GROUP, second); return 1;
    default: return 0;
  }
}
