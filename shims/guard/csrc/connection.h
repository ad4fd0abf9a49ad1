/* One connection that a process of the session asks for, between connect.c, relay.c and unix-socket.c. */
#ifndef CSG_CONNECTION_H
#define CSG_CONNECTION_H

#include "ask.h"
#include "dial.h"
#include "guard.h"
#include "notice.h"
#include "scope.h"
#include "table.h"
#include "via.h"

/* Who asks; read once, when the call is made. */
struct asker {
  pid_t process;
  char program[PATH_ROOM];
  char scope[SCOPE_ROOM];
};

void asker_of(pid_t tid, struct asker *out);

/* An address as a target: by its canonical text. */
void target_of(const struct in6_addr *address, int port, struct target *out);

/* Whether the tables, or an answer that was to be remembered, decide: ROW_ALLOW, ROW_DENY or ROW_ASK. */
enum row host_decided(const struct asker *asker, const struct target *target);
/* Asks about a host; waits for a person. 1 when it is allowed: by the way in `via`, when it names one. */
int host_ask(const struct asker *asker, const struct target *target, int gone, struct via *via);
/* As host_ask(), by the rules of ask_briefly(). */
int host_ask_briefly(const struct asker *asker, const struct target *target, int patience_ms, struct via *via, struct pending **pending);
/* The rest of host_ask_briefly(); takes `pending`. */
int host_ask_rest(const struct asker *asker, const struct target *target, struct pending *pending, int gone, struct via *via);
/* dial() or, where there is one, dial_via(). */
int host_dial(const struct asker *asker, const struct target *target, const struct via *via, const struct likeness *like, long long deadline, int gone);
/* permits_near of dial.h for those who may wait; `context` is a struct host_asking. */
struct host_asking {
  const struct asker *asker;
  int gone;
};
int host_permits_near(void *context, const struct in6_addr *address, int port);
/* Notes the outcome of a connection to a host. */
void host_effect(const struct asker *asker, const struct target *target, int error);

/* What is known of a connection when the relay begins: nothing yet, a question that stands, or how it is made. */
struct known {
  int allowed;
  struct via via;
  /* Or null. */
  struct pending *pending;
};

/*
 * relay.c: gives the process one end of a connection that leads to us, holds what it sends until it is decided and the host is reached, and then passes
 * bytes both ways; refused or unreachable: reset. The process's end, or -1 with errno.
 * Takes `known->pending`.
 */
int relay_begin(pid_t tid, const struct asker *asker, const struct target *target, const struct likeness *like, const struct known *known);

/* unix-socket.c: `fd` is the duplicate of the process's socket; it stays the caller's. */
enum answered unix_connect(struct notice *notice, int fd, const unsigned char *address, size_t length);

#endif
