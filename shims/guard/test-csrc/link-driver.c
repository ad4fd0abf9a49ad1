/*
 * Test driver for the link: SOCKET SESSION KEY, then commands on standard input, one line each. Prints one line for each
 * thing that happens.
 *
 *   ask KIND O PATH [SIZE]   one question on this thread, with SIZE bytes of argv
 *   gone MS KIND O PATH      the same, and the process that asked is gone after MS
 *   threads N TIMES          N threads ask TIMES each about /t/N/TIME, and print how often the answer was their own
 *   time TIMES               asks TIMES times and prints microseconds for each
 *   effects N SIZE           notes N effects with paths of SIZE bytes; prints nanoseconds for each
 *   ended ACTION HOW
 *   sleep MS | alive | stop MS | fds
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include "../csrc/ask.h"
#include "input.h"

static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void print(const char *what, const char *text) {
  pthread_mutex_lock(&printing);
  printf("%s ", what);
  for (; *text != 0; text++) {
    if (*text == '\n') printf("\\n");
    else putchar(*text);
  }
  printf("\n");
  pthread_mutex_unlock(&printing);
}

static void on_grant(const char *path) { print("grant", path); }
static void on_revoke(const char *path) { print("revoke", path); }
static void on_end(const char *why) { print("end", why != NULL ? why : "(lost)"); }

static void heard_waiting(void *context, const char *text, long long left) {
  char line[256];
  snprintf(line, sizeof line, "%s %s %lld", (const char *)context, text, left);
  print("waiting", line);
}

static struct reply put_and_ask(const char *kind, const char *o, const char *path, size_t argv, int gone, on_waiting waiting) {
  struct bytes question = {0};
  put_text(&question, 'k', kind);
  if (strcmp(o, "-") != 0) put_text(&question, 'O', o);
  put_text(&question, 'p', path);
  if (argv > 0) {
    char *word = malloc(argv);
    if (word == NULL) exit(3);
    memset(word, 'x', argv);
    put(&question, 'a', word, argv);
    free(word);
  }
  size_t size = question.size;
  struct reply reply = ask(&question, gone, waiting, (void *)(size_t)"main");
  if (question.size != size) print("error", "the question was changed");
  free(question.at);
  return reply;
}

static void print_reply(const struct reply *r) {
  static const char *const decisions[] = {"DENY", "ALLOW", "MODIFY"};
  char *line = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&line, &size);
  if (to == NULL) exit(3);
  fprintf(to, "%s [%s] [%s]%s%s", decisions[r->decision], r->action, r->message, r->report_end ? " x" : "",
          r->remember ? " G" : "");
  if (r->path != NULL) fprintf(to, " p=%s", r->path);
  for (char **word = r->argv; word != NULL && *word != NULL; word++) fprintf(to, " a=%s", *word);
  fclose(to);
  print("reply", line);
  free(line);
}

struct asker {
  int number, times, right;
};

static void *ask_often(void *context) {
  struct asker *asker = context;
  for (int i = 0; i < asker->times; i++) {
    char path[64];
    snprintf(path, sizeof path, "/t/%d/%d", asker->number, i);
    struct reply r = put_and_ask("file", "write", path, 0, -1, NULL);
    asker->right += r.decision == DECIDED_ALLOW && strcmp(r.action, path) == 0;
    reply_free(&r);
  }
  return NULL;
}

static void threads(int count, int times) {
  pthread_t ids[64];
  struct asker askers[64];
  int right = 0;
  if (count > 64) exit(3);
  for (int i = 0; i < count; i++) {
    askers[i] = (struct asker){.number = i, .times = times, .right = 0};
    if (pthread_create(&ids[i], NULL, ask_often, &askers[i]) != 0) exit(3);
  }
  for (int i = 0; i < count; i++) {
    pthread_join(ids[i], NULL);
    right += askers[i].right;
  }
  char line[64];
  snprintf(line, sizeof line, "%d of %d", right, count * times);
  print("threads", line);
}

struct goer {
  int fd, ms;
};

static void *go(void *context) {
  struct goer *goer = context;
  usleep((useconds_t)goer->ms * 1000);
  close(goer->fd);
  return NULL;
}

static void ask_gone(int ms, const char *kind, const char *o, const char *path) {
  int ends[2];
  pthread_t id;
  if (pipe(ends) != 0) exit(3);
  struct goer goer = {.fd = ends[1], .ms = ms};
  if (pthread_create(&id, NULL, go, &goer) != 0) exit(3);
  struct reply r = put_and_ask(kind, o, path, 0, ends[0], heard_waiting);
  print_reply(&r);
  reply_free(&r);
  pthread_join(id, NULL);
  close(ends[0]);
}

static void note(int count, int size) {
  char *path = malloc((size_t)size + 1), line[64];
  if (path == NULL) exit(3);
  double start = seconds();
  for (int i = 0; i < count; i++) {
    int used = snprintf(path, (size_t)size + 1, "/e/%d/", i);
    if (used < size) memset(path + used, 'x', (size_t)(size - used));
    path[size] = 0;
    effect("write", "act_1", i % 3, path, i % 4 == 0 ? "/second" : NULL);
  }
  snprintf(line, sizeof line, "%.0f", (seconds() - start) * 1e9 / count);
  print("effects", line);
  free(path);
}

static void time_questions(int times) {
  char line[64];
  double start = seconds();
  for (int i = 0; i < times; i++) {
    struct reply r = put_and_ask("file", "write", "/timed", 0, -1, NULL);
    reply_free(&r);
  }
  snprintf(line, sizeof line, "%.1f", (seconds() - start) * 1e6 / times);
  print("time", line);
}

static void count_fds(void) {
  DIR *dir = opendir("/proc/self/fd");
  char line[32];
  int count = 0;
  while (dir != NULL && readdir(dir) != NULL) count++;
  if (dir != NULL) closedir(dir);
  snprintf(line, sizeof line, "%d", count);
  print("fds", line);
}

static void obey(const char *line) {
  char word[16] = {0}, kind[16] = {0}, o[16] = {0}, path[256] = {0};
  int n = 0, m = 0;
  if (sscanf(line, "ask %15s %15s %255s %d", kind, o, path, &n) >= 3) {
    struct reply r = put_and_ask(kind, o, path, (size_t)n, -1, heard_waiting);
    print_reply(&r);
    reply_free(&r);
  } else if (sscanf(line, "gone %d %15s %15s %255s", &n, kind, o, path) == 4) ask_gone(n, kind, o, path);
  else if (sscanf(line, "threads %d %d", &n, &m) == 2) threads(n, m);
  else if (sscanf(line, "time %d", &n) == 1) time_questions(n);
  else if (sscanf(line, "effects %d %d", &n, &m) == 2) note(n, m);
  else if (sscanf(line, "ended %15s %255s", word, path) == 2) report_end(word, path);
  else if (sscanf(line, "sleep %d", &n) == 1) usleep((useconds_t)n * 1000);
  else if (sscanf(line, "stop %d", &n) == 1) {
    link_stop(n);
    print("stopped", link_alive() ? "alive" : "silent");
  } else if (strncmp(line, "alive", 5) == 0) print("alive", link_alive() ? "1" : "0");
  else if (strncmp(line, "fds", 3) == 0) count_fds();
  else exit(4);
}

int main(int argc, char **argv) {
  static const struct pushes pushes = {.grant = on_grant, .revoke = on_revoke, .end = on_end};
  char why[512], line[512];
  if (argc != 4) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (link_connect(argv[1], argv[2], argv[3], why, sizeof why) != 0 || link_start(&pushes, why, sizeof why) != 0) {
    print("failed", why);
    return 1;
  }
  print("started", "");
  while (fgets(line, sizeof line, stdin) != NULL) obey(line);
  return 0;
}
