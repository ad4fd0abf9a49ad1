/*
 * Makes system calls under the real filter: `live MODE READS ABI`, one call on each line of standard input: `NUMBER A0 ... A5`, an
 * argument may be `@text` (a pointer to it). Nobody listens, so `notify` is turned into an error that no kernel returns, and so
 * are our own errors: what the kernel itself says can be told from what the filter says. Each call has a process of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../csrc/filter.h"

#define NOTIFIED 4000
#define OURS 1000
#define LINES 4096

static void install(const struct filter_choice *choice) {
  static struct sock_filter filter[FILTER_ROOM];
  size_t size = filter_build(choice, filter);
  for (size_t i = 0; i < size; i++) {
    if (filter[i].code != (BPF_RET | BPF_K)) continue;
    if (filter[i].k == SECCOMP_RET_USER_NOTIF) filter[i].k = SECCOMP_RET_ERRNO | NOTIFIED;
    else if ((filter[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) filter[i].k += OURS;
  }
  struct sock_fprog program = {.len = (unsigned short)size, .filter = filter};
  if (size == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    perror("installing the filter");
    exit(1);
  }
}

static long argument(char *word) {
  if (word == NULL) return 0;
  if (word[0] == '@') return (long)(word + 1);
  return (long)(word[0] == '-' ? strtoll(word, NULL, 0) : (long long)strtoull(word, NULL, 0));
}

/* getpid of a 32-bit program; what becomes of it. */
static long call_i386(void) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
  return result;
#else
  return -1;
#endif
}

static void call(char *line) {
  char *words[7] = {0};
  size_t count = 0;
  for (char *word = strtok(line, " \n"); word != NULL && count < 7; word = strtok(NULL, " \n")) words[count++] = word;
  if (words[0] == NULL) _exit(1);
  if (strcmp(words[0], "i386") == 0) {
    printf("kernel %ld\n", call_i386());
  } else {
    long result = syscall(argument(words[0]), argument(words[1]), argument(words[2]), argument(words[3]), argument(words[4]),
                          argument(words[5]), argument(words[6]));
    if (result != -1) printf("kernel 0\n");
    else if (errno == NOTIFIED) printf("notify\n");
    else if (errno >= OURS) printf("filter %d\n", errno - OURS);
    else printf("kernel %d\n", errno);
  }
  fflush(stdout);
  _exit(0);
}

int main(int argc, char **argv) {
  static char lines[LINES][256];
  size_t count = 0;
  if (argc != 4) return 2;
  while (count < LINES && fgets(lines[count], sizeof lines[count], stdin) != NULL) count++;
  struct filter_choice choice = {(enum filter_mode)atoi(argv[1]), filter_native_arch(), atoi(argv[2]), atoi(argv[3])};
  install(&choice);
  for (size_t i = 0; i < count; i++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) call(lines[i]);
    int status = 0;
    if (waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) {
      printf("signal %d\n", WTERMSIG(status));
      fflush(stdout);
    } else if (WEXITSTATUS(status) != 0) {
      return 1;
    }
  }
  return 0;
}
