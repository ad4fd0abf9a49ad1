#define _GNU_SOURCE
#include "effects.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"

/* Of each kind, what may wait while the daemon is slow. */
#define CAPACITY (256u * 1024u)
/* For the row that tells what was dropped, and the seal: a batch is sealed where it lies. */
#define SLACK 128u
#define PATIENCE_MS 100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t taken;
static struct batch waiting, sending;
static unsigned long long dropped;
static atomic_int open_for_notes;
static int wake_fd = -1;

static void begin(struct batch *batch) {
  batch->effects.size = 0;
  batch->ended.size = 0;
  put_text(&batch->effects, 'k', "effects");
}

/* What an `effects` frame is before the first row. */
static const size_t EMPTY = 8 + 5 + sizeof "effects" - 1;

static int make_room(struct batch *batch) {
  batch->effects.room = batch->ended.room = CAPACITY + SLACK;
  batch->effects.at = malloc(batch->effects.room);
  batch->ended.at = malloc(batch->ended.room);
  if (batch->effects.at == NULL || batch->ended.at == NULL) return -1;
  begin(batch);
  return 0;
}

int effects_start(int wake) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) return -1;
  int clock = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (clock != 0 || pthread_cond_init(&taken, &attributes) != 0) return -1;
  if (make_room(&waiting) != 0 || make_room(&sending) != 0) return -1;
  wake_fd = wake;
  atomic_store(&open_for_notes, 1);
  return 0;
}

static struct timespec after_ms(long ms) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += ms * 1000000;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

static void wake_up(void) {
  static const unsigned long long one = 1;
  if (write(wake_fd, &one, sizeof one) < 0) return;
}

/* Waits, with the lock held, until `size` more fit; null when they do not, in time or ever. */
static unsigned char *room_in(struct bytes *bytes, size_t size) {
  if (size > CAPACITY - 64) return NULL;
  if (bytes->size + size > CAPACITY) {
    struct timespec until = after_ms(PATIENCE_MS);
    while (bytes->size + size > CAPACITY && atomic_load(&open_for_notes))
      if (pthread_cond_timedwait(&taken, &lock, &until) != 0) break;
  }
  if (bytes->size + size > CAPACITY || !atomic_load(&open_for_notes)) return NULL;
  unsigned char *at = bytes->at + bytes->size;
  bytes->size += size;
  return at;
}

static unsigned char *copy(unsigned char *to, const void *from, size_t size) {
  memcpy(to, from, size);
  return to + size;
}

static unsigned char *head(unsigned char *to, size_t size) {
  *to++ = 'f';
  for (unsigned i = 0; i < 4; i++) *to++ = (unsigned char)(size >> (8 * i));
  return to;
}

/* Decimal, with its NUL, written from the end of `text` backwards; returns where it starts. */
static const char *decimal(unsigned long long number, char text[24]) {
  char *at = text + 23;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  return at;
}

/* Gives the lock back, and wakes the sender when it does not know yet that there is something, or that it is enough. */
static void noted(size_t size) {
  size_t now = waiting.effects.size + waiting.ended.size, before = now - size;
  pthread_mutex_unlock(&lock);
  if (before == EMPTY || (before < EFFECTS_BATCH && now >= EFFECTS_BATCH)) wake_up();
}

static void drop(void) {
  dropped++;
  pthread_mutex_unlock(&lock);
  wake_up();
}

void effect(const char *op, const char *scope, int error, const char *path, const char *second) {
  if (!atomic_load_explicit(&open_for_notes, memory_order_relaxed)) return;
  char text[24];
  const char *result = decimal(error < 0 ? 0ull - (unsigned long long)error : (unsigned long long)error, text);
  size_t op_size = strlen(op) + 1, scope_size = strlen(scope) + 1, result_size = (size_t)(text + 24 - result);
  size_t path_size = strlen(path), second_size = second != NULL ? strlen(second) + 1 : 0;
  size_t size = op_size + scope_size + result_size + path_size + second_size;
  pthread_mutex_lock(&lock);
  unsigned char *at = room_in(&waiting.effects, 5 + size);
  if (at == NULL) {
    drop();
    return;
  }
  at = head(at, size);
  at = copy(at, op, op_size);
  at = copy(at, scope, scope_size);
  at = copy(at, result, result_size);
  at = copy(at, path, path_size);
  if (second != NULL) {
    *at++ = 0;
    copy(at, second, second_size - 1);
  }
  noted(5 + size);
}

void report_end(const char *action, const char *how) {
  if (!atomic_load(&open_for_notes)) return;
  size_t action_size = strlen(action) + 1, how_size = strlen(how) + 1;
  pthread_mutex_lock(&lock);
  unsigned char *at = room_in(&waiting.ended, action_size + how_size);
  if (at == NULL) {
    drop();
    return;
  }
  copy(copy(at, action, action_size), how, how_size);
  noted(action_size + how_size);
}

size_t effects_waiting(void) {
  pthread_mutex_lock(&lock);
  size_t size = waiting.effects.size + waiting.ended.size - EMPTY + (dropped > 0);
  pthread_mutex_unlock(&lock);
  return size;
}

/* `dropped`, no scope, 0, and how many. Last: what is in the batch was noted before. */
static void tell_dropped(struct bytes *effects) {
  char text[24];
  const char *count = decimal(dropped, text);
  size_t count_size = (size_t)(text + 23 - count);
  unsigned char *at = effects->at + effects->size;
  at = head(at, sizeof "dropped\0\0" "0" + count_size);
  at = copy(at, "dropped\0\0" "0", sizeof "dropped\0\0" "0");
  effects->size = (size_t)(copy(at, count, count_size) - effects->at);
  dropped = 0;
}

const struct batch *effects_take(void) {
  pthread_mutex_lock(&lock);
  struct batch full = waiting;
  waiting = sending;
  begin(&waiting);
  sending = full;
  if (dropped > 0) tell_dropped(&sending.effects);
  if (sending.effects.size == EMPTY) sending.effects.size = 0;
  pthread_cond_broadcast(&taken);
  pthread_mutex_unlock(&lock);
  return &sending;
}

void effects_end(void) {
  pthread_mutex_lock(&lock);
  atomic_store(&open_for_notes, 0);
  if (wake_fd >= 0) pthread_cond_broadcast(&taken);
  pthread_mutex_unlock(&lock);
}
