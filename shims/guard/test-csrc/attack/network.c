/* Ways out of the session's network: services of the host that nobody asked for. What arrives there is seen by the test. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#define LEAK "LEAK"

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void to_tcp(char *r, int type, int protocol) {
  struct sockaddr_in address = loopback(stage.tcp);
  int fd = socket(AF_INET, type, protocol);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) tell(r, -1);
  else tell(r, write(fd, LEAK, 4));
}
static void tcp(char *r) { to_tcp(r, SOCK_STREAM, 0); }
static void mptcp(char *r) { to_tcp(r, SOCK_STREAM, 262); }
static void sctp(char *r) { to_tcp(r, SOCK_STREAM, 132); }
static void tcp6(char *r) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)stage.tcp)};
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr);
  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) tell(r, -1);
  else tell(r, write(fd, LEAK, 4));
}
static void any_address(char *r) {
  struct sockaddr_in address = loopback(stage.tcp);
  address.sin_addr.s_addr = 0;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) tell(r, -1);
  else tell(r, write(fd, LEAK, 4));
}
static void unasked_address(char *r) {
  struct sockaddr_in address = loopback(443);
  inet_pton(AF_INET, "198.18.200.200", &address.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  tell(r, connect(fd, (struct sockaddr *)&address, sizeof address));
}
static void fast_open(char *r) {
  struct sockaddr_in address = loopback(stage.tcp);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  tell(r, sendto(fd, LEAK, 4, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address));
}
static void fast_open_message(char *r) {
  struct sockaddr_in address = loopback(stage.tcp);
  char text[] = LEAK;
  struct iovec part = {text, 4};
  struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1};
  tell(r, sendmsg(socket(AF_INET, SOCK_STREAM, 0), &message, MSG_FASTOPEN));
}
/* Sent into the session's own network, where nobody listens. */
static void udp(char *r) {
  struct sockaddr_in address = loopback(stage.udp);
  char answer[8];
  struct timeval patience = {0, 300000};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (fd < 0 || sendto(fd, LEAK, 4, 0, (struct sockaddr *)&address, sizeof address) < 0) tell(r, -1);
  else tell_text(r, recv(fd, answer, sizeof answer, 0) > 0 ? "answered" : "silence");
}
static void domain(char *r, int family, int type, int protocol) { tell(r, socket(family, type, protocol)); }
static void vsock(char *r) { domain(r, AF_VSOCK, SOCK_STREAM, 0); }
static void raw(char *r) { domain(r, AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static void packet(char *r) { domain(r, AF_PACKET, SOCK_RAW, 0); }
static void alg(char *r) { domain(r, AF_ALG, SOCK_SEQPACKET, 0); }
static void audit(char *r) { domain(r, AF_NETLINK, SOCK_RAW, 9); }
static void bluetooth(char *r) { domain(r, AF_BLUETOOTH, SOCK_RAW, 1); }
static void datagram(char *r) { domain(r, AF_UNIX, SOCK_DGRAM, 0); }
static void datagram_pair(char *r) {
  int pair[2];
  tell(r, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}
static void raw_unix(char *r) { domain(r, AF_UNIX, SOCK_RAW, 0); }

static void abstract(char *r) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", stage.abstract);
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(stage.abstract));
  if (connect(fd, (struct sockaddr *)&address, length) != 0) tell(r, -1);
  else tell(r, write(fd, LEAK, 4));
}
static void to_unix(char *r, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (strlen(path) >= sizeof address.sun_path) {
    tell_text(r, "unprepared");
    return;
  }
  strcpy(address.sun_path, path);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) tell(r, -1);
  else tell(r, write(fd, LEAK, 4));
}
static void at_home(char *r) { to_unix(r, in(stage.home, "docker.sock")); }
static void runtime(char *r) { to_unix(r, in(stage.home, "rt/bus")); }
static void agent(char *r) { to_unix(r, in(stage.home, ".ssh/agent.sock")); }
/* What listens outside is outside, wherever its name lies. */
static void in_cache(char *r) { to_unix(r, in(stage.home, ".cache/bus.sock")); }
static void in_workspace(char *r) { to_unix(r, in(stage.work, "outside.sock")); }
static void by_link(char *r) {
  unlink(in(stage.work, "sock-link"));
  if (symlink(in(stage.home, "docker.sock"), in(stage.work, "sock-link")) != 0) tell_text(r, "unprepared");
  else to_unix(r, in(stage.work, "sock-link"));
}
static void by_hardlink(char *r) {
  if (link(in(stage.home, "docker.sock"), in(stage.work, "sock-hard")) != 0) tell(r, -1);
  else to_unix(r, in(stage.work, "sock-hard"));
}
static void reopened(char *r) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", open(in(stage.home, "docker.sock"), O_PATH));
  to_unix(r, path);
}
static void control(char *r) { to_unix(r, in(stage.own, "run/control/control.sock")); }
static void submit(char *r) { to_unix(r, in(stage.own, "run/submit/submit.sock")); }
static void guard_door(char *r) { to_unix(r, in(stage.own, "run/guard/guard.sock")); }
static void own_socket(char *r) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int listening = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", in(stage.work, "own.sock"));
  unlink(address.sun_path);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 1) != 0) tell(r, -1);
  else to_unix(r, address.sun_path);
}
static void own_port(char *r) {
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 1) != 0) tell(r, -1);
  else if (getsockname(listening, (struct sockaddr *)&address, &size) != 0) tell(r, -1);
  else tell(r, connect(fd, (struct sockaddr *)&address, sizeof address));
}

const struct row network_rows[] = {
    {"tcp-to-host", tcp},
    {"tcp6-mapped-to-host", tcp6},
    {"tcp-any-address", any_address},
    {"tcp-unasked-name", unasked_address},
    {"mptcp-to-host", mptcp},
    {"sctp-to-host", sctp},
    {"fastopen-sendto", fast_open},
    {"fastopen-sendmsg", fast_open_message},
    {"udp-to-host", udp},
    {"vsock", vsock},
    {"raw-socket", raw},
    {"packet-socket", packet},
    {"alg-socket", alg},
    {"netlink-audit", audit},
    {"bluetooth", bluetooth},
    {"unix-datagram", datagram},
    {"unix-datagram-pair", datagram_pair},
    {"unix-raw", raw_unix},
    {"abstract-socket", abstract},
    {"socket-at-home", at_home},
    {"socket-of-runtime", runtime},
    {"socket-of-ssh-agent", agent},
    {"socket-in-cache", in_cache},
    {"socket-in-workspace", in_workspace},
    {"socket-by-symlink", by_link},
    {"socket-by-hardlink", by_hardlink},
    {"socket-reopened", reopened},
    {"control-door", control},
    {"submit-door", submit},
    {"guard-door", guard_door},
    {"own-unix-socket", own_socket},
    {"own-port", own_port},
    {NULL, NULL},
};
