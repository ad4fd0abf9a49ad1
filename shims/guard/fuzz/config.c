/* The session's configuration: whatever is in the file, it is read whole or refused. */
#include "../csrc/config.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

static void are_texts(const struct texts *texts) {
  size_t sum = 0;
  for (size_t i = 0; i < texts->count; i++) sum += strlen(texts->at[i]);
  must_hold(texts->count == 0 || texts->at[texts->count] == NULL);
  must_hold(sum < (size_t)-1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct config config;
  memset(&config, 0, sizeof config);
  unsigned char *file = malloc(size == 0 ? 1 : size);
  if (file == NULL) return 0;
  if (size > 0) memcpy(file, data, size);
  world_fails_here = 1;
  if (setjmp(world_failed) == 0) {
    config_parse(file, size, "fuzz", &config);
    must_hold(config.session != NULL && config.key != NULL && config.daemon_socket != NULL && config.cwd != NULL);
    must_hold(config.command != NULL && config.command[0] != NULL);
    must_hold(config.mode == FILTER_FULL || config.mode == FILTER_LANDLOCK || config.mode == FILTER_NESTED);
    are_texts(&config.writable);
    are_texts(&config.hidden);
    are_texts(&config.veiled);
    are_texts(&config.shown);
    are_texts(&config.kept);
    are_texts(&config.classified);
  }
  world_fails_here = 0;
  world_free();
  free(file);
  return 0;
}
