/* DNS messages: questions from the session, answers from whoever pretends to be a resolver. The first byte says whether our question comes first. */
#include <stdlib.h>
#include <string.h>

#include "../csrc/dns-message.h"
#include "world.h"

static void read_everything(const unsigned char *message, size_t size, const unsigned char *asked, size_t asked_size) {
  static const unsigned char answer_data[256];
  unsigned char reply[DNS_REPLY_ROOM], labels[256];
  struct dns_question question;
  struct dns_answer answer;
  if (dns_read_question(message, size, &question) == DNS_WHOLE) {
    must_hold(question.end <= size);
    must_hold(strlen(question.name) < NAME_ROOM);
    must_hold(dns_write_reply(reply, message, &question, DNS_OK, DNS_A, answer_data, 255, 9) <= sizeof reply);
    must_hold(!dns_is_host_name(question.name) || dns_write_name(labels, question.name) > 0);
  }
  if (size >= 12) must_hold(dns_write_reply(reply, message, NULL, DNS_FORMAT, 0, NULL, 0, 0) == 12);
  for (int type = DNS_A; type <= DNS_AAAA; type += DNS_AAAA - DNS_A) {
    dns_read_answer(message, size, asked, asked_size, type, &answer);
    must_hold(answer.count <= DNS_MOST_ANSWERS);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned char asked[DNS_QUESTION_ROOM];
  size_t asked_size = dns_write_question(asked, 7, "api.example.test", DNS_A);
  if (size == 0) return 0;
  size_t before = data[0] % 2 == 0 ? 0 : asked_size, whole = before + size - 1;
  unsigned char *message = malloc(whole == 0 ? 1 : whole);
  if (message == NULL) return 0;
  memcpy(message, asked, before);
  if (size > 1) memcpy(message + before, data + 1, size - 1);
  if (before > 0) {
    message[2] = 0x81;
    message[3] = 0;
    message[7] = data[0] >> 1 & 7;
  }
  read_everything(message, whole, asked, asked_size);
  free(message);
  return 0;
}
