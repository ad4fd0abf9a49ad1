/* The way of a connection through the proxy (docs/proxy-protocol.md): where the daemon sends it, and what is said there first. Pure. */
#ifndef CSG_VIA_H
#define CSG_VIA_H

#include <stddef.h>

/* `CSN1 `, a token, a newline. */
#define VIA_LINE_ROOM 72

struct via {
  /* On 127.0.0.1 of the host; 0: no way was named, the target itself is dialled. */
  int port;
  char line[VIA_LINE_ROOM];
  size_t size;
};

/*
 * Reads `path` and `argv` of a MODIFY of `connect`: `via:127.0.0.1:PORT` and one word of 32 to 64 base64url characters. 0, or -1 for
 * anything else, also for what is merely written differently.
 */
int via_read(const char *path, char *const *argv, struct via *out);

#endif
