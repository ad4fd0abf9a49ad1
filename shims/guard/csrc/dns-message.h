/* Bytes of DNS messages (RFC 1035), both ways. Pure: everything read here was written by somebody hostile. */
#ifndef CSG_DNS_MESSAGE_H
#define CSG_DNS_MESSAGE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "dns.h"

#define DNS_A 1
#define DNS_PTR 12
#define DNS_AAAA 28
#define DNS_ANY 255

/* A question with its header fits in this; and an answer of ours. */
#define DNS_QUESTION_ROOM 288
#define DNS_REPLY_ROOM 600
#define DNS_MOST_ANSWERS 16

/* A question that was sent to us. */
struct dns_question {
  /* As written, with its dots, without the last one. */
  char name[NAME_ROOM];
  int type;
  /* Where the question section ends. */
  size_t end;
};

enum dns_heard { DNS_WHOLE, DNS_MALFORMED, DNS_NOT_A_QUESTION, DNS_UNKNOWN_KIND };

/* Reads a question; only DNS_WHOLE fills `out`. DNS_NOT_A_QUESTION is not to be answered at all. */
enum dns_heard dns_read_question(const unsigned char *message, size_t size, struct dns_question *out);

/* 1 when a name could be that of a host: letters, digits, hyphens, underscores, in labels that are not empty. */
int dns_is_host_name(const char *name);

enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3, DNS_NOT_IMPLEMENTED = 4 };

/* Answers: `data` of `size` bytes, or none when null. The length of the reply. `question` may be null (malformed). */
size_t dns_write_reply(unsigned char out[DNS_REPLY_ROOM], const unsigned char *message, const struct dns_question *question, enum dns_code code,
                       int type, const unsigned char *data, size_t size, uint32_t ttl_s);
/* A name as labels; its length, or 0 when it does not fit 255 bytes. */
size_t dns_write_name(unsigned char out[256], const char *name);

/* A question of ours; its length, or 0. */
size_t dns_write_question(unsigned char out[DNS_QUESTION_ROOM], uint16_t id, const char *name, int type);

struct dns_answer {
  struct in6_addr at[DNS_MOST_ANSWERS];
  size_t count;
  uint32_t ttl;
};

enum dns_outcome { DNS_ANSWERED, DNS_MISSING, DNS_REFUSED, DNS_CUT, DNS_OTHER, DNS_SILENT };

/* Reads what a resolver answered to `question` (of ours). Addresses of A records are mapped into IPv6. */
enum dns_outcome dns_read_answer(const unsigned char *message, size_t size, const unsigned char *question, size_t question_size, int type,
                                 struct dns_answer *out);

#endif
