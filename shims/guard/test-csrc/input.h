/* What the test drivers share: frames on standard input, one after the other, until its end. */
#ifndef CSG_TEST_INPUT_H
#define CSG_TEST_INPUT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../shell/csrc/frame.h"

/* Reads the bytes of the next frame's payload; 0 at the end of the input. */
static inline int next_input(struct bytes *frame) {
  unsigned char header[8];
  if (fread(header, 1, sizeof header, stdin) != sizeof header) return 0;
  size_t size = (size_t)header[4] | (size_t)header[5] << 8 | (size_t)header[6] << 16 | (size_t)header[7] << 24;
  /* Exactly as large as it is: a read beyond the end is seen. */
  free(frame->at);
  frame->at = malloc(size + 1);
  if (frame->at == NULL || fread(frame->at, 1, size, stdin) != size) exit(3);
  frame->size = frame->room = size;
  return 1;
}

static inline long long number_in(const struct field *field) {
  char digits[24] = {0};
  memcpy(digits, field->at, field->size < sizeof digits - 1 ? field->size : sizeof digits - 1);
  return atoll(digits);
}

/* A copy of a field's bytes as a C string; the caller frees it. */
static inline char *text_in(const struct field *field) {
  char *text = malloc(field->size + 1);
  if (text == NULL) exit(3);
  if (field->size > 0) memcpy(text, field->at, field->size);
  text[field->size] = 0;
  return text;
}

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
