#define _GNU_SOURCE
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"
#include "kernel.h"
#include "tracee.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define SEND_LOCKED 1
#define RECEIVE_LOCKED 2
/* PIDFD_THREAD (Linux 6.9). */
#define OF_THREAD O_EXCL

static uint64_t our_network;

static const struct {
  int level;
  int name;
} traits[] = {
    {SOL_SOCKET, SO_KEEPALIVE},       {SOL_SOCKET, SO_OOBINLINE},     {SOL_SOCKET, SO_RCVLOWAT},     {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE},      {IPPROTO_TCP, TCP_KEEPINTVL},   {IPPROTO_TCP, TCP_KEEPCNT},    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_TCP, TCP_CORK},        {IPPROTO_TCP, TCP_LINGER2},    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_IP, IP_TOS},             {IPPROTO_IPV6, IPV6_TCLASS},
};
#define TRAITS (sizeof traits / sizeof *traits)
_Static_assert(TRAITS <= MOST_TRAITS, "struct likeness has no room for every trait");

static uint64_t network_of(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void socket_prepare(void) {
  struct rlimit files;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    our_network = network_of(fd);
    close(fd);
  }
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int socket_is_outside(int fd) {
  uint64_t network = network_of(fd);
  return network == 0 || our_network == 0 || network == our_network;
}

int pidfd_of(pid_t tid) {
  pid_t process, parent;
  int fd = (int)syscall(SYS_pidfd_open, tid, 0u);
  if (fd >= 0) return fd;
  fd = (int)syscall(SYS_pidfd_open, tid, (unsigned)OF_THREAD);
  if (fd >= 0) return fd;
  /* Before Linux 6.9 a thread is reached through its process; both nearly always share one table. */
  if (tracee_family(tid, &process, &parent) != 0) return -1;
  return (int)syscall(SYS_pidfd_open, process, 0u);
}

int socket_of(pid_t tid, int number) {
  int pidfd = pidfd_of(tid);
  if (pidfd < 0) {
    if (errno == EMFILE || errno == ENFILE) errno = ENFILE;
    else errno = ESRCH;
    return -1;
  }
  int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0u);
  int error = errno;
  close(pidfd);
  if (fd < 0) errno = error == EMFILE ? ENFILE : error == EPERM ? EACCES : error;
  return fd;
}

int socket_is_still(pid_t tid, int number, int fd) {
  struct stat then, now;
  int there = socket_of(tid, number);
  if (there < 0) return 0;
  int same = fstat(fd, &then) == 0 && fstat(there, &now) == 0 && then.st_dev == now.st_dev && then.st_ino == now.st_ino;
  close(there);
  return same;
}

int socket_standing(int fd) {
  /* Too short for an address of either family: looked at only when there is nothing left to say about the socket itself. */
  struct sockaddr address = {.sa_family = AF_INET};
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  return connect(fd, &address, sizeof address.sa_family + 2) == 0 ? 0 : errno;
}

static int number_of(const char *text, const char *label, int base) {
  const char *at = strstr(text, label);
  unsigned value = 0;
  if (at == NULL || sscanf(at + strlen(label), base == 8 ? "%o" : "%u", &value) != 1) return 0;
  return (int)value;
}

void socket_take_likeness(pid_t tid, int number, int fd, struct likeness *out) {
  char name[64], info[1024];
  socklen_t size = sizeof out->domain;
  memset(out, 0, sizeof *out);
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &out->domain, &size);
  out->nonblocking = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
  snprintf(name, sizeof name, "fdinfo/%d", number);
  if (read_proc(tid, name, info, sizeof info) > 0 && (number_of(info, "flags:", 8) & O_CLOEXEC) != 0) out->cloexec = O_CLOEXEC;
  for (size_t i = 0; i < TRAITS; i++) {
    size = sizeof out->values[i];
    out->known[i] = getsockopt(fd, traits[i].level, traits[i].name, &out->values[i], &size) == 0;
  }
  int locked = 0;
  size = sizeof locked;
  if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locked, &size) != 0) locked = 0;
  size = sizeof out->send_buffer;
  if ((locked & SEND_LOCKED) != 0) getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out->send_buffer, &size);
  size = sizeof out->receive_buffer;
  if ((locked & RECEIVE_LOCKED) != 0) getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &out->receive_buffer, &size);
  struct linger linger = {0, 0};
  size = sizeof linger;
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0) {
    out->linger_on = linger.l_onoff;
    out->linger_s = linger.l_linger;
  }
  size = sizeof out->send_timeout;
  getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &out->send_timeout, &size);
  size = sizeof out->receive_timeout;
  getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &out->receive_timeout, &size);
}

void socket_give_likeness(int fd, const struct likeness *like) {
  for (size_t i = 0; i < TRAITS; i++) {
    int now = 0;
    socklen_t size = sizeof now;
    if (!like->known[i] || getsockopt(fd, traits[i].level, traits[i].name, &now, &size) != 0 || now == like->values[i]) continue;
    setsockopt(fd, traits[i].level, traits[i].name, &like->values[i], sizeof like->values[i]);
  }
  /* The kernel tells twice of what it was told. */
  int half = like->send_buffer / 2;
  if (half > 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof half);
  half = like->receive_buffer / 2;
  if (half > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof half);
  struct linger linger = {.l_onoff = like->linger_on, .l_linger = like->linger_s};
  if (like->linger_on) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &like->send_timeout, sizeof like->send_timeout);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &like->receive_timeout, sizeof like->receive_timeout);
}

void socket_set_blocking(int fd, int blocking) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return;
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static socklen_t loopback(int domain, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (domain == AF_INET6) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    six->sin6_family = AF_INET6;
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six->sin6_addr);
    return sizeof *six;
  }
  struct sockaddr_in *four = (struct sockaddr_in *)out;
  four->sin_family = AF_INET;
  four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sizeof *four;
}

/* Anybody on this machine may connect to the listener in between: only the one that we are is taken. */
static int accept_ours(int listener, int near) {
  struct sockaddr_storage wanted, came;
  socklen_t wanted_size = sizeof wanted, came_size;
  memset(&wanted, 0, sizeof wanted);
  if (getsockname(near, (struct sockaddr *)&wanted, &wanted_size) != 0) return -1;
  for (int tries = 0; tries < 16; tries++) {
    memset(&came, 0, sizeof came);
    came_size = sizeof came;
    int fd = accept4(listener, (struct sockaddr *)&came, &came_size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return -1;
    if (came_size == wanted_size && memcmp(&came, &wanted, wanted_size) == 0) return fd;
    close(fd);
  }
  errno = EADDRINUSE;
  return -1;
}

int socket_pair_tcp(int domain, int pair[2]) {
  struct sockaddr_storage address;
  socklen_t size = loopback(domain, &address);
  int error = 0, far = -1;
  int listener = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  int near = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (listener < 0 || near < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0 || connect(near, (struct sockaddr *)&address, size) != 0 ||
      (far = accept_ours(listener, near)) < 0)
    error = errno;
  if (listener >= 0) close(listener);
  if (error != 0) {
    if (near >= 0) close(near);
    return error;
  }
  socket_set_blocking(near, 0);
  pair[0] = near;
  pair[1] = far;
  return 0;
}
