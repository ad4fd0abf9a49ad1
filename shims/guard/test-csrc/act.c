/*
 * Does what it is told and says how it went. The file `act.words` here has VERB WORD… [VERB WORD…], each ended by NUL: on a command line they would
 * be judged before anything happens. Prints a line for each verb: `VERB ERRNO`, 0 when it worked.
 *   write PATH TEXT   symlink TEXT PATH   rename FROM TO   mkdir PATH   connect PATH (a unix socket)   read PATH (one byte at least)
 *   serve PATH (binds a unix socket there and connects to it)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (fd < 0) return errno;
  int error = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : EIO;
  close(fd);
  return error;
}

static int read_file(const char *path) {
  char byte[512];
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return errno;
  ssize_t n = read(fd, byte, sizeof byte);
  int error = n > 0 ? 0 : n == 0 ? ENODATA : errno;
  close(fd);
  return error;
}

static int connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int error = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

static int serve(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int error = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0 ? connect_unix(path) : errno;
  close(fd);
  return error;
}

int main(void) {
  static char text[65536], *argv[1024];
  int argc = 1, fd = open("act.words", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  for (char *at = text; size > 0 && at < text + size && argc < 1000; at += strlen(at) + 1) argv[argc++] = at;
  for (int i = 1; i < argc;) {
    const char *verb = argv[i], *a = i + 1 < argc ? argv[i + 1] : "", *b = i + 2 < argc ? argv[i + 2] : "";
    int error = 0, words = 2;
    if (strcmp(verb, "write") == 0) error = write_file(a, b);
    else if (strcmp(verb, "symlink") == 0) error = symlink(a, b) == 0 ? 0 : errno;
    else if (strcmp(verb, "rename") == 0) error = rename(a, b) == 0 ? 0 : errno;
    else {
      words = 1;
      if (strcmp(verb, "mkdir") == 0) error = mkdir(a, 0755) == 0 ? 0 : errno;
      else if (strcmp(verb, "connect") == 0) error = connect_unix(a);
      else if (strcmp(verb, "serve") == 0) error = serve(a);
      else if (strcmp(verb, "read") == 0) error = read_file(a);
      else return 2;
    }
    printf("%s %d\n", verb, error);
    fflush(stdout);
    i += 1 + words;
  }
  return 0;
}
