#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ask.h"
#include "exec.h"
#include "kernel.h"
#include "resolve.h"
#include "scope.h"
#include "tracee.h"

static const char DENIED[] = "countersign: denied\n";
static const char UNCHANGED[] = "countersign: denied: what was to run instead does not fit into this process\n";
static const char TOO_MANY[] = "countersign: denied: too many programs of this session wait for an answer; answer or end some of them first\n";
static const char NO_REPLACEMENT[] = "countersign: denied: what was to run instead is not there\n";

/* Each of them keeps a worker: some must be left for everything else, or the session would stand still (supervisor.c). */
#define MOST_HELD 400
static int held;

/*
 * What an answer (MODIFY) said shall run in a process next. Kept until that process execs again; the start time tells a later process of the same
 * number from it. The oldest are forgotten: then it is asked about anew.
 */
#define MOST_EXPECTED 64
struct expected {
  pid_t process;
  unsigned long long started;
  char action[SCOPE_ROOM];
  char *program;
  char *argv;
  size_t argv_size;
};
static struct expected expected[MOST_EXPECTED];
static size_t next_expected, count_expected;
static pthread_mutex_t expecting = PTHREAD_MUTEX_INITIALIZER;

/* Field 22 of stat: in ticks since the boot. */
static unsigned long long start_of(pid_t process) {
  char stat[1024];
  if (read_proc(process, "stat", stat, sizeof stat) < 0) return 0;
  char *at = strrchr(stat, ')');
  for (int field = 2; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
  return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static void forget_locked(struct expected *one) {
  if (one->process != 0) count_expected--;
  free(one->program);
  free(one->argv);
  memset(one, 0, sizeof *one);
}

static void expect(const struct image *image, const char *action, const char *program, char *const *argv) {
  struct expected fresh = {.process = image->process, .started = start_of(image->process)};
  for (size_t i = 0; argv[i] != NULL; i++) fresh.argv_size += strlen(argv[i]) + 1;
  fresh.program = must_copy(program);
  fresh.argv = must_alloc(fresh.argv_size);
  snprintf(fresh.action, sizeof fresh.action, "%s", action);
  size_t at = 0;
  for (size_t i = 0; argv[i] != NULL; i++) {
    memcpy(fresh.argv + at, argv[i], strlen(argv[i]) + 1);
    at += strlen(argv[i]) + 1;
  }
  pthread_mutex_lock(&expecting);
  struct expected *one = &expected[next_expected++ % MOST_EXPECTED];
  forget_locked(one);
  *one = fresh;
  __atomic_add_fetch(&count_expected, 1, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&expecting);
}

/* The arguments after the first, which the kernel replaces when it runs an interpreter. */
static const char *after_first(const char *argv, size_t size, size_t *left) {
  const char *end = memchr(argv, 0, size);
  *left = end == NULL ? 0 : size - (size_t)(end + 1 - argv);
  return end == NULL ? argv : end + 1;
}

static int is_expected(const struct expected *one, const struct image *image) {
  if (image->script[0] == 0)
    return strcmp(image->program, one->program) == 0 && image->argv_size == one->argv_size &&
           memcmp(image->argv, one->argv, one->argv_size) == 0;
  size_t left = 0;
  const char *rest = after_first(one->argv, one->argv_size, &left);
  return strcmp(image->script, one->program) == 0 && image->argv_size >= left &&
         memcmp(image->argv + image->argv_size - left, rest, left) == 0;
}

int exec_expected(const struct image *image) {
  int yes = 0;
  char action[SCOPE_ROOM];
  if (__atomic_load_n(&count_expected, __ATOMIC_RELAXED) == 0) return 0;
  unsigned long long started = start_of(image->process);
  pthread_mutex_lock(&expecting);
  for (size_t i = 0; i < MOST_EXPECTED; i++) {
    struct expected *one = &expected[i];
    if (one->process != image->process) continue;
    if (one->started == started && is_expected(one, image)) {
      yes = 1;
      memcpy(action, one->action, sizeof action);
    }
    forget_locked(one);
  }
  pthread_mutex_unlock(&expecting);
  if (yes && action[0] != 0) scope_set(image->process, action);
  return yes;
}

void exec_refuse(pid_t process, const char *message) {
  if (poke_refusal(process, message) == 0) {
    stop_release(process);
    return;
  }
  exec_tell(process, message);
  stop_kill(process);
}

static int stdin_is_terminal(pid_t process) {
  char path[64];
  struct stat facts;
  snprintf(path, sizeof path, "%d/fd/0", process);
  if (fstatat(guard.host_proc, path, &facts, 0) != 0 || !S_ISCHR(facts.st_mode)) return 0;
  unsigned kind = major(facts.st_rdev);
  /* Virtual consoles and serial lines, /dev/tty and /dev/console, Unix98 pseudo terminals. */
  return kind == 4 || kind == 5 || (kind >= 136 && kind <= 143);
}

static void write_question(struct bytes *question, const struct image *image, const char *asker, const char *scope, int writable) {
  char path[64], folder[PATH_ROOM];
  put_text(question, 'k', "exec");
  put_number(question, 'q', image->process);
  put_text(question, 'e', asker);
  put_text(question, 'P', scope);
  put_text(question, 'p', image->program);
  put_text(question, 'o', image->called_by);
  const char *word = image->argv;
  for (size_t i = 0; i < image->argc; i++, word += strlen(word) + 1) put_text(question, 'a', word);
  snprintf(path, sizeof path, "%d/cwd", image->process);
  ssize_t n = readlinkat(guard.host_proc, path, folder, sizeof folder - 1);
  folder[n < 0 ? 0 : n] = 0;
  put_text(question, 'c', folder);
  if (image->script[0] != 0) put_text(question, 's', image->script);
  if (writable) put_text(question, 'w', "1");
  if (stdin_is_terminal(image->process)) put_text(question, 'I', "1");
}

/* What becomes readable when nobody waits for the answer any more: the process's end, or a signal that would end it. */
struct gone {
  pid_t process;
  int both, pidfd, bell, told;
};

static void add_to(int both, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (both >= 0 && fd >= 0) epoll_ctl(both, EPOLL_CTL_ADD, fd, &event);
}

static void gone_open(struct gone *gone, pid_t process) {
  gone->process = process;
  gone->told = 0;
  gone->both = epoll_create1(EPOLL_CLOEXEC);
  gone->pidfd = (int)syscall(SYS_pidfd_open, process, 0);
  gone->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  add_to(gone->both, gone->pidfd);
  add_to(gone->both, gone->bell);
}

static void gone_close(struct gone *gone) {
  if (gone->told) held_forget(gone->process);
  if (gone->both >= 0) close(gone->both);
  if (gone->pidfd >= 0) close(gone->pidfd);
  if (gone->bell >= 0) close(gone->bell);
}

/* Somebody has to think: the program's user is told once, and may now press ^C. */
static void tell_waiting(void *context, const char *text, long long left_ms) {
  struct gone *gone = context;
  (void)left_ms;
  if (gone->told) return;
  gone->told = 1;
  exec_tell(gone->process, text);
  if (gone->bell >= 0) held_watch(gone->process, gone->bell);
}

/*
 * Programs whose credentials are read without a question where they cannot hand them on (electron/wire/own-use.ts); the daemon looks whether
 * the memory is closed before it lets one read. None of them looks at what a closed process cannot see of itself.
 */
static int is_kept(const char *program) {
  static const char *const kept[] = {"/ssh"};
  size_t size = strlen(program);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    if (size >= strlen(kept[i]) && strcmp(program + size - strlen(kept[i]), kept[i]) == 0) return 1;
  return 0;
}

static void follow(pid_t process, const struct reply *reply) {
  if (reply->action[0] != 0) scope_set(process, reply->action);
  if (reply->report_end) ends_watch(process, reply->action);
}

/* Runs something else in this process: its first instruction becomes the exec of that. */
static void replace(const struct image *image, const struct reply *reply) {
  struct object object;
  if (reply->path == NULL || reply->argv == NULL || resolve_object(image->process, AT_FDCWD, reply->path, 0, 0, &object) != 0) {
    exec_refuse(image->process, NO_REPLACEMENT);
    return;
  }
  close(object.fd);
  if (poke_exec(image->process, image->environment, reply->path, reply->argv) != 0) {
    exec_refuse(image->process, UNCHANGED);
    return;
  }
  exec_tell(image->process, reply->message);
  expect(image, reply->action, object.name, reply->argv);
  follow(image->process, reply);
  stop_release(image->process);
}

void exec_ask(const struct image *image, const char *asker, const char *scope, int writable) {
  struct bytes question = {0};
  struct gone gone;
  if (__atomic_add_fetch(&held, 1, __ATOMIC_RELAXED) > MOST_HELD) {
    __atomic_sub_fetch(&held, 1, __ATOMIC_RELAXED);
    effect("exec", scope, EAGAIN, image->program, NULL);
    exec_refuse(image->process, TOO_MANY);
    return;
  }
  write_question(&question, image, asker, scope, writable);
  gone_open(&gone, image->process);
  struct reply reply = ask(&question, gone.both, tell_waiting, &gone);
  gone_close(&gone);
  __atomic_sub_fetch(&held, 1, __ATOMIC_RELAXED);
  free(question.at);
  switch (reply.decision) {
    case DECIDED_ALLOW:
      exec_tell(image->process, reply.message);
      follow(image->process, &reply);
      if (!writable && is_kept(image->program)) seal_memory(image->process);
      stop_release(image->process);
      break;
    case DECIDED_MODIFY:
      replace(image, &reply);
      break;
    case DECIDED_DENY:
    default:
      exec_refuse(image->process, reply.message[0] != 0 ? reply.message : DENIED);
  }
  reply_free(&reply);
}
