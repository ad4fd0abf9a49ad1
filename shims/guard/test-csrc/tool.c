/*
 * Programs that the guard's integration tests put outside a session's reach, under several names: as `csn-denied` it prints that it ran; `euid`, `write FILE`,
 * `storm WIDTH EACH`, `datagram FILE`, `race …` are said by the first argument.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* A datagram socket of the host: each message is one line in FILE.got. */
static int datagram(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char text[64], got[sizeof address.sun_path + 8];
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  snprintf(got, sizeof got, "%s.got", address.sun_path);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t n = recv(fd, text, sizeof text, 0);
    int out = open(got, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (n < 0 || write(out, text, (size_t)n) != n) return 1;
    close(out);
  }
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
  if (strcmp(what, "datagram") == 0 && argc == 3) return datagram(argv[2]);
  printf("RAN %d\n", argc);
  return 0;
}
