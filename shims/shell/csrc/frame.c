#define _GNU_SOURCE
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADER 8u

long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void say(const char *first, ...) {
  char line[4096];
  size_t used = 0;
  va_list parts;
  va_start(parts, first);
  for (const char *part = first; part != NULL; part = va_arg(parts, const char *)) {
    size_t size = strlen(part);
    if (size > sizeof line - used) size = sizeof line - used;
    memcpy(line + used, part, size);
    used += size;
  }
  va_end(parts);
  if (write(2, line, used) < 0) return;
}

static void reserve(struct bytes *frame, size_t more) {
  if (frame->room - frame->size >= more) return;
  size_t room = frame->room < 512 ? 1024 : frame->room * 2;
  while (room - frame->size < more) room *= 2;
  unsigned char *at = realloc(frame->at, room);
  if (at == NULL) {
    say("countersign: denied: out of memory while asking\n", NULL);
    _exit(126);
  }
  frame->at = at;
  frame->room = room;
}

static void put_u32(unsigned char *at, size_t value) {
  at[0] = (unsigned char)value;
  at[1] = (unsigned char)(value >> 8);
  at[2] = (unsigned char)(value >> 16);
  at[3] = (unsigned char)(value >> 24);
}

static size_t get_u32(const unsigned char *at) {
  return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

void put(struct bytes *frame, unsigned char tag, const void *at, size_t size) {
  if (frame->size == 0) {
    reserve(frame, HEADER);
    memcpy(frame->at, "CSN1", 4);
    frame->size = HEADER;
  }
  if (size > MAX_FRAME || frame->size + size > MAX_FRAME) {
    say("countersign: denied: the command is larger than 16 MiB and cannot be judged\n", NULL);
    _exit(126);
  }
  reserve(frame, 5 + size);
  frame->at[frame->size] = tag;
  put_u32(frame->at + frame->size + 1, size);
  memcpy(frame->at + frame->size + 5, at, size);
  frame->size += 5 + size;
}

void put_text(struct bytes *frame, unsigned char tag, const char *text) { put(frame, tag, text, strlen(text)); }

void put_number(struct bytes *frame, unsigned char tag, long long number) {
  char text[32];
  int size = snprintf(text, sizeof text, "%lld", number);
  put(frame, tag, text, (size_t)size);
}

int next_field(const struct bytes *frame, size_t *offset, struct field *field) {
  size_t left = frame->size - *offset;
  if (left == 0) return 0;
  if (left < 5) return -1;
  const unsigned char *at = frame->at + *offset;
  size_t size = get_u32(at + 1);
  if (size > left - 5) return -1;
  field->tag = at[0];
  field->at = at + 5;
  field->size = size;
  *offset += 5 + size;
  return 1;
}

/* Waits until the socket is ready for `events` or the deadline passed. */
static int ready(int socket, short events, long long deadline) {
  for (;;) {
    long long left = deadline - now_ms();
    if (left <= 0) return 0;
    struct pollfd p = {.fd = socket, .events = events, .revents = 0};
    int n = poll(&p, 1, left > 3600000 ? 3600000 : (int)left);
    if (n > 0) return 1;
    if (n < 0 && errno != EINTR) return 0;
  }
}

int send_frame(int socket, const struct bytes *frame, long long deadline) {
  put_u32(frame->at + 4, frame->size - HEADER);
  size_t sent = 0;
  while (sent < frame->size) {
    ssize_t n = send(socket, frame->at + sent, frame->size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += (size_t)n;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return -1;
    if (!ready(socket, POLLOUT, deadline)) return -1;
  }
  return 0;
}

static enum received receive_exactly(int socket, unsigned char *at, size_t size, long long deadline) {
  size_t got = 0;
  while (got < size) {
    if (!ready(socket, POLLIN, deadline)) return RECEIVED_LATE;
    ssize_t n = recv(socket, at + got, size - got, MSG_DONTWAIT);
    if (n > 0) got += (size_t)n;
    else if (n == 0) return got == 0 ? RECEIVED_END : RECEIVED_BROKEN;
    else if (errno != EINTR && errno != EAGAIN) return RECEIVED_END;
  }
  return RECEIVED;
}

enum received receive_frame(int socket, struct bytes *frame, long long deadline) {
  unsigned char header[HEADER];
  enum received r = receive_exactly(socket, header, HEADER, deadline);
  if (r != RECEIVED) return r;
  size_t size = get_u32(header + 4);
  if (memcmp(header, "CSN1", 4) != 0 || size > MAX_FRAME) return RECEIVED_BROKEN;
  frame->size = 0;
  reserve(frame, size + 1);
  r = receive_exactly(socket, frame->at, size, deadline);
  if (r == RECEIVED) frame->size = size;
  return r == RECEIVED_END ? RECEIVED_BROKEN : r;
}

int connect_to(const char *path, long long deadline) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {0}};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, path, strlen(path));
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return -1;
  /* A caller may have closed 0, 1 or 2; the socket must not stand where the program expects its standard output. */
  if (s <= 2) {
    int above = fcntl(s, F_DUPFD_CLOEXEC, 3);
    close(s);
    if (above < 0) return -1;
    s = above;
  }
  /* A full backlog answers EAGAIN: many shims at once; the host drains it in well under a millisecond each. */
  while (connect(s, (const struct sockaddr *)&address, sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN || now_ms() >= deadline) {
      close(s);
      return -1;
    }
    poll(NULL, 0, 2);
  }
  return s;
}
