/* SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104). */
#ifndef CSG_SHA256_H
#define CSG_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32u

struct sha256 {
  uint32_t state[8];
  uint64_t size;
  unsigned char block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *at, size_t size);
void sha256_end(struct sha256 *hash, unsigned char out[SHA256_SIZE]);

/* A key as the two states it leads to: the key itself is not kept, and a MAC costs two blocks less. */
struct hmac_key {
  struct sha256 inner;
  struct sha256 outer;
};

void hmac_key_set(struct hmac_key *key, const void *at, size_t size);

/* A MAC: hmac_start(), sha256_add() of every part, hmac_end(). */
void hmac_start(const struct hmac_key *key, struct sha256 *mac);
void hmac_end(const struct hmac_key *key, struct sha256 *mac, unsigned char out[SHA256_SIZE]);

/* Whether two values are equal, in a time that does not depend on where they differ. */
int same_bytes(const unsigned char *one, const unsigned char *other, size_t size);

#endif
