#define _GNU_SOURCE
#include "veil-family.h"

#include <stdint.h>
#include <string.h>

#include "guard.h"

/* A search of the home (grep -r) must not become a question for each secret in it. */
#define MOST_REFUSALS 3u
/* A family is forgotten when it has touched nothing for so long. */
#define QUIET_MS 10000
#define FAMILIES 64u
/* However many families there are: what is refused so often in a minute is not asked any more. */
#define SESSION_REFUSALS 12u
#define SESSION_MS 60000

struct family {
  pid_t process;
  long long last;
  unsigned refused;
  /* Hashes of the paths: a collision costs a question, nothing else. */
  uint64_t paths[MOST_REFUSALS];
};

static struct family families[FAMILIES];
/* When the last refusals were, and the place of the oldest. */
static long long refusals[SESSION_REFUSALS];
static unsigned oldest_refusal;

static uint64_t hash_of(const char *path) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *path != 0; path++) hash = (hash ^ (unsigned char)*path) * 0x100000001b3u;
  return hash;
}

pid_t family_of(pid_t process, pid_t parent) {
  /* What the agent starts are different things; what its programs start belongs to them (find -exec, xargs, a shell's loop). */
  return process == guard.agent || parent == guard.agent || parent == guard.first || parent <= 1 ? process : parent;
}

/* The family's place, or the one that was quiet for longest. */
static struct family *place_of(pid_t process, long long now) {
  struct family *oldest = &families[0];
  for (size_t i = 0; i < FAMILIES; i++) {
    if (families[i].process == process && now - families[i].last < QUIET_MS) return &families[i];
    if (families[i].last < oldest->last || families[i].process == process) oldest = &families[i];
    if (families[i].process == process) break;
  }
  *oldest = (struct family){.process = process};
  return oldest;
}

int family_may_ask(pid_t process, const char *path, unsigned waiting, long long now) {
  struct family *family = place_of(process, now);
  uint64_t hash = hash_of(path);
  family->last = now;
  for (unsigned i = 0; i < family->refused; i++)
    if (family->paths[i] == hash) return 0;
  if (refusals[oldest_refusal] != 0 && now - refusals[oldest_refusal] < SESSION_MS) return 0;
  return family->refused + waiting < MOST_REFUSALS;
}

void family_refused(pid_t process, const char *path, long long now) {
  struct family *family = place_of(process, now);
  family->last = now;
  refusals[oldest_refusal] = now;
  oldest_refusal = (oldest_refusal + 1) % SESSION_REFUSALS;
  if (family->refused < MOST_REFUSALS) family->paths[family->refused++] = hash_of(path);
}
