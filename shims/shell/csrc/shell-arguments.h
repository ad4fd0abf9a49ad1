/* What a shell's own arguments say: whether it reads commands from -c, a file, a terminal or a pipe. */
#ifndef CSN_SHELL_ARGUMENTS_H
#define CSN_SHELL_ARGUMENTS_H

struct shell_arguments {
  int command;     /* -c */
  int interactive; /* a person or an agent types */
  int login;
  int posix;
  int privileged;
  const char *script; /* first operand, when it is a file to run */
  const char *rcfile;
  int norc;
  int noprofile;
};

int is_shell(const char *name);
struct shell_arguments read_shell_arguments(char **argv);

/* True when our DEBUG trap will be armed in this bash. */
int trap_follows(const char *name, const struct shell_arguments *a);

/*
 * The argv and environment that make bash load the trap; argv unchanged when it would not help.
 * `integration` is the path of the integration file.
 */
char **with_trap(char **argv, const struct shell_arguments *a, const char *integration);

#endif
