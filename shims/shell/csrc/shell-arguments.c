#define _GNU_SOURCE
#include "shell-arguments.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int is_shell(const char *name) {
  static const char *const names[] = {"sh", "bash", "dash", "zsh"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return 1;
  return 0;
}

static int takes_value(const char *word) {
  return strcmp(word, "--rcfile") == 0 || strcmp(word, "--init-file") == 0;
}

struct shell_arguments read_shell_arguments(char **argv) {
  struct shell_arguments a = {0};
  int from_stdin = 0, asked = 0, i = 1;
  if (argv[0] != NULL && argv[0][0] == '-') a.login = 1;
  if (getenv("POSIXLY_CORRECT") != NULL) a.posix = 1;
  for (; argv[0] != NULL && argv[i] != NULL; i++) {
    char *word = argv[i];
    if (strcmp(word, "--") == 0 || strcmp(word, "-") == 0) {
      i++;
      break;
    }
    if (strncmp(word, "--", 2) == 0) {
      if (strcmp(word, "--login") == 0) a.login = 1;
      else if (strcmp(word, "--posix") == 0) a.posix = 1;
      else if (strcmp(word, "--norc") == 0) a.norc = 1;
      else if (strcmp(word, "--noprofile") == 0) a.noprofile = 1;
      else if (takes_value(word) && argv[i + 1] != NULL) a.rcfile = argv[++i];
      continue;
    }
    if ((word[0] != '-' && word[0] != '+') || word[1] == '\0') break;
    int values = 0;
    for (char *c = word + 1; *c != '\0'; c++) {
      if (*c == 'o' || *c == 'O') values++;
      if (word[0] == '+') continue;
      if (*c == 'c') a.command = 1;
      else if (*c == 'i') asked = 1;
      else if (*c == 'l') a.login = 1;
      else if (*c == 's') from_stdin = 1;
      else if (*c == 'p') a.privileged = 1;
    }
    for (; values > 0 && argv[i + 1] != NULL; values--)
      if (strcmp(argv[++i], "posix") == 0 && word[0] == '-') a.posix = 1;
  }
  if (!a.command && !from_stdin && argv[0] != NULL && argv[i] != NULL) a.script = argv[i];
  a.interactive = asked || (!a.command && a.script == NULL && isatty(0) && isatty(2));
  return a;
}

int trap_follows(const char *name, const struct shell_arguments *a) {
  return strcmp(name, "bash") == 0 && !a->posix && !a->privileged && getuid() == geteuid() && getgid() == getegid();
}

char **with_trap(char **argv, const struct shell_arguments *a, const char *integration) {
  const char *own = getenv("BASH_ENV");
  if (own != NULL && strcmp(own, integration) != 0) setenv("COUNTERSIGN_BASH_ENV", own, 1);
  setenv("BASH_ENV", integration, 1);
  size_t count = 0;
  while (argv[count] != NULL) count++;
  char **words = calloc(count + 4, sizeof *words);
  if (words == NULL) return NULL;
  size_t n = 0, i = 1;
  if (!a->interactive) {
    /* With a socket as standard input (what Node gives its children) bash believes that rshd started it and reads ~/.bashrc in
       place of BASH_ENV. --norc is what keeps it from that, and means nothing else to a shell that is not interactive. */
    words[n++] = argv[0];
    words[n++] = "--norc";
    for (; i < count; i++) words[n++] = argv[i];
    return words;
  }
  /* What the person's own start-up would have read; the integration reads it in our place, first. */
  setenv("COUNTERSIGN_BASH_START",
         a->login ? (a->noprofile ? "none" : "login") : a->norc ? "none" : a->rcfile != NULL ? a->rcfile : "rc", 1);
  words[n++] = argv[0][0] == '-' ? argv[0] + 1 : argv[0];
  words[n++] = "--init-file";
  words[n++] = (char *)integration;
  for (; i < count; i++) {
    char *word = argv[i];
    if (strcmp(word, "--") == 0 || word[0] != '-' || word[1] == '\0') break;
    if (takes_value(word)) {
      i++;
      continue;
    }
    if (strcmp(word, "--login") == 0 || strcmp(word, "--norc") == 0 || strcmp(word, "--noprofile") == 0) continue;
    if (word[1] != '-' && strchr(word, 'l') != NULL) {
      /* A login shell ignores --init-file. */
      char *kept = calloc(strlen(word) + 1, 1), *to = kept;
      if (kept == NULL) return NULL;
      for (char *c = word; *c != '\0'; c++)
        if (*c != 'l') *to++ = *c;
      if (strcmp(kept, "-") == 0) continue;
      word = kept;
    }
    words[n++] = word;
    if (word[1] != '-')
      for (char *c = word + 1; *c != '\0' && i + 1 < count; c++)
        if (*c == 'o' || *c == 'O') words[n++] = argv[++i];
  }
  for (; i < count; i++) words[n++] = argv[i];
  return words;
}
