/*
 * countersign-ask: a shell's question about what it is about to run, or its report of how that ended.
 *
 *   countersign-ask KIND SHELL_PID FLAGS STATUS [TEXT [NAME=VALUE …]]
 *   countersign-ask file|connect PID FIELD …     a question of the file shim; a FIELD is its tag (frame.ts) and its value in one word;
 *                                                the reason of a denial goes to standard output
 *   countersign-ask - < the same words, each ended by a NUL (one word of an argv is at most 128 KiB)
 *
 * KIND: `command` (a simple command), `line` (a whole typed line), `report` (only STATUS), `take` (prints the changed command
 * that the last question of this shell was answered with). FLAGS: letters, `i` interactive, `f` parts follow. STATUS: exit
 * status of the shell's previous command, or `-`.
 *
 * Exit: 0 ALLOW, 10 MODIFY (then `take`), 126 denied. Any other exit means a denial too: the shell never runs on
 * something this program did not say clearly.
 */
#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CHANGED 10

static int malformed(void) {
  say("countersign: denied: the shell integration asked something malformed\n", NULL);
  return EXIT_DENIED;
}

/* Reads NUL-ended words from standard input into an argv. */
static int read_words(int *count, char ***words) {
  size_t size = 0, room = 1 << 16;
  char *text = malloc(room + 1);
  while (text != NULL) {
    ssize_t n = read(0, text + size, room - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    size += (size_t)n;
    if (size > MAX_FRAME) return -1;
    if (size == room) {
      room *= 2;
      text = realloc(text, room + 1);
    }
  }
  if (text == NULL) return -1;
  size_t total = 0;
  for (size_t i = 0; i < size; i++) total += text[i] == '\0';
  char **list = calloc(total + 1, sizeof *list);
  if (list == NULL) return -1;
  char *at = text;
  for (size_t i = 0; i < total; i++) {
    list[i] = at;
    at += strlen(at) + 1;
  }
  *count = (int)total;
  *words = list;
  return 0;
}

/* The file shim's synchronous questions: it cannot read a socket while its program stands still. */
static int ask_about_file(const struct called *called, int count, char **words) {
  struct bytes question = {0};
  put_text(&question, 'k', words[0]);
  put_text(&question, 'q', words[1]);
  for (int i = 2; i < count; i++) {
    if (words[i][0] == '\0' || strchr("OptRMehjc", words[i][0]) == NULL) return malformed();
    put_text(&question, (unsigned char)words[i][0], words[i] + 1);
  }
  say_reasons_to(1);
  return ask_host(called, &question).verdict == ANSWER_ALLOW ? 0 : EXIT_DENIED;
}

int ask_main(const struct called *called, int argc, char **argv) {
  int count = argc - 1;
  char **words = argv + 1;
  if (count == 1 && strcmp(words[0], "-") == 0 && read_words(&count, &words) != 0) return malformed();
  if (count > 2 && (strcmp(words[0], "file") == 0 || strcmp(words[0], "connect") == 0))
    return ask_about_file(called, count, words);
  if (count < 4) return malformed();
  struct bytes question = {0};
  put_text(&question, 'k', words[0]);
  put_text(&question, 'q', words[1]);
  if (strchr(words[2], 'i') != NULL) put_text(&question, 'I', "1");
  if (strchr(words[2], 'f') != NULL) put_text(&question, 'f', "1");
  if (strcmp(words[3], "-") != 0) put_text(&question, 'r', words[3]);
  if (count > 4) put_text(&question, 'l', words[4]);
  for (int i = 5; i < count; i++) put_text(&question, 'v', words[i]);
  char *cwd = getcwd(NULL, 0);
  if (cwd != NULL) put_text(&question, 'c', cwd);
  struct answer answer = ask_host(called, &question);
  switch (answer.verdict) {
    case ANSWER_ALLOW:
      return 0;
    case ANSWER_MODIFY:
      if (strcmp(words[0], "take") != 0) return EXIT_CHANGED;
      if (answer.line == NULL || fputs(answer.line, stdout) < 0 || fflush(stdout) != 0) return EXIT_DENIED;
      return 0;
    case ANSWER_DENY:
    default:
      return EXIT_DENIED;
  }
}
