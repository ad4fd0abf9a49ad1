/* Throws rubbish, and what is nearly right, at the reader of DNS messages; each message in a block of exactly its size. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../csrc/dns-message.h"

#define ROUNDS 1000000

static uint32_t state = 12345;

static unsigned char next_byte(void) {
  state = state * 1664525u + 1013904223u;
  unsigned char byte = (unsigned char)(state >> 24);
  /* Lengths of labels, and pointers, more often than chance would have them. */
  return (state >> 20) % 3 == 0 ? byte & 0x3f : (state >> 20) % 7 == 0 ? 0xc0 : byte;
}

static void read_everything(const unsigned char *message, size_t size, const unsigned char *asked, size_t asked_size) {
  static const unsigned char data[256];
  unsigned char reply[DNS_REPLY_ROOM], labels[256];
  struct dns_question question;
  struct dns_answer answer;
  if (dns_read_question(message, size, &question) == DNS_WHOLE) {
    if (question.end > size || strlen(question.name) >= NAME_ROOM) abort();
    if (dns_write_reply(reply, message, &question, DNS_OK, DNS_A, data, 255, 9) > sizeof reply) abort();
    if (dns_is_host_name(question.name) && dns_write_name(labels, question.name) == 0) abort();
  }
  if (size >= 12 && dns_write_reply(reply, message, NULL, DNS_FORMAT, 0, NULL, 0, 0) != 12) abort();
  for (int type = DNS_A; type <= DNS_AAAA; type += DNS_AAAA - DNS_A) {
    dns_read_answer(message, size, asked, asked_size, type, &answer);
    if (answer.count > DNS_MOST_ANSWERS) abort();
  }
}

int main(void) {
  unsigned char asked[DNS_QUESTION_ROOM];
  size_t asked_size = dns_write_question(asked, 7, "api.example.test", DNS_A);
  for (long round = 0; round < ROUNDS; round++) {
    size_t size = (size_t)next_byte() * 2 + next_byte() % 90u;
    unsigned char *message = malloc(size == 0 ? 1 : size);
    if (message == NULL) return 1;
    for (size_t i = 0; i < size; i++) message[i] = next_byte();
    if (round % 2 == 0 && size >= asked_size) {
      memcpy(message, asked, asked_size);
      message[2] = 0x81;
      message[3] = 0;
      message[7] = next_byte() & 7;
    } else if (round % 4 == 1 && size >= 12) {
      memcpy(message, asked, 12);
    }
    read_everything(message, size, asked, asked_size);
    free(message);
  }
  puts("fine");
  return 0;
}
