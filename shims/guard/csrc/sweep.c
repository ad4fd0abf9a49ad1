#define _GNU_SOURCE
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "guard.h"

#define SWEEP_KILL_MS 3000
#define PAUSE_MS 2

static pid_t parent_of(const char *number) {
  char path[64], stat[512];
  int parent = -1;
  if (print_path(path, sizeof path, "/proc/%s/stat", number) < 0) return -1;
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  size_t n = fread(stat, 1, sizeof stat - 1, file);
  fclose(file);
  stat[n] = 0;
  char *end = strrchr(stat, ')');
  return end == NULL || sscanf(end + 2, "%*c %d", &parent) != 1 ? -1 : (pid_t)parent;
}

/* Not /proc/self/task/…/children: kernels are built without it. How many there were. */
static int signal_children(int number, pid_t spared, pid_t spared_too) {
  DIR *list = opendir("/proc");
  struct dirent *entry;
  pid_t own = getpid();
  int found = 0;
  if (list == NULL) return 0;
  while ((entry = readdir(list)) != NULL) {
    char *end;
    long pid = strtol(entry->d_name, &end, 10);
    if (*end != 0 || pid <= 1 || pid > INT_MAX || pid == spared || pid == spared_too || parent_of(entry->d_name) != own) continue;
    /* Our own child: its number is not used again before we have waited for it. */
    if (kill((pid_t)pid, number) == 0) found++;
    if (number == SIGTERM) kill((pid_t)pid, SIGCONT);
  }
  closedir(list);
  return found;
}

static void reap(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

void sweep_children(long long term_ms, pid_t spared, pid_t spared_too) {
  long long begin = now_ms(), term = begin + term_ms, end = begin + term_ms + SWEEP_KILL_MS;
  reap();
  int left = term_ms > 0 ? signal_children(SIGTERM, spared, spared_too) : 1;
  while (left > 0 && now_ms() < end) {
    int number = now_ms() < term ? 0 : SIGKILL;
    left = signal_children(number, spared, spared_too);
    poll(NULL, 0, left > 0 ? PAUSE_MS : 0);
    reap();
    if (left == 0) left = signal_children(number, spared, spared_too);
  }
}
