#define _GNU_SOURCE
#include "lookup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "dns-message.h"
#include "dns.h"
#include "guard.h"
#include "kernel.h"

#define MOST_SERVERS 3
#define TRY_MS 2500
#define TRIES 2
#define DNS_PORT 53
#define MESSAGE_ROOM 4096
#define FILE_ROOM 65536
#define CACHED 128
#define SHORTEST_MS 5000u
#define LONGEST_MS 300000u
#define MISSING_MS 2000u

struct servers {
  struct sockaddr_storage at[MOST_SERVERS];
  socklen_t size[MOST_SERVERS];
  size_t count;
};

int address_of_text(const char *text, struct in6_addr *out) {
  struct in_addr four;
  if (inet_pton(AF_INET6, text, out) == 1) return 1;
  if (inet_pton(AF_INET, text, &four) != 1) return 0;
  memset(out, 0, sizeof *out);
  out->s6_addr[10] = out->s6_addr[11] = 0xff;
  memcpy(&out->s6_addr[12], &four, 4);
  return 1;
}

void text_of_address(const struct in6_addr *address, char out[INET6_ADDRSTRLEN]) {
  if (IN6_IS_ADDR_V4MAPPED(address)) inet_ntop(AF_INET, &address->s6_addr[12], out, INET6_ADDRSTRLEN);
  else inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

int address_is_loopback(const struct in6_addr *address) {
  if (IN6_IS_ADDR_V4MAPPED(address)) {
    static const unsigned char none[4] = {0, 0, 0, 0};
    return address->s6_addr[12] == 127 || memcmp(&address->s6_addr[12], none, 4) == 0;
  }
  return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address);
}

int address_is_near(const struct in6_addr *address) {
  if (address_is_loopback(address)) return 1;
  /* 0.0.0.0/8 is this machine as well. */
  if (IN6_IS_ADDR_V4MAPPED(address))
    return address->s6_addr[12] == 0 || (address->s6_addr[12] == 169 && address->s6_addr[13] == 254);
  return IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_V4COMPAT(address);
}

/* A file as the host has it, whatever lies over it in the session; its length, or -1. */
static ssize_t read_host_file(const char *path, char *out, size_t room) {
  struct open_as as = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, guard.host_root, path, &as, sizeof as);
  if (fd < 0) return -1;
  size_t got = 0;
  while (got < room - 1) {
    ssize_t n = read(fd, out + got, room - 1 - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += (size_t)n;
  }
  close(fd);
  out[got] = 0;
  return (ssize_t)got;
}

static int add_address(struct addresses *out, const struct in6_addr *address) {
  if (out->count == MOST_ADDRESSES) return 0;
  for (size_t i = 0; i < out->count; i++)
    if (memcmp(&out->at[i], address, sizeof *address) == 0) return 0;
  out->at[out->count++] = *address;
  return 1;
}

static void look_in_hosts(const char *name, struct addresses *out) {
  char *file = malloc(FILE_ROOM), *line_state = NULL;
  if (file == NULL || read_host_file("etc/hosts", file, FILE_ROOM) < 0) {
    free(file);
    return;
  }
  for (char *line = strtok_r(file, "\n", &line_state); line != NULL; line = strtok_r(NULL, "\n", &line_state)) {
    char *word_state = NULL;
    struct in6_addr address;
    line[strcspn(line, "#")] = 0;
    char *word = strtok_r(line, " \t\r", &word_state);
    if (word == NULL || !address_of_text(word, &address)) continue;
    while ((word = strtok_r(NULL, " \t\r", &word_state)) != NULL)
      if (strcasecmp(word, name) == 0) add_address(out, &address);
  }
  free(file);
  out->from_hosts = out->count > 0;
}

static int add_server(struct servers *servers, char *text, int port) {
  char *scope = strchr(text, '%');
  struct in6_addr address;
  if (servers->count == MOST_SERVERS) return 0;
  if (scope != NULL) *scope++ = 0;
  if (!address_of_text(text, &address)) return 0;
  struct sockaddr_storage *at = &servers->at[servers->count];
  memset(at, 0, sizeof *at);
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    struct sockaddr_in *four = (struct sockaddr_in *)at;
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    memcpy(&four->sin_addr, &address.s6_addr[12], 4);
    servers->size[servers->count++] = sizeof *four;
  } else {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)at;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    six->sin6_addr = address;
    six->sin6_scope_id = scope == NULL ? 0 : if_nametoindex(scope);
    servers->size[servers->count++] = sizeof *six;
  }
  return 1;
}

static void find_servers_in_file(struct servers *servers) {
  servers->count = 0;
  char *file = malloc(FILE_ROOM), *line_state = NULL;
  if (file != NULL && read_host_file("etc/resolv.conf", file, FILE_ROOM) >= 0) {
    for (char *line = strtok_r(file, "\n", &line_state); line != NULL; line = strtok_r(NULL, "\n", &line_state)) {
      char *word_state = NULL;
      char *word = strtok_r(line, " \t\r", &word_state);
      if (word == NULL || strcmp(word, "nameserver") != 0) continue;
      word = strtok_r(NULL, " \t\r", &word_state);
      if (word != NULL) add_server(servers, word, DNS_PORT);
    }
  }
  free(file);
  /* As the C library has it: without a file, a resolver of this machine. */
  char local[] = "127.0.0.1";
  if (servers->count == 0) add_server(servers, local, DNS_PORT);
}

static void find_servers(struct servers *servers) {
  servers->count = 0;
  if (guard.config.name_server != NULL) {
    char text[INET6_ADDRSTRLEN + 8];
    int port = DNS_PORT;
    snprintf(text, sizeof text, "%s", guard.config.name_server);
    char *hash = strchr(text, '#');
    if (hash != NULL) {
      *hash = 0;
      port = atoi(hash + 1);
    }
    add_server(servers, text, port);
    return;
  }
  find_servers_in_file(servers);
}

int address_is_name_server(const struct in6_addr *address, int port) {
  struct servers servers;
  find_servers_in_file(&servers);
  for (size_t i = 0; port == DNS_PORT && i < servers.count; i++) {
    struct in6_addr server;
    memset(&server, 0, sizeof server);
    if (servers.at[i].ss_family == AF_INET6) {
      server = ((const struct sockaddr_in6 *)&servers.at[i])->sin6_addr;
    } else {
      server.s6_addr[10] = server.s6_addr[11] = 0xff;
      memcpy(&server.s6_addr[12], &((const struct sockaddr_in *)&servers.at[i])->sin_addr, 4);
    }
    if (memcmp(&server, address, sizeof server) == 0) return 1;
  }
  return 0;
}

static int wait_for(int fd, short events, long long deadline) {
  for (;;) {
    long long left = deadline - now_ms();
    struct pollfd p = {.fd = fd, .events = events, .revents = 0};
    if (left <= 0) return 0;
    int n = poll(&p, 1, (int)left);
    if (n > 0) return 1;
    if (n == 0 || errno != EINTR) return 0;
  }
}

static int send_all(int fd, const unsigned char *at, size_t size, long long deadline) {
  while (size > 0) {
    ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && wait_for(fd, POLLOUT, deadline)) continue;
    if (n <= 0) return -1;
    at += n;
    size -= (size_t)n;
  }
  return 0;
}

static int receive_all(int fd, unsigned char *at, size_t size, long long deadline) {
  while (size > 0) {
    ssize_t n = recv(fd, at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && wait_for(fd, POLLIN, deadline)) continue;
    if (n <= 0) return -1;
    at += n;
    size -= (size_t)n;
  }
  return 0;
}

/* The same question over TCP, when the answer did not fit into a datagram. Its length, or -1. */
static ssize_t ask_stream(const struct sockaddr *server, socklen_t size, const unsigned char *question, size_t length, unsigned char *answer,
                          long long deadline) {
  unsigned char frame[2 + DNS_QUESTION_ROOM], header[2];
  int fd = socket(server->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ssize_t got = -1;
  if (fd < 0) return -1;
  frame[0] = (unsigned char)(length >> 8);
  frame[1] = (unsigned char)length;
  memcpy(frame + 2, question, length);
  int begun = connect(fd, server, size) == 0 || errno == EINPROGRESS;
  if (begun && wait_for(fd, POLLOUT, deadline) && send_all(fd, frame, length + 2, deadline) == 0 &&
      receive_all(fd, header, 2, deadline) == 0) {
    size_t announced = (size_t)header[0] << 8 | header[1];
    if (announced <= MESSAGE_ROOM && receive_all(fd, answer, announced, deadline) == 0) got = (ssize_t)announced;
  }
  close(fd);
  return got;
}

/* One question to one server; what dns_read_answer says of it, or DNS_SILENT. */
static enum dns_outcome ask_server(const struct sockaddr *server, socklen_t size, const char *name, int type, long long deadline,
                                   struct dns_answer *out) {
  unsigned char question[DNS_QUESTION_ROOM], answer[MESSAGE_ROOM];
  uint16_t id;
  enum dns_outcome outcome = DNS_SILENT;
  if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id) return DNS_SILENT;
  size_t length = dns_write_question(question, id, name, type);
  int fd = socket(server->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || length == 0) {
    if (fd >= 0) close(fd);
    return DNS_SILENT;
  }
  if (connect(fd, server, size) == 0 && send(fd, question, length, MSG_NOSIGNAL) == (ssize_t)length) {
    while (wait_for(fd, POLLIN, deadline)) {
      ssize_t n = recv(fd, answer, sizeof answer, 0);
      if (n < 0 && errno != EAGAIN && errno != EINTR) break;
      if (n <= 0) continue;
      outcome = dns_read_answer(answer, (size_t)n, question, length, type, out);
      /* Not an answer to this: somebody else's, or a forgery. */
      if (outcome != DNS_OTHER) break;
      outcome = DNS_SILENT;
    }
  }
  close(fd);
  if (outcome != DNS_CUT) return outcome;
  ssize_t n = ask_stream(server, size, question, length, answer, deadline);
  outcome = n < 0 ? DNS_SILENT : dns_read_answer(answer, (size_t)n, question, length, type, out);
  return outcome == DNS_OTHER || outcome == DNS_CUT ? DNS_SILENT : outcome;
}

struct asked {
  const struct servers *servers;
  const char *name;
  int type;
  long long deadline;
  struct dns_answer answer;
  enum dns_outcome outcome;
};

static void *ask_servers(void *given) {
  struct asked *asked = given;
  asked->outcome = DNS_SILENT;
  for (int try = 0; try < TRIES; try++) {
    for (size_t i = 0; i < asked->servers->count; i++) {
      long long until = now_ms() + TRY_MS;
      if (until > asked->deadline) until = asked->deadline;
      if (until <= now_ms()) return NULL;
      asked->answer.count = 0;
      asked->outcome = ask_server((const struct sockaddr *)&asked->servers->at[i], asked->servers->size[i], asked->name, asked->type, until,
                                  &asked->answer);
      if (asked->outcome == DNS_ANSWERED || asked->outcome == DNS_MISSING) return NULL;
    }
  }
  return NULL;
}

struct cached {
  char name[NAME_ROOM];
  struct addresses addresses;
  int error;
  long long until;
};
static struct cached cache[CACHED];
static size_t next_cached;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

static int recall(const char *name, struct addresses *out, int *error) {
  int found = 0;
  long long now = now_ms();
  pthread_mutex_lock(&cache_lock);
  for (size_t i = 0; i < CACHED && !found; i++) {
    if (cache[i].until <= now || strcmp(cache[i].name, name) != 0) continue;
    *out = cache[i].addresses;
    *error = cache[i].error;
    found = 1;
  }
  pthread_mutex_unlock(&cache_lock);
  return found;
}

static void keep(const char *name, const struct addresses *addresses, int error, unsigned lifetime_ms) {
  pthread_mutex_lock(&cache_lock);
  struct cached *slot = &cache[next_cached++ % CACHED];
  snprintf(slot->name, sizeof slot->name, "%s", name);
  slot->addresses = *addresses;
  slot->error = error;
  slot->until = now_ms() + (long long)lifetime_ms;
  pthread_mutex_unlock(&cache_lock);
}

static int ask_network(const char *name, long long deadline, struct addresses *out, unsigned *lifetime_ms) {
  struct servers servers;
  pthread_t second;
  find_servers(&servers);
  struct asked four = {.servers = &servers, .name = name, .type = DNS_A, .deadline = deadline};
  struct asked six = {.servers = &servers, .name = name, .type = DNS_AAAA, .deadline = deadline};
  int parallel = pthread_create(&second, NULL, ask_servers, &six) == 0;
  ask_servers(&four);
  if (parallel) pthread_join(second, NULL);
  else ask_servers(&six);
  unsigned long long ms = LONGEST_MS;
  struct asked *both[2] = {&six, &four};
  for (size_t b = 0; b < 2; b++) {
    if (both[b]->outcome != DNS_ANSWERED || both[b]->answer.count == 0) continue;
    for (size_t i = 0; i < both[b]->answer.count; i++) add_address(out, &both[b]->answer.at[i]);
    if (both[b]->answer.ttl * 1000ull < ms) ms = both[b]->answer.ttl * 1000ull;
  }
  *lifetime_ms = ms < SHORTEST_MS ? SHORTEST_MS : (unsigned)ms;
  if (out->count > 0) return 0;
  *lifetime_ms = MISSING_MS;
  return four.outcome == DNS_SILENT && six.outcome == DNS_SILENT ? ETIMEDOUT : EHOSTUNREACH;
}

int lookup(const char *name, long long deadline, struct addresses *out) {
  int error = 0;
  unsigned lifetime_ms = 0;
  memset(out, 0, sizeof *out);
  look_in_hosts(name, out);
  if (out->count > 0) return 0;
  if (recall(name, out, &error)) return error;
  error = ask_network(name, deadline, out, &lifetime_ms);
  if (error != ETIMEDOUT) keep(name, out, error, lifetime_ms);
  return error;
}
