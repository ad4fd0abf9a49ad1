/* exec-cost PROGRAM TIMES: median and mean microseconds of vfork, exec and wait. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

/* A function of its own: what vfork shares must not lie in registers that the child changes. */
static int once(const char *program) {
  int status = 0;
  pid_t child = vfork();
  if (child == 0) {
    execl(program, program, (char *)NULL);
    _exit(77);
  }
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int times = atoi(argv[2]);
  double *took = calloc((size_t)times, sizeof *took), sum = 0;
  for (int i = 0; i < times; i++) {
    double start = now_us();
    if (once(argv[1]) != 0) return 3;
    took[i] = now_us() - start;
    sum += took[i];
  }
  qsort(took, (size_t)times, sizeof *took, compare);
  printf("min %.0f median %.0f mean %.0f\n", took[0], took[times / 2], sum / times);
  return 0;
}
