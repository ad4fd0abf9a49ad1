/*
 * Answers what filters say. Reads lines from standard input: `filter MODE ARCH READS ABI` builds one and prints its length;
 * `call ARCH NUMBER A0 ... A5` prints the action in hexadecimal and how many words of arguments were looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../csrc/filter.h"
#include "interpreter.h"

int main(void) {
  static struct sock_filter filter[FILTER_ROOM];
  size_t size = 0;
  char line[512];
  printf("native %" PRIx32 "\n", filter_native_arch());
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned int mode, arch, reads, number;
    int abi;
    uint64_t a[6];
    if (sscanf(line, "filter %u %x %u %d", &mode, &arch, &reads, &abi) == 4) {
      struct filter_choice choice = {(enum filter_mode)mode, arch, reads != 0, abi};
      size = filter_build(&choice, filter);
      printf("length %zu\n", size);
      continue;
    }
    if (sscanf(line, "call %x %x %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &arch, &number, &a[0], &a[1],
               &a[2], &a[3], &a[4], &a[5]) != 8) {
      fprintf(stderr, "not understood: %s", line);
      return 1;
    }
    struct seccomp_data data = {.nr = (int)number, .arch = arch, .instruction_pointer = 0x5555};
    for (size_t i = 0; i < 6; i++) data.args[i] = a[i];
    struct ending end = interpret(filter, size, &data);
    if (end.wrong != NULL) printf("wrong: %s\n", end.wrong);
    else printf("%" PRIx32 " %zu\n", end.action, end.arguments);
  }
  return 0;
}
