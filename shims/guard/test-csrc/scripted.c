/*
 * In place of the link, for tests of what the supervisor does with a decision: rows and answers come from the file that
 * CSG_TEST_SCRIPT names, and effects and questions go to the one of CSG_TEST_LOG.
 *
 *   row OPS VERDICT PATH          as a file row whose pattern is a path and everything below; first match wins
 *   answer OP DECISION [PATH]     of a question: its O (`late-write`, `late-replace`), ALLOW, DENY, MODIFY; + after it: remember
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../csrc/ask.h"
#include "../csrc/guard.h"
#include "../csrc/table.h"

#define MOST_LINES 64

struct line {
  char kind[16];
  char what[64];
  char verdict[16];
  char path[PATH_ROOM];
};

static struct line lines[MOST_LINES];
static size_t line_count;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char remembered_path[64][PATH_ROOM];
static struct { char ops; enum row verdict; } remembered[64];
static size_t remembered_count;

__attribute__((constructor)) static void read_script(void) {
  const char *path = getenv("CSG_TEST_SCRIPT"), *log = getenv("CSG_TEST_LOG");
  char text[2 * PATH_ROOM];
  if (log != NULL) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  FILE *file = path == NULL ? NULL : fopen(path, "re");
  while (file != NULL && line_count < MOST_LINES && fgets(text, sizeof text, file) != NULL) {
    struct line *line = &lines[line_count];
    if (sscanf(text, "%15s %63s %15s %4095[^\n]", line->kind, line->what, line->verdict, line->path) >= 3) line_count++;
  }
  if (file != NULL) fclose(file);
}

static void note(const char *format, ...) {
  char text[3 * PATH_ROOM];
  va_list list;
  va_start(list, format);
  int length = vsnprintf(text, sizeof text, format, list);
  va_end(list);
  if (log_fd >= 0 && length > 0 && write(log_fd, text, (size_t)length) != length) abort();
}

enum row table_file(char ops, const char *path) {
  for (size_t i = 0; i < line_count; i++) {
    const struct line *line = &lines[i];
    if (strcmp(line->kind, "row") != 0 || strchr(line->what, ops) == NULL || !is_below(path, line->path)) continue;
    return strcmp(line->verdict, "allow") == 0  ? ROW_ALLOW
           : strcmp(line->verdict, "late") == 0 ? ROW_LATE
           : strcmp(line->verdict, "ask") == 0  ? ROW_ASK
                                                : ROW_DENY;
  }
  return ROW_ASK;
}

void table_remember(char ops, const char *object, enum row verdict) {
  pthread_mutex_lock(&lock);
  if (remembered_count < 64) {
    snprintf(remembered_path[remembered_count], PATH_ROOM, "%s", object);
    remembered[remembered_count].ops = ops;
    remembered[remembered_count++].verdict = verdict;
  }
  pthread_mutex_unlock(&lock);
}

int table_remembered(char ops, const char *object, enum row *verdict) {
  int found = 0;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < remembered_count && !found; i++) {
    found = remembered[i].ops == ops && strcmp(remembered_path[i], object) == 0;
    if (found) *verdict = remembered[i].verdict;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static void text_of(const struct bytes *question, unsigned char tag, char *out, size_t room) {
  struct field field;
  size_t offset = 8;
  out[0] = 0;
  while (next_field(question, &offset, &field) == 1)
    if (field.tag == tag && field.size < room) {
      memcpy(out, field.at, field.size);
      out[field.size] = 0;
    }
}

struct reply ask(struct bytes *question, int gone, on_waiting waiting, void *context) {
  char kind[16], op[32], key[64], path[PATH_ROOM], second[PATH_ROOM];
  struct reply reply = {.decision = DECIDED_DENY, .message = "", .action = ""};
  (void)waiting;
  (void)context;
  text_of(question, 'k', kind, sizeof kind);
  text_of(question, 'O', op, sizeof op);
  text_of(question, 'p', path, sizeof path);
  text_of(question, 't', second, sizeof second);
  snprintf(key, sizeof key, "%s%s", strcmp(kind, "late") == 0 ? "late-" : "", op);
  note("ask %s %s%s%s\n", key, path, *second ? " -> " : "", second);
  for (size_t i = 0; i < line_count; i++) {
    if (strcmp(lines[i].kind, "answer") != 0 || strcmp(lines[i].what, key) != 0) continue;
    reply.remember = strchr(lines[i].verdict, '+') != NULL;
    if (strncmp(lines[i].verdict, "ALLOW", 5) == 0) reply.decision = DECIDED_ALLOW;
    if (strncmp(lines[i].verdict, "MODIFY", 6) == 0) {
      reply.decision = DECIDED_MODIFY;
      reply.path = lines[i].path;
    }
    if (strncmp(lines[i].verdict, "WAIT", 4) == 0) {
      struct pollfd ended = {.fd = gone, .events = POLLIN, .revents = 0};
      poll(&ended, 1, 10000);
      note("gone %d\n", ended.revents != 0);
    }
    break;
  }
  return reply;
}

/* The script answers at once: nothing is ever left standing. */
struct reply ask_briefly(struct bytes *question, int patience_ms, struct pending **pending) {
  (void)patience_ms;
  *pending = NULL;
  return ask(question, -1, NULL, NULL);
}

struct reply ask_rest(struct pending *pending, int gone) {
  (void)pending;
  (void)gone;
  return (struct reply){.decision = DECIDED_DENY, .message = "", .action = ""};
}

void ask_withdraw(struct pending *pending) { (void)pending; }

void ask_leave(void) {}

void reply_free(struct reply *reply) { (void)reply; }

void effect(const char *op, const char *scope, int error, const char *path, const char *second) {
  (void)scope;
  note("effect %s %d %s%s%s\n", op, error, path, second != NULL ? " -> " : "", second != NULL ? second : "");
}

void report_end(const char *action, const char *how) {
  (void)action;
  (void)how;
}

int link_connect(const char *path, const char *session, const char *key, char *why, size_t room) {
  (void)path;
  (void)session;
  (void)key;
  (void)why;
  (void)room;
  return 0;
}

int link_start(const struct pushes *pushes, char *why, size_t room) {
  (void)pushes;
  (void)why;
  (void)room;
  return 0;
}

void link_stop(int deadline_ms) { (void)deadline_ms; }
int link_alive(void) { return 1; }
int table_replace(const struct bytes *frame) { return frame == NULL ? -1 : 0; }
int table_exec_asks(const char *program, const char *called_by, const char *argv, size_t size) {
  (void)program;
  (void)called_by;
  (void)argv;
  (void)size;
  return 0;
}
int table_unix_allows(const char *path) { return path != NULL; }
int table_host_allows(const char *host, int port) { return host != NULL && port >= 0; }
