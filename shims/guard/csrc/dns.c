#define _GNU_SOURCE
#include "dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "dns-message.h"
#include "guard.h"

#define MOST_NAMES 65000u
#define BUCKETS 65536u
/* A name that nobody asked for or connected to in this time gives its address to another. */
#define UNUSED_MS 600000
/* How many are looked at for one to reuse before the answer is that there is none. */
#define LOOK_AT 4096u
#define TTL_S 30u

/* 198.18.1.0 onwards, within 198.18.0.0/15; fd43:534e:: onwards. */
#define FIRST_FOUR 0xc6120100u
#define RANGE_FOUR 0xc6120000u
#define MASK_FOUR 0xfffe0000u
static const unsigned char PREFIX_SIX[6] = {0xfd, 0x43, 0x53, 0x4e, 0, 0};

#define MOST_STREAMS 32
#define STREAM_IDLE_MS 10000

struct name {
  char *text;
  long long used_ms;
  uint32_t next;
};

static struct name *names;
static uint32_t buckets[BUCKETS];
static uint32_t count, hand;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char own_name[NAME_ROOM];

/* Numbers are from 1; 0 is none. */
static uint32_t bucket_of(const char *text) {
  uint32_t hash = 2166136261u;
  for (; *text != 0; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
  return hash % BUCKETS;
}

static uint32_t find_locked(const char *text) {
  uint32_t at = buckets[bucket_of(text)];
  while (at != 0 && strcmp(names[at - 1].text, text) != 0) at = names[at - 1].next;
  return at;
}

static void forget_locked(uint32_t number) {
  uint32_t *link = &buckets[bucket_of(names[number - 1].text)];
  while (*link != number) link = &names[*link - 1].next;
  *link = names[number - 1].next;
  free(names[number - 1].text);
  names[number - 1].text = NULL;
}

/* A number nobody uses: a new one, or one whose name was not used for long. 0 when there is none. */
static uint32_t free_number_locked(long long now) {
  if (count < MOST_NAMES) return ++count;
  for (uint32_t i = 0; i < LOOK_AT; i++) {
    hand = hand % MOST_NAMES + 1;
    if (now - names[hand - 1].used_ms < UNUSED_MS) continue;
    forget_locked(hand);
    return hand;
  }
  return 0;
}

/* The number that stands for a name, from now on at least UNUSED_MS; 0 when all are in use. */
static uint32_t number_of(const char *text) {
  long long now = now_ms();
  pthread_mutex_lock(&lock);
  if (names == NULL) names = must_alloc(MOST_NAMES * sizeof *names);
  uint32_t number = find_locked(text);
  if (number == 0) {
    number = free_number_locked(now);
    if (number != 0) {
      uint32_t bucket = bucket_of(text);
      names[number - 1] = (struct name){.text = must_copy(text), .next = buckets[bucket]};
      buckets[bucket] = number;
    }
  }
  if (number != 0) names[number - 1].used_ms = now;
  pthread_mutex_unlock(&lock);
  return number;
}

static int name_of_number(uint32_t number, char out[NAME_ROOM]) {
  int found = 0;
  pthread_mutex_lock(&lock);
  if (number >= 1 && number <= count && names[number - 1].text != NULL) {
    snprintf(out, NAME_ROOM, "%s", names[number - 1].text);
    names[number - 1].used_ms = now_ms();
    found = 1;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static int is_ours_four(uint32_t address) { return (address & MASK_FOUR) == RANGE_FOUR; }
static int is_ours_six(const unsigned char *address) { return memcmp(address, PREFIX_SIX, sizeof PREFIX_SIX) == 0; }

static uint32_t number_six(const unsigned char *address) {
  static const unsigned char none[6] = {0};
  if (memcmp(address + 6, none, 6) != 0) return 0;
  return (uint32_t)address[12] << 24 | (uint32_t)address[13] << 16 | (uint32_t)address[14] << 8 | address[15];
}

static int read_address(const struct sockaddr *address, uint32_t *number) {
  if (address->sa_family == AF_INET) {
    struct sockaddr_in four;
    memcpy(&four, address, sizeof four);
    uint32_t at = ntohl(four.sin_addr.s_addr);
    *number = at >= FIRST_FOUR ? at - FIRST_FOUR + 1 : 0;
    return is_ours_four(at);
  }
  if (address->sa_family == AF_INET6) {
    struct sockaddr_in6 six;
    memcpy(&six, address, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      uint32_t at;
      memcpy(&at, &six.sin6_addr.s6_addr[12], 4);
      at = ntohl(at);
      *number = at >= FIRST_FOUR ? at - FIRST_FOUR + 1 : 0;
      return is_ours_four(at);
    }
    *number = number_six(six.sin6_addr.s6_addr);
    return is_ours_six(six.sin6_addr.s6_addr);
  }
  return 0;
}

int dns_is_ours(const struct sockaddr *address) {
  uint32_t number;
  return read_address(address, &number);
}

int dns_name_of(const struct sockaddr *address, char out[NAME_ROOM]) {
  uint32_t number = 0;
  return read_address(address, &number) && name_of_number(number, out);
}

static int ends_in(const char *name, const char *suffix) {
  size_t length = strlen(name), tail = strlen(suffix);
  return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

/* Names of this machine, which mean the session's own loopback. */
static int is_local(const char *name) {
  return strcmp(name, "localhost") == 0 || ends_in(name, ".localhost") || strcmp(name, "localhost.localdomain") == 0 ||
         (own_name[0] != 0 && strcmp(name, own_name) == 0);
}

struct answer {
  enum dns_code code;
  int type;
  unsigned char data[256];
  size_t size;
  uint32_t ttl_s;
};

static void answer_address(const char *name, int type, struct answer *answer) {
  uint32_t number = 0;
  int local = is_local(name);
  if (type != DNS_A && type != DNS_AAAA) return;
  if (!local && (number = number_of(name)) == 0) {
    answer->code = DNS_FAILED;
    return;
  }
  answer->type = type;
  answer->size = type == DNS_A ? 4 : 16;
  answer->ttl_s = TTL_S;
  if (type == DNS_A) {
    uint32_t address = htonl(local ? INADDR_LOOPBACK : FIRST_FOUR + number - 1);
    memcpy(answer->data, &address, 4);
  } else if (local) {
    answer->data[15] = 1;
  } else {
    uint32_t low = htonl(number);
    memcpy(answer->data, PREFIX_SIX, sizeof PREFIX_SIX);
    memcpy(answer->data + 12, &low, 4);
  }
}

static int nibble(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* `2.0.18.198.in-addr.arpa` and the long ones of ip6.arpa, back to an address. */
static int read_reverse(const char *name, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (ends_in(name, ".in-addr.arpa")) {
    unsigned a, b, c, d;
    int end = 0;
    if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &d, &c, &b, &a, &end) != 4 || name[end] != 0 || end == 0 || a > 255 || b > 255 ||
        c > 255 || d > 255)
      return 0;
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    four->sin_family = AF_INET;
    four->sin_addr.s_addr = htonl(a << 24 | b << 16 | c << 8 | d);
    return 1;
  }
  if (!ends_in(name, ".ip6.arpa") || strlen(name) != 64 + 8) return 0;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
  six->sin6_family = AF_INET6;
  for (int i = 0; i < 32; i++) {
    int value = nibble(name[i * 2]);
    if (value < 0 || name[i * 2 + 1] != '.') return 0;
    unsigned char *byte = &six->sin6_addr.s6_addr[15 - i / 2];
    *byte = (unsigned char)(*byte | (i % 2 == 0 ? value : value << 4));
  }
  return 1;
}

static int is_loopback(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void answer_reverse(const char *name, int type, struct answer *answer) {
  struct sockaddr_storage address;
  char found[NAME_ROOM] = "localhost";
  answer->code = DNS_NO_NAME;
  if (!read_reverse(name, &address)) return;
  if (!is_loopback(&address) && !dns_name_of((struct sockaddr *)&address, found)) return;
  answer->code = DNS_OK;
  if (type != DNS_PTR) return;
  answer->type = DNS_PTR;
  answer->ttl_s = TTL_S;
  answer->size = dns_write_name(answer->data, found);
}

/* The reply to one message; its length, or 0 when none is due. */
static size_t reply_to(const unsigned char *message, size_t size, unsigned char out[DNS_REPLY_ROOM]) {
  struct dns_question question;
  struct answer answer = {.code = DNS_OK};
  char name[NAME_ROOM];
  switch (dns_read_question(message, size, &question)) {
    case DNS_NOT_A_QUESTION: return 0;
    case DNS_MALFORMED: return dns_write_reply(out, message, NULL, DNS_FORMAT, 0, NULL, 0, 0);
    case DNS_UNKNOWN_KIND: return dns_write_reply(out, message, NULL, DNS_NOT_IMPLEMENTED, 0, NULL, 0, 0);
    case DNS_WHOLE: break;
  }
  size_t length = strlen(question.name);
  for (size_t i = 0; i <= length; i++) {
    char c = question.name[i];
    name[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
  }
  if (ends_in(name, ".arpa")) answer_reverse(name, question.type, &answer);
  else if (!dns_is_host_name(name) || ends_in(name, ".invalid") || strcmp(name, "invalid") == 0) answer.code = DNS_NO_NAME;
  else answer_address(name, question.type == DNS_ANY ? DNS_A : question.type, &answer);
  return dns_write_reply(out, message, &question, answer.code, answer.type, answer.size == 0 ? NULL : answer.data, answer.size, answer.ttl_s);
}

static void *serve_datagrams(void *given) {
  int fd = *(int *)given;
  unsigned char message[1024], reply[DNS_REPLY_ROOM];
  for (;;) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&from, &size);
    if (n < 0) {
      /* Somebody who asked is no longer there to hear it. Anything else, and a moment's rest keeps it from spinning. */
      if (errno != EINTR && errno != ECONNREFUSED) poll(NULL, 0, 20);
      continue;
    }
    size_t length = reply_to(message, (size_t)n, reply);
    if (length > 0) sendto(fd, reply, length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&from, size);
  }
  return NULL;
}

struct stream {
  int fd;
  long long since;
  size_t got;
  unsigned char buffer[2 + 1024];
};

/* Answers every whole message in the buffer; -1 when the connection is to end. */
static int answer_stream(struct stream *s) {
  for (;;) {
    if (s->got < 2) return 0;
    size_t announced = (size_t)s->buffer[0] << 8 | s->buffer[1];
    if (announced > sizeof s->buffer - 2) return -1;
    if (s->got < 2 + announced) return 0;
    unsigned char reply[2 + DNS_REPLY_ROOM];
    size_t length = reply_to(s->buffer + 2, announced, reply + 2);
    if (length == 0) return -1;
    reply[0] = (unsigned char)(length >> 8);
    reply[1] = (unsigned char)length;
    if (send(s->fd, reply, length + 2, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length + 2) return -1;
    s->got -= 2 + announced;
    memmove(s->buffer, s->buffer + 2 + announced, s->got);
    s->since = now_ms();
  }
}

static int read_stream(struct stream *s) {
  ssize_t n = recv(s->fd, s->buffer + s->got, sizeof s->buffer - s->got, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) return -1;
  s->got += (size_t)n;
  return answer_stream(s);
}

static void *serve_streams(void *given) {
  int listener = *(int *)given;
  static struct stream streams[MOST_STREAMS];
  for (size_t i = 0; i < MOST_STREAMS; i++) streams[i].fd = -1;
  for (;;) {
    struct pollfd ready[1 + MOST_STREAMS];
    size_t free_slot = MOST_STREAMS;
    for (size_t i = 0; i < MOST_STREAMS; i++) {
      ready[1 + i] = (struct pollfd){.fd = streams[i].fd, .events = POLLIN};
      if (streams[i].fd < 0) free_slot = i;
    }
    ready[0] = (struct pollfd){.fd = free_slot < MOST_STREAMS ? listener : -1, .events = POLLIN};
    if (poll(ready, 1 + MOST_STREAMS, 1000) < 0) continue;
    for (size_t i = 0; i < MOST_STREAMS; i++) {
      struct stream *s = &streams[i];
      if (s->fd < 0) continue;
      int end = ready[1 + i].revents != 0 ? read_stream(s) != 0 : now_ms() - s->since > STREAM_IDLE_MS;
      if (!end) continue;
      close(s->fd);
      s->fd = -1;
    }
    if ((ready[0].revents & POLLIN) == 0) continue;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) streams[free_slot] = (struct stream){.fd = fd, .since = now_ms()};
    else poll(NULL, 0, 20);
  }
  return NULL;
}

static void learn_own_name(void) {
  if (gethostname(own_name, sizeof own_name - 1) != 0) own_name[0] = 0;
  for (char *c = own_name; *c != 0; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
}

static pthread_once_t named = PTHREAD_ONCE_INIT;
static unsigned alone;

static void *serve_alone(void *given) {
  struct stream *s = given;
  for (;;) {
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    int n = poll(&p, 1, STREAM_IDLE_MS);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || read_stream(s) != 0) break;
  }
  close(s->fd);
  free(s);
  __atomic_sub_fetch(&alone, 1, __ATOMIC_RELAXED);
  return NULL;
}

int dns_take(int fd) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_once(&named, learn_own_name);
  struct stream *s = __atomic_add_fetch(&alone, 1, __ATOMIC_RELAXED) > MOST_STREAMS ? NULL : must_alloc(sizeof *s);
  int error = EAGAIN;
  if (s != NULL) {
    *s = (struct stream){.fd = fd, .since = now_ms()};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128u * 1024u);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &attributes, serve_alone, s);
    pthread_attr_destroy(&attributes);
  }
  if (error == 0) return 0;
  free(s);
  __atomic_sub_fetch(&alone, 1, __ATOMIC_RELAXED);
  return error;
}

void dns_serve(int udp, int tcp) {
  static int sockets[2];
  pthread_t thread;
  if (udp < 0 || tcp < 0) return;
  sockets[0] = udp;
  sockets[1] = tcp;
  pthread_once(&named, learn_own_name);
  if (pthread_create(&thread, NULL, serve_datagrams, &sockets[0]) == 0) pthread_detach(thread);
  if (pthread_create(&thread, NULL, serve_streams, &sockets[1]) == 0) pthread_detach(thread);
}
