/*
 * An adversary inside a session: each row is tried in a process of its own, and what came of it is one line on standard output,
 * `NAME TAB RESULT`. RESULT is `ok` (with a detail after a space), `errno N`, `signal N`, or a word that the row says itself.
 */
#ifndef CSG_ATTACK_H
#define CSG_ATTACK_H

#include <stddef.h>
#include <sys/types.h>

#define RESULT_ROOM 256

/* What the test prepared outside; all from the environment. */
struct stage {
  /* Home with a secret and other files, workspace, folder of programs that the session cannot write. */
  const char *home, *work, *tools;
  /* Processes outside: the supervisor, the guard, the daemon, as the host numbers them. */
  pid_t supervisor, guard, daemon;
  /* Services of the host's loopback. */
  int tcp, udp;
  const char *abstract;
  /* Where Countersign keeps its files. */
  const char *own;
};
extern struct stage stage;

struct row {
  const char *name;
  void (*attack)(char *result);
};

extern const struct row reading_rows[], writing_rows[], process_rows[], kernel_rows[], network_rows[], exec_rows[], naming_rows[];

/* `ok`, or `errno N` for what just failed. */
void tell(char *result, long value);
void tell_text(char *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What can be read there: `ok FIRST LINE`, or why not. Closes it. */
void tell_content(char *result, int fd);
/* Joins into one of four buffers that take turns. */
const char *in(const char *folder, const char *name);
/* Makes a file with this text; fails the row when it cannot. */
void must_write(const char *path, const char *text, mode_t mode);
/* Runs `then` in a child with its output taken; tells the first line of it, or how it ended. */
void tell_run(char *result, void (*then)(void));

#endif
