#define _GNU_SOURCE
#include "borrow.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umask.h"

#define LOOK (UINT64_C(1) << CAP_SYS_PTRACE)

static __thread struct {
  int ready;
  uint64_t permitted;
  uint64_t effective;
  mode_t umask;
} own;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Descriptors are held for every call that waits for a person. */
static void raise_limits(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int read_own(void) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capget, &head, data) != 0) return -1;
  own.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  own.effective = data[0].effective | (uint64_t)data[1].effective << 32;
  return 0;
}

static void set_effective(uint64_t wanted) {
  wanted &= own.permitted;
  if (wanted == own.effective) return;
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2] = {{(uint32_t)wanted, (uint32_t)own.permitted, 0},
                                           {(uint32_t)(wanted >> 32), (uint32_t)(own.permitted >> 32), 0}};
  /* Giving up cannot fail; going on with more than the process has must not. */
  if (syscall(SYS_capset, &head, data) != 0) abort();
  own.effective = wanted;
}

static void prepare(void) {
  pthread_once(&once, raise_limits);
  /* Its own umask and working directory from here on; the folder stays the host's /proc. */
  if (unshare(CLONE_FS) != 0) abort();
  /* Until now it had that of the thread that made it, which may have borrowed one. */
  umask(0);
  if (read_own() != 0) abort();
  own.ready = 1;
}

/* A session's processes have none (agent.c), and of a namespace made inside none count here. */
void borrow(void) {
  if (!own.ready) prepare();
  set_effective(LOOK);
}

void borrow_exactly(void) {
  if (!own.ready) prepare();
  set_effective(0);
}

void borrow_nothing(void) {
  if (!own.ready && read_own() != 0) abort();
  set_effective(own.permitted);
}

void borrow_umask(const struct notice *notice) {
  mode_t wanted = umask_of(notice);
  if (own.umask == wanted) return;
  umask(wanted);
  own.umask = wanted;
}
