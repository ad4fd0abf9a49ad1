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

#include "guard.h"
#include "tracee.h"

#define LOOK (UINT64_C(1) << CAP_SYS_PTRACE)

static __thread struct {
  int ready;
  uint64_t permitted;
  uint64_t effective;
} own;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Descriptors are held for every call that waits for a person. */
static void raise_limits(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int read_capabilities(pid_t tid, uint64_t *permitted, uint64_t *effective) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = tid};
  struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capget, &head, data) != 0) return -1;
  if (permitted != NULL) *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  *effective = data[0].effective | (uint64_t)data[1].effective << 32;
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
  if (read_capabilities(0, &own.permitted, &own.effective) != 0) abort();
  own.ready = 1;
}

/*
 * What the tracee may do here. Only a session of root has capabilities at all: everybody else loses them with the first exec, and
 * no new privileges means for good. Of a namespace made inside, none count.
 */
static uint64_t capabilities_of(pid_t tid) {
  uint64_t effective;
  if (geteuid() != 0 || guard.config.mode == FILTER_NESTED) return 0;
  return read_capabilities(tid, NULL, &effective) == 0 ? effective : 0;
}

void borrow(pid_t tid) {
  if (!own.ready) prepare();
  set_effective(capabilities_of(tid) | LOOK);
}

void borrow_exactly(pid_t tid) {
  if (!own.ready) prepare();
  set_effective(capabilities_of(tid));
}

void borrow_umask(pid_t tid) { umask(tracee_umask(tid)); }
