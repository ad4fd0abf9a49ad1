#define _GNU_SOURCE
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "tracee.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static int open_host(const char *name) {
  struct open_as how = {
      .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, guard.host_root, name[0] == '/' && name[1] == 0 ? "." : name, &how, sizeof how);
}

/* What lies below /tmp outside, and there inside too. */
static int stays(const char *name) {
  const struct texts *const lists[] = {&guard.config.kept, &guard.config.writable, &guard.config.shown};
  for (size_t l = 0; l < 3; l++)
    for (size_t i = 0; i < lists[l]->count; i++)
      if (is_below(name, lists[l]->at[i])) return 1;
  return 0;
}

int host_name(const char *name, char out[PATH_ROOM]) {
  static const char *const temps[] = {"/tmp", "/var/tmp"};
  int own = guard.config.mode != FILTER_LANDLOCK && guard.config.temp != NULL;
  for (size_t i = 0; own && i < 2 && !stays(name); i++)
    if (is_below(name, temps[i])) return print_path(out, PATH_ROOM, "%s%s", guard.config.temp, name + strlen(temps[i]));
  return print_path(out, PATH_ROOM, "%s", name);
}

int host_twin(int fd, const char *name) {
  char outside[PATH_ROOM];
  struct stat here, there;
  /* INVARIANT (a preview stays one): nothing is done outside of it, whoever allowed it. */
  if (guard.config.overlay != NULL) return -1;
  if (name[0] != '/' || host_name(name, outside) < 0 || fstat(fd, &here) != 0) return -1;
  int twin = open_host(outside);
  if (twin < 0) return -1;
  if (fstat(twin, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino) return twin;
  close(twin);
  return -1;
}

int host_open(const char *name, int flags) {
  struct open_as how = {
      .flags = (uint64_t)(unsigned)flags, .mode = 0, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  struct stat facts;
  errno = EACCES;
  /* INVARIANT (a preview stays one): nothing is done outside of it, whoever allowed it. */
  if (guard.config.overlay != NULL || name[0] != '/') return -1;
  int fd = (int)syscall(SYS_openat2, guard.host_root, name, &how, sizeof how);
  if (fd < 0 || (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))) return fd;
  close(fd);
  errno = EACCES;
  return -1;
}

/* What a folder in the place of an empty one is refused with; a file is never refused. 0, or an errno. */
static int refusal_of_full(int folder, const char *last) {
  int fd = openat(folder, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno == ENOTDIR || errno == ELOOP ? 0 : errno;
  DIR *entries = fdopendir(fd);
  if (entries == NULL) {
    int error = errno;
    close(fd);
    return error;
  }
  errno = 0;
  struct dirent *entry;
  while ((entry = readdir(entries)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) break;
  int error = entry != NULL ? ENOTEMPTY : errno;
  closedir(entries);
  return error;
}

int host_move(const struct place *place, const char *target) {
  char folder_name[PATH_ROOM], target_folder[PATH_ROOM], last[LAST_ROOM];
  const char *base = strrchr(target, '/');
  if (target[0] != '/' || base == NULL || base[1] == 0) return EACCES;
  if (name_of(place->folder, folder_name, sizeof folder_name) < 0) return ENAMETOOLONG;
  if (print_path(target_folder, sizeof target_folder, "%.*s", base == target ? 1 : (int)(base - target), target) < 0) return ENAMETOOLONG;
  if (print_path(last, sizeof last, "%.*s", (int)strcspn(place->last, "/"), place->last) < 0) return ENAMETOOLONG;
  int from = host_twin(place->folder, folder_name);
  int to = open_host(target_folder);
  int error = 0;
  if (from < 0 || to < 0) error = EACCES;
  else error = refusal_of_full(place->folder, last);
  if (error == 0 && syscall(SYS_renameat2, from, last, to, base + 1, RENAME_NOREPLACE) != 0) error = errno;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  return error;
}
