#define _GNU_SOURCE
#include "heart.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"

/* Not FUTEX_PRIVATE_FLAG: two processes share the page. */
static void futex(volatile uint32_t *word, int what, uint32_t value) { syscall(SYS_futex, word, what, value, NULL, NULL, 0); }

static void *beat(void *unused) {
  (void)unused;
  for (;;) {
    uint32_t called = __atomic_load_n(&pulse->called, __ATOMIC_ACQUIRE);
    if (__atomic_exchange_n(&pulse->heard, called, __ATOMIC_RELEASE) == called) futex(&pulse->called, FUTEX_WAIT, called);
  }
  return NULL;
}

void heart_start(void) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, beat, NULL);
  if (error != 0) fail("the supervisor cannot start its heart", strerror(error));
  pthread_detach(thread);
}

static int is_unheard(void) { return __atomic_load_n(&pulse->heard, __ATOMIC_ACQUIRE) != __atomic_load_n(&pulse->called, __ATOMIC_ACQUIRE); }

static void call_out(void) {
  __atomic_add_fetch(&pulse->called, 1, __ATOMIC_RELEASE);
  futex(&pulse->called, FUTEX_WAKE, INT_MAX);
}

/* Something waits for a worker, and there are workers who wait for nobody. */
static int is_owed(int asked) {
  uint32_t workers = __atomic_load_n(&pulse->workers, __ATOMIC_RELAXED), waiting = __atomic_load_n(&pulse->waiting, __ATOMIC_RELAXED);
  return asked && waiting < workers;
}

int heart_stands_still(struct heartbeat *seen, int asked) {
  uint64_t moves = __atomic_load_n(&pulse->moves, __ATOMIC_RELAXED);
  if (is_unheard()) {
    seen->unheard++;
  } else {
    seen->unheard = 0;
    call_out();
  }
  if (!is_owed(asked) || moves != seen->moves) seen->still = 0;
  else seen->still++;
  seen->moves = moves;
  return seen->unheard >= HUNG_BEATS || seen->still >= HUNG_BEATS;
}
