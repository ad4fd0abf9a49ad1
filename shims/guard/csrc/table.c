/*
 * One allocation holds everything: first what lookups walk (slots, rows), then the bytes that they name. Readers take a
 * reference, so that a slow search never holds up new tables; whoever lets go last frees.
 */
#define _GNU_SOURCE
#include "table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "link.h"
#include "remembered.h"
#include "rows.h"
#include "triggers.h"

/* As in the rows, `at` and `size` are an extent of `bytes`. */
struct name_slot {
  /* 0 when free: no name is empty. */
  uint32_t size;
  uint32_t at, hash;
};

struct tables {
  atomic_uint readers;
  int every_exec;
  size_t name_slots, file_rows, host_rows, unix_rows;
  struct triggers *triggers;
  struct name_slot *names;
  struct file_row *files;
  struct host_row *hosts;
  struct unix_row *unixes;
  char *bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tables *current;
static uint64_t generation;
/* 0: this thread has asked nothing yet. */
static _Thread_local uint64_t asked_under;

static uint32_t hash_of(const char *at, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)at[i]) * 16777619u;
  return hash ^ hash >> 15;
}

/* ---- reading a frame ---- */

/* How much each part needs. */
struct sizes {
  size_t names, files, hosts, unixes, bytes, triggers, trigger_bytes;
};

static int measure_field(const struct field *f, struct sizes *sizes) {
  struct file_row file;
  struct host_row host;
  struct field text = *f;
  int below;
  sizes->bytes += f->size;
  switch (f->tag) {
    case 'e':
      sizes->names++;
      return row_is_word(f, 1) ? 0 : -1;
    case 'g':
      sizes->triggers++;
      sizes->trigger_bytes += f->size;
      return row_is_word(f, 0) ? 0 : -1;
    case 'f':
      sizes->files++;
      return row_file(f, &file, &text);
    case 'u':
      sizes->unixes++;
      return row_path(&text, &below);
    case 'h':
      sizes->hosts++;
      return row_host(f, &host, &text);
    case 'E':
      return 0;
    default:
      return -1;
  }
}

static int measure(const struct bytes *frame, struct sizes *sizes) {
  struct field f;
  size_t offset;
  int more;
  *sizes = (struct sizes){0};
  if (frame_kind(frame, &offset, &f) != 0 || !field_is(&f, "tables")) return -1;
  while ((more = next_field(frame, &offset, &f)) == 1)
    if (measure_field(&f, sizes) != 0) return -1;
  return more;
}

/* ---- building ---- */

static size_t rounded(size_t size) { return (size + 15) & ~(size_t)15; }

static struct tables *allocate(const struct sizes *sizes) {
  size_t slots = 16;
  while (slots < sizes->names * 2) slots *= 2;
  size_t head = rounded(sizeof(struct tables)), names = rounded(slots * sizeof(struct name_slot));
  size_t files = rounded(sizes->files * sizeof(struct file_row)), hosts = rounded(sizes->hosts * sizeof(struct host_row));
  size_t unixes = rounded(sizes->unixes * sizeof(struct unix_row));
  size_t triggers = rounded(triggers_size(sizes->triggers, sizes->trigger_bytes));
  char *at = calloc(1, head + names + files + hosts + unixes + triggers + sizes->bytes + 1);
  if (at == NULL) return NULL;
  struct tables *t = (struct tables *)(void *)at;
  t->names = (struct name_slot *)(void *)(at + head);
  t->name_slots = slots;
  t->files = (struct file_row *)(void *)(at + head + names);
  t->hosts = (struct host_row *)(void *)(at + head + names + files);
  t->unixes = (struct unix_row *)(void *)(at + head + names + files + hosts);
  t->triggers = triggers_place(at + head + names + files + hosts + unixes, sizes->triggers);
  t->bytes = at + head + names + files + hosts + unixes + triggers;
  atomic_init(&t->readers, 1);
  return t;
}

static uint32_t keep(struct tables *t, size_t *used, const struct field *f) {
  size_t at = *used;
  if (f->size > 0) memcpy(t->bytes + at, f->at, f->size);
  *used += f->size;
  return (uint32_t)at;
}

static const struct name_slot *find_name(const struct tables *t, const char *name, size_t size, uint32_t hash) {
  for (size_t i = hash & (t->name_slots - 1);; i = (i + 1) & (t->name_slots - 1)) {
    const struct name_slot *slot = &t->names[i];
    if (slot->size == 0) return slot;
    if (slot->hash == hash && slot->size == size && memcmp(t->bytes + slot->at, name, size) == 0) return slot;
  }
}

static void add_name(struct tables *t, size_t *used, const struct field *f) {
  uint32_t hash = hash_of((const char *)f->at, f->size);
  const struct name_slot *found = find_name(t, (const char *)f->at, f->size, hash);
  if (found->size != 0) return;
  t->names[found - t->names] = (struct name_slot){.size = (uint32_t)f->size, .at = keep(t, used, f), .hash = hash};
}

/* Adds a field that measure_field() has found to be right. */
static void add_field(struct tables *t, size_t *used, const struct field *f) {
  struct field text = *f;
  switch (f->tag) {
    case 'e':
      add_name(t, used, f);
      break;
    case 'g':
      triggers_add(t->triggers, f->at, f->size);
      break;
    case 'f': {
      struct file_row *row = &t->files[t->file_rows++];
      row_file(f, row, &text);
      row->at = keep(t, used, &text);
      row->size = (uint32_t)text.size;
      break;
    }
    case 'u': {
      struct unix_row *row = &t->unixes[t->unix_rows++];
      row_path(&text, &row->below);
      row->at = keep(t, used, &text);
      row->size = (uint32_t)text.size;
      break;
    }
    case 'h': {
      struct host_row *row = &t->hosts[t->host_rows++];
      row_host(f, row, &text);
      row->at = keep(t, used, &text);
      row->size = (uint32_t)text.size;
      break;
    }
    default:
      t->every_exec = 1;
      break;
  }
}

static void release(struct tables *t) {
  if (t != NULL && atomic_fetch_sub(&t->readers, 1) == 1) free(t);
}

/* The tables, kept until release(); null before the first. */
static struct tables *acquire(void) {
  pthread_mutex_lock(&lock);
  struct tables *t = current;
  if (t != NULL) atomic_fetch_add(&t->readers, 1);
  pthread_mutex_unlock(&lock);
  return t;
}

int table_replace(const struct bytes *frame) {
  struct sizes sizes;
  if (measure(frame, &sizes) != 0) return -1;
  struct tables *fresh = allocate(&sizes);
  if (fresh == NULL) return -1;
  struct field f;
  size_t offset, used = 0;
  frame_kind(frame, &offset, &f);
  while (next_field(frame, &offset, &f) == 1) add_field(fresh, &used, &f);
  triggers_ready(fresh->triggers);
  pthread_mutex_lock(&lock);
  struct tables *old = current;
  current = fresh;
  generation++;
  remembered_forget();
  pthread_mutex_unlock(&lock);
  release(old);
  return 0;
}

/* ---- looking up ---- */

enum row table_file(char ops, const char *path) {
  unsigned class = row_class(ops);
  if (class == 0 || path[0] != '/') return ROW_ASK;
  struct tables *t = acquire();
  if (t == NULL) return ROW_ASK;
  size_t size = strlen(path);
  enum row verdict = ROW_ASK;
  for (size_t i = 0; i < t->file_rows; i++) {
    const struct file_row *row = &t->files[i];
    if ((row->ops & class) == 0 || !row_matches(row, t->bytes + row->at, path, size)) continue;
    verdict = (enum row)row->verdict;
    break;
  }
  release(t);
  return verdict;
}

/* Whether the last component of a path, or of what a program calls itself, is listed. */
static int is_listed(const struct tables *t, const char *path, size_t size) {
  while (size > 0 && path[size - 1] == '/') size--;
  const char *slash = memrchr(path, '/', size), *name = slash != NULL ? slash + 1 : path;
  size -= (size_t)(name - path);
  if (size == 0) return 0;
  if (find_name(t, name, size, hash_of(name, size))->size != 0) return 1;
  /* `-sh` is how a login shell is called, and programs that are many in one file take the dash off. */
  if (name[0] != '-' || size == 1) return 0;
  return find_name(t, name + 1, size - 1, hash_of(name + 1, size - 1))->size != 0;
}

int table_exec_asks(const char *program, const char *called_by, const char *argv, size_t size) {
  struct tables *t = acquire();
  if (t == NULL) return 1;
  int asks = t->every_exec || is_listed(t, program, strlen(program)) || is_listed(t, called_by, strlen(called_by)) ||
             (size > 0 && is_listed(t, argv, strnlen(argv, size))) ||
             (size > 0 && triggers_found(t->triggers, (const unsigned char *)argv, size));
  release(t);
  return asks;
}

int table_unix_allows(const char *path) {
  struct tables *t = acquire();
  if (t == NULL) return 0;
  size_t size = strlen(path);
  int allows = 0;
  for (size_t i = 0; i < t->unix_rows && !allows; i++) {
    const struct unix_row *row = &t->unixes[i];
    if (row->below ? size <= row->size + 1 || path[row->size] != '/' : size != row->size) continue;
    allows = memcmp(path, t->bytes + row->at, row->size) == 0;
  }
  release(t);
  return allows;
}

int table_host_allows(const char *host, int port) {
  struct tables *t = acquire();
  if (t == NULL) return 0;
  size_t size = strlen(host);
  /* `example.org.` is the same host. */
  if (size > 1 && host[size - 1] == '.') size--;
  int allows = 0;
  for (size_t i = 0; i < t->host_rows && !allows; i++) {
    const struct host_row *row = &t->hosts[i];
    if (row->size != size || (row->port != -1 && row->port != port)) continue;
    allows = strncasecmp(host, t->bytes + row->at, size) == 0;
  }
  release(t);
  return allows;
}

/* ---- remembered answers ---- */

void table_asking(void) {
  pthread_mutex_lock(&lock);
  asked_under = generation + 1;
  pthread_mutex_unlock(&lock);
}

void table_remember(char ops, const char *object, enum row verdict) {
  pthread_mutex_lock(&lock);
  if (asked_under == 0 || asked_under == generation + 1) remembered_put(ops, object, verdict);
  pthread_mutex_unlock(&lock);
}

int table_remembered(char ops, const char *object, enum row *verdict) {
  pthread_mutex_lock(&lock);
  int found = remembered_get(ops, object, verdict);
  pthread_mutex_unlock(&lock);
  return found;
}
