#define _GNU_SOURCE
#include "veil-questions.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ask.h"
#include "guard.h"
#include "notice.h"
#include "scope.h"
#include "tracee.h"
#include "veil-family.h"
#include "veil-files.h"
#include "veil-grants.h"
#include "veil-real.h"
#include "veil.h"

#define MOST_QUESTIONS 16u
#define MOST_WAITING 1024u
#define ASKER_STACK (128u * 1024u)
#define PROGRAM_ROOM 1024
#define MOST_PASSES 64u
#define ASKER_BEAT_MS 200

struct held {
  struct touch touch;
  /* A signal reached it that does not end the waiting. */
  int stirred;
  struct held *next;
};

struct question {
  char *path;
  char program[PROGRAM_ROOM];
  char scope[SCOPE_ROOM];
  pid_t process;
  pid_t family;
  struct held *held;
  /* Readable once nobody waits for the answer any more. */
  int gone;
  int withdrawn;
  struct question *next;
};

static struct question *questions;
static unsigned question_count, held_count, stirred_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What workers may open now, once each. Bounded: the oldest is forgotten. */
static struct pass {
  char *path;
  char scope[SCOPE_ROOM];
} passes[MOST_PASSES];
static unsigned pass_at;
static pthread_mutex_t pass_lock = PTHREAD_MUTEX_INITIALIZER;

static void give_pass(const char *path, const char *scope) {
  pthread_mutex_lock(&pass_lock);
  struct pass *pass = &passes[pass_at++ % MOST_PASSES];
  free(pass->path);
  pass->path = must_copy(path);
  memcpy(pass->scope, scope, SCOPE_ROOM);
  pthread_mutex_unlock(&pass_lock);
}

static int take_pass(const char *path, char scope[SCOPE_ROOM]) {
  int found = 0;
  pthread_mutex_lock(&pass_lock);
  for (unsigned i = 0; i < MOST_PASSES && !found; i++) {
    if (passes[i].path == NULL || strcmp(passes[i].path, path) != 0) continue;
    found = 1;
    memcpy(scope, passes[i].scope, SCOPE_ROOM);
    free(passes[i].path);
    passes[i].path = NULL;
  }
  pthread_mutex_unlock(&pass_lock);
  return found;
}

/* The asker is not touched after this: it may be gone. */
static void tell(struct asker *asker, int error) {
  uint64_t one = 1;
  asker->error = error;
  if (write(asker->done, &one, sizeof one) != sizeof one) fail("the veils cannot be served", strerror(errno));
}

static void refuse(const struct touch *touch, const char *scope, const char *path, int error) {
  effect("read", scope, error, path, NULL);
  if (touch->asker != NULL) tell(touch->asker, error);
  else wire_fail(touch->fuse, touch->unique, error);
}

static void open_for(const struct touch *touch, const char *scope, const char *path) {
  if (touch->asker != NULL) {
    give_pass(path, scope);
    tell(touch->asker, 0);
    return;
  }
  effect("read", scope, veil_file_open(touch->fuse, touch->unique, touch->node, path), path, NULL);
}

static void remove_question_locked(const struct question *question) {
  struct question **link = &questions;
  while (*link != question) link = &(*link)->next;
  *link = question->next;
  question_count--;
}

static void *put_question(void *argument) {
  struct question *question = argument;
  struct bytes frame = {0};
  put_text(&frame, 'k', "read");
  put_number(&frame, 'q', question->process);
  put_text(&frame, 'e', question->program);
  put_text(&frame, 'P', question->scope);
  put_text(&frame, 'p', question->path);
  struct reply reply = ask(&frame, question->gone, NULL, NULL);
  int allowed = reply.decision == DECIDED_ALLOW;
  pthread_mutex_lock(&lock);
  remove_question_locked(question);
  struct held *held = question->held;
  question->held = NULL;
  for (const struct held *each = held; each != NULL; each = each->next) {
    held_count--;
    stirred_count -= (unsigned)each->stirred;
  }
  int heard = !question->withdrawn;
  if (heard && !allowed) family_refused(question->family, question->path, now_ms());
  pthread_mutex_unlock(&lock);
  /* Before anyone is answered: who asks again at once meets it. */
  if (heard && reply.remember) grants_say(question->path, allowed ? GRANTED_OPEN : GRANTED_SHUT);
  while (held != NULL) {
    struct held *next = held->next;
    if (allowed) open_for(&held->touch, question->scope, question->path);
    else refuse(&held->touch, question->scope, question->path, EACCES);
    free(held);
    held = next;
  }
  reply_free(&reply);
  free(frame.at);
  close(question->gone);
  free(question->path);
  free(question);
  return NULL;
}

static void hold_locked(struct question *question, const struct touch *touch) {
  struct held *held = must_alloc(sizeof *held);
  *held = (struct held){.touch = *touch, .next = question->held};
  question->held = held;
  held_count++;
}

static int start_asking(struct question *question) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, ASKER_STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_create(&thread, &attributes, put_question, question);
  pthread_attr_destroy(&attributes);
  return error == 0 ? 0 : -1;
}

/* Joins a question that is being asked, or puts a new one; 0, or -1 when it is not to be asked. */
static int hold_or_ask_locked(const struct question *wanted, const struct touch *touch) {
  unsigned of_family = 0;
  if (held_count >= MOST_WAITING) return -1;
  for (struct question *each = questions; each != NULL; each = each->next) {
    of_family += each->family == wanted->family;
    if (each->withdrawn || strcmp(each->path, wanted->path) != 0) continue;
    /* It is allowed to a program as it was started: another process that comes meanwhile is asked about by itself, whatever it runs. */
    if (each->process != wanted->process) continue;
    if (strcmp(each->program, wanted->program) != 0 || strcmp(each->scope, wanted->scope) != 0) continue;
    hold_locked(each, touch);
    return 0;
  }
  if (question_count >= MOST_QUESTIONS || !family_may_ask(wanted->family, wanted->path, of_family, now_ms())) return -1;
  struct question *question = must_alloc(sizeof *question);
  *question = *wanted;
  question->gone = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  question->path = must_copy(wanted->path);
  hold_locked(question, touch);
  question->next = questions;
  questions = question;
  question_count++;
  if (question->gone >= 0 && start_asking(question) == 0) return 0;
  remove_question_locked(question);
  free(question->held);
  held_count--;
  if (question->gone >= 0) close(question->gone);
  free(question->path);
  free(question);
  return -1;
}

void question_touch(const struct touch *touch, const char *path) {
  struct question wanted = {.path = (char *)(uintptr_t)path};
  pid_t parent;
  enum granted granted = grants_of(path);
  /* Not of the session: the supervisor itself, which opens nothing but what was just allowed to a thread it works for. */
  if (touch->tid <= 0 && touch->asker == NULL && take_pass(path, wanted.scope)) {
    open_for(touch, wanted.scope, path);
    return;
  }
  if (touch->tid <= 0 || tracee_family(touch->tid, &wanted.process, &parent) != 0) {
    refuse(touch, "", path, EACCES);
    return;
  }
  scope_of(touch->tid, wanted.scope);
  if (granted == GRANTED_OPEN) {
    open_for(touch, wanted.scope, path);
    return;
  }
  tracee_program(touch->tid, wanted.program, sizeof wanted.program);
  wanted.family = family_of(wanted.process, parent);
  pthread_mutex_lock(&lock);
  int result = granted == GRANTED_SHUT ? -1 : hold_or_ask_locked(&wanted, touch);
  pthread_mutex_unlock(&lock);
  if (result != 0) refuse(touch, wanted.scope, path, EACCES);
}

static uint64_t mask_of(const char *status, const char *label) {
  const char *at = strstr(status, label);
  return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 16);
}

/* 1 when a signal wants the thread now. What programs get as they work (a child ended, the window changed) does not count. */
static int is_wanted(pid_t tid) {
  static const int idle[] = {17 /* CHLD */, 18 /* CONT */, 23 /* URG */, 28 /* WINCH */};
  char status[4096];
  if (read_proc(tid, "status", status, sizeof status) < 0) return 1;
  uint64_t pending = mask_of(status, "\nSigPnd:") | mask_of(status, "\nShdPnd:");
  pending &= ~(mask_of(status, "\nSigBlk:") | mask_of(status, "\nSigIgn:"));
  for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) pending &= ~(1ull << (idle[i] - 1));
  return pending != 0;
}

/* Takes one out that waits no more. When it was the last, the question is withdrawn. */
static void let_go_locked(struct question *question, struct held **link) {
  struct held *held = *link;
  uint64_t one = 1;
  *link = held->next;
  held_count--;
  stirred_count -= (unsigned)held->stirred;
  if (question->held == NULL) {
    question->withdrawn = 1;
    if (write(question->gone, &one, sizeof one) != sizeof one) question->withdrawn = 1;
  }
  refuse(&held->touch, question->scope, question->path, EINTR);
  free(held);
}

/* Lets go of a worker whose thread is gone; nothing when its answer is on the way. */
static void let_go_of(const struct asker *asker) {
  pthread_mutex_lock(&lock);
  for (struct question *question = questions; question != NULL; question = question->next) {
    struct held **link = &question->held;
    while (*link != NULL && (*link)->touch.asker != asker) link = &(*link)->next;
    if (*link == NULL) continue;
    let_go_locked(question, link);
    break;
  }
  pthread_mutex_unlock(&lock);
}

int veil_ask(const struct notice *notice, const char *path) {
  for (size_t i = 0; i < guard.config.veiled.count; i++)
    if (real_is_shown(path, guard.config.veiled.at[i])) return 0;
  struct asker asker = {.done = eventfd(0, EFD_CLOEXEC)};
  struct touch touch = {.fuse = -1, .tid = notice->tid, .asker = &asker};
  if (asker.done < 0) return EACCES;
  question_touch(&touch, path);
  struct pollfd done = {.fd = asker.done, .events = POLLIN, .revents = 0};
  while (poll(&done, 1, ASKER_BEAT_MS) <= 0)
    if (!notice_valid(notice)) let_go_of(&asker);
  close(asker.done);
  return asker.error;
}

void question_interrupt(int fuse, uint64_t unique) {
  pthread_mutex_lock(&lock);
  for (struct question *question = questions; question != NULL; question = question->next) {
    struct held **link = &question->held;
    while (*link != NULL && ((*link)->touch.fuse != fuse || (*link)->touch.unique != unique)) link = &(*link)->next;
    if (*link == NULL) continue;
    /* The kernel says so only once: from now on we look ourselves. */
    if (is_wanted((*link)->touch.tid)) {
      let_go_locked(question, link);
    } else if (!(*link)->stirred) {
      (*link)->stirred = 1;
      stirred_count++;
    }
    break;
  }
  pthread_mutex_unlock(&lock);
}

int question_look_again(void) {
  pthread_mutex_lock(&lock);
  for (struct question *question = stirred_count == 0 ? NULL : questions; question != NULL; question = question->next)
    for (struct held **link = &question->held; *link != NULL;) {
      if ((*link)->stirred && is_wanted((*link)->touch.tid)) let_go_locked(question, link);
      else link = &(*link)->next;
    }
  int again = stirred_count > 0;
  pthread_mutex_unlock(&lock);
  return again;
}
