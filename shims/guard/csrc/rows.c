#define _GNU_SOURCE
#include "rows.h"

#include <string.h>

#include "link.h"

#define CLASS_W 1u
#define CLASS_D 2u
#define CLASS_C 4u
#define CLASS_M 8u
#define CLASS_L 16u

enum pattern { PATTERN_HERE, PATTERN_BELOW, PATTERN_ENDS, PATTERN_ENDS_BELOW };

static int parse_ops(const unsigned char *at, size_t size, unsigned char *ops) {
  *ops = 0;
  for (size_t i = 0; i < size; i++) {
    const char *letters = "wdcml", *which = at[i] == 0 ? NULL : strchr(letters, at[i]);
    if (which == NULL) return -1;
    *ops = (unsigned char)(*ops | 1u << (which - letters));
  }
  return *ops == 0 ? -1 : 0;
}

static int parse_verdict(const struct field *word, unsigned char *verdict) {
  static const struct {
    const char *word;
    enum row row;
  } words[] = {{"allow", ROW_ALLOW}, {"deny", ROW_DENY}, {"ask", ROW_ASK}, {"late", ROW_LATE}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!field_is(word, words[i].word)) continue;
    *verdict = (unsigned char)words[i].row;
    return 0;
  }
  return -1;
}

/* A value without NUL that is absolute; says whether it ends in a slash, and takes the slash off. */
int row_path(struct field *path, int *below) {
  if (path->size == 0 || path->at[0] != '/' || memchr(path->at, 0, path->size) != NULL) return -1;
  *below = path->at[path->size - 1] == '/';
  if (*below) path->size--;
  return 0;
}

/*
 * Takes off what is matched otherwise: the slash at the end, and `*` in front. What is left begins with a slash; it is empty
 * only for `/`, which is everything.
 */
static int parse_pattern(struct field *text, unsigned char *pattern) {
  int below, ends = text->size > 0 && text->at[0] == '*';
  if (ends) {
    text->at++;
    text->size--;
  }
  if (row_path(text, &below) != 0) return -1;
  /* A star and a slash with no component is no statement about any path. */
  if (text->size == 0 && ends) return -1;
  if (text->size == 0) below = 0;
  *pattern = (unsigned char)(ends ? (below ? PATTERN_ENDS_BELOW : PATTERN_ENDS) : (below ? PATTERN_BELOW : PATTERN_HERE));
  return 0;
}

/* Cuts `OPS NUL VERDICT NUL PATTERN`. The row's extent is not set. */
int row_file(const struct field *f, struct file_row *row, struct field *text) {
  const unsigned char *end = f->at + f->size, *first = memchr(f->at, 0, f->size);
  if (first == NULL) return -1;
  const unsigned char *word = first + 1, *second = memchr(word, 0, (size_t)(end - word));
  if (second == NULL) return -1;
  struct field verdict = {.tag = 0, .at = word, .size = (size_t)(second - word)};
  *text = (struct field){.tag = 0, .at = second + 1, .size = (size_t)(end - second - 1)};
  if (parse_ops(f->at, (size_t)(first - f->at), &row->ops) != 0 || parse_verdict(&verdict, &row->verdict) != 0) return -1;
  return parse_pattern(text, &row->pattern);
}

/* Cuts `host NUL port`. */
int row_host(const struct field *f, struct host_row *row, struct field *host) {
  const unsigned char *end = f->at + f->size, *nul = memchr(f->at, 0, f->size);
  if (nul == NULL || nul == f->at) return -1;
  *host = (struct field){.tag = 0, .at = f->at, .size = (size_t)(nul - f->at)};
  size_t digits = (size_t)(end - nul - 1);
  if (digits == 1 && nul[1] == '*') {
    row->port = -1;
    return 0;
  }
  if (digits == 0 || digits > 5) return -1;
  row->port = 0;
  for (const unsigned char *at = nul + 1; at < end; at++) {
    if (*at < '0' || *at > '9') return -1;
    row->port = row->port * 10 + (*at - '0');
  }
  return row->port >= 1 && row->port <= 65535 ? 0 : -1;
}

/* A base name, or a trigger: not empty, no NUL; a name has no slash, or it could never match. */
int row_is_word(const struct field *f, int name) {
  return f->size > 0 && memchr(f->at, 0, f->size) == NULL && !(name && memchr(f->at, '/', f->size) != NULL);
}

/* Whether the components `text` (which begins with a slash) are the last of the path, or stand anywhere above its last. */
static int matches_end(const char *path, size_t path_size, const char *text, size_t size, int below) {
  if (!below) return path_size >= size && memcmp(path + path_size - size, text, size) == 0;
  const char *at = path, *end = path + path_size;
  while ((at = memmem(at, (size_t)(end - at), text, size)) != NULL) {
    /* Something stands below: a slash, and more than the slash. */
    if ((size_t)(end - at) > size + 1 && at[size] == '/') return 1;
    at++;
  }
  return 0;
}

int row_matches(const struct file_row *row, const char *text, const char *path, size_t path_size) {
  switch ((enum pattern)row->pattern) {
    case PATTERN_HERE:
    case PATTERN_BELOW:
      if (path_size < row->size) return 0;
      /* `/a/b` is not `/a/bc`; path[path_size] is the NUL. */
      if (path[row->size] != '/' && (path[row->size] != 0 || row->pattern == PATTERN_BELOW)) return 0;
      return memcmp(path, text, row->size) == 0;
    case PATTERN_ENDS:
    case PATTERN_ENDS_BELOW:
    default:
      return matches_end(path, path_size, text, row->size, row->pattern == PATTERN_ENDS_BELOW);
  }
}

unsigned row_class(char ops) {
  switch (ops) {
    case 'w':
      return CLASS_W;
    case 'd':
      return CLASS_D;
    case 'c':
      return CLASS_C;
    case 'm':
      return CLASS_M;
    case 'l':
      return CLASS_L;
    default:
      return 0;
  }
}
