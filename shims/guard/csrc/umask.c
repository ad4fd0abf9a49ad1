#define _GNU_SOURCE
#include "umask.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"
#include "tracee.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#define PIDFD_THREAD ((unsigned)O_EXCL)
#define THREADS 128u
#define PROCESSES 128u

/* `pidfd` becomes readable when what it was opened for ends: before that its number is nobody else's. */
struct thread {
  pid_t tid;
  pid_t process;
  int pidfd;
};

struct process {
  pid_t process;
  int pidfd;
  mode_t umask;
  /* The thread that changed it last; 0: none did. Of two threads nobody knows whose call the kernel took last. */
  pid_t changed_by;
  int unknown;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread threads[THREADS];
static struct process processes[PROCESSES];
static size_t next_thread, next_process;
static atomic_int unsure;

static int is_alive(int pidfd) {
  struct pollfd end = {.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&end, 1, 0) == 0;
}

static struct thread *find_thread(pid_t tid) {
  for (size_t i = 0; i < THREADS; i++) {
    struct thread *thread = &threads[i];
    if (thread->tid != tid) continue;
    if (is_alive(thread->pidfd)) return thread;
    close(thread->pidfd);
    thread->tid = 0;
    return NULL;
  }
  return NULL;
}

static struct process *known_process(pid_t number) {
  for (size_t i = 0; i < PROCESSES; i++)
    if (processes[i].process == number) return &processes[i];
  return NULL;
}

static struct process *find_process(pid_t number) {
  struct process *process = known_process(number);
  if (process == NULL || is_alive(process->pidfd)) return process;
  close(process->pidfd);
  process->process = 0;
  return NULL;
}

/* Where the kernel has no descriptors for threads, this one is looked up each time. */
static void add_thread(pid_t tid, pid_t process) {
  int pidfd = (int)syscall(SYS_pidfd_open, tid, tid == process ? 0u : PIDFD_THREAD);
  if (pidfd < 0) return;
  struct thread *thread = &threads[next_thread++ % THREADS];
  if (thread->tid != 0) close(thread->pidfd);
  *thread = (struct thread){.tid = tid, .process = process, .pidfd = pidfd};
}

static struct process *add_process(pid_t number, mode_t umask) {
  int pidfd = (int)syscall(SYS_pidfd_open, number, 0);
  if (pidfd < 0) return NULL;
  struct process *process = &processes[next_process++ % PROCESSES];
  if (process->process != 0) close(process->pidfd);
  *process = (struct process){.process = number, .pidfd = pidfd, .umask = umask};
  return process;
}

/* What status says; 0, or -1. */
static int read_status(pid_t tid, pid_t *process, mode_t *umask) {
  char status[4096];
  if (read_proc(tid, "status", status, sizeof status) < 0) return -1;
  const char *mask = strstr(status, "\nUmask:"), *group = strstr(status, "\nTgid:");
  if (mask == NULL || group == NULL) return -1;
  *umask = (mode_t)strtol(mask + 7, NULL, 8);
  *process = (pid_t)strtol(group + 6, NULL, 10);
  return 0;
}

static mode_t followed(const struct notice *notice) {
  mode_t umask = 077;
  pid_t number = 0;
  const struct thread *thread = find_thread(notice->tid);
  /* While one of its threads lives, so does the process that was found when this thread was. */
  const struct process *process = thread == NULL ? NULL : known_process(thread->process);
  if (process != NULL && !process->unknown) return process->umask;
  if (read_status(notice->tid, &number, &umask) != 0) return umask;
  /* Its numbers are its own only as long as it waits in this call. */
  if (process != NULL || !notice_valid(notice)) return umask;
  if (thread == NULL) add_thread(notice->tid, number);
  process = find_process(number);
  if (process == NULL) process = add_process(number, umask);
  /* A change that is known may not have reached the kernel yet. */
  return process == NULL || process->unknown ? umask : process->umask;
}

mode_t umask_of(const struct notice *notice) {
  if (guard.config.mode == FILTER_NESTED || atomic_load(&unsure)) return tracee_umask(notice->tid);
  pthread_mutex_lock(&lock);
  mode_t umask = followed(notice);
  pthread_mutex_unlock(&lock);
  return umask;
}

/* Noted before the call goes on: what the same thread does next meets it. 0, or -1 when it cannot be noted. */
static int note_change(const struct notice *notice) {
  mode_t before;
  pid_t number;
  if (read_status(notice->tid, &number, &before) != 0) return -1;
  if (!notice_valid(notice)) return 0;
  struct process *process = find_process(number);
  if (process == NULL) process = add_process(number, before);
  if (process == NULL) return -1;
  process->unknown |= process->changed_by != 0 && process->changed_by != notice->tid;
  process->changed_by = notice->tid;
  process->umask = (mode_t)notice->request->data.args[0] & 0777;
  return 0;
}

enum answered umask_notified(struct notice *notice) {
  int sure = 0;
  if (notice->request->data.nr == SYS_umask && !atomic_load(&unsure)) {
    pthread_mutex_lock(&lock);
    sure = note_change(notice) == 0;
    pthread_mutex_unlock(&lock);
  }
  if (!sure) atomic_store(&unsure, 1);
  return ANSWER_CONTINUE;
}
