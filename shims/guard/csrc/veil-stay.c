#define _GNU_SOURCE
#include "veil-stay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "guard.h"
#include "tracee.h"
#include "veil-real.h"

struct place {
  /* Watch of its folder; -1 without. */
  int watch;
  /* What is mounted there as our veil; 0 when nothing. */
  long mount;
};

static struct place *places;

int stay_is_covered(unsigned at) {
  const struct texts *veiled = &guard.config.veiled;
  for (unsigned i = 0; i < veiled->count; i++) {
    int same = strcmp(veiled->at[at], veiled->at[i]) == 0;
    if (i != at && is_below(veiled->at[at], veiled->at[i]) && (!same || i < at)) return 1;
  }
  return 0;
}

static const char *last_of(const char *path) { return strrchr(path, '/') + 1; }

/*
 * Number of the mount that a path of the session lies on now; 0 when there is nothing. The veil itself is not asked for that: nobody
 * answers for it while we look.
 */
static long mount_at(const char *path) {
  char name[64], text[1024];
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  snprintf(name, sizeof name, "fdinfo/%d", fd);
  int size = read_proc(getpid(), name, text, sizeof text);
  close(fd);
  const char *at = size < 0 ? NULL : strstr(text, "mnt_id:");
  return at == NULL ? 0 : strtol(at + strlen("mnt_id:"), NULL, 10);
}

void stay_veiled(unsigned at) { places[at].mount = mount_at(guard.config.veiled.at[at]); }

static int watch_folder_of(int fd, const char *path) {
  char folder[PATH_ROOM], open_folder[64];
  size_t size = (size_t)(last_of(path) - path);
  if (size >= sizeof folder) return -1;
  memcpy(folder, path, size);
  folder[size] = 0;
  int at = real_open(folder, O_PATH | O_DIRECTORY);
  if (at < 0) return -1;
  print_path(open_folder, sizeof open_folder, "self/fd/%d", at);
  int watch = inotify_add_watch(fd, open_folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  close(at);
  return watch;
}

int stay_start(void) {
  size_t count = guard.config.veiled.count;
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  places = must_alloc(count * sizeof *places);
  for (unsigned i = 0; i < count; i++) {
    int own = !stay_is_covered(i);
    places[i] = (struct place){.watch = own && fd >= 0 ? watch_folder_of(fd, guard.config.veiled.at[i]) : -1};
    if (own && guard.veils[i] >= 0) stay_veiled(i);
  }
  return fd;
}

static void look_at(unsigned at, void (*bare)(unsigned at)) {
  long now = mount_at(guard.config.veiled.at[at]);
  if (now != 0 && now != places[at].mount) bare(at);
}

void stay_look(int fd, void (*bare)(unsigned at)) {
  _Alignas(struct inotify_event) char room[4096];
  for (;;) {
    ssize_t n = read(fd, room, sizeof room);
    if (n <= 0) return;
    for (ssize_t step = 0; step < n;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)(room + step);
      step += (ssize_t)(sizeof *event + event->len);
      for (unsigned i = 0; i < guard.config.veiled.count; i++) {
        int named = event->wd == places[i].watch && event->len > 0 && strcmp(event->name, last_of(guard.config.veiled.at[i])) == 0;
        if ((named || (event->mask & IN_Q_OVERFLOW) != 0) && !stay_is_covered(i)) look_at(i, bare);
      }
    }
  }
}
