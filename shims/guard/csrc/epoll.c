/*
 * A socket that takes another's place takes its registrations too: some event loops (Boost.Asio, Netty) register a socket before they connect it,
 * and the kernel forgets a registration with the socket that it was made for.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "guard.h"
#include "socket.h"
#include "tracee.h"

/* A process with more descriptors than this goes without. */
#define MOST_DESCRIPTORS 4096

static int is_epoll(pid_t tid, const char *name) {
  char path[64], target[64];
  snprintf(path, sizeof path, "%d/fd/%.16s", tid, name);
  ssize_t n = readlinkat(guard.host_proc, path, target, sizeof target - 1);
  if (n < 0) return 0;
  target[n] = 0;
  return strcmp(target, "anon_inode:[eventpoll]") == 0;
}

/* Reads the registrations of one epoll, line by line: an epoll may hold thousands. */
static size_t read_watches(pid_t tid, int epoll, int number, struct watched *out, size_t room) {
  char path[64], line[256];
  size_t count = 0;
  snprintf(path, sizeof path, "%d/fdinfo/%d", tid, epoll);
  int fd = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
  if (file == NULL) {
    if (fd >= 0) close(fd);
    return 0;
  }
  while (count < room && fgets(line, sizeof line, file) != NULL) {
    int watched;
    unsigned events;
    unsigned long long data;
    if (sscanf(line, "tfd: %d events: %x data: %llx", &watched, &events, &data) != 3 || watched != number) continue;
    out[count++] = (struct watched){.epoll = epoll, .events = events, .data = data};
  }
  fclose(file);
  return count;
}

size_t epoll_watching(pid_t tid, int number, struct watched out[MOST_WATCHED]) {
  char path[64];
  size_t count = 0, seen = 0;
  snprintf(path, sizeof path, "%d/fd", tid);
  int fd = openat(guard.host_proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (folder == NULL) {
    if (fd >= 0) close(fd);
    return 0;
  }
  struct dirent *entry;
  while (count < MOST_WATCHED && seen++ < MOST_DESCRIPTORS && (entry = readdir(folder)) != NULL) {
    if (entry->d_name[0] == '.' || !is_epoll(tid, entry->d_name)) continue;
    count += read_watches(tid, atoi(entry->d_name), number, out + count, MOST_WATCHED - count);
  }
  closedir(folder);
  return count;
}

struct carry {
  int number;
  int old;
  int fd;
  struct watched watched[MOST_WATCHED];
  int epolls[MOST_WATCHED];
  size_t count;
};

/*
 * The kernel files a registration under the number that the registering process gives, so the socket must have the process's number
 * here too: on a thread with a descriptor table of its own, where every number is free to use.
 */
static void *carry(void *given) {
  struct carry *c = given;
  if (unshare(CLONE_FILES) != 0) return NULL;
  int epolls[MOST_WATCHED];
  /* Out of the way of the number, all of them. */
  int old = fcntl(c->old, F_DUPFD_CLOEXEC, c->number + 1), fd = fcntl(c->fd, F_DUPFD_CLOEXEC, c->number + 1);
  for (size_t i = 0; i < c->count; i++) epolls[i] = fcntl(c->epolls[i], F_DUPFD_CLOEXEC, c->number + 1);
  /* The old one would go on telling what becomes of it for as long as anybody holds it. */
  if (dup3(old, c->number, O_CLOEXEC) >= 0)
    for (size_t i = 0; i < c->count; i++) epoll_ctl(epolls[i], EPOLL_CTL_DEL, c->number, NULL);
  if (dup3(fd, c->number, O_CLOEXEC) < 0) return NULL;
  for (size_t i = 0; i < c->count; i++) {
    struct epoll_event event = {.events = c->watched[i].events, .data.u64 = c->watched[i].data};
    epoll_ctl(epolls[i], EPOLL_CTL_ADD, c->number, &event);
  }
  return NULL;
}

void epoll_carry_over(pid_t tid, int number, int old, int fd, const struct watched *watched, size_t count) {
  struct carry c = {.number = number, .old = old, .fd = fd, .count = count};
  pthread_t thread;
  if (count == 0) return;
  for (size_t i = 0; i < count; i++) {
    c.watched[i] = watched[i];
    c.epolls[i] = socket_of(tid, watched[i].epoll);
  }
  if (pthread_create(&thread, NULL, carry, &c) == 0) pthread_join(thread, NULL);
  for (size_t i = 0; i < count; i++)
    if (c.epolls[i] >= 0) close(c.epolls[i]);
}
