/*
 * One sealed connection to the daemon (docs/guard-protocol.md, Frames). Not thread-safe: a connection belongs to one thread.
 * A connection on which anything is wrong is closed and stays closed; there is no resynchronising with an impostor.
 */
#ifndef CSG_LINK_H
#define CSG_LINK_H

#include <stdint.h>

#include "../../shell/csrc/frame.h"
#include "sha256.h"

/* What the `Z` field takes. */
#define SEAL_SIZE (5u + SHA256_SIZE)
#define NONCE_SIZE 32u

struct sealed {
  /* -1 when closed. */
  int socket;
  const struct hmac_key *key;
  unsigned char guard_nonce[NONCE_SIZE];
  unsigned char daemon_nonce[NONCE_SIZE];
  uint64_t sent;
  uint64_t received;
};

/* Connects, says hello in `role` and hears the welcome before `deadline`; 0, or -1 (then closed). `key` must outlive it. */
int sealed_open(struct sealed *link, const char *path, const struct hmac_key *key, const char *session, const char *role,
                long long deadline);

/* Appends the `Z` field and fills in the length: the frame is ready for the wire and must be the next that is sent. */
int sealed_seal(struct sealed *link, struct bytes *frame);

/* Seals and sends before `deadline`; 0, or -1 (then closed). The frame is left as it was, without `Z`. */
int sealed_send(struct sealed *link, struct bytes *frame, long long deadline);

/* Receives one frame, checks its seal and takes it off. Anything but RECEIVED has closed the connection. */
enum received sealed_receive(struct sealed *link, struct bytes *frame, long long deadline);

void sealed_close(struct sealed *link);

/* Whether a field's bytes are exactly this text. */
int field_is(const struct field *field, const char *text);

/* The kind of a received frame, which is its first field; 0 and *offset behind it, or -1. */
int frame_kind(const struct bytes *frame, size_t *offset, struct field *kind);

#endif
