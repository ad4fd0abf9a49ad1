/*
 * countersign shim: stands on PATH under a program's name, asks the host of its session whether the program may run,
 * and runs it, or something else, or nothing. One static binary under many names:
 *
 *   NAME …               asks about `NAME …`, then runs the real NAME
 *   countersign-exec PROGRAM ARGV0 …   asks about PROGRAM, a path that is looked up nowhere, then runs it with that argv
 *   countersign-ask …    asks about a command line that a shell is about to run (ask.c)
 *   countersign-hook AGENT EVENT …   what an agent runs at each of its events (hook.c)
 *   countersign-init …   first process of a session (init.c)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "hook.h"
#include "init.h"
#include "program.h"
#include "shell-arguments.h"
#include "surface.h"

static const char *kind_of_stdin(void) {
  struct stat s;
  if (fstat(0, &s) != 0) return "closed";
  if (S_ISFIFO(s.st_mode)) return "pipe";
  if (S_ISSOCK(s.st_mode)) return "socket";
  if (S_ISREG(s.st_mode)) return "file";
  return isatty(0) ? "tty" : "device";
}

static _Noreturn void run_changed(const struct answer *answer, const char *integration, int was_shell) {
  if (answer->line != NULL) {
    char *words[] = {"bash", "-c", answer->line, NULL};
    if (integration != NULL) setenv("BASH_ENV", integration, 1);
    char *bash = find_program("bash");
    if (bash != NULL) run_program(answer->socket, bash, words);
    words[0] = "sh";
    run_program(answer->socket, "/bin/sh", words);
  }
  char **argv = answer->argv;
  const char *path = strchr(argv[0], '/') != NULL ? argv[0] : find_program(argv[0]);
  if (path == NULL) {
    say("countersign: denied: the changed command's program `", argv[0], "` is not installed\n", NULL);
    _exit(EXIT_NOT_FOUND);
  }
  if (was_shell && integration != NULL) {
    struct shell_arguments a = read_shell_arguments(argv);
    const char *base = strrchr(argv[0], '/');
    if (trap_follows(base != NULL ? base + 1 : argv[0], &a)) argv = with_trap(argv, &a, integration);
  }
  run_program(answer->socket, path, argv);
}

static int shim(const struct called *called, char **argv, char *path) {
  if (path == NULL) {
    say("countersign: ", called->name, ": command not found\n", NULL);
    return EXIT_NOT_FOUND;
  }
  const char *integration = session_file(called, "bash-integration.bash");
  const char *slash = strrchr(called->name, '/');
  int shell = is_shell(slash != NULL ? slash + 1 : called->name);
  struct shell_arguments arguments = {0};
  struct bytes question = {0};
  put_text(&question, 'k', "exec");
  put_text(&question, 'n', called->name);
  put_text(&question, 'p', path);
  for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++) put_text(&question, 'a', argv[i]);
  char *cwd = getcwd(NULL, 0);
  if (cwd != NULL) put_text(&question, 'c', cwd);
  put_number(&question, 'q', getpid());
  put_number(&question, 'P', getppid());
  int trapped = 0;
  if (shell) {
    arguments = read_shell_arguments(argv);
    trapped = integration != NULL && access(integration, R_OK) == 0 && trap_follows(slash != NULL ? slash + 1 : called->name, &arguments);
    if (arguments.script != NULL) put_text(&question, 's', arguments.script);
    if (arguments.interactive) put_text(&question, 'I', "1");
    if (!arguments.command && arguments.script == NULL) put_text(&question, 'i', kind_of_stdin());
    if (trapped) put_text(&question, 'f', "1");
  }
  struct answer answer = ask_host(called, &question);
  switch (answer.verdict) {
    case ANSWER_ALLOW: {
      /* argv[0] as the caller gave it, but never the shim's own path: programs re-execute themselves by it. Python looks
       * itself up on PATH by a bare name, would find the shim, and would link each virtual environment to it. */
      if (argv[0] == NULL || strchr(argv[0], '/') != NULL || strncmp(argv[0], "python", 6) == 0) {
        static char *only[2];
        if (argv[0] == NULL) argv = only;
        argv[0] = path;
      }
      char **words = trapped ? with_trap(argv, &arguments, integration) : argv;
      if (words == NULL) return EXIT_DENIED;
      run_program(answer.socket, path, words);
    }
    case ANSWER_MODIFY:
      run_changed(&answer, integration, shell);
    case ANSWER_DENY:
    default:
      return EXIT_DENIED;
  }
}

int main(int argc, char **argv) {
  struct called called = how_called(argv);
  if (strcmp(called.name, "countersign-init") == 0) return init_main(argc, argv);
  if (strcmp(called.name, "countersign-ask") == 0) return ask_main(&called, argc, argv);
  if (strcmp(called.name, "countersign-hook") == 0) return hook_main(&called, argc, argv);
  if (strcmp(called.name, "countersign-exec") == 0) {
    if (argc < 3 || argv[1][0] != '/') {
      say("countersign: denied: the file shim asked something malformed\n", NULL);
      return EXIT_DENIED;
    }
    /* The program keeps its path as its name: nothing was looked up, so the name alone would say too little. */
    called.name = argv[1];
    return shim(&called, argv + 2, argv[1]);
  }
  return shim(&called, argv, find_program(called.name));
}
