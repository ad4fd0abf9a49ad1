#define _GNU_SOURCE
#include "surface.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define ANSWER_MS 20000
#define GRACE_MS 2000

static int is_session_dir(const char *dir) {
  char path[PATH_MAX];
  struct stat s;
  if (snprintf(path, sizeof path, "%s/surface.sock", dir) >= (int)sizeof path) return 0;
  return stat(path, &s) == 0 && S_ISSOCK(s.st_mode);
}

/*
 * The kernel says which path was executed (AT_EXECFN), and that path lies in the session's own directory: an agent that
 * clears or forges the environment still reaches the right host. A script whose `#!` names a shim has the script's path
 * there; then argv[0] is the shim.
 */
struct called how_called(char **argv) {
  const char *candidates[2] = {(const char *)getauxval(AT_EXECFN), argv[0]};
  for (int i = 0; i < 2; i++) {
    if (candidates[i] == NULL || strchr(candidates[i], '/') == NULL) continue;
    char *copy = strdup(candidates[i]);
    char resolved[PATH_MAX];
    if (copy == NULL || realpath(dirname(copy), resolved) == NULL) continue;
    char *dir = strdup(dirname(resolved));
    if (dir == NULL || !is_session_dir(dir)) continue;
    return (struct called){.name = strrchr(candidates[i], '/') + 1, .session_dir = dir};
  }
  const char *name = candidates[0] != NULL ? candidates[0] : argv[0] != NULL ? argv[0] : "?";
  const char *slash = strrchr(name, '/');
  const char *dir = getenv("COUNTERSIGN_SESSION_DIR");
  return (struct called){.name = slash != NULL ? slash + 1 : name, .session_dir = dir};
}

char *session_file(const struct called *called, const char *file) {
  char *path = NULL;
  if (called->session_dir == NULL || asprintf(&path, "%s/%s", called->session_dir, file) < 0) return NULL;
  return path;
}

static struct answer denied(int socket, const char *why) {
  say("countersign: denied: ", why, "\n", NULL);
  if (socket >= 0) close(socket);
  return (struct answer){.verdict = ANSWER_DENY, .socket = -1, .argv = NULL, .line = NULL};
}

static char *text_of(const struct field *field) {
  char *text = strndup((const char *)field->at, field->size);
  if (text == NULL) {
    say("countersign: denied: out of memory\n", NULL);
    _exit(EXIT_DENIED);
  }
  return text;
}

static int reasons_to = 2;

void say_reasons_to(int descriptor) { reasons_to = descriptor; }

static void print(int descriptor, const struct field *field) {
  if (field->size == 0) return;
  if (write(descriptor, field->at, field->size) < 0) return;
}

/* Reads a final answer; -1 when it is malformed, incomplete, or says what its verdict does not allow. */
static int read_answer(const struct bytes *frame, struct answer *answer, int *wants_outcome) {
  struct field f, message = {0};
  size_t offset = 0, words = 0, room = 0;
  int more, verdict = -1;
  while ((more = next_field(frame, &offset, &f)) == 1) {
    switch (f.tag) {
      case 'D':
        if (f.size == 5 && memcmp(f.at, "ALLOW", 5) == 0) verdict = ANSWER_ALLOW;
        else if (f.size == 4 && memcmp(f.at, "DENY", 4) == 0) verdict = ANSWER_DENY;
        else if (f.size == 6 && memcmp(f.at, "MODIFY", 6) == 0) verdict = ANSWER_MODIFY;
        else return -1;
        break;
      case 'm':
        message = f;
        break;
      case 't':
        *wants_outcome = 1;
        break;
      case 'l':
        answer->line = text_of(&f);
        break;
      case 'a':
        if (words + 2 > room) {
          room = room == 0 ? 16 : room * 2;
          answer->argv = realloc(answer->argv, room * sizeof *answer->argv);
          if (answer->argv == NULL) return -1;
        }
        answer->argv[words++] = text_of(&f);
        answer->argv[words] = NULL;
        break;
      default:
        return -1;
    }
  }
  if (more < 0 || verdict < 0) return -1;
  if (verdict == ANSWER_MODIFY && answer->argv == NULL && answer->line == NULL) return -1;
  print(reasons_to, &message);
  answer->verdict = (enum verdict)verdict;
  return 0;
}

/* True when the frame says that a person or a fact is waited for; prints it and moves the deadline. */
static int is_waiting(const struct bytes *frame, long long *deadline) {
  struct field f;
  size_t offset = 0;
  int waiting = 0;
  while (next_field(frame, &offset, &f) == 1) {
    if (f.tag == 'w') {
      waiting = 1;
      print(2, &f);
    } else if (f.tag == 'd' && waiting) {
      char digits[16] = {0};
      memcpy(digits, f.at, f.size < sizeof digits - 1 ? f.size : sizeof digits - 1);
      long long ms = atoll(digits);
      if (ms > 0) *deadline = now_ms() + ms + GRACE_MS;
    }
  }
  return waiting;
}

static long long answer_ms(void) {
  /* The launcher's measure of how long a decision may take. An agent that changes it can only be denied sooner or later. */
  const char *text = getenv("COUNTERSIGN_DEADLINE_MS");
  long long ms = text != NULL ? atoll(text) : 0;
  return ms > 0 && ms < 600000 ? ms : ANSWER_MS;
}

struct answer ask_host(const struct called *called, const struct bytes *question) {
  char *path = session_file(called, "surface.sock");
  if (path == NULL)
    return denied(-1, "this program is a shim of a session that is not here; take its directory off PATH, or start again "
                      "with `countersign run`");
  int socket = connect_to(path, now_ms() + CONNECT_MS);
  if (socket < 0)
    return denied(-1, "the session's host does not answer: the session has ended or its launcher was killed; start again "
                      "with `countersign run`");
  long long deadline = now_ms() + answer_ms();
  if (send_frame(socket, question, deadline) != 0)
    return denied(socket, "the session's host went away; start again with `countersign run`");
  struct bytes frame = {0};
  for (;;) {
    switch (receive_frame(socket, &frame, deadline)) {
      case RECEIVED:
        break;
      case RECEIVED_LATE:
        return denied(socket, "no decision came in time; see `countersign status`");
      case RECEIVED_END:
        return denied(socket, "the session's host went away before it answered; start again with `countersign run`");
      case RECEIVED_BROKEN:
      default:
        return denied(socket, "the session's host answered something unreadable; start again with `countersign run`");
    }
    if (is_waiting(&frame, &deadline)) continue;
    struct answer answer = {.verdict = ANSWER_DENY, .socket = socket, .argv = NULL, .line = NULL};
    int wants_outcome = 0;
    if (read_answer(&frame, &answer, &wants_outcome) != 0)
      return denied(socket, "the session's host answered something unreadable; start again with `countersign run`");
    if (answer.verdict == ANSWER_DENY || !wants_outcome) {
      close(socket);
      answer.socket = -1;
    }
    return answer;
  }
}
