#define _GNU_SOURCE
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verdict.h"

#define MOST_ENTRIES 50000
#define MOST_DEPTH 48
#define MOST_LATE 256

struct look {
  struct tree *tree;
  size_t entries;
  /* Names of the folder that is looked at; components are put behind and taken off again. */
  char from[PATH_ROOM];
  char to[PATH_ROOM];
};

static void give_up(struct look *look) {
  look->tree->row = stricter(look->tree->row, ROW_ASK);
  look->entries = MOST_ENTRIES;
}

static void note_late(struct look *look) {
  struct tree *tree = look->tree;
  if (tree->late_count == MOST_LATE) {
    give_up(look);
    return;
  }
  if (tree->late == NULL) tree->late = must_alloc(MOST_LATE * sizeof *tree->late);
  tree->late[tree->late_count++] = (struct moved){.from = must_copy(look->from), .to = must_copy(look->to)};
}

static void judge(struct look *look, int is_link) {
  enum row away = row_of('d', look->from), here = is_link ? row_of_link(look->to) : row_of('c', look->to);
  if (away == ROW_LATE || here == ROW_LATE) note_late(look);
  if (away != ROW_LATE) look->tree->row = stricter(look->tree->row, away);
  if (here != ROW_LATE) look->tree->row = stricter(look->tree->row, here);
}

static int append(char *name, size_t length, const char *component) {
  size_t more = strlen(component);
  if (length + 1 + more >= PATH_ROOM) return -1;
  name[length] = '/';
  memcpy(name + length + 1, component, more + 1);
  return 0;
}

static int is_folder(int folder, const struct dirent *entry) {
  struct stat facts;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  return fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(facts.st_mode);
}

static int is_link(int folder, const struct dirent *entry) {
  struct stat facts;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_LNK;
  return fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || S_ISLNK(facts.st_mode);
}

static void look_into(struct look *look, int parent, const char *name, int depth) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT)) return;
  DIR *entries = fd < 0 || depth > MOST_DEPTH ? NULL : fdopendir(fd);
  if (entries == NULL) {
    if (fd >= 0) close(fd);
    give_up(look);
    return;
  }
  size_t from = strlen(look->from), to = strlen(look->to);
  struct dirent *entry;
  while (look->entries < MOST_ENTRIES && look->tree->row != ROW_DENY && (entry = readdir(entries)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (++look->entries == MOST_ENTRIES || append(look->from, from, entry->d_name) != 0 || append(look->to, to, entry->d_name) != 0) {
      give_up(look);
      break;
    }
    judge(look, is_link(fd, entry));
    if (is_folder(fd, entry)) look_into(look, fd, entry->d_name, depth + 1);
    look->from[from] = 0;
    look->to[to] = 0;
  }
  look->from[from] = 0;
  look->to[to] = 0;
  closedir(entries);
}

void tree_look(int folder, const char *last, const char *from, const char *to, struct tree *tree) {
  /* Large, and needed once however deep it goes. */
  struct look *look = must_alloc(sizeof *look);
  *tree = (struct tree){.row = ROW_ALLOW, .late = NULL, .late_count = 0};
  look->tree = tree;
  look->entries = 0;
  if (print_path(look->from, sizeof look->from, "%s", from) < 0 || print_path(look->to, sizeof look->to, "%s", to) < 0) give_up(look);
  else look_into(look, folder, last, 0);
  free(look);
}

void tree_free(struct tree *tree) {
  for (size_t i = 0; i < tree->late_count; i++) {
    free(tree->late[i].from);
    free(tree->late[i].to);
  }
  free(tree->late);
}
