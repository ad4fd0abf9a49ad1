/* How a shim finds the host of its session and hears its decision. Everything that is not a clear answer denies. */
#ifndef CSN_SURFACE_H
#define CSN_SURFACE_H

#include "frame.h"

#define EXIT_DENIED 126
#define EXIT_NOT_FOUND 127

/* The name this binary was called by, and the session directory it was called in (or null). */
struct called {
  const char *name;
  const char *session_dir;
};

struct called how_called(char **argv);

/* Path of `file` in the session's directory, or null when there is no session. */
char *session_file(const struct called *called, const char *file);

enum verdict { ANSWER_DENY, ANSWER_ALLOW, ANSWER_MODIFY };

struct answer {
  enum verdict verdict;
  /* The connection, kept open for the outcome; -1 when the host wants none. */
  int socket;
  /* The frame that `argv` and `line` point into is never freed. */
  char **argv;
  char *line;
};

/*
 * Sends one question and waits for its decision (AARM R1). Prints what is waited for, and why a denial was made.
 * No host, a dead host, a late or malformed answer: denied, said on standard error (R1.c).
 */
/* Where the reason of an answer is printed: standard error, unless somebody reads it elsewhere. Waiting is always said on standard error. */
void say_reasons_to(int descriptor);

struct answer ask_host(const struct called *called, const struct bytes *question);

#endif
