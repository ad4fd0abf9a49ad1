#define _GNU_SOURCE
#include "dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"

#define HEAD_START_MS 250
#define LOOKUP_MS 12000

static int start(const struct in6_addr *address, int port, const struct likeness *like) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = *address};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int is_four = IN6_IS_ADDR_V4MAPPED(address), off = 0, fd = -1;
  memcpy(&four.sin_addr, &address->s6_addr[12], 4);
  /* A program that made an IPv6 socket goes on having one, also when only IPv4 leads there. */
  if (!is_four || like->domain == AF_INET6) fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  int as_six = fd >= 0;
  if (fd < 0 && is_four) fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (fd < 0) return -1;
  if (as_six) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  socket_give_likeness(fd, like);
  int r = as_six ? connect(fd, (struct sockaddr *)&six, sizeof six) : connect(fd, (struct sockaddr *)&four, sizeof four);
  if (r == 0 || errno == EINPROGRESS) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* The addresses that may be dialled; 0, or an errno. */
static int find(const struct target *target, long long deadline, permits_near permits, void *context, struct addresses *out) {
  struct addresses all;
  memset(out, 0, sizeof *out);
  if (target->port == 0) return ECONNREFUSED;
  if (address_of_text(target->host, &out->at[0])) {
    out->count = 1;
    return 0;
  }
  int error = lookup(target->host, deadline, &all);
  if (error != 0) return error;
  /* A name of somebody else's that leads back into this machine is judged as what it is. */
  for (size_t i = 0; i < all.count; i++)
    if (all.from_hosts || !address_is_near(&all.at[i]) || permits(context, &all.at[i], target->port)) out->at[out->count++] = all.at[i];
  return out->count > 0 ? 0 : EACCES;
}

struct race {
  int fds[MOST_ADDRESSES];
  size_t started;
  size_t running;
  int error;
};

static int outcome_of(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* Looks at those that have an outcome; the winner, or -1. */
static int settle(struct race *race, const struct pollfd *ready) {
  for (size_t i = 0; i < race->started; i++) {
    if (race->fds[i] < 0 || ready[i].revents == 0) continue;
    int error = outcome_of(race->fds[i]);
    if (error == 0) {
      int fd = race->fds[i];
      race->fds[i] = -1;
      return fd;
    }
    race->error = error;
    close(race->fds[i]);
    race->fds[i] = -1;
    race->running--;
  }
  return -1;
}

static int run(struct race *race, const struct addresses *addresses, int port, const struct likeness *like, long long deadline, int gone) {
  long long next = now_ms();
  for (;;) {
    long long now = now_ms();
    while (race->started < addresses->count && (race->running == 0 || now >= next)) {
      int fd = start(&addresses->at[race->started], port, like);
      race->fds[race->started++] = fd;
      if (fd < 0) race->error = errno;
      else race->running++;
      next = now + HEAD_START_MS;
    }
    if (race->running == 0 || now >= deadline) {
      if (race->running > 0) race->error = ETIMEDOUT;
      return -1;
    }
    struct pollfd ready[MOST_ADDRESSES + 1];
    for (size_t i = 0; i < race->started; i++) ready[i] = (struct pollfd){.fd = race->fds[i], .events = POLLOUT};
    ready[race->started] = (struct pollfd){.fd = gone, .events = POLLIN};
    long long until = race->started < addresses->count && next < deadline ? next : deadline;
    if (poll(ready, race->started + 1, until > now ? (int)(until - now) : 0) < 0 && errno != EINTR) return -1;
    if (gone >= 0 && ready[race->started].revents != 0) {
      race->error = ECONNABORTED;
      return -1;
    }
    int fd = settle(race, ready);
    if (fd >= 0) return fd;
  }
}

int dial(const struct target *target, const struct likeness *like, long long deadline, int gone, permits_near permits, void *context) {
  struct addresses addresses;
  struct race race = {.error = EHOSTUNREACH};
  long long found_by = now_ms() + LOOKUP_MS;
  int error = find(target, found_by < deadline ? found_by : deadline, permits, context, &addresses);
  if (error != 0) {
    errno = error == ETIMEDOUT ? EHOSTUNREACH : error;
    return -1;
  }
  int fd = run(&race, &addresses, target->port, like, deadline, gone);
  for (size_t i = 0; i < race.started; i++)
    if (race.fds[i] >= 0) close(race.fds[i]);
  if (fd < 0) errno = race.error;
  return fd;
}

int dial_briefly(const struct target *target, const struct likeness *like, int patience_ms, permits_near permits, void *context) {
  /* The next attempt begins with another address: this one may be the one that never answers. */
  static unsigned turn;
  struct addresses addresses;
  long long deadline = now_ms() + patience_ms;
  int error = find(target, deadline, permits, context, &addresses), last = EHOSTUNREACH;
  if (error != 0) {
    errno = error;
    return -1;
  }
  unsigned first = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED);
  for (size_t i = 0; i < addresses.count; i++) {
    int fd = start(&addresses.at[(first + i) % addresses.count], target->port, like);
    if (fd < 0) {
      last = errno;
      continue;
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    long long left = deadline - now_ms();
    /* The last one is handed over as it is: what becomes of it, the program hears from the kernel. */
    if (poll(&p, 1, left <= 0 || i + 1 == addresses.count ? 0 : (int)left) == 0) return fd;
    if ((p.revents & (POLLERR | POLLHUP)) == 0) return fd;
    last = outcome_of(fd);
    close(fd);
  }
  errno = last;
  return -1;
}

/* A program that holds its packets back (TCP_CORK) holds only its own back. */
static int say_token(int fd, const struct via *via) {
  int corked = 0, off = 0;
  socklen_t size = sizeof corked;
  if (getsockopt(fd, IPPROTO_TCP, TCP_CORK, &corked, &size) != 0) corked = 0;
  if (corked) setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
  /* A fresh connection has room for it; where it has not, it is no connection for us. */
  ssize_t sent = send(fd, via->line, via->size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (corked) setsockopt(fd, IPPROTO_TCP, TCP_CORK, &corked, sizeof corked);
  return sent == (ssize_t)via->size ? 0 : -1;
}

/* Until it is connected; 0 or an errno. */
static int settle_via(int fd, long long deadline, int gone) {
  for (;;) {
    struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = gone, .events = POLLIN}};
    long long left = deadline - now_ms();
    int n = poll(p, 2, left > 0 ? (int)left : 0);
    if (n < 0 && errno != EINTR) return ECONNREFUSED;
    if (n > 0 && p[1].revents != 0) return ECONNABORTED;
    if (n > 0) return outcome_of(fd) == 0 ? 0 : ECONNREFUSED;
    if (n == 0 && left <= 0) return ETIMEDOUT;
  }
}

int dial_via(const struct via *via, const struct likeness *like, long long deadline, int gone) {
  struct in6_addr proxy = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
  int fd = start(&proxy, via->port, like), error = fd < 0 ? ECONNREFUSED : settle_via(fd, deadline, gone);
  if (error == 0 && say_token(fd, via) != 0) error = ECONNREFUSED;
  if (error == 0) return fd;
  if (fd >= 0) close(fd);
  errno = error;
  return -1;
}
