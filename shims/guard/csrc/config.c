#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"

#define MAX_CONFIG (4u * 1024u * 1024u)

static unsigned char *read_whole(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat facts;
  if (fd < 0) fail("cannot read the session's configuration", strerror(errno));
  if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_uid != getuid() || (facts.st_mode & 077) != 0)
    fail("the session's configuration is not this user's own", path);
  if (facts.st_size < 8 || (size_t)facts.st_size > MAX_CONFIG) fail("the session's configuration has no size of ours", path);
  unsigned char *bytes = must_alloc((size_t)facts.st_size);
  size_t got = 0;
  while (got < (size_t)facts.st_size) {
    ssize_t n = read(fd, bytes + got, (size_t)facts.st_size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("cannot read the session's configuration", path);
    got += (size_t)n;
  }
  close(fd);
  unlink(path);
  *size = got;
  return bytes;
}

static char *text_of(const struct field *field) {
  if (memchr(field->at, 0, field->size) != NULL) fail("a value of the session's configuration has a NUL in it", NULL);
  char *text = must_alloc(field->size + 1);
  memcpy(text, field->at, field->size);
  text[field->size] = 0;
  return text;
}

static enum filter_mode mode_of(const char *text) {
  if (strcmp(text, "full") == 0) return FILTER_FULL;
  if (strcmp(text, "landlock") == 0) return FILTER_LANDLOCK;
  if (strcmp(text, "nested") == 0) return FILTER_NESTED;
  fail("unknown mode", text);
}

void config_parse(unsigned char *file, size_t size, const char *path, struct config *config) {
  size_t offset = 0;
  if (size < 8) fail("the session's configuration has no size of ours", path);
  struct bytes payload = {.at = file + 8, .size = size - 8, .room = size - 8};
  size_t announced = file[4] | (size_t)file[5] << 8 | (size_t)file[6] << 16 | (size_t)file[7] << 24;
  if (memcmp(file, "CSN1", 4) != 0 || announced != payload.size) fail("the session's configuration is malformed", path);
  struct texts argv = {0};
  struct field field;
  int more;
  while ((more = next_field(&payload, &offset, &field)) == 1) {
    char *text = text_of(&field);
    switch (field.tag) {
      case 'S': config->session = text; break;
      case 'K': config->key = text; break;
      case 'D': config->daemon_socket = text; break;
      case 'M': config->mode = mode_of(text); break;
      case 'R': config->reads = 1; break;
      case 'I': config->tty = 1; break;
      case 'c': config->cwd = text; break;
      case 'T': config->temp = text; break;
      case 'w': add_text(&config->writable, text); break;
      case 'v': add_text(&config->veiled, text); break;
      case 'h': add_text(&config->hidden, text); break;
      case 'b': add_text(&config->kept, text); break;
      case 'x': add_text(&config->shown, text); break;
      case 'r': add_text(&config->classified, text); break;
      case 'O': config->overlay = text; break;
      case 'd': config->resolv = text; break;
      case 'n': config->name_server = text; break;
      case 'a': add_text(&argv, text); break;
      default: fail("the session's configuration says something unknown", text);
    }
  }
  if (more != 0) fail("the session's configuration is malformed", path);
  if (config->session == NULL || config->key == NULL || config->daemon_socket == NULL || config->cwd == NULL || argv.count == 0)
    fail("the session's configuration is not whole", path);
  config->command = argv.at;
}

void config_read(const char *path, struct config *config) {
  size_t size = 0;
  unsigned char *file = read_whole(path, &size);
  config_parse(file, size, path, config);
  free(file);
}
