/*
 * Test driver for hostile bytes: frames on standard input, each with `b`: what arrives on a socket. It is received as a frame, given
 * to the tables and to the reading of answers, and checked as a sealed frame. Prints how many were what.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "../csrc/link.h"
#include "../csrc/reply.h"
#include "../csrc/table.h"
#include "input.h"

static unsigned long long received, replaced, answered, waiting, sealed, sum;

static struct bytes copy_of(const struct bytes *frame) {
  /* As receive_frame() leaves it: one byte of room behind. */
  struct bytes copy = {.at = malloc(frame->size + 1), .size = frame->size, .room = frame->size + 1};
  if (copy.at == NULL) exit(3);
  if (frame->size > 0) memcpy(copy.at, frame->at, frame->size);
  return copy;
}

static void look_up(void) {
  static const char argv[] = "rm\0-rf\0/home/u/.ssh/id\0\xff\n";
  sum += (unsigned)table_file('w', "/home/u/project/.git/hooks/x") + (unsigned)table_file('d', "/") +
         (unsigned)table_file('c', "/a\n\xff/b") + (unsigned)table_file('m', "/x/y");
  sum += (unsigned)table_exec_asks("/bin/rm", "/bin/rm", argv, sizeof argv) + (unsigned)table_unix_allows("/run/a/b");
  sum += (unsigned)table_host_allows("example.org.", 443);
}

static size_t length(const char *text) { return text != NULL ? strlen(text) : 0; }

static void read_as_reply(const struct bytes *frame, enum asked asked) {
  struct bytes copy = copy_of(frame);
  struct reply reply;
  struct waited waited;
  switch (reply_read(&copy, asked, &reply, &waited)) {
    case HEARD_ANSWER:
      answered++;
      sum += length(reply.message) + length(reply.action) + length(reply.path);
      for (char **word = reply.argv; word != NULL && *word != NULL; word++) sum += length(*word);
      reply_free(&reply);
      break;
    case HEARD_WAITING:
      waiting++;
      sum += length(waited.text);
      break;
    case HEARD_MALFORMED:
    default:
      break;
  }
  free(copy.at);
}

/* Two ends of a socket: what is given to one arrives on the other, and nothing after it. */
static int arriving(const struct field *bytes) {
  int ends[2], room = 1 << 20;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) exit(3);
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  size_t sent = 0;
  while (sent < bytes->size) {
    ssize_t n = send(ends[0], bytes->at + sent, bytes->size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) exit(3);
    sent += (size_t)n;
  }
  close(ends[0]);
  return ends[1];
}

int main(void) {
  struct bytes input = {0};
  struct hmac_key key;
  hmac_key_set(&key, "key", 3);
  while (next_input(&input)) {
    struct field f;
    size_t offset = 0;
    if (next_field(&input, &offset, &f) != 1 || f.tag != 'b') return 3;
    struct bytes frame = {0};
    int socket = arriving(&f);
    if (receive_frame(socket, &frame, now_ms() + 2000) == RECEIVED) {
      received++;
      replaced += table_replace(&frame) == 0;
      look_up();
      read_as_reply(&frame, ASKED_EXEC);
      read_as_reply(&frame, ASKED_MOVABLE);
      read_as_reply(&frame, ASKED_OTHER);
    }
    close(socket);
    free(frame.at);
    frame = (struct bytes){0};
    struct sealed link = {.socket = arriving(&f), .key = &key};
    if (sealed_receive(&link, &frame, now_ms() + 2000) == RECEIVED) sealed++;
    sealed_close(&link);
    free(frame.at);
  }
  free(input.at);
  printf("received %llu replaced %llu answered %llu waiting %llu sealed %llu\n", received, replaced, answered, waiting, sealed);
  return sum == 0xffffffffu;
}
