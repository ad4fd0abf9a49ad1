/* The rows of a `tables` frame, one at a time: what they must look like, and what a file row matches. Pure. */
#ifndef CSG_ROWS_H
#define CSG_ROWS_H

#include <stdint.h>

#include "table.h"

/* `at` and `size` of rows and slots say where the owner keeps what the row names. */
struct file_row {
  uint32_t at, size;
  unsigned char ops, verdict, pattern;
};

struct host_row {
  uint32_t at, size;
  /* -1 for any. */
  int port;
};

struct unix_row {
  uint32_t at, size;
  int below;
};

/* Each reads one field; 0, or -1 when it is malformed. `text` is the part to keep; the row's extent is not set. */
int row_file(const struct field *f, struct file_row *row, struct field *text);
int row_host(const struct field *f, struct host_row *row, struct field *host);

/* An absolute path without NUL; says whether it ends in a slash, and takes the slash off. */
int row_path(struct field *path, int *below);

/* Whether a field may be a trigger, or (`name`) the base name of a program. */
int row_is_word(const struct field *f, int name);

/* The bit of an operation class in `ops`; 0 when there is no such class. */
unsigned row_class(char ops);

/* Whether the row, whose pattern is kept at `text`, is about a canonical path of this size. */
int row_matches(const struct file_row *row, const char *text, const char *path, size_t path_size);

#endif
