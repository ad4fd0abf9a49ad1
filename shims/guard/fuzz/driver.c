/*
 * driver SECONDS SEED CRASH-FILE FILE…: runs a fuzz target where there is no libFuzzer. Files of the corpus first, then what a seeded mutator makes of them. Prints how many
 * inputs it ran. What breaks a sanitizer's rule or a target's is written to CRASH-FILE.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096
#define FILES 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void));

static uint8_t input[MOST];
static size_t length;
static const char *crash;
static struct {
  uint8_t *at;
  size_t size;
} corpus[FILES];
static size_t count;
static uint64_t state;

static void dump(void) {
  int fd = open(crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, input, length) == (ssize_t)length) close(fd);
}

static void on_abort(int number) {
  dump();
  signal(number, SIG_DFL);
  raise(number);
}

static uint32_t next(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % below;
}

static void load(const char *path) {
  uint8_t bytes[MOST];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  if (fd >= 0) close(fd);
  if (n <= 0 || count == FILES || (corpus[count].at = malloc((size_t)n)) == NULL) return;
  memcpy(corpus[count].at, bytes, (size_t)n);
  corpus[count++].size = (size_t)n;
}

static void mutate(void) {
  static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, 0xc0, '/', '.', 4, 5, 8};
  for (uint32_t rounds = 1 + next(6); rounds > 0; rounds--) {
    size_t at = length == 0 ? 0 : next((uint32_t)length);
    switch (next(7)) {
      case 0: if (length > 0) input[at] = (uint8_t)next(256); break;
      case 1: if (length > 0) input[at] = telling[next(sizeof telling)]; break;
      case 2: if (length > 0) input[at] ^= (uint8_t)(1u << next(8)); break;
      case 3: length = at; break;
      case 4:
        if (length < MOST) {
          memmove(input + at + 1, input + at, length - at);
          input[at] = telling[next(sizeof telling)];
          length++;
        }
        break;
      case 5:
        if (length > 0) {
          memmove(input + at, input + at + 1, length - at - 1);
          length--;
        }
        break;
      default:
        if (count > 0) {
          size_t other = next((uint32_t)count), from = next((uint32_t)corpus[other].size), take = corpus[other].size - from;
          if (take > MOST - at) take = MOST - at;
          memcpy(input + at, corpus[other].at + from, take);
          if (length < at + take) length = at + take;
        }
    }
  }
}

int main(int argc, char **argv) {
  unsigned long long ran = 0;
  if (argc < 4) return 99;
  time_t end = time(NULL) + atoi(argv[1]);
  state = strtoull(argv[2], NULL, 0) | 1;
  crash = argv[3];
  __sanitizer_set_death_callback(dump);
  signal(SIGABRT, on_abort);
  for (int i = 4; i < argc; i++) load(argv[i]);
  for (size_t i = 0; i < count; i++, ran++) {
    length = corpus[i].size;
    memcpy(input, corpus[i].at, length);
    LLVMFuzzerTestOneInput(input, length);
  }
  do {
    for (int i = 0; i < 200; i++, ran++) {
      size_t from = count == 0 ? 0 : next((uint32_t)count);
      length = count == 0 ? 0 : corpus[from].size;
      if (count > 0) memcpy(input, corpus[from].at, length);
      mutate();
      LLVMFuzzerTestOneInput(input, length);
    }
  } while (time(NULL) < end);
  printf("%llu\n", ran);
  return 0;
}
