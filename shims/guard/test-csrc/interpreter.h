/* What the kernel's classic-BPF machine does with a seccomp filter, written down a second time to test filters without installing them. */
#ifndef CSG_INTERPRETER_H
#define CSG_INTERPRETER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

struct ending {
  /* Why it did not return, or null. */
  const char *wrong;
  uint32_t action;
  size_t steps;
  /* Words of arguments that were loaded: a call that is always allowed has none, so the kernel caches it. */
  size_t arguments;
};

struct ending interpret(const struct sock_filter *filter, size_t size, const struct seccomp_data *data);

#endif
