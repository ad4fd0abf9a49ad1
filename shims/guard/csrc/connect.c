/*
 * connect() and listen() of the session. Its sockets belong to a network of its own that has nothing but a loopback; the supervisor lives in the
 * host's. A connection to a host is made here, once it is allowed, and the connected socket takes the place of the process's own.
 *
 * INVARIANT (no race decides): the address is read once, and only what was read is judged and acted on.
 * INVARIANT (one network each): a socket of the host's network is never connected, disconnected or made to listen for the session; only fresh ones,
 * made here for a target that was decided on, are put into it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"
#include "connection.h"
#include "tracee.h"

#define DIAL_MS 120000
/* How long an event loop may stand still for a host that is allowed. */
#define PATIENCE_MS 40

static int permits_decided(void *context, const struct in6_addr *address, int port) {
  struct target target;
  target_of(address, port, &target);
  return host_decided(context, &target) == ROW_ALLOW;
}

/* Puts a socket of the host's network in the place of the process's own. */
static enum answered put_in_place(struct call *call, int fd, const struct likeness *like) {
  struct watched watched[MOST_WATCHED];
  /* Closed or replaced while we dialled: what stands under its number now is none of ours. */
  if (!socket_is_still(call->notice->tid, call->number, call->fd)) {
    close(fd);
    return notice_error(call->notice, ECONNABORTED);
  }
  size_t count = like->nonblocking ? epoll_watching(call->notice->tid, call->number, watched) : 0;
  socket_set_blocking(fd, !like->nonblocking);
  int error = notice_replace(call->notice, call->number, fd, like->cloexec);
  if (error == 0) epoll_carry_over(call->notice->tid, call->number, call->fd, fd, watched, count);
  close(fd);
  if (error == ENOENT) return ANSWER_DONE;
  if (error != 0) return notice_error(call->notice, error);
  /* Also when it stands already: programs that do not wait expect to be told so, and then find it writable. */
  return like->nonblocking ? notice_error(call->notice, EINPROGRESS) : notice_value(call->notice, 0);
}

static long long dial_deadline(const struct likeness *like) {
  long long most = DIAL_MS, own = (long long)like->send_timeout.tv_sec * 1000 + like->send_timeout.tv_usec / 1000;
  return now_ms() + (own > 0 && own < most ? own : most);
}

static enum answered dial_and_wait(struct call *call, const struct asker *asker, const struct target *target, const struct likeness *like,
                                   int allowed) {
  int fd = -1, error = EACCES, gone = pidfd_of(call->notice->tid);
  struct via via = {0};
  supervisor_waits();
  if (allowed || host_ask(asker, target, gone, &via)) {
    fd = host_dial(asker, target, &via, like, dial_deadline(like), gone);
    error = fd < 0 ? errno : 0;
  }
  supervisor_goes_on();
  if (gone >= 0) close(gone);
  host_effect(asker, target, error);
  return fd < 0 ? notice_error(call->notice, error) : put_in_place(call, fd, like);
}

static enum answered dial_without_waiting(struct call *call, const struct asker *asker, const struct target *target,
                                          const struct likeness *like, int allowed) {
  struct known known = {.allowed = allowed};
  int fd = -1, error = EACCES, refused = 0;
  supervisor_waits();
  if (!allowed) {
    known.allowed = host_ask_briefly(asker, target, PATIENCE_MS, &known.via, &known.pending);
    refused = !known.allowed && known.pending == NULL;
  }
  if (known.allowed) {
    fd = known.via.port != 0 ? dial_via(&known.via, like, now_ms() + PATIENCE_MS, -1)
                             : dial_briefly(target, like, PATIENCE_MS, permits_decided, (void *)(uintptr_t)asker);
    error = fd < 0 ? errno : 0;
  }
  supervisor_goes_on();
  /* Not reached yet, or somebody has to be asked: the relay can wait. */
  int held = fd < 0 && !refused && (error == ETIMEDOUT || error == EACCES);
  if (held) {
    fd = relay_begin(call->notice->tid, asker, target, like, &known);
    error = fd < 0 ? errno : 0;
  }
  if (!held || fd < 0) host_effect(asker, target, error);
  return fd < 0 ? notice_error(call->notice, error) : put_in_place(call, fd, like);
}

static enum answered connect_host(struct call *call, const struct target *target) {
  struct asker asker;
  struct likeness like;
  asker_of(call->notice->tid, &asker);
  /* INVARIANT (a preview stays one): that it would connect is told, and nothing leaves, whoever would allow it. */
  if (guard.config.overlay != NULL) {
    host_effect(&asker, target, ECONNREFUSED);
    return notice_error(call->notice, ECONNREFUSED);
  }
  socket_take_likeness(call->notice->tid, call->number, call->fd, &like);
  enum row decided = host_decided(&asker, target);
  if (decided == ROW_DENY) {
    host_effect(&asker, target, EACCES);
    return notice_error(call->notice, EACCES);
  }
  if (like.nonblocking) return dial_without_waiting(call, &asker, target, &like, decided == ROW_ALLOW);
  return dial_and_wait(call, &asker, target, &like, decided == ROW_ALLOW);
}

/* Connects the process's own socket, in its own network; 0 or an errno. */
static int connect_duplicate(struct call *call) {
  supervisor_waits();
  int r;
  do r = connect(call->fd, &call->address.any, (socklen_t)call->length);
  while (r != 0 && errno == EINTR);
  int error = r == 0 ? 0 : errno;
  supervisor_goes_on();
  /* On a loopback the outcome is there before one looks; told a second time, the socket is fresh again when it was refused. */
  struct pollfd p = {.fd = call->fd, .events = POLLOUT};
  if (error == EINPROGRESS && poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0) {
    error = socket_standing(call->fd);
    if (error == 0 || error == EISCONN || error == EALREADY) error = EINPROGRESS;
  }
  return error;
}

static enum answered result(struct call *call, int error) {
  return error == 0 ? notice_value(call->notice, 0) : notice_error(call->notice, error);
}

/* 1 when a program of this machine listens on the port: read from its tables, so that nothing is sent to find out. */
static int host_listens(int port) {
  static const char *const tables[] = {"net/tcp", "net/tcp6"};
  char path[64], line[512];
  int found = 0;
  for (size_t i = 0; i < 2 && !found; i++) {
    snprintf(path, sizeof path, "self/%s", tables[i]);
    int fd = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
      if (fd >= 0) close(fd);
      continue;
    }
    while (!found && fgets(line, sizeof line, file) != NULL) {
      unsigned local, state;
      found = sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local, &state) == 2 && state == 0x0a && (int)local == port;
    }
    fclose(file);
  }
  return found;
}

static int port_of(const struct call *call) {
  return ntohs(call->address.any.sa_family == AF_INET ? call->address.four.sin_port : call->address.six.sin6_port);
}

static void read_address(const struct call *call, struct in6_addr *out) {
  if (call->address.any.sa_family == AF_INET6) {
    *out = call->address.six.sin6_addr;
    return;
  }
  memset(out, 0, sizeof *out);
  out->s6_addr[10] = out->s6_addr[11] = 0xff;
  memcpy(&out->s6_addr[12], &call->address.four.sin_addr, 4);
}

/* The session's own loopback first; what nobody there listens to may be a program of the host. */
static enum answered connect_loopback(struct call *call, const struct in6_addr *address) {
  struct target target;
  int own = guard.config.mode != FILTER_LANDLOCK;
  if (own && socket_is_outside(call->fd)) return notice_error(call->notice, ECONNABORTED);
  if (own) {
    int error = connect_duplicate(call);
    if (error != ECONNREFUSED) return result(call, error);
  }
  if (!host_listens(port_of(call))) return notice_error(call->notice, ECONNREFUSED);
  struct in6_addr there = *address;
  /* `0.0.0.0` and `::` mean this machine. */
  if (IN6_IS_ADDR_UNSPECIFIED(&there)) there.s6_addr[15] = 1;
  if (IN6_IS_ADDR_V4MAPPED(&there) && there.s6_addr[12] == 0) {
    there.s6_addr[12] = 127;
    there.s6_addr[15] = 1;
  }
  target_of(&there, port_of(call), &target);
  return connect_host(call, &target);
}

static int is_unroutable(const struct in6_addr *address) {
  if (IN6_IS_ADDR_V4MAPPED(address)) return address->s6_addr[12] >= 224;
  return IN6_IS_ADDR_MULTICAST(address) || IN6_IS_ADDR_LINKLOCAL(address);
}

/*
 * Without a network of its own a session has no resolver to send datagrams to, but libraries ask over TCP when they are told to (RES_OPTIONS=use-vc): whichever server
 * of the host they connect to, they speak to ours.
 */
static enum answered connect_resolver(struct call *call) {
  struct likeness like;
  int pair[2];
  socket_take_likeness(call->notice->tid, call->number, call->fd, &like);
  int error = socket_pair_tcp(like.domain, pair);
  if (error != 0) return notice_error(call->notice, error);
  error = dns_take(pair[1]);
  if (error == 0) return put_in_place(call, pair[0], &like);
  close(pair[0]);
  close(pair[1]);
  return notice_error(call->notice, error);
}

static enum answered connect_stream(struct call *call) {
  struct target target;
  struct in6_addr address;
  int outside = guard.config.mode != FILTER_LANDLOCK && socket_is_outside(call->fd);
  if (call->length < sizeof(sa_family_t)) return notice_error(call->notice, EINVAL);
  if (call->address.any.sa_family == AF_UNSPEC) {
    /* Dissolves a connection. One of the host's network would be free to go elsewhere, or to listen there. */
    if (outside) return notice_error(call->notice, EACCES);
    return result(call, connect(call->fd, &call->address.any, (socklen_t)call->length) == 0 ? 0 : errno);
  }
  supervisor_waits();
  int standing = socket_standing(call->fd);
  supervisor_goes_on();
  if (standing != EINVAL) return result(call, standing);
  /* As the kernel has it; 24 is the size that an IPv6 address had before it had a scope. */
  if (call->length < (call->domain == AF_INET ? sizeof(struct sockaddr_in) : 24u)) return notice_error(call->notice, EINVAL);
  if (call->address.any.sa_family != call->domain) return notice_error(call->notice, EAFNOSUPPORT);
  read_address(call, &address);
  if (guard.config.mode == FILTER_LANDLOCK && address_is_name_server(&address, port_of(call))) return connect_resolver(call);
  if (dns_is_ours(&call->address.any)) {
    target.port = port_of(call);
    if (!dns_name_of(&call->address.any, target.host)) return notice_error(call->notice, ECONNREFUSED);
    return connect_host(call, &target);
  }
  if (address_is_loopback(&address)) return connect_loopback(call, &address);
  if (is_unroutable(&address)) return notice_error(call->notice, ENETUNREACH);
  target_of(&address, port_of(call), &target);
  return connect_host(call, &target);
}

/*
 * A datagram socket only notes where it would send. Resolvers connect one to learn which of a name's addresses can be reached: for those that stand for
 * names the session's own loopback is noted, and nothing leaves.
 */
static enum answered connect_datagram(struct call *call) {
  if (guard.config.mode == FILTER_LANDLOCK || socket_is_outside(call->fd)) return notice_error(call->notice, EACCES);
  if (call->length >= sizeof(struct sockaddr_in) && dns_is_ours(&call->address.any)) {
    if (call->address.any.sa_family == AF_INET) {
      call->address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (call->length >= 24) {
      int mapped = IN6_IS_ADDR_V4MAPPED(&call->address.six.sin6_addr);
      inet_pton(AF_INET6, mapped ? "::ffff:127.0.0.1" : "::1", &call->address.six.sin6_addr);
    }
  }
  return result(call, connect(call->fd, &call->address.any, (socklen_t)call->length) == 0 ? 0 : errno);
}

static enum answered connect_by_family(struct call *call) {
  switch (call->domain) {
    case AF_UNIX: return unix_connect(call->notice, call->fd, call->address.bytes, call->length);
    case AF_INET:
    case AF_INET6: return call->type == SOCK_STREAM ? connect_stream(call) : connect_datagram(call);
    case AF_NETLINK: return result(call, connect(call->fd, &call->address.any, (socklen_t)call->length) == 0 ? 0 : errno);
    default: return notice_error(call->notice, EACCES);
  }
}

enum answered connect_notified(struct notice *notice) {
  struct call call = {.notice = notice, .number = (int)notice->request->data.args[0]};
  /* In the kernel's order: the descriptor, the address, and only then whether it is a socket at all. */
  int error = call_take_socket(&call);
  if (error != 0) return notice_error(notice, error);
  error = call_read_arguments(&call);
  if (error == 0) error = call_look_at_socket(&call);
  enum answered answered;
  if (!notice_valid(notice)) answered = ANSWER_DONE;
  else if (error != 0) answered = notice_error(notice, error);
  else answered = connect_by_family(&call);
  close(call.fd);
  return answered;
}
