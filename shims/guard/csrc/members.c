#define _GNU_SOURCE
#include "members.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "tracee.h"

/* Deeper than any tree that the kernel's own limit on processes allows in practice. */
#define DEEPEST 4096
#define TRIES 3

static enum member climb(pid_t tid) {
  pid_t process, parent;
  for (int depth = 0; depth < DEEPEST; depth++) {
    if (tracee_family(tid, &process, &parent) != 0) return MEMBER_GONE;
    /* The first one is ours: nothing of the session commands it. */
    if (process == guard.first) return MEMBER_NO;
    if (parent == guard.first) return MEMBER_YES;
    if (parent <= 1) return MEMBER_NO;
    tid = parent;
  }
  return MEMBER_NO;
}

enum member member_of(pid_t tid) {
  enum member found = MEMBER_GONE;
  /* A parent that ended on the way up has left its children to another: looked at again. */
  for (int i = 0; i < TRIES && found == MEMBER_GONE; i++) found = climb(tid);
  return found;
}

static pid_t group_of(pid_t process) {
  char stat[1024];
  int group = -1;
  if (read_proc(process, "stat", stat, sizeof stat) < 0) return -1;
  char *end = strrchr(stat, ')');
  return end == NULL || sscanf(end + 2, "%*c %*d %d", &group) != 1 ? -1 : (pid_t)group;
}

int each_process(int (*each)(void *context, pid_t process, pid_t group), void *context) {
  int fd = openat(guard.host_proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  struct dirent *entry;
  if (list == NULL) {
    if (fd >= 0) close(fd);
    return 0;
  }
  while (result == 0 && (entry = readdir(list)) != NULL) {
    char *end;
    long number = strtol(entry->d_name, &end, 10);
    if (*end != 0 || number <= 0 || number > INT_MAX || number == guard.first || number == getpid()) continue;
    pid_t group = group_of((pid_t)number);
    if (group >= 0) result = each(context, (pid_t)number, group);
  }
  closedir(list);
  return result;
}
