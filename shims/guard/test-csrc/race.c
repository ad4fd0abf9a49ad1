/*
 * A second thread rewrites an argument between a harmless and a forbidden value while the first makes the call, again and again. One line at the end:
 * `harmless N forbidden N refused N`.
 *
 *   race open HARMLESS FORBIDDEN ATTEMPTS      files, opened for writing; the forbidden one begins with F
 *   race exec HARMLESS FORBIDDEN ATTEMPTS      programs of names of one length; each prints RAN and its own name
 *   race argv PROGRAM ATTEMPTS                 `aaaa` and `bbbb` as its argument, which it prints
 *   race connect HARMLESS FORBIDDEN ATTEMPTS   ports of the loopback
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile char *shared;
static const char *values[2];
static size_t value_size;
static volatile struct sockaddr_in *address;
static in_port_t ports[2];
static volatile int pause_length = 300;
static int harmless, forbidden, refused;

static void pause_a_little(void) {
  for (volatile int i = 0; i < pause_length; i++) continue;
}

static void *flip_text(void *unused) {
  (void)unused;
  for (int which = 0;; which = !which) {
    for (size_t i = 0; i < value_size; i++) shared[i] = values[which][i];
    pause_a_little();
  }
  return NULL;
}

static void *flip_port(void *unused) {
  (void)unused;
  for (int which = 0;; which = !which) {
    address->sin_port = ports[which];
    pause_a_little();
  }
  return NULL;
}

static void start(void *(*flip)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, NULL) != 0) exit(99);
}

static void use(const char *one, const char *other) {
  shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || strlen(one) != strlen(other) || strlen(one) > 4000) exit(99);
  values[0] = one;
  values[1] = other;
  value_size = strlen(one);
  memcpy((char *)(uintptr_t)shared, one, value_size + 1);
}

static void race_open(int attempts) {
  start(flip_text);
  while (attempts-- > 0) {
    char first = 0;
    int fd = open((const char *)(uintptr_t)shared, O_RDWR);
    if (fd < 0) refused++;
    else if (read(fd, &first, 1) == 1 && first == 'F') forbidden++;
    else harmless++;
    if (fd >= 0) close(fd);
  }
}

/* One exec in a process of its own; what it printed. */
static void race_run(const char *program, const char *bad, int attempts) {
  while (attempts-- > 0) {
    int ends[2], status;
    char text[256] = "";
    if (pipe(ends) != 0) exit(99);
    pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], 1);
      pause_length = 2000;
      start(flip_text);
      for (volatile int i = 0; i < attempts % 50 * 400; i++) continue;
      if (program == NULL) execl((const char *)(uintptr_t)shared, "x", (char *)NULL);
      else execl(program, program, (const char *)(uintptr_t)shared, (char *)NULL);
      _exit(77);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child) exit(99);
    if (n <= 0) refused++;
    else if (strstr(text, bad) != NULL) forbidden++;
    else harmless++;
  }
}

static void race_connect(int attempts) {
  address = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) exit(99);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address->sin_port = ports[0];
  start(flip_port);
  while (attempts-- > 0) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)(uintptr_t)address, sizeof *address) != 0) refused++;
    else if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_port == ports[1]) forbidden++;
    else harmless++;
    close(fd);
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "open") == 0 && argc == 5) {
    use(argv[2], argv[3]);
    race_open(atoi(argv[4]));
  } else if (strcmp(what, "exec") == 0 && argc == 5) {
    use(argv[2], argv[3]);
    race_run(NULL, strrchr(argv[3], '/') + 1, atoi(argv[4]));
  } else if (strcmp(what, "argv") == 0 && argc == 4) {
    use("aaaa", "bbbb");
    race_run(argv[2], "bbbb", atoi(argv[3]));
  } else if (strcmp(what, "connect") == 0 && argc == 5) {
    ports[0] = htons((uint16_t)atoi(argv[2]));
    ports[1] = htons((uint16_t)atoi(argv[3]));
    race_connect(atoi(argv[4]));
  } else {
    return 2;
  }
  printf("harmless %d forbidden %d refused %d\n", harmless, forbidden, refused);
  fflush(stdout);
  _exit(0);
}
