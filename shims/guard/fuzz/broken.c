/* A target that breaks at the first configuration: fuzz.test.ts sees that it is noticed. */
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 0) must_hold(data[0] != 'C');
  return 0;
}
