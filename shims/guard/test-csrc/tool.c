/*
 * A program that the guard's integration tests put outside a session's reach, under several names. It prints that it ran, as what, and its first
 * argument; or does what that says: `euid`, `write FILE`, `storm WIDTH EACH`, `big PROGRAM`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* WIDTH processes that start /bin/true EACH times, one after another; prints how many ended well. Both are bounded. */
static int storm(int width, int each) {
  int good = 0, pipe_ends[2], child_good;
  if (width > 16 || each > 2000 || pipe(pipe_ends) != 0) return 1;
  for (int i = 0; i < width; i++) {
    if (fork() != 0) continue;
    child_good = 0;
    for (int n = 0; n < each; n++) {
      int status;
      pid_t child = vfork();
      if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(98);
      }
      if (child > 0 && waitpid(child, &status, 0) == child && status == 0) child_good++;
    }
    _exit(write(pipe_ends[1], &child_good, sizeof child_good) == sizeof child_good ? 0 : 1);
  }
  close(pipe_ends[1]);
  while (read(pipe_ends[0], &child_good, sizeof child_good) == sizeof child_good) good += child_good;
  while (wait(NULL) > 0) continue;
  printf("%d\n", good);
  return 0;
}

/* Starts a program with two megabytes of arguments. */
static int big(char *program) {
  static char word[64 * 1024];
  char *name = strrchr(program, '/');
  char *argv[34] = {name == NULL ? "" : name + 1, "big"};
  memset(word, 'w', sizeof word - 1);
  for (int i = 2; i < 33; i++) argv[i] = word;
  execv(program, argv);
  perror("exec");
  return 1;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "euid") == 0) {
    printf("euid %u\n", geteuid());
    return 0;
  }
  if (strcmp(what, "write") == 0 && argc == 3) {
    int fd = open(argv[2], O_WRONLY | O_CREAT, 0644);
    if (fd < 0) printf("errno %d\n", errno);
    else puts("ok");
    return 0;
  }
  if (strcmp(what, "storm") == 0 && argc == 4) return storm(atoi(argv[2]), atoi(argv[3]));
  if (strcmp(what, "big") == 0 && argc == 3) return big(argv[2]);
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  self[n < 0 ? 0 : n] = 0;
  const char *slash = strrchr(self, '/');
  printf("RAN %s %s\n", slash == NULL ? self : slash + 1, what);
  return 0;
}
