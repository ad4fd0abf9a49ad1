/*
 * Test driver for the tables: frames on standard input, one line of output each. Field `k` says what to do:
 * `tables` the frame itself replaces them · `file` `o` `p` · `exec` `p` `o` `a`… · `unix` `p` · `host` `h` `j` ·
 * `remember` `o` `p` `v` · `remembered` `o` `p` · `asking` · `many` remembers and counts `v` objects ·
 * `time` runs the lookup of a `file` or `exec` (`w`) `v` times and prints nanoseconds for each · `race` looks up in 4 threads while
 * the tables in `b` replace each other.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "../csrc/table.h"
#include "input.h"

struct asked {
  char *k, *o, *p, *h, *w;
  long long number;
  struct bytes argv;
};

static const char *const rows[] = {"allow", "deny", "ask", "late"};

static void append(struct bytes *argv, const struct field *f) {
  argv->at = realloc(argv->at, argv->size + f->size + 1);
  if (argv->at == NULL) exit(3);
  if (f->size > 0) memcpy(argv->at + argv->size, f->at, f->size);
  argv->at[argv->size + f->size] = 0;
  argv->size += f->size + 1;
}

static void read_asked(const struct bytes *frame, struct asked *asked) {
  struct field f;
  size_t offset = 0;
  *asked = (struct asked){0};
  while (next_field(frame, &offset, &f) == 1) {
    char **text = f.tag == 'k' ? &asked->k : f.tag == 'o' ? &asked->o : f.tag == 'p' ? &asked->p : f.tag == 'h' ? &asked->h : NULL;
    if (f.tag == 'w') text = &asked->w;
    if (text != NULL && *text == NULL) *text = text_in(&f);
    if (f.tag == 'j' || f.tag == 'v') asked->number = number_in(&f);
    if (f.tag == 'a') append(&asked->argv, &f);
  }
}

static void forget(struct asked *asked) {
  free(asked->k);
  free(asked->o);
  free(asked->p);
  free(asked->h);
  free(asked->w);
  free(asked->argv.at);
}

static int lookup(const struct asked *a, const char *kind) {
  if (strcmp(kind, "file") == 0) return (int)table_file(a->o[0], a->p);
  return table_exec_asks(a->p, a->o, (const char *)a->argv.at, a->argv.size);
}

static void many(long long count) {
  char object[64];
  long long found = 0;
  enum row row;
  for (long long i = 0; i < count; i++) {
    snprintf(object, sizeof object, "/many/%lld", i);
    table_remember('w', object, ROW_ALLOW);
  }
  for (long long i = 0; i < count; i++) {
    snprintf(object, sizeof object, "/many/%lld", i);
    found += table_remembered('w', object, &row);
  }
  int last = table_remembered('w', object, &row);
  snprintf(object, sizeof object, "/many/%lld", count);
  printf("%lld %s, %s\n", found, last ? "the last is kept" : "the last is gone",
         table_remembered('w', object, &row) ? "another is found" : "no other is found");
}

static atomic_int racing;

static void *reader(void *unused) {
  int *wrong = unused;
  enum row row;
  while (atomic_load(&racing)) {
    if (table_file('w', "/same/file") != ROW_DENY) ++*wrong;
    if (!table_exec_asks("/bin/same", "/bin/same", "same", 5)) ++*wrong;
    table_remember('w', "/same/object", ROW_ALLOW);
    if (table_remembered('w', "/same/object", &row) && row != ROW_ALLOW) ++*wrong;
  }
  return NULL;
}

static void race(const struct bytes *frame, long long times) {
  pthread_t threads[4];
  int wrong[4] = {0}, sum = 0;
  table_replace(frame);
  atomic_store(&racing, 1);
  for (int i = 0; i < 4; i++)
    if (pthread_create(&threads[i], NULL, reader, &wrong[i]) != 0) exit(3);
  for (long long i = 0; i < times; i++)
    if (table_replace(frame) != 0) sum++;
  atomic_store(&racing, 0);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    sum += wrong[i];
  }
  printf("%d wrong\n", sum);
}

int main(void) {
  struct bytes frame = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (next_input(&frame)) {
    struct asked a;
    enum row row;
    read_asked(&frame, &a);
    const char *k = a.k != NULL ? a.k : "tables";
    if (strcmp(k, "file") == 0) printf("%s\n", rows[lookup(&a, k)]);
    else if (strcmp(k, "exec") == 0) printf("%s\n", lookup(&a, k) ? "asks" : "starts");
    else if (strcmp(k, "unix") == 0) printf("%s\n", table_unix_allows(a.p) ? "allows" : "asks");
    else if (strcmp(k, "host") == 0) printf("%s\n", table_host_allows(a.h, (int)a.number) ? "allows" : "asks");
    else if (strcmp(k, "remembered") == 0) printf("%s\n", table_remembered(a.o[0], a.p, &row) ? rows[row] : "nothing");
    else if (strcmp(k, "many") == 0) many(a.number);
    else if (strcmp(k, "asking") == 0) {
      table_asking();
      printf("asking\n");
    } else if (strcmp(k, "remember") == 0) {
      table_remember(a.o[0], a.p, (enum row)a.number);
      printf("done\n");
    } else if (strcmp(k, "time") == 0) {
      double start = seconds();
      int sum = 0;
      for (long long i = 0; i < a.number; i++) sum += lookup(&a, a.w);
      printf("%.0f %d\n", (seconds() - start) * 1e9 / (double)a.number, sum);
    } else if (strcmp(k, "race") == 0) {
      struct field f;
      size_t offset = 0;
      while (next_field(&frame, &offset, &f) == 1)
        if (f.tag == 'b') race(&(struct bytes){.at = (unsigned char *)(size_t)f.at, .size = f.size, .room = 0}, a.number);
    } else {
      printf("%s\n", table_replace(&frame) == 0 ? "replaced" : "refused");
    }
    forget(&a);
  }
  free(frame.at);
  return 0;
}
