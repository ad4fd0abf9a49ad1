/* What a fuzzed part of the guard is given in place of the program around it (guard.c). */
#ifndef CSG_FUZZ_WORLD_H
#define CSG_FUZZ_WORLD_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include "../csrc/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where a `fail` ends while `world_fails_here` is set; elsewhere it is a crash. */
extern jmp_buf world_failed;
extern int world_fails_here;
/* Frees what was allocated while `world_fails_here` was set, by those who never free: a configuration lives as long as its session. */
void world_free(void);

#define must_hold(truth) \
  do { \
    if (!(truth)) world_broken(#truth); \
  } while (0)
_Noreturn void world_broken(const char *what);

#endif
