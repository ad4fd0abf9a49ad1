#define _GNU_SOURCE
#include "veil-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"
#include "veil-grants.h"
#include "veil-real.h"

#define MOST_OPEN 1024u

struct open_file {
  int fuse;
  uint64_t node;
  int fd;
  int is_folder;
  int shut;
  char *path;
};

/* A handle is an index and one. Freed only by the thread that answers the kernel, so that what it looks at stays. */
static struct open_file *files[MOST_OPEN];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void free_file(struct open_file *file) {
  close(file->fd);
  free(file->path);
  free(file);
}

/* Takes `fd`. The handle; 0 when too much is open. */
static uint64_t keep(int fuse, uint64_t node, int fd, const char *path, int is_folder) {
  struct open_file *file = must_alloc(sizeof *file);
  uint64_t handle = 0;
  *file = (struct open_file){.fuse = fuse, .node = node, .fd = fd, .is_folder = is_folder, .path = must_copy(path)};
  pthread_mutex_lock(&lock);
  /* Taken back while it was being opened. */
  file->shut = !is_folder && grants_of(path) == GRANTED_SHUT;
  for (size_t i = 0; i < MOST_OPEN && handle == 0; i++) {
    if (files[i] != NULL) continue;
    files[i] = file;
    handle = i + 1;
  }
  pthread_mutex_unlock(&lock);
  if (handle == 0) free_file(file);
  return handle;
}

static struct open_file *take(uint64_t handle) {
  if (handle == 0 || handle > MOST_OPEN) return NULL;
  struct open_file *file = files[handle - 1];
  files[handle - 1] = NULL;
  return file;
}

void veil_file_close(uint64_t handle) {
  pthread_mutex_lock(&lock);
  struct open_file *file = take(handle);
  pthread_mutex_unlock(&lock);
  if (file != NULL) free_file(file);
}

/* Hands an open file or folder over; when the one who asked is gone, nobody will ever close it but we. */
static int hand_over(int fuse, uint64_t unique, uint64_t node, const char *path, int fd, int is_folder) {
  struct wire_opened opened = {.handle = keep(fuse, node, fd, path, is_folder), .flags = is_folder ? 0 : WIRE_DIRECT_IO};
  if (opened.handle == 0) {
    wire_fail(fuse, unique, ENFILE);
    return ENFILE;
  }
  if (wire_reply(fuse, unique, &opened, sizeof opened) == 0) return 0;
  veil_file_close(opened.handle);
  return EINTR;
}

int veil_file_open(int fuse, uint64_t unique, uint64_t node, const char *path) {
  struct stat facts;
  /* O_NONBLOCK: what was a file may have become a pipe. */
  int fd = real_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))) error = EACCES;
  if (error == 0) return hand_over(fuse, unique, node, path, fd, 0);
  if (fd >= 0) close(fd);
  wire_fail(fuse, unique, error);
  return error;
}

void veil_folder_open(int fuse, uint64_t unique, uint64_t node, const char *path) {
  int fd = real_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) wire_fail(fuse, unique, errno);
  else hand_over(fuse, unique, node, path, fd, 1);
}

static struct open_file *file_of(uint64_t handle, int is_folder) {
  pthread_mutex_lock(&lock);
  struct open_file *file = handle == 0 || handle > MOST_OPEN ? NULL : files[handle - 1];
  if (file != NULL && (file->is_folder != is_folder || file->shut)) file = NULL;
  pthread_mutex_unlock(&lock);
  return file;
}

void veil_file_read(int fuse, uint64_t unique, const struct wire_read *asked) {
  static char content[WIRE_MOST_READ];
  const struct open_file *file = file_of(asked->handle, 0);
  if (file == NULL) {
    wire_fail(fuse, unique, EACCES);
    return;
  }
  ssize_t n = pread(file->fd, content, asked->size < sizeof content ? asked->size : sizeof content, (off_t)asked->offset);
  if (n < 0) wire_fail(fuse, unique, errno);
  else wire_reply(fuse, unique, content, (size_t)n);
}

/* What getdents64() writes. */
struct listed {
  uint64_t ino;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

static int is_listed(const struct open_file *folder, const char *name) {
  char path[PATH_ROOM];
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return 1;
  return print_path(path, sizeof path, "%s/%s", folder->path, name) >= 0 && !real_is_hidden(path);
}

void veil_folder_read(int fuse, uint64_t unique, const struct wire_read *asked) {
  static _Alignas(8) char from[8192];
  static unsigned char to[8192];
  const struct open_file *folder = file_of(asked->handle, 1);
  size_t room = asked->size < sizeof to ? asked->size : sizeof to, size = 0;
  if (folder == NULL || lseek(folder->fd, (off_t)asked->offset, SEEK_SET) < 0) {
    wire_fail(fuse, unique, folder == NULL ? EBADF : errno);
    return;
  }
  /* Nothing to show in one piece is not the end of the folder. */
  for (int full = 0; size == 0 && !full;) {
    long n = syscall(SYS_getdents64, folder->fd, from, sizeof from);
    if (n < 0) {
      wire_fail(fuse, unique, errno);
      return;
    }
    if (n == 0) break;
    for (long at = 0; at < n && !full;) {
      const struct listed *entry = (const struct listed *)(const void *)(from + at);
      at += entry->size;
      if (!is_listed(folder, entry->name)) continue;
      struct wire_entry_in_folder put = {
          .ino = entry->ino, .offset = (uint64_t)entry->offset, .size = (uint32_t)strlen(entry->name), .type = entry->type};
      size_t step = wire_put_entry(to + size, room - size, &put, entry->name);
      full = step == 0;
      size += step;
    }
  }
  wire_reply(fuse, unique, to, size);
}

int veil_file_facts(int fuse, uint64_t node, struct stat *facts) {
  int result = -1;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < MOST_OPEN && result != 0; i++)
    if (files[i] != NULL && files[i]->fuse == fuse && files[i]->node == node) result = fstat(files[i]->fd, facts);
  pthread_mutex_unlock(&lock);
  return result;
}

void veil_files_shut(const char *granted) {
  struct {
    int fuse;
    uint64_t node;
  } *shut = must_alloc(MOST_OPEN * sizeof *shut);
  size_t count = 0;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < MOST_OPEN; i++) {
    struct open_file *file = files[i];
    if (file == NULL || file->is_folder || !grant_covers(granted, file->path)) continue;
    file->shut = 1;
    shut[count].fuse = file->fuse;
    shut[count++].node = file->node;
  }
  pthread_mutex_unlock(&lock);
  for (size_t i = 0; i < count; i++) wire_drop_content(shut[i].fuse, shut[i].node);
  free(shut);
}
