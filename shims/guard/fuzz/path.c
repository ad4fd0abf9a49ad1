/*
 * Paths as a process wrote them, walked in a real folder: what is found must be what the kernel finds, and a place must have a canonical name. Only looks; the first
 * byte chooses how.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../csrc/kernel.h"
#include "../csrc/resolve.h"
#include "../csrc/walk.h"
#include "world.h"

static int folder = -1;
static char where[PATH_ROOM];

static void prepare(void) {
  static char template[] = "/tmp/csn-fuzz-XXXXXX";
  guard.config.mode = FILTER_FULL;
  guard.host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  guard.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  must_hold(mkdtemp(template) != NULL && (folder = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
  must_hold(mkdirat(folder, "a", 0755) == 0 && mkdirat(folder, "a/b", 0755) == 0);
  close(openat(folder, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  close(openat(folder, "a/g", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  must_hold(symlinkat("a/b", folder, "l") == 0 && symlinkat("../f", folder, "a/up") == 0 && symlinkat("loop", folder, "loop") == 0);
  must_hold(symlinkat("nothing", folder, "d") == 0 && symlinkat(template, folder, "a/abs") == 0);
  must_hold(fchdir(guard.host_proc) == 0);
  snprintf(where, sizeof where, "%s", template);
}

static void remove_folder(void) {
  static const char *const files[] = {"f", "a/g", "l", "a/up", "loop", "d", "a/abs"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlinkat(folder, files[i], 0);
  unlinkat(folder, "a/b", AT_REMOVEDIR);
  unlinkat(folder, "a", AT_REMOVEDIR);
  rmdir(where);
}

/* Absolute, no empty and no dotted component, no slash at its end. */
static int is_canonical(const char *name) {
  size_t length = strlen(name);
  if (name[0] != '/') return 0;
  if (length == 1) return 1;
  return name[length - 1] != '/' && strstr(name, "//") == NULL && strstr(name, "/./") == NULL && strstr(name, "/../") == NULL;
}

static int same_as_kernel(const char *path, int flags, const struct object *object, int error) {
  struct open_as how = {.flags = O_PATH | O_CLOEXEC | (uint64_t)flags, .mode = 0, .resolve = RESOLVE_NO_MAGICLINKS};
  struct stat facts;
  int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how), kernel = fd < 0 ? errno : 0;
  if (fd < 0) return error != 0 || kernel == ELOOP;
  int same = error == 0 && fstat(fd, &facts) == 0 && facts.st_dev == object->facts.st_dev && facts.st_ino == object->facts.st_ino;
  close(fd);
  return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[PATH_ROOM];
  if (folder < 0) {
    prepare();
    atexit(remove_folder);
  }
  if (size == 0 || size > sizeof path || (size > 1 && memchr(data + 1, 0, size - 1) != NULL)) return 0;
  memcpy(path, data + 1, size - 1);
  path[size - 1] = 0;
  /* Inside the folder, or at least not in what changes while one looks: /proc. */
  if (strstr(path, "proc") != NULL || strstr(path, "dev") != NULL || strstr(path, "tmp") != NULL) return 0;
  int flags = data[0] % 2 == 0 ? 0 : O_NOFOLLOW;
  struct object object;
  struct place place;
  int error = resolve_object(getpid(), folder, path, flags, 0, &object);
  if (error == 0) must_hold(is_canonical(object.name));
  if (data[0] % 4 < 2 && path[0] != 0) must_hold(same_as_kernel(path, flags, &object, error));
  if (error == 0) close(object.fd);
  int walked = -1;
  struct walk walk = {.tid = getpid(), .base = folder, .nofollow = flags != 0, .resolve = 0, .missing = NULL};
  if (path[0] != 0) {
    int slow = walk_path(&walk, path, &walked);
    must_hold((slow == 0) == (walked >= 0) || slow != 0);
    if (slow == 0 && error == 0) {
      struct stat facts;
      must_hold(fstat(walked, &facts) == 0 && facts.st_ino == object.facts.st_ino && facts.st_dev == object.facts.st_dev);
    }
    if (slow == 0) close(walked);
  }
  error = resolve_place(getpid(), folder, path, 0, &place);
  if (error == 0) {
    must_hold(is_canonical(place.name));
    must_hold(place.last[0] != 0 && strlen(place.last) < LAST_ROOM);
    must_hold(strchr(place.last, '/') == NULL || place.is_dots || place.last[strlen(place.last) - 1] == '/');
    must_hold(is_below(place.name, "/"));
    close(place.folder);
  }
  return 0;
}
