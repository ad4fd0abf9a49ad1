#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "exec.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Ignored (inherited), it would take a dead tracee's status away before its real parent has seen it. */
static void keep_statuses(void) { signal(SIGCHLD, SIG_DFL); }

int stop_take(pid_t tid) {
  pthread_once(&once, keep_statuses);
  long options = PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  return ptrace(PTRACE_SEIZE, tid, NULL, (void *)options) == 0 ? 0 : errno;
}

/* Waits for this thread's tracee: it has one at most. By number it could not be waited for, an exec changes it. -1: none is left. */
static pid_t next_status(int *status) {
  pid_t pid;
  do pid = waitpid(-1, status, __WALL | __WNOTHREAD);
  while (pid < 0 && errno == EINTR);
  return pid;
}

/* A tracee that could not be commanded is dying: it is reaped, or its real parent would wait for it forever. */
static void reap(void) {
  int status;
  for (pid_t pid; (pid = next_status(&status)) > 0 && WIFSTOPPED(status);) {
    if (ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0) return;
  }
}

/*
 * The interrupt makes the thread stop at the latest when it leaves the call, so that an exec that fails shows itself as a stop too and
 * nothing has to be timed. Sent after the answer: before it, it could break the call off (kernels before 6.17).
 */
enum stopped stop_await(pid_t tid, pid_t *process) {
  int status;
  ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
  pid_t pid = next_status(&status);
  if (pid < 0 || !WIFSTOPPED(status)) return STOPPED_GONE;
  int event = status >> 16;
  if (event == PTRACE_EVENT_EXEC) {
    *process = pid;
    return STOPPED_AT_EXEC;
  }
  /* Not committed: back in the program that called, on its way to a signal or a stop of its group, which both stay in force. */
  long deliver = event == 0 ? WSTOPSIG(status) : 0;
  if (ptrace(PTRACE_DETACH, pid, NULL, (void *)deliver) != 0) reap();
  return STOPPED_NOT;
}

void stop_release(pid_t process) {
  if (ptrace(PTRACE_DETACH, process, NULL, NULL) != 0) reap();
}

int stop_continue(pid_t process) {
  int status;
  if (ptrace(PTRACE_CONT, process, NULL, NULL) != 0) return -1;
  return next_status(&status) == process && WIFSTOPPED(status) ? status : -1;
}

void stop_kill(pid_t process) {
  int status;
  kill(process, SIGKILL);
  for (pid_t pid; (pid = next_status(&status)) > 0 && WIFSTOPPED(status);) ptrace(PTRACE_CONT, pid, NULL, NULL);
}
