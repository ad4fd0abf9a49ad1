#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define HEADER 8u

static void seal_of(const struct sealed *link, char direction, uint64_t counter, const unsigned char *payload, size_t size,
                    unsigned char out[SHA256_SIZE]) {
  unsigned char head[1 + 2 * NONCE_SIZE + 8];
  head[0] = (unsigned char)direction;
  memcpy(head + 1, link->guard_nonce, NONCE_SIZE);
  memcpy(head + 1 + NONCE_SIZE, link->daemon_nonce, NONCE_SIZE);
  for (unsigned i = 0; i < 8; i++) head[1 + 2 * NONCE_SIZE + i] = (unsigned char)(counter >> (8 * i));
  struct sha256 mac;
  hmac_start(link->key, &mac);
  sha256_add(&mac, head, sizeof head);
  sha256_add(&mac, payload, size);
  hmac_end(link->key, &mac, out);
}

static int draw(unsigned char *at, size_t size) {
  size_t got = 0;
  while (got < size) {
    ssize_t n = getrandom(at + got, size - got, 0);
    if (n > 0) got += (size_t)n;
    else if (n == 0 || errno != EINTR) return -1;
  }
  return 0;
}

int field_is(const struct field *field, const char *text) {
  return field->size == strlen(text) && memcmp(field->at, text, field->size) == 0;
}

int frame_kind(const struct bytes *frame, size_t *offset, struct field *kind) {
  *offset = 0;
  return next_field(frame, offset, kind) == 1 && kind->tag == 'k' ? 0 : -1;
}

int sealed_seal(struct sealed *link, struct bytes *frame) {
  /* put() would end the guard, and with it the session, over a question that is merely too large. */
  if (frame->size < HEADER || frame->size + SEAL_SIZE > MAX_FRAME) return -1;
  unsigned char seal[SHA256_SIZE];
  seal_of(link, 'g', link->sent, frame->at + HEADER, frame->size - HEADER, seal);
  link->sent++;
  put(frame, 'Z', seal, sizeof seal);
  size_t payload = frame->size - HEADER;
  for (unsigned i = 0; i < 4; i++) frame->at[4 + i] = (unsigned char)(payload >> (8 * i));
  return 0;
}

int sealed_send(struct sealed *link, struct bytes *frame, long long deadline) {
  size_t size = frame->size;
  int sent = link->socket >= 0 && sealed_seal(link, frame) == 0 ? send_frame(link->socket, frame, deadline) : -1;
  frame->size = size;
  if (sent != 0) sealed_close(link);
  return sent;
}

/* Checks the seal that a received frame ends in, and takes it off. Nothing of the frame has been believed before. */
static int unseal(struct sealed *link, struct bytes *frame) {
  static const unsigned char head[5] = {'Z', SHA256_SIZE, 0, 0, 0};
  if (frame->size < SEAL_SIZE) return -1;
  size_t size = frame->size - SEAL_SIZE;
  if (memcmp(frame->at + size, head, sizeof head) != 0) return -1;
  unsigned char seal[SHA256_SIZE];
  seal_of(link, 'd', link->received, frame->at, size, seal);
  if (!same_bytes(seal, frame->at + size + sizeof head, SHA256_SIZE)) return -1;
  link->received++;
  frame->size = size;
  return 0;
}

enum received sealed_receive(struct sealed *link, struct bytes *frame, long long deadline) {
  if (link->socket < 0) return RECEIVED_END;
  enum received r = receive_frame(link->socket, frame, deadline);
  if (r == RECEIVED && unseal(link, frame) != 0) r = RECEIVED_BROKEN;
  if (r != RECEIVED) sealed_close(link);
  return r;
}

/* The welcome's seal covers the nonce that it brings, so the nonce is read first and believed only if the seal holds. */
static int hear_welcome(struct sealed *link, struct bytes *frame, long long deadline) {
  if (receive_frame(link->socket, frame, deadline) != RECEIVED) return -1;
  struct field kind, nonce, seal;
  size_t offset;
  if (frame_kind(frame, &offset, &kind) != 0 || !field_is(&kind, "welcome")) return -1;
  if (next_field(frame, &offset, &nonce) != 1 || nonce.tag != 'N' || nonce.size != NONCE_SIZE) return -1;
  if (next_field(frame, &offset, &seal) != 1 || seal.tag != 'Z' || offset != frame->size) return -1;
  memcpy(link->daemon_nonce, nonce.at, NONCE_SIZE);
  return unseal(link, frame);
}

int sealed_open(struct sealed *link, const char *path, const struct hmac_key *key, const char *session, const char *role,
                long long deadline) {
  memset(link, 0, sizeof *link);
  link->key = key;
  link->socket = -1;
  if (draw(link->guard_nonce, NONCE_SIZE) != 0) return -1;
  link->socket = connect_to(path, deadline);
  if (link->socket < 0) return -1;
  struct bytes frame = {0};
  put_text(&frame, 'k', "hello");
  put_text(&frame, 'S', session);
  put(&frame, 'n', link->guard_nonce, NONCE_SIZE);
  put_text(&frame, 'v', "1");
  put_text(&frame, 'r', role);
  int open = sealed_send(link, &frame, deadline) == 0 && hear_welcome(link, &frame, deadline) == 0;
  free(frame.at);
  if (!open) sealed_close(link);
  return open ? 0 : -1;
}

void sealed_close(struct sealed *link) {
  if (link->socket >= 0) close(link->socket);
  link->socket = -1;
}
