/* How the programs of decisions end. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "exec.h"
#include "kernel.h"
#include "scope.h"
#include "tracee.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* struct pidfd_info of <linux/pidfd.h>, Linux 6.15. */
struct process_facts {
  uint64_t mask;
  uint64_t cgroup;
  uint32_t pid, tgid, ppid;
  uint32_t ids[8];
  int32_t exit_code;
};
#define FACTS_EXIT ((uint64_t)1 << 3)
#define GET_FACTS _IOWR(0xFF, 11, struct process_facts)

struct watched {
  int pidfd;
  pid_t process;
  char action[SCOPE_ROOM];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int queue = -1;

/* While its parent has not reaped it. The number is surely still its own when the descriptor says so afterwards. */
static int status_of_dead(const struct watched *one, int *status) {
  char stat[2048];
  if (read_proc(one->process, "stat", stat, sizeof stat) < 0) return -1;
  char *at = strrchr(stat, ')');
  if (at == NULL || strncmp(at, ") Z ", 4) != 0) return -1;
  at += 2;
  /* Field 52; the state is the third. */
  for (int field = 3; field < 52 && at != NULL; field++) {
    at = strchr(at, ' ');
    if (at != NULL) at++;
  }
  if (at == NULL || syscall(SYS_pidfd_send_signal, one->pidfd, 0, NULL, 0) != 0) return -1;
  *status = (int)strtol(at, NULL, 10);
  return 0;
}

/* After its parent has reaped it, where the kernel keeps that. */
static int status_of_reaped(const struct watched *one, int *status) {
  struct process_facts facts = {.mask = FACTS_EXIT};
  if (ioctl(one->pidfd, GET_FACTS, &facts) != 0 || (facts.mask & FACTS_EXIT) == 0) return -1;
  *status = facts.exit_code;
  return 0;
}

static void report(const struct watched *one) {
  char how[32] = "unknown";
  int status = 0;
  if (status_of_dead(one, &status) == 0 || status_of_reaped(one, &status) == 0) {
    if (WIFSIGNALED(status)) snprintf(how, sizeof how, "signal:%d", WTERMSIG(status));
    else snprintf(how, sizeof how, "exit:%d", WEXITSTATUS(status));
  }
  report_end(one->action, how);
}

static void *wait_for_ends(void *unused) {
  (void)unused;
  for (;;) {
    struct epoll_event events[16];
    int count = epoll_wait(queue, events, 16, -1);
    if (count < 0 && errno != EINTR) return NULL;
    for (int i = 0; i < count; i++) {
      struct watched *one = events[i].data.ptr;
      epoll_ctl(queue, EPOLL_CTL_DEL, one->pidfd, NULL);
      report(one);
      close(one->pidfd);
      free(one);
    }
  }
}

static void start(void) {
  pthread_t thread;
  queue = epoll_create1(EPOLL_CLOEXEC);
  if (queue >= 0 && pthread_create(&thread, NULL, wait_for_ends, NULL) == 0) {
    pthread_detach(thread);
    return;
  }
  if (queue >= 0) close(queue);
  queue = -1;
}

void ends_watch(pid_t process, const char *action) {
  pthread_once(&once, start);
  struct watched *one = must_alloc(sizeof *one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
  one->process = process;
  snprintf(one->action, sizeof one->action, "%s", action);
  one->pidfd = (int)syscall(SYS_pidfd_open, process, 0);
  if (queue >= 0 && one->pidfd >= 0 && epoll_ctl(queue, EPOLL_CTL_ADD, one->pidfd, &event) == 0) return;
  report_end(action, "unknown");
  if (one->pidfd >= 0) close(one->pidfd);
  free(one);
}
