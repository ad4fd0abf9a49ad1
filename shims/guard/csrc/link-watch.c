#define _GNU_SOURCE
#include "link-watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "effects.h"
#include "table.h"

#define OPEN_MS 10000
/* A frame that has begun to arrive is whole within this time. */
#define FRAME_MS 5000
#define FLUSH_MS 50
/* What may wait to be sent: a daemon that pings and does not read is not one. */
#define MOST_OUT (4u * 1024u * 1024u)
#define STACK (256u * 1024u)

static struct reached reached = {.lost = -1};
static struct pushes pushes;
static atomic_int alive;
static atomic_llong stop_at = -1;
static int wake = -1;

/* Of the link's thread. */
static struct sealed watching = {.socket = -1};
static struct bytes out;
static size_t out_sent;

static pthread_mutex_t finish_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finish;
static int started, finished;

const struct reached *link_reached(void) { return atomic_load(&alive) ? &reached : NULL; }

int link_alive(void) { return atomic_load(&alive); }

static void signal_fd(int fd) {
  static const unsigned long long one = 1;
  if (write(fd, &one, sizeof one) < 0) return;
}

/* From now on everything is denied, and whoever waits for an answer stops waiting. True the first time. */
static int stop_asking(void) {
  if (!atomic_exchange(&alive, 0)) return 0;
  signal_fd(reached.lost);
  return 1;
}

/* Seals a frame and puts it behind what is to be sent. */
static int queue(struct bytes *frame) {
  size_t size = frame->size;
  if (out.size - out_sent > MOST_OUT || sealed_seal(&watching, frame) != 0) return -1;
  if (out.room - out.size < frame->size && out_sent > 0) {
    memmove(out.at, out.at + out_sent, out.size - out_sent);
    out.size -= out_sent;
    out_sent = 0;
  }
  if (out.room - out.size < frame->size) {
    size_t room = out.room * 2 > out.size + frame->size ? out.room * 2 : out.size + frame->size;
    unsigned char *at = realloc(out.at, room);
    if (at == NULL) return -1;
    out.at = at;
    out.room = room;
  }
  memcpy(out.at + out.size, frame->at, frame->size);
  out.size += frame->size;
  frame->size = size;
  return 0;
}

static int send_some(void) {
  while (out_sent < out.size) {
    ssize_t n = send(watching.socket, out.at + out_sent, out.size - out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) out_sent += (size_t)n;
    else if (n < 0 && errno == EAGAIN) return 0;
    else if (n == 0 || errno != EINTR) return -1;
  }
  out.size = out_sent = 0;
  return 0;
}

static int queue_batch(void) {
  const struct batch *batch = effects_take();
  struct bytes effects = batch->effects;
  if (effects.size > 0 && queue(&effects) != 0) return -1;
  const char *at = (const char *)batch->ended.at, *end = at + batch->ended.size;
  while (at < end) {
    struct bytes frame = {0};
    put_text(&frame, 'k', "ended");
    put_text(&frame, 'i', at);
    at += strlen(at) + 1;
    put_text(&frame, 'x', at);
    at += strlen(at) + 1;
    int queued = queue(&frame);
    free(frame.at);
    if (queued != 0) return -1;
  }
  return 0;
}

/* The only field of a push, as a C string of its own; null when there is anything else. Empty allowed for `m`. */
static char *only_text(const struct bytes *frame, size_t offset, unsigned char tag) {
  struct field f;
  if (next_field(frame, &offset, &f) != 1 || f.tag != tag || offset != frame->size) return NULL;
  if (memchr(f.at, 0, f.size) != NULL || (f.size == 0 && tag == 'p')) return NULL;
  return strndup((const char *)f.at, f.size);
}

static int pushed_path(const struct bytes *frame, size_t offset, void (*act)(const char *path)) {
  char *path = only_text(frame, offset, 'p');
  if (path == NULL) return -1;
  act(path);
  free(path);
  return 0;
}

static int pushed_end(const struct bytes *frame, size_t offset) {
  char *why = only_text(frame, offset, 'm');
  if (why == NULL) return -1;
  if (stop_asking()) pushes.end(why);
  free(why);
  return 0;
}

/* One push; -1 when it is none that we know, or malformed: then the daemon's word is not in force, and the link is not either. */
static int pushed(const struct bytes *frame) {
  struct field kind;
  size_t offset;
  if (frame_kind(frame, &offset, &kind) != 0) return -1;
  if (field_is(&kind, "tables")) return table_replace(frame);
  if (field_is(&kind, "grant")) return pushed_path(frame, offset, pushes.grant);
  if (field_is(&kind, "revoke")) return pushed_path(frame, offset, pushes.revoke);
  if (field_is(&kind, "end")) return pushed_end(frame, offset);
  if (!field_is(&kind, "ping") || offset != frame->size) return -1;
  struct bytes pong = {0};
  put_text(&pong, 'k', "pong");
  int queued = queue(&pong);
  free(pong.at);
  return queued;
}

static int receive_push(void) {
  struct bytes frame = {0};
  int done = sealed_receive(&watching, &frame, now_ms() + FRAME_MS) == RECEIVED ? pushed(&frame) : -1;
  free(frame.at);
  return done;
}

/* Sends and receives until the link is lost (-1) or everything is said that was to be said before link_stop() (0). */
static int watch(void) {
  long long flush_at = -1;
  for (;;) {
    long long now = now_ms(), stop = atomic_load(&stop_at);
    /* First: what is asked below, and whether to sleep, is about what is left when this is gone. */
    if (send_some() != 0) return -1;
    if (out_sent == out.size) {
      size_t left = effects_waiting();
      if (stop >= 0 && (left == 0 || now >= stop)) return 0;
      if (left > 0 && flush_at < 0) flush_at = now + FLUSH_MS;
      if (left > 0 && (stop >= 0 || left >= EFFECTS_BATCH || now >= flush_at)) {
        flush_at = -1;
        if (queue_batch() != 0 || send_some() != 0) return -1;
      }
    } else if (stop >= 0 && now >= stop) {
      return 0;
    }
    int sending = out_sent < out.size;
    long long until = sending ? stop : stop >= 0 ? now : flush_at;
    long long wait = until < 0 ? -1 : until > now ? until - now : 0;
    struct pollfd p[2] = {{.fd = watching.socket, .events = sending ? POLLIN | POLLOUT : POLLIN, .revents = 0},
                          {.fd = wake, .events = POLLIN, .revents = 0}};
    if (poll(p, 2, (int)wait) < 0 && errno != EINTR) return -1;
    unsigned long long times;
    if (p[1].revents != 0 && read(wake, &times, sizeof times) < 0 && errno != EAGAIN) return -1;
    if ((p[0].revents & ~POLLOUT) != 0 && receive_push() != 0) return -1;
  }
}

static void *run(void *unused) {
  int lost = watch() != 0;
  effects_end();
  sealed_close(&watching);
  free(out.at);
  out = (struct bytes){0};
  if (stop_asking() && lost) pushes.end(NULL);
  pthread_mutex_lock(&finish_lock);
  finished = 1;
  pthread_cond_broadcast(&finish);
  pthread_mutex_unlock(&finish_lock);
  return unused;
}

/* A thread that takes no signals, so that they find who expects them. */
static int start_thread(void) {
  pthread_attr_t attributes;
  pthread_condattr_t clock;
  pthread_t thread;
  sigset_t all, before;
  if (pthread_condattr_init(&clock) != 0 || pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) != 0) return -1;
  if (pthread_cond_init(&finish, &clock) != 0 || pthread_attr_init(&attributes) != 0) return -1;
  if (pthread_attr_setstacksize(&attributes, STACK) != 0) return -1;
  if (pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) != 0) return -1;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&thread, &attributes, run, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failed ? -1 : 0;
}

static int fail(char *why, size_t room, const char *text, const char *path) {
  sealed_close(&watching);
  snprintf(why, room, "%s `%s`", text, path);
  return -1;
}

int link_connect(const char *socket_path, const char *session, const char *key, char *why, size_t room) {
  long long deadline = now_ms() + OPEN_MS;
  reached.socket_path = strdup(socket_path);
  reached.session = strdup(session);
  hmac_key_set(&reached.key, key, strlen(key));
  reached.lost = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (reached.socket_path == NULL || reached.session == NULL || reached.lost < 0 || wake < 0)
    return fail(why, room, "out of memory or descriptors on the way to the daemon at", socket_path);
  if (sealed_open(&watching, socket_path, &reached.key, session, "watch", deadline) != 0)
    return fail(why, room, "no daemon that knows this session answers at", socket_path);
  struct bytes first = {0};
  struct field kind;
  size_t offset;
  int tables = sealed_receive(&watching, &first, deadline) == RECEIVED && frame_kind(&first, &offset, &kind) == 0 &&
               field_is(&kind, "tables") && table_replace(&first) == 0;
  free(first.at);
  return tables ? 0 : fail(why, room, "no usable tables came from the daemon at", socket_path);
}

int link_start(const struct pushes *to, char *why, size_t room) {
  pushes = *to;
  if (effects_start(wake) != 0) return fail(why, room, "out of memory on the way to the daemon at", reached.socket_path);
  atomic_store(&alive, 1);
  started = start_thread() == 0;
  if (started) return 0;
  atomic_store(&alive, 0);
  effects_end();
  return fail(why, room, "cannot start the thread that listens to the daemon at", reached.socket_path);
}

void link_stop(int deadline_ms) {
  long long until = now_ms() + deadline_ms;
  struct timespec at = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
  if (!started) return;
  atomic_store(&stop_at, until);
  signal_fd(wake);
  pthread_mutex_lock(&finish_lock);
  while (!finished)
    if (pthread_cond_timedwait(&finish, &finish_lock, &at) != 0) break;
  pthread_mutex_unlock(&finish_lock);
}
