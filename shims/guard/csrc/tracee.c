#define _GNU_SOURCE
#include "tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guard.h"

#define PAGE 4096u

static ssize_t peek(pid_t tid, uint64_t address, void *out, size_t size) {
  struct iovec here = {.iov_base = out, .iov_len = size};
  struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
  return process_vm_readv(tid, &here, 1, &there, 1, 0);
}

int tracee_read(pid_t tid, uint64_t address, void *out, size_t size) {
  return peek(tid, address, out, size) == (ssize_t)size ? 0 : -1;
}

int tracee_text(pid_t tid, uint64_t address, char *out, size_t room) {
  size_t got = 0;
  if (address == 0) return -EFAULT;
  while (got < room) {
    /* Never across a page in one go: the next one may not be there. The first read is short, as most paths are. */
    size_t step = PAGE - (size_t)((address + got) & (PAGE - 1));
    if (got == 0 && step > 256) step = 256;
    if (step > room - got) step = room - got;
    ssize_t n = peek(tid, address + got, out + got, step);
    if (n <= 0) return -EFAULT;
    char *end = memchr(out + got, 0, (size_t)n);
    if (end != NULL) return (int)(end - out);
    got += (size_t)n;
  }
  return -ENAMETOOLONG;
}

/* Reads the pointers of argv, in pieces that stay within a page. */
static long read_pointers(pid_t tid, uint64_t address, uint64_t **out, size_t most) {
  size_t count = 0, room = 64;
  uint64_t *pointers = malloc(room * sizeof *pointers);
  if (pointers == NULL) return -ENOMEM;
  for (;;) {
    size_t step = (PAGE - (size_t)(address & (PAGE - 1))) / sizeof *pointers;
    if (step == 0) step = 1;
    if (count + step > room) {
      room = (count + step) * 2;
      uint64_t *grown = room > most ? NULL : realloc(pointers, room * sizeof *pointers);
      if (grown == NULL) {
        free(pointers);
        return -E2BIG;
      }
      pointers = grown;
    }
    ssize_t n = peek(tid, address, pointers + count, step * sizeof *pointers);
    if (n < (ssize_t)sizeof *pointers) {
      free(pointers);
      return -EFAULT;
    }
    size_t have = (size_t)n / sizeof *pointers;
    for (size_t i = 0; i < have; i++) {
      if (pointers[count + i] != 0) continue;
      *out = pointers;
      return (long)(count + i);
    }
    count += have;
    address += have * sizeof *pointers;
  }
}

long tracee_texts(pid_t tid, uint64_t address, char **out, size_t *count, size_t most) {
  uint64_t *pointers = NULL;
  *out = NULL;
  if (count != NULL) *count = 0;
  if (address == 0) {
    *out = calloc(1, 1);
    return *out == NULL ? -ENOMEM : 0;
  }
  long words = read_pointers(tid, address, &pointers, most);
  if (words < 0) return words;
  size_t room = 4096, size = 0;
  char *block = malloc(room);
  for (long i = 0; block != NULL && i < words; i++) {
    /* The words usually lie one behind the other: a large read brings many. */
    for (;;) {
      int length = tracee_text(tid, pointers[i], block + size, room - size);
      if (length >= 0) {
        size += (size_t)length + 1;
        break;
      }
      char *grown = length == -ENAMETOOLONG && room < most ? realloc(block, room * 2) : NULL;
      if (grown == NULL) {
        free(block);
        free(pointers);
        return length == -ENAMETOOLONG ? -E2BIG : length;
      }
      block = grown;
      room *= 2;
    }
  }
  free(pointers);
  if (block == NULL) return -ENOMEM;
  *out = block;
  if (count != NULL) *count = (size_t)words;
  return (long)size;
}

int read_proc(pid_t pid, const char *name, char *out, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", pid, name);
  int fd = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, out, room - 1);
  close(fd);
  if (n < 0) return -1;
  out[n] = 0;
  return (int)n;
}

int tracee_base(pid_t tid, int dirfd) {
  char path[64];
  if (dirfd == AT_FDCWD) snprintf(path, sizeof path, "%d/cwd", tid);
  else snprintf(path, sizeof path, "%d/fd/%d", tid, dirfd);
  int fd = openat(guard.host_proc, path, O_PATH | O_CLOEXEC);
  if (fd < 0 && dirfd != AT_FDCWD && errno == ENOENT) errno = EBADF;
  return fd;
}

static long status_number(pid_t tid, const char *label, int base, long otherwise) {
  char status[4096];
  if (read_proc(tid, "status", status, sizeof status) < 0) return otherwise;
  char *at = strstr(status, label);
  return at == NULL ? otherwise : strtol(at + strlen(label), NULL, base);
}

mode_t tracee_umask(pid_t tid) { return (mode_t)status_number(tid, "\nUmask:", 8, 077); }

pid_t tracee_inner_pid(pid_t tid) {
  char status[4096];
  if (read_proc(tid, "status", status, sizeof status) < 0) return tid;
  char *at = strstr(status, "\nNSpid:");
  if (at == NULL) return tid;
  at += 7;
  long last = tid;
  for (char *end = at; *at != 0 && *at != '\n'; at = end) {
    long number = strtol(at, &end, 10);
    if (end == at) break;
    last = number;
    while (*end == ' ' || *end == '\t') end++;
  }
  return (pid_t)last;
}

int tracee_family(pid_t tid, pid_t *process, pid_t *parent) {
  char status[4096];
  if (read_proc(tid, "status", status, sizeof status) < 0) return -1;
  char *group = strstr(status, "\nTgid:"), *above = strstr(status, "\nPPid:");
  if (group == NULL || above == NULL) return -1;
  *process = (pid_t)strtol(group + 6, NULL, 10);
  *parent = (pid_t)strtol(above + 6, NULL, 10);
  return 0;
}

int tracee_terminal(pid_t tid) {
  char stat[1024];
  int number = 0;
  if (read_proc(tid, "stat", stat, sizeof stat) < 0) return 0;
  /* The program's name is in brackets and may hold anything. */
  char *end = strrchr(stat, ')');
  if (end == NULL || sscanf(end + 2, "%*c %*d %*d %*d %d", &number) != 1) return 0;
  return number;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int own_fds;

static void open_own_fds(void) { own_fds = openat(guard.host_proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC); }

/* Half the price of the path from /proc on, and this is done several times for every call. */
struct own_link own_link(int fd) {
  struct own_link link;
  pthread_once(&once, open_own_fds);
  char *at = link.name + sizeof link.name - 1;
  *at = 0;
  do *--at = (char)('0' + fd % 10);
  while ((fd /= 10) != 0);
  memmove(link.name, at, (size_t)(link.name + sizeof link.name - at));
  link.folder = own_fds;
  return link;
}

int name_of(int fd, char *out, size_t room) {
  struct own_link link = own_link(fd);
  ssize_t n = readlinkat(link.folder, link.name, out, room - 1);
  if (n < 0 || (size_t)n >= room - 1) return -1;
  out[n] = 0;
  return (int)n;
}

void tracee_program(pid_t tid, char *out, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "%d/exe", tid);
  ssize_t n = readlinkat(guard.host_proc, path, out, room - 1);
  out[n < 0 ? 0 : n] = 0;
}
