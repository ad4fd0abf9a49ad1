/* Connections that wait for a person while the program that made them goes on: it is connected to us, and we hold what it says. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "connection.h"

#define MOST_RELAYS 1024
#define BUFFER (256u * 1024u)
#define DIAL_MS 60000
#define STACK (256u * 1024u)

struct held {
  struct asker asker;
  struct target target;
  struct likeness like;
  struct known known;
  /* Our end of the program's connection, and its process. */
  int near;
  int process;
};

static unsigned relays;

/* The other end learns that this did not end well. */
static void reset(int fd) {
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

/* One direction: bytes that were read and not yet written. */
struct flow {
  int from;
  int to;
  unsigned char *buffer;
  size_t start;
  size_t end;
  int ended;
  int closed;
};

static int is_temporary(int error) { return error == EAGAIN || error == EINTR; }

/* Moves what can be moved without waiting; -1 when the connection broke. */
static int move(struct flow *flow) {
  for (int rounds = 0; rounds < 16; rounds++) {
    if (flow->start == flow->end && !flow->ended) {
      ssize_t n = recv(flow->from, flow->buffer, BUFFER, MSG_DONTWAIT);
      if (n < 0) return is_temporary(errno) ? 0 : -1;
      if (n == 0) flow->ended = 1;
      flow->start = 0;
      flow->end = (size_t)n;
    }
    if (flow->start < flow->end) {
      ssize_t n = send(flow->to, flow->buffer + flow->start, flow->end - flow->start, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0) return is_temporary(errno) ? 0 : -1;
      flow->start += (size_t)n;
      continue;
    }
    if (!flow->ended) continue;
    if (!flow->closed && shutdown(flow->to, SHUT_WR) != 0) return -1;
    flow->closed = 1;
    return 0;
  }
  return 0;
}

static int broke(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0;
}

/* Passes bytes both ways until both ends are done (0) or one broke off (-1). */
static int pump(int near, int far) {
  struct flow out = {.from = near, .to = far, .buffer = malloc(BUFFER)}, in = {.from = far, .to = near, .buffer = malloc(BUFFER)};
  int result = out.buffer == NULL || in.buffer == NULL ? -1 : 0;
  while (result == 0 && !(out.closed && in.closed)) {
    struct flow *flows[2] = {&out, &in};
    struct pollfd p[2] = {{.fd = near}, {.fd = far}};
    for (size_t i = 0; i < 2; i++) {
      struct flow *flow = flows[i];
      if (flow->closed) continue;
      if (flow->start < flow->end) p[1 - i].events |= POLLOUT;
      else p[i].events |= POLLIN;
    }
    /* An end that is done in both directions keeps saying so: it is not listened to any more. */
    for (size_t i = 0; i < 2; i++)
      if (p[i].events == 0) p[i].fd = -1;
    if (poll(p, 2, -1) < 0 && errno != EINTR) result = -1;
    for (size_t i = 0; i < 2; i++)
      if (p[i].fd >= 0 && (p[i].revents & POLLERR) != 0 && broke(p[i].fd)) result = -1;
    if (result == 0 && (move(&out) != 0 || move(&in) != 0)) result = -1;
  }
  free(out.buffer);
  free(in.buffer);
  return result;
}

/* Readable when nobody is left who would want the connection: its process ended, or it was broken off. */
static int gone_of(const struct held *held) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event process = {.events = EPOLLIN}, end = {.events = EPOLLHUP | EPOLLERR};
  if (fd < 0) return -1;
  if (held->process >= 0) epoll_ctl(fd, EPOLL_CTL_ADD, held->process, &process);
  epoll_ctl(fd, EPOLL_CTL_ADD, held->near, &end);
  return fd;
}

static void *relay(void *given) {
  struct held *held = given;
  int gone = gone_of(held), far = -1, error = EACCES;
  struct known *known = &held->known;
  if (known->pending != NULL) known->allowed = host_ask_rest(&held->asker, &held->target, known->pending, gone, &known->via);
  else if (!known->allowed) known->allowed = host_ask(&held->asker, &held->target, gone, &known->via);
  if (known->allowed) {
    far = host_dial(&held->asker, &held->target, &known->via, &held->like, now_ms() + DIAL_MS, gone);
    error = far < 0 ? errno : 0;
  }
  /* A relay may last as long as the session: it does not keep a connection to the daemon that others could use. */
  ask_leave();
  host_effect(&held->asker, &held->target, error);
  if (gone >= 0) close(gone);
  if (held->process >= 0) close(held->process);
  if (far < 0 || pump(held->near, far) != 0) {
    reset(held->near);
    if (far >= 0) reset(far);
  } else {
    close(held->near);
    close(far);
  }
  free(held);
  __atomic_sub_fetch(&relays, 1, __ATOMIC_RELAXED);
  return NULL;
}

static int start(struct held *held) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_create(&thread, &attributes, relay, held);
  pthread_attr_destroy(&attributes);
  return error;
}

int relay_begin(pid_t tid, const struct asker *asker, const struct target *target, const struct likeness *like, const struct known *known) {
  int pair[2], error;
  if (__atomic_add_fetch(&relays, 1, __ATOMIC_RELAXED) > MOST_RELAYS) {
    __atomic_sub_fetch(&relays, 1, __ATOMIC_RELAXED);
    if (known->pending != NULL) ask_withdraw(known->pending);
    errno = EAGAIN;
    return -1;
  }
  error = socket_pair_tcp(like->domain, pair);
  if (error == 0) {
    struct held *held = must_alloc(sizeof *held);
    *held = (struct held){
        .asker = *asker, .target = *target, .like = *like, .known = *known, .near = pair[1], .process = pidfd_of(tid)};
    socket_give_likeness(pair[0], like);
    error = start(held);
    if (error == 0) return pair[0];
    if (held->process >= 0) close(held->process);
    close(pair[0]);
    close(pair[1]);
    free(held);
  }
  if (known->pending != NULL) ask_withdraw(known->pending);
  __atomic_sub_fetch(&relays, 1, __ATOMIC_RELAXED);
  errno = error;
  return -1;
}
