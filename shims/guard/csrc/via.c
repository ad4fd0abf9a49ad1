#include "via.h"

#include <stdio.h>
#include <string.h>

#define SHORTEST 32u
#define LONGEST 64u

static int port_of(const char *text) {
  int port = 0;
  size_t size = strlen(text);
  if (size == 0 || size > 5 || text[0] == '0' || strspn(text, "0123456789") != size) return 0;
  for (; *text != 0; text++) port = port * 10 + (*text - '0');
  return port <= 65535 ? port : 0;
}

int via_read(const char *path, char *const *argv, struct via *out) {
  static const char prefix[] = "via:127.0.0.1:";
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  memset(out, 0, sizeof *out);
  if (path == NULL || argv == NULL || argv[0] == NULL || argv[1] != NULL) return -1;
  size_t size = strlen(argv[0]);
  if (strncmp(path, prefix, sizeof prefix - 1) != 0) return -1;
  if (size < SHORTEST || size > LONGEST || strspn(argv[0], alphabet) != size) return -1;
  int port = port_of(path + sizeof prefix - 1);
  if (port == 0) return -1;
  out->size = (size_t)snprintf(out->line, sizeof out->line, "CSN1 %s\n", argv[0]);
  out->port = port;
  return 0;
}
