#define _GNU_SOURCE
#include "proc.h"

#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "guard.h"
#include "tracee.h"

int is_on_proc(int fd) {
  struct statfs facts;
  return fstatfs(fd, &facts) == 0 && (unsigned long)facts.f_type == PROC_SUPER_MAGIC;
}

static int is_same(const char *path, const char *other) {
  struct stat here, there;
  if (fstatat(guard.host_proc, path, &here, 0) != 0 || fstatat(guard.host_proc, other, &there, 0) != 0) return 1;
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int is_elsewhere(pid_t tid) {
  char path[64];
  if (guard.config.mode != FILTER_NESTED) return 0;
  print_path(path, sizeof path, "%d/ns/mnt", tid);
  if (!is_same(path, "self/ns/mnt")) return 1;
  print_path(path, sizeof path, "%d/root", tid);
  return !is_same(path, "self/root");
}

static int is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcmp(name, *names) == 0) return 1;
  return 0;
}

int proc_may_write(pid_t tid, const char *name) {
  static const char *const own[] = {"comm", "oom_score_adj", "oom_adj", "coredump_filter", "timerslack_ns", "clear_refs", NULL};
  /* A namespace made inside gets its users from outside of it. */
  static const char *const nested[] = {"uid_map", "gid_map", "setgroups", NULL};
  pid_t process, parent;
  char *end;
  if (strncmp(name, "/proc/", 6) != 0) return 0;
  long number = strtol(name + 6, &end, 10);
  if (end == name + 6 || *end != '/' || number <= 0 || number > INT_MAX) return 0;
  const char *file = strrchr(name, '/') + 1;
  if (guard.config.mode == FILTER_NESTED && is_one_of(file, nested)) return 1;
  if (tracee_family(tid, &process, &parent) != 0) return 0;
  if ((pid_t)number != (guard.config.mode == FILTER_LANDLOCK ? process : tracee_inner_pid(process))) return 0;
  return is_one_of(file, own);
}
