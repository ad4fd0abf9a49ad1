#define _GNU_SOURCE
#include "layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guard.h"

#define MOST_RECORDS 200000
/* A descriptor or two are open for each level. */
#define MOST_LEVELS 200

static const char overlay_prefix[] = "user.overlay.";
static int records;
static int is_whole = 1;
static dev_t lower_device;

/* Folders of both layers; -1 where there is none. `path` ends without a slash. */
struct pair {
  int upper;
  int lower;
  const char *path;
  int level;
};

static int open_folder(int folder, const char *name) { return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); }

static char kind_of(const struct stat *facts) {
  switch (facts->st_mode & S_IFMT) {
    case S_IFREG: return 'f';
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    default: return S_ISCHR(facts->st_mode) && major(facts->st_rdev) == 0 && minor(facts->st_rdev) == 0 ? 'w' : 'n';
  }
}

static unsigned long long ns_of(const struct timespec *t) {
  /* Before 1970 nothing is told apart. */
  return t->tv_sec < 0 ? 0 : (unsigned long long)t->tv_sec * 1000000000ull + (unsigned long long)t->tv_nsec;
}

static void put_facts(const struct stat *facts, int is_lower) {
  if (facts != NULL) {
    printf("%c %o %llu %llu %llu %llu", kind_of(facts), (unsigned)(facts->st_mode & 07777), (unsigned long long)facts->st_size, ns_of(&facts->st_mtim),
           (unsigned long long)facts->st_ino, (unsigned long long)facts->st_nlink);
    if (is_lower) printf(" %llu %llu", ns_of(&facts->st_ctim), (unsigned long long)facts->st_dev);
  }
  putchar(0);
}

static void put_record(char sign, const char *marks, const struct stat *upper, const struct stat *lower, const char *path) {
  if (records++ >= MOST_RECORDS) {
    if (records == MOST_RECORDS + 1) printf("E%c%c%c%c%s%c", 0, 0, 0, 0, "(too many changes)", 0);
    is_whole = 0;
    return;
  }
  printf("%c%c%s%c", sign, 0, marks, 0);
  put_facts(upper, 0);
  put_facts(lower, 1);
  printf("%s%c", path, 0);
}

static void cannot_look(const char *path) {
  put_record('E', "", NULL, NULL, path);
  is_whole = 0;
}

static void mark(char *marks, char letter) {
  if (strchr(marks, letter) != NULL) return;
  size_t length = strlen(marks);
  marks[length] = letter;
  marks[length + 1] = 0;
}

/* What the kernel noted on an entry of the upper layer, by its extended attributes. */
static void read_marks(int folder, const char *name, char *marks, int *is_whiteout) {
  char path[64 + 256], list[16384], value[8];
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, name);
  ssize_t size = llistxattr(path, list, sizeof list);
  if (size < 0 && errno != ENOTSUP) mark(marks, 'x');
  for (ssize_t at = 0; at < size; at += (ssize_t)strlen(list + at) + 1) {
    const char *attribute = list + at;
    if (strncmp(attribute, overlay_prefix, sizeof overlay_prefix - 1) != 0) {
      /* Labels of a security module are the system's own. */
      if (strncmp(attribute, "security.", 9) != 0) mark(marks, 'x');
      continue;
    }
    const char *what = attribute + sizeof overlay_prefix - 1;
    if (strcmp(what, "origin") == 0) mark(marks, 'c');
    else if (strcmp(what, "redirect") == 0) mark(marks, 'r');
    else if (strcmp(what, "metacopy") == 0) mark(marks, 'm');
    else if (strcmp(what, "whiteout") == 0) *is_whiteout = 1;
    else if (strcmp(what, "opaque") == 0 && lgetxattr(path, attribute, value, sizeof value) == 1 && value[0] == 'y') mark(marks, 'o');
    /* What a session itself calls so lies one level deeper. */
    else if (strncmp(what, "overlay.", 8) == 0) mark(marks, 'x');
  }
}

typedef void (*on_entry)(const struct pair *pair, const char *name, const char *path);

/* Calls back for each entry of a folder that is open; closes nothing. */
static void each(int folder, const struct pair *pair, on_entry callback) {
  char path[PATH_ROOM];
  int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = again < 0 ? NULL : fdopendir(again);
  struct dirent *entry;
  if (list == NULL) {
    if (again >= 0) close(again);
    cannot_look(pair->path);
    return;
  }
  errno = 0;
  while (records <= MOST_RECORDS && (entry = readdir(list)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (print_path(path, sizeof path, "%s%s%s", pair->path, pair->path[0] == 0 ? "" : "/", entry->d_name) < 0) cannot_look(pair->path);
    else callback(pair, entry->d_name, path);
    errno = 0;
  }
  if (errno != 0) cannot_look(pair->path);
  closedir(list);
}

/* Below a folder that the upper layer hides, as far as it has no entry of its own under the name. */
static void list_hidden(const struct pair *pair, const char *name, const char *path) {
  struct stat upper, lower;
  if (pair->upper >= 0 && fstatat(pair->upper, name, &upper, AT_SYMLINK_NOFOLLOW) == 0) return;
  if (fstatat(pair->lower, name, &lower, AT_SYMLINK_NOFOLLOW) != 0) return;
  int is_other = lower.st_dev != lower_device;
  put_record('L', is_other ? "d" : "", NULL, &lower, path);
  if (!S_ISDIR(lower.st_mode) || is_other) return;
  struct pair next = {.upper = -1, .lower = open_folder(pair->lower, name), .path = path, .level = pair->level + 1};
  if (next.lower < 0 || next.level > MOST_LEVELS) cannot_look(path);
  else each(next.lower, &next, list_hidden);
  if (next.lower >= 0) close(next.lower);
}

static void list_upper(const struct pair *pair, const char *name, const char *path) {
  struct stat upper, lower;
  char marks[16] = "";
  int is_whiteout = 0;
  if (fstatat(pair->upper, name, &upper, AT_SYMLINK_NOFOLLOW) != 0) {
    cannot_look(path);
    return;
  }
  int has_lower = pair->lower >= 0 && fstatat(pair->lower, name, &lower, AT_SYMLINK_NOFOLLOW) == 0;
  int is_other = has_lower && lower.st_dev != lower_device;
  read_marks(pair->upper, name, marks, &is_whiteout);
  if (is_whiteout && S_ISREG(upper.st_mode) && upper.st_size == 0) {
    upper.st_mode = S_IFCHR;
    upper.st_rdev = 0;
  }
  if (is_other) mark(marks, 'd');
  put_record('U', marks, &upper, has_lower ? &lower : NULL, path);
  int is_folder = S_ISDIR(upper.st_mode), was_folder = has_lower && S_ISDIR(lower.st_mode) && !is_other;
  if (!is_folder && !was_folder) return;
  struct pair next = {.upper = is_folder ? open_folder(pair->upper, name) : -1,
                      .lower = was_folder ? open_folder(pair->lower, name) : -1,
                      .path = path,
                      .level = pair->level + 1};
  if ((is_folder && next.upper < 0) || (was_folder && next.lower < 0) || next.level > MOST_LEVELS) {
    cannot_look(path);
  } else {
    if (is_folder) each(next.upper, &next, list_upper);
    if (was_folder && (!is_folder || strchr(marks, 'o') != NULL)) each(next.lower, &next, list_hidden);
  }
  if (next.upper >= 0) close(next.upper);
  if (next.lower >= 0) close(next.lower);
}

int layer_main(const char *upper_path, const char *lower_path) {
  struct stat upper, lower;
  struct pair top = {.upper = open_folder(AT_FDCWD, upper_path), .lower = open_folder(AT_FDCWD, lower_path), .path = "", .level = 0};
  if (top.upper < 0 || top.lower < 0 || fstat(top.upper, &upper) != 0 || fstat(top.lower, &lower) != 0)
    fail("cannot look into the preview", strerror(errno));
  lower_device = lower.st_dev;
  put_record('U', "", &upper, &lower, "");
  each(top.upper, &top, list_upper);
  if (is_whole) printf("Z%c%c%c%c%c", 0, 0, 0, 0, 0);
  return fflush(stdout) == 0 && is_whole ? 0 : 1;
}
