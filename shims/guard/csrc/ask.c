#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "reply.h"
#include "table.h"
#include "link-watch.h"

/* Until the first word about a question; every `waiting` then says how long the next may take. */
#define ANSWER_MS 10000
#define GRACE_MS 2000
/* A frame that has begun to arrive is whole within this time. */
#define FRAME_MS 2000

static const char LOST[] = "countersign: denied: the daemon no longer answers this session; start it again\n";
static const char UNREACHED[] = "countersign: denied: the daemon cannot be reached; try again\n";
static const char SILENT[] = "countersign: denied: the daemon did not answer in time; try again\n";
static const char BROKEN_OFF[] = "countersign: denied: the daemon broke off before it answered; try again\n";
static const char MALFORMED[] = "countersign: denied: the daemon's answer cannot be trusted; try again\n";
static const char GONE[] = "countersign: denied: the process that asked is gone\n";
static const char TOO_LARGE[] = "countersign: denied: the question is larger than 16 MiB and cannot be judged\n";
static const char NO_MEMORY[] = "countersign: denied: out of memory while asking\n";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t own_key;
static int keyless;

static void release(void *own) {
  sealed_close(own);
  free(own);
}

static void make_key(void) { keyless = pthread_key_create(&own_key, release) != 0; }

/* This thread's connection, closed when the thread ends; null when there is no memory. */
static struct sealed *own_link(void) {
  pthread_once(&once, make_key);
  if (keyless) return NULL;
  struct sealed *own = pthread_getspecific(own_key);
  if (own != NULL) return own;
  own = calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  own->socket = -1;
  if (pthread_setspecific(own_key, own) == 0) return own;
  free(own);
  return NULL;
}

enum event { EVENT_FRAME, EVENT_LATE, EVENT_GONE, EVENT_LOST };

/* Waits for the next thing that matters. That nobody wants the answer any more comes before the answer. */
static enum event next_event(int socket, int gone, int lost, long long deadline) {
  for (;;) {
    long long left = deadline - now_ms();
    struct pollfd p[3] = {{.fd = gone, .events = POLLIN, .revents = 0},
                          {.fd = lost, .events = POLLIN, .revents = 0},
                          {.fd = socket, .events = POLLIN, .revents = 0}};
    int n = poll(p, 3, left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left);
    if (n < 0 && errno != EINTR) return EVENT_LOST;
    if (n > 0) return p[0].revents != 0 ? EVENT_GONE : p[1].revents != 0 ? EVENT_LOST : EVENT_FRAME;
    if (n == 0 && left <= 0) return EVENT_LATE;
  }
}

/* Puts the question on a connection that stands, which may need a new one; null, or why not. */
static const char *put_question(struct sealed *own, const struct reached *daemon, struct bytes *question, int gone,
                                long long deadline) {
  /* Between two questions nothing is said: what is readable there is the end of the connection, or somebody else's word. */
  enum event idle = next_event(own->socket, gone, daemon->lost, 0);
  if (idle == EVENT_GONE) return GONE;
  if (idle == EVENT_LOST) return LOST;
  if (idle == EVENT_FRAME) sealed_close(own);
  int fresh = own->socket < 0;
  for (;;) {
    if (own->socket < 0 &&
        sealed_open(own, daemon->socket_path, &daemon->key, daemon->session, "ask", deadline) != 0)
      return UNREACHED;
    if (sealed_send(own, question, deadline) == 0) return NULL;
    /* Lost before it was all sent, so nobody has heard it: a connection from an earlier question is worth one more. */
    if (fresh || now_ms() >= deadline) return BROKEN_OFF;
    fresh = 1;
  }
}

struct pending {
  struct sealed *own;
  const struct reached *daemon;
  enum asked asked;
  long long deadline;
};

/* How long a listener stays: to the answer (`until` 0), or to a moment, or to the first word that a person is asked. */
struct listening {
  int gone;
  long long until;
  on_waiting waiting;
  void *context;
};

static const char LEFT_STANDING[] = "";

/* Null when the answer is there, LEFT_STANDING, or why there will be none. */
static const char *hear(struct pending *question, const struct listening *how, struct reply *reply) {
  struct sealed *own = question->own;
  const struct reached *daemon = question->daemon;
  struct bytes frame = {0};
  const char *why = NULL;
  for (;;) {
    long long end = how->until != 0 && how->until < question->deadline ? how->until : question->deadline;
    enum event event = next_event(own->socket, how->gone, daemon->lost, end);
    if (event == EVENT_LATE && end < question->deadline) return LEFT_STANDING;
    if (event != EVENT_FRAME) {
      why = event == EVENT_GONE ? GONE : event == EVENT_LOST ? LOST : SILENT;
      break;
    }
    enum received r = sealed_receive(own, &frame, now_ms() + FRAME_MS);
    if (r != RECEIVED) {
      why = r == RECEIVED_BROKEN ? MALFORMED : BROKEN_OFF;
      break;
    }
    struct waited waited;
    enum heard heard = reply_read(&frame, question->asked, reply, &waited);
    if (heard == HEARD_ANSWER) return NULL;
    if (heard == HEARD_MALFORMED) {
      why = MALFORMED;
      break;
    }
    question->deadline = now_ms() + waited.left_ms + GRACE_MS;
    if (how->waiting != NULL) how->waiting(how->context, waited.text, waited.left_ms);
    if (how->until != 0) {
      why = LEFT_STANDING;
      break;
    }
  }
  free(frame.at);
  return why;
}

/* Puts a question on this thread's connection; null, or why not. */
static const char *put_frame(struct pending *pending, struct bytes *question, int gone) {
  *pending = (struct pending){.daemon = link_reached(), .asked = reply_asked(question), .deadline = now_ms() + ANSWER_MS};
  if (pending->daemon == NULL) return LOST;
  if (question->size + SEAL_SIZE > MAX_FRAME) return TOO_LARGE;
  pending->own = own_link();
  if (pending->own == NULL) return NO_MEMORY;
  table_asking();
  return put_question(pending->own, pending->daemon, question, gone, pending->deadline);
}

struct reply ask(struct bytes *question, int gone, on_waiting waiting, void *context) {
  struct pending pending;
  struct listening how = {.gone = gone, .waiting = waiting, .context = context};
  struct reply reply = reply_denied("");
  const char *why = put_frame(&pending, question, gone);
  if (why == NULL) why = hear(&pending, &how, &reply);
  if (why == NULL) return reply;
  /* Closing withdraws the question. */
  if (pending.own != NULL) sealed_close(pending.own);
  return reply_denied(why);
}

struct reply ask_briefly(struct bytes *question, int patience_ms, struct pending **pending) {
  struct pending put;
  struct listening how = {.gone = -1, .until = now_ms() + patience_ms};
  struct reply reply = reply_denied("");
  *pending = NULL;
  const char *why = put_frame(&put, question, -1);
  if (why == NULL) why = hear(&put, &how, &reply);
  if (why == NULL) return reply;
  struct pending *left = why == LEFT_STANDING ? malloc(sizeof *left) : NULL;
  if (left != NULL && pthread_setspecific(own_key, NULL) == 0) {
    /* Whoever waits for the rest has the connection; this thread opens another when it asks again. */
    *left = put;
    *pending = left;
    return reply;
  }
  free(left);
  if (put.own != NULL) sealed_close(put.own);
  return reply_denied(why == LEFT_STANDING ? NO_MEMORY : why);
}

struct reply ask_rest(struct pending *pending, int gone) {
  struct listening how = {.gone = gone};
  struct reply reply = reply_denied("");
  const char *why = hear(pending, &how, &reply);
  ask_withdraw(pending);
  return why == NULL ? reply : reply_denied(why);
}

void ask_withdraw(struct pending *pending) {
  release(pending->own);
  free(pending);
}

void ask_leave(void) {
  pthread_once(&once, make_key);
  struct sealed *own = keyless ? NULL : pthread_getspecific(own_key);
  if (own != NULL) sealed_close(own);
}
