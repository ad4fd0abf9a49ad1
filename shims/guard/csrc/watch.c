/*
 * What of the workspace is read. A file there may be read without a question, so this decides nothing: it lets the daemon know that what
 * is in a key or an environment file may now be anywhere in the session. The kernel does not say who read: a person's editor counts too.
 */
#define _GNU_SOURCE
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "ask.h"
#include "guard.h"

#define MOST_ENTRIES 20000u
#define MOST_WATCHES 1024u
/* Of these. Many folders must not leave no room for the files. */
#define MOST_FOLDERS 512u
#define MOST_DEPTH 24
/* A file is told at most once in this time, however it is read. */
#define AGAIN_MS 1000
#define WATCHER_STACK (192u * 1024u)

#define OF_FILE (IN_OPEN | IN_ACCESS | IN_DONT_FOLLOW)
#define OF_FOLDER (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW)

/* What a watch is about. In order of their numbers, which the kernel gives out ascending. */
struct watched {
  int number;
  int is_folder;
  char *path;
  long long told;
};

static struct watched watched[MOST_WATCHES];
static size_t watched_count, folder_count;
static unsigned entries;
static int notifier = -1;

/* A pattern is a base name in which `*` stands for anything. */
static int matches(const char *pattern, const char *name) {
  const char *star = NULL, *resume = NULL;
  while (*name != 0) {
    if (*pattern == '*') {
      star = ++pattern;
      resume = name;
    } else if (*pattern == *name) {
      pattern++;
      name++;
    } else if (star != NULL) {
      pattern = star;
      name = ++resume;
    } else {
      return 0;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == 0;
}

static int is_classified(const char *name) {
  for (size_t i = 0; i < guard.config.classified.count; i++)
    if (matches(guard.config.classified.at[i], name)) return 1;
  return 0;
}

/* Folders of copies: nothing of a person's own, and many entries. */
static int is_passed_over(const char *path) {
  const char *last = strrchr(path, '/');
  if (last == NULL) return 1;
  size_t size = strlen(path), objects = strlen("/.git/objects");
  return strcmp(last, "/node_modules") == 0 || (size >= objects && strcmp(path + size - objects, "/.git/objects") == 0);
}

static struct watched *watched_by(int number) {
  size_t low = 0, high = watched_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (watched[middle].number < number) low = middle + 1;
    else high = middle;
  }
  return low < watched_count && watched[low].number == number ? &watched[low] : NULL;
}

static void add(const char *path, int is_folder) {
  if (watched_count == MOST_WATCHES || (is_folder && folder_count == MOST_FOLDERS)) return;
  int number = inotify_add_watch(notifier, path, is_folder ? OF_FOLDER : OF_FILE);
  /* Another name of a file that is watched already. */
  if (number < 0 || (watched_count > 0 && number <= watched[watched_count - 1].number)) return;
  folder_count += (unsigned)is_folder;
  watched[watched_count++] = (struct watched){.number = number, .is_folder = is_folder, .path = must_copy(path)};
}

static void remove_watched(struct watched *which) {
  size_t at = (size_t)(which - watched);
  folder_count -= (unsigned)which->is_folder;
  free(which->path);
  memmove(which, which + 1, (watched_count - at - 1) * sizeof *which);
  watched_count--;
}

/* Watches what is classified in and below a folder. Links are not followed: they would lead out, or round in circles. */
static void walk(const char *path, int depth) {
  char child[PATH_ROOM];
  if (depth > MOST_DEPTH || is_passed_over(path)) return;
  add(path, 1);
  DIR *folder = opendir(path);
  if (folder == NULL) return;
  for (const struct dirent *entry = readdir(folder); entry != NULL && entries < MOST_ENTRIES; entry = readdir(folder)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    entries++;
    if (print_path(child, sizeof child, "%s/%s", path, entry->d_name) < 0) continue;
    if (entry->d_type == DT_DIR) walk(child, depth + 1);
    else if (entry->d_type == DT_REG && is_classified(entry->d_name)) add(child, 0);
  }
  closedir(folder);
}

static void appeared(const struct watched *folder, const struct inotify_event *event) {
  char path[PATH_ROOM];
  struct stat facts;
  if (print_path(path, sizeof path, "%s/%s", folder->path, event->name) < 0 || lstat(path, &facts) != 0) return;
  if (S_ISDIR(facts.st_mode) && entries < MOST_ENTRIES) walk(path, 1);
  else if (S_ISREG(facts.st_mode) && is_classified(event->name)) add(path, 0);
}

static void happened(const struct inotify_event *event) {
  struct watched *which = watched_by(event->wd);
  if (which == NULL) return;
  if ((event->mask & IN_IGNORED) != 0) {
    remove_watched(which);
  } else if (which->is_folder) {
    if (event->len > 0) appeared(which, event);
  } else if ((event->mask & (IN_OPEN | IN_ACCESS)) != 0) {
    long long now = now_ms();
    if (which->told != 0 && now - which->told < AGAIN_MS) return;
    which->told = now;
    effect("read", "", 0, which->path, NULL);
  }
}

static void *watch(void *unused) {
  (void)unused;
  _Alignas(struct inotify_event) char room[8192];
  /* Of this thread alone. */
  setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
  for (size_t i = 0; i < guard.config.writable.count && entries < MOST_ENTRIES; i++) walk(guard.config.writable.at[i], 0);
  for (;;) {
    ssize_t n = read(notifier, room, sizeof room);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return NULL;
    for (ssize_t at = 0; at < n;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)(room + at);
      happened(event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
}

void watch_start(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  if (guard.config.classified.count == 0 || (notifier = inotify_init1(IN_CLOEXEC)) < 0) return;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, WATCHER_STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_create(&thread, &attributes, watch, NULL);
  pthread_attr_destroy(&attributes);
}
