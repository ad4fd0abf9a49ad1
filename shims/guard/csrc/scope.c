#include "scope.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "tracee.h"

/* Open addressing over process numbers; emptied when it is three quarters full: an unknown process is looked up again. */
#define SLOTS 8192u
#define MOST_ANCESTORS 64

struct slot {
  pid_t process;
  char action[SCOPE_ROOM];
};

static struct slot *slots;
static size_t used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct slot *slot_of(pid_t process) {
  if (slots == NULL) slots = must_alloc(SLOTS * sizeof *slots);
  size_t at = (size_t)process * 2654435761u % SLOTS;
  while (slots[at].process != 0 && slots[at].process != process) at = (at + 1) % SLOTS;
  return &slots[at];
}

void scope_set(pid_t process, const char *action) {
  pthread_mutex_lock(&lock);
  struct slot *slot = slot_of(process);
  if (slot->process == 0 && ++used > SLOTS / 4 * 3) {
    memset(slots, 0, SLOTS * sizeof *slots);
    used = 1;
    slot = slot_of(process);
  }
  slot->process = process;
  strncpy(slot->action, action, SCOPE_ROOM - 1);
  slot->action[SCOPE_ROOM - 1] = 0;
  pthread_mutex_unlock(&lock);
}

static int known(pid_t process, char out[SCOPE_ROOM]) {
  pthread_mutex_lock(&lock);
  struct slot *slot = slot_of(process);
  int found = slot->process != 0;
  if (found) memcpy(out, slot->action, SCOPE_ROOM);
  pthread_mutex_unlock(&lock);
  return found;
}

void scope_of(pid_t tid, char out[SCOPE_ROOM]) {
  pid_t process = tid, parent = 0, asked = tid;
  out[0] = 0;
  for (int i = 0; i < MOST_ANCESTORS; i++) {
    if (known(process, out)) break;
    if (process == guard.agent || process == guard.first || process <= 1) break;
    if (tracee_family(process, &process, &parent) != 0) break;
    if (known(process, out)) break;
    process = parent;
  }
  scope_set(asked, out);
}
