/* Test driver: frames on standard input. `m` message, `K` key (then an HMAC), `c` cut the message into pieces of this size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../csrc/sha256.h"
#include "input.h"

int main(void) {
  struct bytes frame = {0};
  while (next_input(&frame)) {
    struct field f, message = {0}, key = {0};
    size_t offset = 0, piece = 1 << 30;
    while (next_field(&frame, &offset, &f) == 1) {
      if (f.tag == 'm') message = f;
      if (f.tag == 'K') key = f;
      if (f.tag == 'c') piece = (size_t)number_in(&f);
    }
    struct hmac_key with;
    struct sha256 hash;
    if (key.tag == 'K') {
      hmac_key_set(&with, key.at, key.size);
      hmac_start(&with, &hash);
    } else {
      sha256_start(&hash);
    }
    for (size_t at = 0; at < message.size; at += piece)
      sha256_add(&hash, message.at + at, message.size - at < piece ? message.size - at : piece);
    unsigned char out[SHA256_SIZE], other[SHA256_SIZE];
    if (key.tag == 'K') hmac_end(&with, &hash, out);
    else sha256_end(&hash, out);
    for (size_t i = 0; i < sizeof out; i++) printf("%02x", out[i]);
    /* The comparison, for each place where two values may differ. */
    int right = same_bytes(out, out, sizeof out);
    for (size_t i = 0; i < sizeof out; i++) {
      memcpy(other, out, sizeof out);
      other[i] ^= 0x40;
      right &= !same_bytes(out, other, sizeof out);
    }
    printf(" %s\n", right ? "compares" : "does not compare");
  }
  free(frame.at);
  return 0;
}
