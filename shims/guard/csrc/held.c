/*
 * A process at its exec stop does not see its signals before it is let go, so that ^C would seem dead while a person thinks. Whoever waits is
 * woken by a look at what is pending, as often as a person notices.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"
#include "tracee.h"

#define LOOK_MS 50

struct held {
  struct held *next;
  pid_t process;
  int bell;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static struct held *all;
static int watching;

static uint64_t mask_of(const char *status, const char *label) {
  const char *at = strstr(status, label);
  return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 16);
}

static uint64_t bit(int number) { return (uint64_t)1 << (number - 1); }

/* Handlers did not survive the exec: what is neither blocked nor ignored does what a signal does by itself. */
static int is_doomed(pid_t process) {
  char status[4096];
  if (read_proc(process, "status", status, sizeof status) < 0) return 1;
  uint64_t pending = mask_of(status, "\nSigPnd:") | mask_of(status, "\nShdPnd:");
  uint64_t spared = mask_of(status, "\nSigBlk:") | mask_of(status, "\nSigIgn:");
  uint64_t harmless = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);
  return (pending & ~spared & ~harmless) != 0;
}

static void *look(void *unused) {
  (void)unused;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (all == NULL) pthread_cond_wait(&some, &lock);
    for (const struct held *one = all; one != NULL; one = one->next) {
      const uint64_t ring = 1;
      if (is_doomed(one->process) && write(one->bell, &ring, sizeof ring) < 0) continue;
    }
    pthread_mutex_unlock(&lock);
    poll(NULL, 0, LOOK_MS);
  }
  return NULL;
}

void held_watch(pid_t process, int bell) {
  struct held *one = must_alloc(sizeof *one);
  pthread_t thread;
  one->process = process;
  one->bell = bell;
  pthread_mutex_lock(&lock);
  one->next = all;
  all = one;
  if (!watching && pthread_create(&thread, NULL, look, NULL) == 0) {
    pthread_detach(thread);
    watching = 1;
  }
  pthread_cond_signal(&some);
  pthread_mutex_unlock(&lock);
}

void held_forget(pid_t process) {
  pthread_mutex_lock(&lock);
  for (struct held **at = &all; *at != NULL;) {
    struct held *one = *at;
    if (one->process != process) {
      at = &one->next;
      continue;
    }
    *at = one->next;
    free(one);
  }
  pthread_mutex_unlock(&lock);
}
