#define _GNU_SOURCE
#include "guard.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"

struct guard guard = {.host_proc = -1, .host_root = -1, .listener = -1, .dns_udp = -1, .dns_tcp = -1};
volatile struct pulse *pulse;

void fail(const char *what, const char *detail) {
  if (detail == NULL) say("countersign: the guard ends the session: ", what, "\n", NULL);
  else say("countersign: the guard ends the session: ", what, ": ", detail, "\n", NULL);
  _exit(EXIT_GUARD);
}

void *must_alloc(size_t size) {
  void *at = calloc(1, size == 0 ? 1 : size);
  if (at == NULL) fail("out of memory", NULL);
  return at;
}

char *must_copy(const char *text) {
  char *copy = strdup(text);
  if (copy == NULL) fail("out of memory", NULL);
  return copy;
}

void add_text(struct texts *texts, const char *text) {
  char **grown = realloc(texts->at, (texts->count + 2) * sizeof *grown);
  if (grown == NULL) fail("out of memory", NULL);
  texts->at = grown;
  grown[texts->count++] = (char *)(uintptr_t)text;
  grown[texts->count] = NULL;
}

int print_path(char *out, size_t room, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(out, room, format, args);
  va_end(args);
  return length < 0 || (size_t)length >= room ? -1 : length;
}

int is_below(const char *path, const char *parent) {
  size_t length = strlen(parent);
  if (length == 1 && parent[0] == '/') return 1;
  return strncmp(path, parent, length) == 0 && (path[length] == 0 || path[length] == '/');
}
