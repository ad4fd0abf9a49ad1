/*
 * Asking the daemon and telling it (docs/guard-protocol.md). Everything here may be called from any thread. A question
 * that cannot be asked or is not answered is denied.
 */
#ifndef CSG_ASK_H
#define CSG_ASK_H

#include "../../shell/csrc/frame.h"

enum decision { DECIDED_DENY, DECIDED_ALLOW, DECIDED_MODIFY };

struct reply {
  enum decision decision;
  /* Never null; may be empty. */
  const char *message;
  /* Action id: the scope of what runs below. Never null; empty when there is none. */
  const char *action;
  int report_end;
  int remember;
  /* MODIFY: the program to run instead, where to move the object, or the way to a host (via.h); else null. */
  const char *path;
  /* MODIFY of exec and connect: null-terminated; else null. */
  char **argv;
  /* Holds what the others point into. */
  struct bytes frame;
};

/* Called on the asking thread, once for each `waiting`. `left_ms` until the deadline. */
typedef void (*on_waiting)(void *context, const char *text, long long left_ms);

/*
 * Sends one question (fields put with put(), put_text(), put_number(); no `Z`) on this thread's own connection and waits for
 * its answer. The question stays the caller's and is as it was. Our own denials have a message too: a whole line for standard
 * error, which begins with `countersign: denied:`. Returns early with DENY when `gone` (a pidfd, or -1) becomes readable: the process that asked is no more.
 */
struct reply ask(struct bytes *question, int gone, on_waiting waiting, void *context);
void reply_free(struct reply *reply);

/* A question that was put and is not answered yet. */
struct pending;

/*
 * As ask(), for a caller that must not wait: once a person is asked, or after `patience_ms`, the question is left standing. `*pending` is it then,
 * and the reply means nothing; otherwise it is null.
 */
struct reply ask_briefly(struct bytes *question, int patience_ms, struct pending **pending);
/* Waits for the answer of a question that was left standing, on whatever thread; takes `pending`. */
struct reply ask_rest(struct pending *pending, int gone);
/* Withdraws it; takes `pending`. */
void ask_withdraw(struct pending *pending);

/* Closes this thread's connection to the daemon: for a thread that goes on without asking. */
void ask_leave(void);

/* Notes one thing that was done or refused (`error` 0 or an errno); sent in batches. `second` may be null. */
void effect(const char *op, const char *scope, int error, const char *path, const char *second);

/* Reports how the program of a decision ended: "exit:N", "signal:N" or "unknown". */
void report_end(const char *action, const char *how);

/* What the daemon pushes. Called on the link's own thread. */
struct pushes {
  void (*grant)(const char *path);
  void (*revoke)(const char *path);
  /* The daemon ends the session, or (why null) the link is lost. Called once, and for link_stop() not at all. */
  void (*end)(const char *why);
};

/*
 * Once in a process; `socket_path` may be relative (`self/fd/7` below /proc). Opens the watch connection and waits for the first tables,
 * without a thread of its own: whoever enters a user namespace must be alone. 0, or -1 with a text in `why` (of `room` bytes).
 */
int link_connect(const char *socket_path, const char *session, const char *key, char *why, size_t room);

/*
 * After link_connect(): starts the thread that reads pushes and sends effects, and questions may be asked. 0, or -1 with a text in
 * `why`. After a loss of the link every question is denied.
 */
int link_start(const struct pushes *pushes, char *why, size_t room);

/* Sends what is left of the effects, and closes; waits at most `deadline_ms`. Not from a push. Nothing is asked afterwards. */
void link_stop(int deadline_ms);

/* 1 while the daemon answers. */
int link_alive(void);

#endif
