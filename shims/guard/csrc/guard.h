/*
 * What all parts of countersign-guard share.
 *
 *   guard (the process that was started; outside)      waits, watches, passes signals on                    outside.c
 *    |- first (pid 1 of the session's namespaces)      mounts, reaps; starts the agent                      first.c mounts.c
 *    |   '- agent …                                    seccomp filter, Landlock, no new privileges          agent.c
 *    '- supervisor                                     in the session's user and mount namespaces, outside its pid and
 *                                                      network namespace and unfiltered; answers notifications  supervisor.c
 *
 * The supervisor sees the files the agent sees: confusing it yields nothing that the agent could not reach by itself.
 */
#ifndef CSG_GUARD_H
#define CSG_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "filter.h"

#define PATH_ROOM 4096
#define EXIT_GUARD 125

/* Null-terminated array of texts that grows. */
struct texts {
  char **at;
  size_t count;
};

/* What the launcher wrote for this session (config.c says the format). */
struct config {
  const char *session;
  const char *key;
  const char *daemon_socket;
  enum filter_mode mode;
  /* Ask before a veiled file is read; without /dev/fuse it is simply refused. */
  int reads;
  /* The agent gets a process group of its own in the foreground of its terminal. */
  int tty;
  const char *cwd;
  /* Folder outside that is /tmp inside; null: /tmp as it is. */
  const char *temp;
  struct texts writable;
  /* Below /tmp outside, and there inside too, read-only: a home or an installation that lies there. */
  struct texts kept;
  struct texts veiled;
  struct texts hidden;
  /* Below something hidden, and yet there, read-only. */
  struct texts shown;
  /* Base names, with `*` for anything: reads of such files where the session may write are reported. */
  struct texts classified;
  /* Upper and work folder of a preview; null: none. */
  const char *overlay;
  /* Copy of resolv.conf that names our resolver; null: no network names. */
  const char *resolv;
  /* `ADDRESS#PORT` of the resolver to ask instead of the host's own; null: the host's. */
  const char *name_server;
  char **command;
};

/* The supervisor's view of the session. Set before its workers start, then read-only. */
struct guard {
  struct config config;
  /* O_PATH: the host's /proc (the supervisor's working directory) and the host's root. */
  int host_proc;
  int host_root;
  int listener;
  pid_t first;
  pid_t agent;
  /* UDP and TCP sockets bound to 127.0.0.1:53 in the session's network; -1 without. */
  int dns_udp;
  int dns_tcp;
  /* /dev/fuse of each veiled path, in the order of config.veiled; -1 where it is only masked. */
  int *veils;
};
extern struct guard guard;

/* Shared between the guard and its supervisor: what the watchdog looks at (heart.h). */
struct pulse {
  /* Raised by the guard, and repeated by the supervisor's heart. */
  uint32_t called;
  uint32_t heard;
  /* Notifications taken and answered, and waits begun and ended, since the start. */
  uint64_t moves;
  uint32_t workers;
  /* Workers that wait for a person or a peer right now: they are not hung. */
  uint32_t waiting;
};
extern volatile struct pulse *pulse;

/* Says why on standard error and ends this process with EXIT_GUARD: nothing was started, or all of it ends. */
_Noreturn void fail(const char *what, const char *detail);

void add_text(struct texts *texts, const char *text);
/* Allocation that cannot fail: without memory the session ends. */
void *must_alloc(size_t size);
char *must_copy(const char *text);

/* Joins parts into `out`; -1 when it does not fit. */
int print_path(char *out, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* True when `path` is `parent` or lies below it. */
int is_below(const char *path, const char *parent);

#endif
