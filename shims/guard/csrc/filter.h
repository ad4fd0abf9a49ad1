/*
 * The seccomp filter of a session (docs/decisions/0030-guard-filter.md): hard denials and register tests are answered in the kernel;
 * what names a path, a program or an address is notified to the supervisor.
 */
#ifndef CSG_FILTER_H
#define CSG_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum filter_mode {
  /* Namespaces stand below it. */
  FILTER_FULL,
  /* No user namespace: Landlock only, so more is emulated, and the network is TCP through the supervisor. */
  FILTER_LANDLOCK,
  /* As FULL, but namespaces may be made inside (containers, browsers' own sandboxes). */
  FILTER_NESTED
};

#define FILTER_ROOM 2048

struct filter_choice {
  enum filter_mode mode;
  /* AUDIT_ARCH_X86_64 or AUDIT_ARCH_AARCH64. */
  uint32_t arch;
  /* Notify every open, also for reading. */
  int reads;
  /* Landlock's ABI, for FILTER_LANDLOCK: below 6 signals are notified too. */
  int landlock_abi;
};

/* Builds the program into `out` (FILTER_ROOM instructions); its length, or 0 when the architecture or mode is not known. */
size_t filter_build(const struct filter_choice *choice, struct sock_filter *out);

/* The architecture this is compiled for. */
uint32_t filter_native_arch(void);

#endif
