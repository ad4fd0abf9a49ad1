/*
 * The wire between a shim and the host of its session: a unix stream socket, one connection per request.
 *
 *   frame   = "CSN1" length payload        length: u32 little endian, bytes of payload, at most MAX_FRAME
 *   payload = field*
 *   field   = tag size bytes               tag: one byte; size: u32 little endian
 *
 * Values are bytes, not text: an argument may hold newlines and invalid UTF-8. The tags are listed in
 * shims/shell/frame.ts, which is the other end.
 */
#ifndef CSN_FRAME_H
#define CSN_FRAME_H

#include <stddef.h>

#define MAX_FRAME (16u * 1024u * 1024u)

struct bytes {
  unsigned char *at;
  size_t size;
  size_t room;
};

struct field {
  unsigned char tag;
  const unsigned char *at;
  size_t size;
};

/* Milliseconds of the monotonic clock. */
long long now_ms(void);

/* Appends one field. Out of memory ends the process with `denied`: there is nothing smaller to fall back to. */
void put(struct bytes *frame, unsigned char tag, const void *at, size_t size);
void put_text(struct bytes *frame, unsigned char tag, const char *text);
void put_number(struct bytes *frame, unsigned char tag, long long number);

/* Reads the next field at *offset; 1 when there was one, 0 at the end, -1 when malformed. */
int next_field(const struct bytes *frame, size_t *offset, struct field *field);

/* Sends a frame before `deadline` (now_ms scale); 0 on success, -1 otherwise. Never raises SIGPIPE. */
int send_frame(int socket, const struct bytes *frame, long long deadline);

/* Receives one frame before `deadline`. */
enum received { RECEIVED, RECEIVED_END, RECEIVED_LATE, RECEIVED_BROKEN };
enum received receive_frame(int socket, struct bytes *frame, long long deadline);

/* Connects to the unix socket at `path` before `deadline`; the descriptor (close-on-exec, above 2), or -1. */
int connect_to(const char *path, long long deadline);

/* Writes the text and the parts up to a null pointer to standard error in one go. */
void say(const char *first, ...) __attribute__((sentinel));

#endif
