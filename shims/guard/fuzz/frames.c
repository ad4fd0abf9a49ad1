/* What arrives from the daemon's socket, its seal taken off: tables, answers, and word that somebody thinks. The first byte says which. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "../csrc/reply.h"
#include "../csrc/table.h"
#include "world.h"

static size_t sum;

static void look_up(void) {
  static const char argv[] = "rm\0-rf\0/home/u/.ssh/id\0\xff\n";
  static const char *const paths[] = {"/", "/home/u/project/.git/hooks/x", "/a\n\xff/b", "/x/y", "/home/u/.ssh"};
  static const char classes[] = {'w', 'd', 'c', 'm'};
  for (size_t i = 0; i < 5; i++) {
    for (size_t k = 0; k < 4; k++) {
      enum row row = table_file(classes[k], paths[i]);
      must_hold(row == ROW_ALLOW || row == ROW_DENY || row == ROW_ASK || row == ROW_LATE);
    }
    sum += (size_t)table_unix_allows(paths[i]);
  }
  sum += (size_t)table_exec_asks("/bin/rm", "/bin/rm", argv, sizeof argv);
  sum += (size_t)table_host_allows("example.org.", 443) + (size_t)table_host_allows("", 0);
}

static size_t length(const char *text) { return text == NULL ? 0 : strlen(text); }

static void read_reply(struct bytes *frame, enum asked asked) {
  struct reply reply;
  struct waited waited;
  switch (reply_read(frame, asked, &reply, &waited)) {
    case HEARD_ANSWER:
      must_hold(reply.decision == DECIDED_ALLOW || reply.decision == DECIDED_DENY || reply.decision == DECIDED_MODIFY);
      must_hold(reply.decision != DECIDED_MODIFY || asked != ASKED_OTHER);
      sum += length(reply.message) + length(reply.action) + length(reply.path);
      for (char **word = reply.argv; word != NULL && *word != NULL; word++) sum += length(*word);
      reply_free(&reply);
      break;
    case HEARD_WAITING:
      must_hold(waited.text != NULL);
      sum += length(waited.text);
      break;
    case HEARD_MALFORMED:
      break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  /* As receive_frame() leaves it: one byte of room behind. */
  struct bytes frame = {.at = malloc(size), .size = size - 1, .room = size};
  if (frame.at == NULL) return 0;
  memcpy(frame.at, data + 1, size - 1);
  frame.at[size - 1] = 0;
  int replaced;
  switch (data[0] % 4) {
    case 0:
      replaced = table_replace(&frame);
      must_hold(replaced == 0 || replaced == -1);
      look_up();
      break;
    case 1: read_reply(&frame, ASKED_OTHER); break;
    case 2: read_reply(&frame, ASKED_EXEC); break;
    default: read_reply(&frame, ASKED_MOVABLE); break;
  }
  free(frame.at);
  return 0;
}
