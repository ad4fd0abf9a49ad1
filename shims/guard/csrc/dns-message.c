#include "dns-message.h"

#include <string.h>

#define HEADER 12u
#define IN 1
#define CLASS_ANY 255

static unsigned get16(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }

static void put16(unsigned char *at, unsigned value) {
  at[0] = (unsigned char)(value >> 8);
  at[1] = (unsigned char)value;
}

/* Reads labels without following pointers: a question has none to point at. The offset after them, or 0. */
static size_t read_labels(const unsigned char *message, size_t size, size_t at, char *out) {
  size_t used = 0, start = at;
  for (;;) {
    if (at >= size) return 0;
    size_t length = message[at++];
    if (length == 0) break;
    if (length > 63 || at + length > size || at + length - start > 254 || used + length + 1 >= NAME_ROOM) return 0;
    if (used > 0) out[used++] = '.';
    for (size_t i = 0; i < length; i++) {
      unsigned char byte = message[at + i];
      /* A dot or a NUL inside a label would make another name of it. */
      if (byte == '.' || byte == 0) return 0;
      out[used++] = (char)byte;
    }
    at += length;
  }
  out[used] = 0;
  return at;
}

enum dns_heard dns_read_question(const unsigned char *message, size_t size, struct dns_question *out) {
  if (size < HEADER || (message[2] & 0x80) != 0) return DNS_NOT_A_QUESTION;
  if ((message[2] & 0x78) != 0) return DNS_UNKNOWN_KIND;
  if (get16(message + 4) != 1 || get16(message + 6) != 0 || get16(message + 8) != 0) return DNS_MALFORMED;
  size_t at = read_labels(message, size, HEADER, out->name);
  if (at == 0 || at + 4 > size) return DNS_MALFORMED;
  out->type = (int)get16(message + at);
  unsigned class = get16(message + at + 2);
  out->end = at + 4;
  return class == IN || class == CLASS_ANY ? DNS_WHOLE : DNS_UNKNOWN_KIND;
}

int dns_is_host_name(const char *name) {
  size_t label = 0;
  if (name[0] == 0) return 0;
  for (const char *at = name; *at != 0; at++) {
    if (*at == '.') {
      if (label == 0) return 0;
      label = 0;
      continue;
    }
    int fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '-' || *at == '_';
    if (!fine) return 0;
    label++;
  }
  return label > 0;
}

size_t dns_write_name(unsigned char out[256], const char *name) {
  size_t used = 0;
  while (*name != 0) {
    size_t length = strcspn(name, ".");
    if (length == 0 || length > 63 || used + length + 2 > 255) return 0;
    out[used++] = (unsigned char)length;
    memcpy(out + used, name, length);
    used += length;
    name += length;
    if (*name == '.') name++;
  }
  out[used++] = 0;
  return used;
}

size_t dns_write_reply(unsigned char out[DNS_REPLY_ROOM], const unsigned char *message, const struct dns_question *question, enum dns_code code,
                       int type, const unsigned char *data, size_t size, uint32_t ttl_s) {
  size_t used = question == NULL ? HEADER : question->end;
  if (used + 12 + size > DNS_REPLY_ROOM) data = NULL;
  memset(out, 0, HEADER);
  memcpy(out, message, used);
  /* Response, the opcode and recursion wish as they came, recursion is at hand. */
  out[2] = (unsigned char)(0x80 | (message[2] & 0x79));
  out[3] = (unsigned char)(0x80 | code);
  put16(out + 4, question != NULL);
  put16(out + 6, data != NULL);
  put16(out + 8, 0);
  put16(out + 10, 0);
  if (data == NULL) return used;
  unsigned char *at = out + used;
  put16(at, 0xc000u | HEADER);
  put16(at + 2, (unsigned)type);
  put16(at + 4, IN);
  put16(at + 6, ttl_s >> 16);
  put16(at + 8, ttl_s & 0xffff);
  put16(at + 10, (unsigned)size);
  memcpy(at + 12, data, size);
  return used + 12 + size;
}

size_t dns_write_question(unsigned char out[DNS_QUESTION_ROOM], uint16_t id, const char *name, int type) {
  unsigned char labels[256];
  size_t length = dns_write_name(labels, name);
  if (length == 0) return 0;
  memset(out, 0, HEADER);
  put16(out, id);
  out[2] = 1;
  put16(out + 4, 1);
  memcpy(out + HEADER, labels, length);
  put16(out + HEADER + length, (unsigned)type);
  put16(out + HEADER + length + 2, IN);
  return HEADER + length + 4;
}

/* Passes over a name, whose last part may be a pointer; pointers are not followed, so none can loop. The offset after it, or 0. */
static size_t skip_name(const unsigned char *message, size_t size, size_t at) {
  while (at < size) {
    unsigned length = message[at];
    if (length == 0) return at + 1;
    if ((length & 0xc0) == 0xc0) return at + 2 <= size ? at + 2 : 0;
    if (length > 63) return 0;
    at += 1 + length;
  }
  return 0;
}

static void take_record(const unsigned char *data, size_t length, int type, uint32_t ttl, struct dns_answer *out) {
  if (out->count == DNS_MOST_ANSWERS || length != (type == DNS_A ? 4u : 16u)) return;
  struct in6_addr *at = &out->at[out->count++];
  memset(at, 0, sizeof *at);
  if (type == DNS_A) at->s6_addr[10] = at->s6_addr[11] = 0xff;
  memcpy(&at->s6_addr[type == DNS_A ? 12 : 0], data, length);
  if (ttl < out->ttl) out->ttl = ttl;
}

/* Case does not matter in names, and a resolver may have changed it. */
static int same_question(const unsigned char *a, const unsigned char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char x = a[i], y = b[i];
    if (x >= 'A' && x <= 'Z') x = (unsigned char)(x + 32);
    if (y >= 'A' && y <= 'Z') y = (unsigned char)(y + 32);
    if (x != y) return 0;
  }
  return 1;
}

enum dns_outcome dns_read_answer(const unsigned char *message, size_t size, const unsigned char *question, size_t question_size, int type,
                                 struct dns_answer *out) {
  out->count = 0;
  out->ttl = UINT32_MAX;
  if (size < question_size || memcmp(message, question, 2) != 0 || (message[2] & 0x80) == 0 || get16(message + 4) != 1 ||
      !same_question(message + HEADER, question + HEADER, question_size - HEADER))
    return DNS_OTHER;
  if ((message[2] & 0x02) != 0) return DNS_CUT;
  unsigned code = message[3] & 0x0fu;
  if (code == DNS_NO_NAME) return DNS_MISSING;
  if (code != DNS_OK) return DNS_REFUSED;
  size_t at = question_size;
  for (unsigned left = get16(message + 6); left > 0; left--) {
    at = skip_name(message, size, at);
    if (at == 0 || at + 10 > size) return DNS_REFUSED;
    unsigned kind = get16(message + at), class = get16(message + at + 2), length = get16(message + at + 8);
    uint32_t ttl = (uint32_t)get16(message + at + 4) << 16 | get16(message + at + 6);
    at += 10;
    if (at + length > size) return DNS_REFUSED;
    if (class == IN && kind == (unsigned)type) take_record(message + at, length, type, ttl, out);
    at += length;
  }
  return DNS_ANSWERED;
}
