/* Connects as a hostile or a peculiar program would; prints what came of it. Run inside a session, and outside to compare. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in four(const char *text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

static long raw_connect(int fd, const void *address, long size) {
  return syscall(SYS_connect, fd, address, size) == 0 ? 0 : errno;
}

static void say_error(const char *what, long error) { printf("%s %s\n", what, error == 0 ? "ok" : strerrorname_np((int)error)); }

/* What the kernel itself answers, before any host comes into it. */
static void errors(void) {
  int tcp = socket(AF_INET, SOCK_STREAM, 0), tcp6 = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), un = socket(AF_UNIX, SOCK_STREAM, 0);
  int listener = socket(AF_INET, SOCK_STREAM, 0), null = open("/dev/null", O_RDONLY), place = open("/", O_PATH);
  struct sockaddr_in here = four("127.0.0.1", 1), other = here, unspecified = here;
  socklen_t size = sizeof here;
  other.sin_family = AF_INET6;
  unspecified.sin_family = AF_UNSPEC;
  say_error("closed", raw_connect(999, &here, sizeof here));
  say_error("negative descriptor", raw_connect(-1, &here, sizeof here));
  say_error("closed, bad address", raw_connect(999, (void *)8, sizeof here));
  say_error("not a socket", raw_connect(null, &here, sizeof here));
  say_error("not a socket, bad address", raw_connect(null, (void *)8, sizeof here));
  say_error("path", raw_connect(place, &here, sizeof here));
  say_error("bad address", raw_connect(tcp, (void *)8, sizeof here));
  say_error("null address", raw_connect(tcp, NULL, sizeof here));
  say_error("negative size", raw_connect(tcp, &here, -1));
  say_error("large size", raw_connect(tcp, &here, 129));
  say_error("no size", raw_connect(tcp, &here, 0));
  say_error("one byte", raw_connect(tcp, &here, 1));
  say_error("short", raw_connect(tcp, &here, 8));
  say_error("short for six", raw_connect(tcp6, &here, sizeof here));
  say_error("wrong family", raw_connect(tcp, &other, sizeof other));
  say_error("unix on tcp", raw_connect(un, &here, sizeof here));
  say_error("unix without a path", raw_connect(un, &here, 2));
  struct sockaddr_un missing = {.sun_family = AF_UNIX, .sun_path = "/no/such/socket"}, plain = {.sun_family = AF_UNIX, .sun_path = "/etc/passwd"};
  say_error("no unix socket", raw_connect(un, &missing, sizeof missing));
  say_error("a file that is no socket", raw_connect(un, &plain, sizeof plain));
  say_error("refused", raw_connect(tcp, &here, sizeof here));
  say_error("refused again", raw_connect(tcp, &here, sizeof here));
  here.sin_port = 0;
  bind(listener, (struct sockaddr *)&here, sizeof here);
  say_error("listen", listen(listener, 8) == 0 ? 0 : errno);
  getsockname(listener, (struct sockaddr *)&here, &size);
  say_error("a listener connects", raw_connect(listener, &here, sizeof here));
  say_error("own loopback", raw_connect(tcp, &here, sizeof here));
  say_error("once more", raw_connect(tcp, &here, sizeof here));
  say_error("dissolved", raw_connect(tcp, &unspecified, sizeof unspecified));
  say_error("after that", raw_connect(tcp, &here, sizeof here));
  fcntl(tcp6, F_SETFL, O_NONBLOCK);
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = here.sin_port};
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
  say_error("without waiting", raw_connect(tcp6, &mapped, sizeof mapped));
  struct pollfd p = {.fd = tcp6, .events = POLLOUT};
  poll(&p, 1, 2000);
  say_error("its outcome", raw_connect(tcp6, &mapped, sizeof mapped));
  say_error("and then", raw_connect(tcp6, &mapped, sizeof mapped));
  say_error("udp to loopback", raw_connect(udp, &here, sizeof here));
  say_error("udp dissolved", raw_connect(udp, &unspecified, sizeof unspecified));
  say_error("listen on nothing", listen(998, 1) == 0 ? 0 : errno);
  say_error("listen on a file", listen(null, 1) == 0 ? 0 : errno);
  say_error("listen on udp", listen(udp, 1) == 0 ? 0 : errno);
}

static volatile struct sockaddr_in *shared;
static int ports[2];
static void *flip(void *unused) {
  (void)unused;
  for (unsigned i = 0;; i++) {
    shared->sin_port = htons((uint16_t)ports[i % 2]);
    for (volatile int k = 0; k < 300; k++) continue;
  }
  return NULL;
}

/* A second thread rewrites the port while the call is judged. */
static void race(int allowed, int denied, int tries) {
  pthread_t thread;
  int good = 0, bad = 0, refused = 0;
  ports[0] = allowed;
  ports[1] = denied;
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct sockaddr_in start = four("127.0.0.1", allowed);
  memcpy((void *)(uintptr_t)shared, &start, sizeof start);
  if (pthread_create(&thread, NULL, flip, NULL) != 0) exit(1);
  for (int i = 0; i < tries; i++) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)(uintptr_t)shared, sizeof *shared) != 0 || getpeername(fd, (struct sockaddr *)&peer, &size) != 0) refused++;
    else if (ntohs(peer.sin_port) == denied) bad++;
    else good++;
    close(fd);
  }
  printf("good %d bad %d refused %d\n", good, bad, refused);
}

static int begin(int port, int nonblocking) {
  struct sockaddr_in address = four("127.0.0.1", port);
  int fd = socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
  long error = raw_connect(fd, &address, sizeof address);
  say_error("connect", error);
  return fd;
}

/* A socket of the host's network must not become one that takes callers, or goes elsewhere. */
static void escape(int port) {
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  int fd = begin(port, 0);
  say_error("dissolve", raw_connect(fd, &unspecified, sizeof unspecified));
  shutdown(fd, SHUT_RDWR);
  say_error("listen", listen(fd, 8) == 0 ? 0 : errno);
  close(fd);
  fd = begin(port, 1);
  shutdown(fd, SHUT_RDWR);
  say_error("listen while it connects", listen(fd, 8) == 0 ? 0 : errno);
  struct sockaddr_in elsewhere = four("127.0.0.1", port + 1);
  say_error("elsewhere", raw_connect(fd, &elsewhere, sizeof elsewhere));
}

/* Where nobody answers: shut down meanwhile, the socket is as if fresh, in the network that it was put from. */
static void escape_slowly(int port) {
  int fd = begin(port, 1);
  shutdown(fd, SHUT_RDWR);
  say_error("listen", listen(fd, 8) == 0 ? 0 : errno);
  struct sockaddr_in elsewhere = four("127.0.0.1", port);
  say_error("elsewhere", raw_connect(fd, &elsewhere, sizeof elsewhere));
}

static volatile int rang;
static void ring(int number) {
  (void)number;
  rang++;
}

static void signals(int port) {
  struct sigaction action = {.sa_handler = ring};
  struct itimerval soon = {.it_value = {.tv_usec = 100000}};
  struct timespec a, b;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &soon, NULL);
  clock_gettime(CLOCK_MONOTONIC, &a);
  int fd = begin(port, 0);
  clock_gettime(CLOCK_MONOTONIC, &b);
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  say_error("peer", getpeername(fd, (struct sockaddr *)&peer, &size) == 0 ? 0 : errno);
  printf("rang %d waited %d\n", rang, (int)(b.tv_sec - a.tv_sec) * 1000 + (int)((b.tv_nsec - a.tv_nsec) / 1000000) >= 900);
}

/* As Boost.Asio does it: registered once, before it is connected. */
static void early(int port) {
  struct sockaddr_in address = four("127.0.0.1", port);
  int ring_fd = epoll_create1(0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788}, got;
  memset(&got, 0, sizeof got);
  epoll_ctl(ring_fd, EPOLL_CTL_ADD, fd, &event);
  say_error("connect", raw_connect(fd, &address, sizeof address));
  event.events |= EPOLLOUT;
  say_error("modify", epoll_ctl(ring_fd, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno);
  int n = epoll_wait(ring_fd, &got, 1, 5000);
  printf("ready %d same %d\n", n, got.data.u64 == event.data.u64 && (got.events & EPOLLOUT) != 0);
  say_error("remove", epoll_ctl(ring_fd, EPOLL_CTL_DEL, fd, NULL) == 0 ? 0 : errno);
}

/* What a program set before it connected is set afterwards. */
static void options(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, size = 65536, got = 0;
  socklen_t room = sizeof got;
  struct sockaddr_in address = four("127.0.0.1", port);
  setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  say_error("connect", raw_connect(fd, &address, sizeof address));
  getsockopt(fd, IPPROTO_TCP, 1, &got, &room);
  printf("nodelay %d ", got);
  getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &got, &room);
  printf("keepalive %d ", got);
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &room);
  printf("buffer %d cloexec %d nonblocking %d\n", got, fcntl(fd, F_GETFD), (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
}

static void many(int port, int count) {
  struct rlimit files = {4096, 4096};
  int good = 0, *fds = calloc((size_t)count, sizeof *fds);
  struct sockaddr_in address = four("127.0.0.1", port);
  setrlimit(RLIMIT_NOFILE, &files);
  for (int i = 0; i < count; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    raw_connect(fds[i], &address, sizeof address);
    if (write(fds[i], "", 0) < 0 && errno != EAGAIN && errno != ENOTCONN) close(fds[i]);
  }
  for (int i = 0; i < count; i++) {
    char text[8];
    struct pollfd p = {.fd = fds[i], .events = POLLOUT};
    poll(&p, 1, 5000);
    fcntl(fds[i], F_SETFL, 0);
    if (write(fds[i], "ping\n", 5) == 5 && read(fds[i], text, 5) == 5 && memcmp(text, "ping\n", 5) == 0) good++;
  }
  printf("good %d\n", good);
}

/* Megabytes a second out; the other end swallows. */
static void send_bytes(int port, int megabytes, int nonblocking) {
  static char block[1 << 18];
  struct timespec a, b;
  int fd = begin(port, nonblocking);
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  poll(&p, 1, 5000);
  fcntl(fd, F_SETFL, 0);
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < megabytes * 4; i++) {
    size_t sent = 0;
    while (sent < sizeof block) {
      ssize_t n = write(fd, block + sent, sizeof block - sent);
      if (n <= 0) exit(1);
      sent += (size_t)n;
    }
  }
  shutdown(fd, SHUT_WR);
  if (read(fd, block, 1) < 0) exit(1);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.0f\n", megabytes / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
}

static void *swallow(void *given) {
  static char block[1 << 18];
  int fd = accept(*(int *)given, NULL, NULL);
  while (read(fd, block, sizeof block) > 0) continue;
  close(fd);
  return NULL;
}

/* Both ends: a sink outside for sessions to send to, as a program of its own. */
static void sink(int times) {
  struct sockaddr_in address = four("127.0.0.1", 0);
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bind(fd, (struct sockaddr *)&address, sizeof address);
  listen(fd, 64);
  getsockname(fd, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (int i = 0; i < times; i++) swallow(&fd);
}

static void unix_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t size = sizeof address;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (path[0] == '@') {
    address.sun_path[0] = 0;
    size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
  }
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  say_error(path, raw_connect(fd, &address, (long)size));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  int a = argc > 2 ? atoi(argv[2]) : 0, b = argc > 3 ? atoi(argv[3]) : 0, c = argc > 4 ? atoi(argv[4]) : 0;
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(what, "errors") == 0) errors();
  else if (strcmp(what, "race") == 0) race(a, b, c);
  else if (strcmp(what, "escape") == 0) escape(a);
  else if (strcmp(what, "escape-slowly") == 0) escape_slowly(a);
  else if (strcmp(what, "signals") == 0) signals(a);
  else if (strcmp(what, "early") == 0) early(a);
  else if (strcmp(what, "options") == 0) options(a);
  else if (strcmp(what, "many") == 0) many(a, b);
  else if (strcmp(what, "send") == 0) send_bytes(a, b, c);
  else if (strcmp(what, "sink") == 0) sink(a);
  else if (strcmp(what, "unix") == 0) for (int i = 2; i < argc; i++) unix_to(argv[i]);
  else return 2;
  fflush(stdout);
  _exit(0);
}
