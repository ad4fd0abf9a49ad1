#define _GNU_SOURCE
#include "sha256.h"

#include <string.h>

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t word, unsigned by) { return word >> by | word << (32 - by); }

static uint32_t get_be32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

static void put_be32(unsigned char *at, uint32_t word) {
  at[0] = (unsigned char)(word >> 24);
  at[1] = (unsigned char)(word >> 16);
  at[2] = (unsigned char)(word >> 8);
  at[3] = (unsigned char)word;
}

static void compress(uint32_t state[8], const unsigned char *block) {
  uint32_t w[64];
  for (unsigned i = 0; i < 16; i++) w[i] = get_be32(block + 4 * i);
  for (unsigned i = 16; i < 64; i++) {
    uint32_t s0 = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (unsigned i = 0; i < 64; i++) {
    uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + w[i];
    uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

void sha256_start(struct sha256 *hash) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(hash->state, start, sizeof start);
  hash->size = 0;
}

void sha256_add(struct sha256 *hash, const void *from, size_t size) {
  const unsigned char *at = from;
  size_t held = (size_t)(hash->size % sizeof hash->block);
  hash->size += size;
  if (held > 0) {
    size_t more = sizeof hash->block - held < size ? sizeof hash->block - held : size;
    memcpy(hash->block + held, at, more);
    at += more;
    size -= more;
    if (held + more < sizeof hash->block) return;
    compress(hash->state, hash->block);
  }
  for (; size >= sizeof hash->block; at += sizeof hash->block, size -= sizeof hash->block)
    compress(hash->state, at);
  if (size > 0) memcpy(hash->block, at, size);
}

void sha256_end(struct sha256 *hash, unsigned char out[SHA256_SIZE]) {
  uint64_t bits = hash->size * 8;
  unsigned char tail[72] = {0x80};
  /* One 1 bit, zeros up to 56 bytes into a block, then the length. */
  size_t pad = 1 + (119 - (size_t)(hash->size % 64)) % 64;
  put_be32(tail + pad, (uint32_t)(bits >> 32));
  put_be32(tail + pad + 4, (uint32_t)bits);
  sha256_add(hash, tail, pad + 8);
  for (unsigned i = 0; i < 8; i++) put_be32(out + 4 * i, hash->state[i]);
}

void hmac_key_set(struct hmac_key *key, const void *at, size_t size) {
  unsigned char block[64] = {0};
  if (size > sizeof block) {
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, at, size);
    sha256_end(&hash, block);
    explicit_bzero(&hash, sizeof hash);
  } else if (size > 0) {
    memcpy(block, at, size);
  }
  for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36;
  sha256_start(&key->inner);
  sha256_add(&key->inner, block, sizeof block);
  for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
  sha256_start(&key->outer);
  sha256_add(&key->outer, block, sizeof block);
  explicit_bzero(block, sizeof block);
}

void hmac_start(const struct hmac_key *key, struct sha256 *mac) {
  memcpy(mac->state, key->inner.state, sizeof mac->state);
  mac->size = key->inner.size;
}

void hmac_end(const struct hmac_key *key, struct sha256 *mac, unsigned char out[SHA256_SIZE]) {
  sha256_end(mac, out);
  memcpy(mac->state, key->outer.state, sizeof mac->state);
  mac->size = key->outer.size;
  sha256_add(mac, out, SHA256_SIZE);
  sha256_end(mac, out);
}

int same_bytes(const unsigned char *one, const unsigned char *other, size_t size) {
  /* Volatile: a compiler that sees through the loop may end it early. */
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < size; i++) difference = (unsigned char)(difference | (one[i] ^ other[i]));
  return difference == 0;
}
