/* Who may reach a host: the tables, what was answered before, and else a question. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "table.h"
#include "tracee.h"

/* A program tries the other address of a name at once: the same answer serves both. */
#define ECHO_MS 1000
#define ECHOES 64
/* The proxy is on this machine: one that lets us wait longer is not there. */
#define PROXY_MS 5000

void asker_of(pid_t tid, struct asker *out) {
  pid_t parent;
  if (tracee_family(tid, &out->process, &parent) != 0) out->process = tid;
  tracee_program(tid, out->program, sizeof out->program);
  scope_of(tid, out->scope);
}

static void text_of_target(const struct target *target, char *out, size_t room) {
  snprintf(out, room, strchr(target->host, ':') == NULL ? "%s:%d" : "[%s]:%d", target->host, target->port);
}

void host_effect(const struct asker *asker, const struct target *target, int error) {
  char text[NAME_ROOM + 16];
  text_of_target(target, text, sizeof text);
  effect("connect", asker->scope, error, text, NULL);
}

/* Refusals of the last moment, so that one attempt of a program is one question. */
static struct {
  pid_t process;
  struct target target;
  long long until;
} echoes[ECHOES];
static size_t next_echo;
static pthread_mutex_t echo_lock = PTHREAD_MUTEX_INITIALIZER;

static int was_just_refused(const struct asker *asker, const struct target *target) {
  int found = 0;
  long long now = now_ms();
  pthread_mutex_lock(&echo_lock);
  for (size_t i = 0; i < ECHOES && !found; i++)
    found = echoes[i].until > now && echoes[i].process == asker->process && echoes[i].target.port == target->port &&
            strcmp(echoes[i].target.host, target->host) == 0;
  pthread_mutex_unlock(&echo_lock);
  return found;
}

static void note_refusal(const struct asker *asker, const struct target *target) {
  pthread_mutex_lock(&echo_lock);
  size_t at = next_echo++ % ECHOES;
  echoes[at].process = asker->process;
  echoes[at].target = *target;
  echoes[at].until = now_ms() + ECHO_MS;
  pthread_mutex_unlock(&echo_lock);
}

enum row host_decided(const struct asker *asker, const struct target *target) {
  char text[NAME_ROOM + 16];
  enum row row;
  if (table_host_allows(target->host, target->port)) return ROW_ALLOW;
  text_of_target(target, text, sizeof text);
  if (table_remembered('h', text, &row)) return row;
  return was_just_refused(asker, target) ? ROW_DENY : ROW_ASK;
}

static void put_question(struct bytes *out, const struct asker *asker, const struct target *target) {
  put_text(out, 'k', "connect");
  put_number(out, 'q', asker->process);
  put_text(out, 'e', asker->program);
  put_text(out, 'P', asker->scope);
  put_text(out, 'O', "tcp");
  put_text(out, 'h', target->host);
  put_number(out, 'j', target->port);
}

/* Takes the reply. INVARIANT (no way around the proxy): a way that cannot be read is a denial, and none is ever remembered as an ALLOW. */
static int host_told(const struct asker *asker, const struct target *target, struct reply *reply, struct via *via) {
  char text[NAME_ROOM + 16];
  int routed = reply->decision == DECIDED_MODIFY, allowed = reply->decision == DECIDED_ALLOW;
  *via = (struct via){0};
  if (routed) allowed = via_read(reply->path, reply->argv, via) == 0;
  text_of_target(target, text, sizeof text);
  if (reply->remember && !routed) table_remember('h', text, allowed ? ROW_ALLOW : ROW_DENY);
  if (!allowed) note_refusal(asker, target);
  reply_free(reply);
  return allowed;
}

int host_ask(const struct asker *asker, const struct target *target, int gone, struct via *via) {
  struct bytes question = {0};
  put_question(&question, asker, target);
  struct reply reply = ask(&question, gone, NULL, NULL);
  free(question.at);
  return host_told(asker, target, &reply, via);
}

int host_ask_briefly(const struct asker *asker, const struct target *target, int patience_ms, struct via *via, struct pending **pending) {
  struct bytes question = {0};
  put_question(&question, asker, target);
  struct reply reply = ask_briefly(&question, patience_ms, pending);
  free(question.at);
  *via = (struct via){0};
  return *pending != NULL ? 0 : host_told(asker, target, &reply, via);
}

int host_ask_rest(const struct asker *asker, const struct target *target, struct pending *pending, int gone, struct via *via) {
  struct reply reply = ask_rest(pending, gone);
  return host_told(asker, target, &reply, via);
}

int host_dial(const struct asker *asker, const struct target *target, const struct via *via, const struct likeness *like, long long deadline,
              int gone) {
  struct host_asking asking = {.asker = asker, .gone = gone};
  long long proxy = now_ms() + PROXY_MS;
  if (via->port == 0) return dial(target, like, deadline, gone, host_permits_near, &asking);
  int fd = dial_via(via, like, proxy < deadline ? proxy : deadline, gone);
  if (fd < 0 && errno == ETIMEDOUT) errno = ECONNREFUSED;
  return fd;
}

void target_of(const struct in6_addr *address, int port, struct target *out) {
  char text[INET6_ADDRSTRLEN];
  text_of_address(address, text);
  snprintf(out->host, sizeof out->host, "%s", text);
  out->port = port;
}

int host_permits_near(void *context, const struct in6_addr *address, int port) {
  const struct host_asking *asking = context;
  struct target target;
  target_of(address, port, &target);
  enum row decided = host_decided(asking->asker, &target);
  struct via via;
  if (decided != ROW_ASK) return decided == ROW_ALLOW;
  /* Whoever sends the near address through the proxy does not let it be dialled from here. */
  return host_ask(asking->asker, &target, asking->gone, &via) && via.port == 0;
}
