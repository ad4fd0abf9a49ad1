/* The ways to exec: exec-forms HOW PROGRAM ARGUMENT… When it fails, says `errno N` and ends with 77. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;
static char **words;

static void execute(void) { execv(words[0], words); }

static void *from_thread(void *unused) {
  (void)unused;
  execute();
  printf("errno %d\n", errno);
  exit(77);
}

static void copy_into(int to) {
  struct stat facts;
  int from = open(words[0], O_RDONLY | O_CLOEXEC);
  if (from < 0 || fstat(from, &facts) != 0) return;
  for (off_t left = facts.st_size; left > 0;) {
    ssize_t n = sendfile(to, from, NULL, (size_t)left);
    if (n <= 0) return;
    left -= n;
  }
  close(from);
}

static void by_number(int fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  execv(path, words);
}

static int is(const char *how, const char *name) { return strcmp(how, name) == 0; }

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *how = argv[1];
  words = argv + 2;
  if (is(how, "plain")) execute();
  if (is(how, "fexecve")) fexecve(open(words[0], O_RDONLY | O_CLOEXEC), words, environ);
  if (is(how, "fexecve-open")) fexecve(open(words[0], O_RDONLY), words, environ);
  if (is(how, "at")) syscall(SYS_execveat, open("/usr/bin", O_PATH | O_CLOEXEC), strrchr(words[0], '/') + 1, words, environ, 0);
  if (is(how, "nofollow")) syscall(SYS_execveat, AT_FDCWD, words[0], words, environ, AT_SYMLINK_NOFOLLOW);
  if (is(how, "number")) by_number(open(words[0], O_RDONLY));
  if (is(how, "memfd") || is(how, "memfd-number")) {
    int fd = memfd_create("program", 0);
    copy_into(fd);
    if (is(how, "memfd")) fexecve(fd, words, environ);
    else by_number(fd);
  }
  if (is(how, "deleted")) {
    int fd = open("gone", O_RDWR | O_CREAT, 0700);
    copy_into(fd);
    close(fd);
    fd = open("gone", O_RDONLY);
    unlink("gone");
    by_number(fd);
  }
  if (is(how, "thread")) {
    pthread_t thread;
    pthread_create(&thread, NULL, from_thread, NULL);
    pthread_join(thread, NULL);
  }
  if (is(how, "threads")) {
    pthread_t thread;
    for (int i = 0; i < 8; i++) pthread_create(&thread, NULL, from_thread, NULL);
    /* Not joined: whose exec wins ends the others. */
    for (;;) pause();
  }
  if (is(how, "ptrace")) {
    pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0) printf("traced\n");
    int error = errno;
    kill(child, 9);
    printf("errno %d\n", error);
    return 77;
  }
  /* AT_EXECVE_CHECK: only asks whether it could. */
  if (is(how, "check")) return printf("checked %ld\n", syscall(SYS_execveat, AT_FDCWD, words[0], words, environ, 0x10000)) > 0 ? 0 : 2;
  if (is(how, "none")) syscall(SYS_execve, words[0], NULL, environ);
  if (is(how, "fault")) syscall(SYS_execve, 8, words, environ);
  printf("errno %d\n", errno);
  return 77;
}
