/* Who may reach a host: the tables, what was answered before, and else a question. */
#define _GNU_SOURCE
#include <arpa/inet.h>
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

int host_ask(const struct asker *asker, const struct target *target, int gone) {
  struct bytes question = {0};
  char text[NAME_ROOM + 16];
  put_text(&question, 'k', "connect");
  put_number(&question, 'q', asker->process);
  put_text(&question, 'e', asker->program);
  put_text(&question, 'P', asker->scope);
  put_text(&question, 'O', "tcp");
  put_text(&question, 'h', target->host);
  put_number(&question, 'j', target->port);
  struct reply reply = ask(&question, gone, NULL, NULL);
  int allowed = reply.decision == DECIDED_ALLOW;
  text_of_target(target, text, sizeof text);
  if (reply.remember) table_remember('h', text, allowed ? ROW_ALLOW : ROW_DENY);
  if (!allowed) note_refusal(asker, target);
  reply_free(&reply);
  free(question.at);
  return allowed;
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
  return decided == ROW_ASK ? host_ask(asking->asker, &target, asking->gone) : decided == ROW_ALLOW;
}
