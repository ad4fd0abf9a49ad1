/* The parts of the guard's start, in the order in which they run. */
#ifndef CSG_PARTS_H
#define CSG_PARTS_H

#include "guard.h"

/*
 * first.c: pid 1 of the session (or, without namespaces, the agent's reaper). `channel` leads to the guard, `supervisor` to the supervisor,
 * which gets a 'v' for each veil, the DNS sockets ('d'), and '1' once the mounts stand. Starts the agent; sends the guard its stops and its end.
 */
_Noreturn void first_main(int channel, int supervisor, const struct sock_filter *filter, size_t filter_length);

/* How the agent ended or stopped, from first to the guard: word 'e', 's' or 'g' (exit, signal, stopped), then the number. */
struct ending {
  char how;
  unsigned char number;
};

/* mounts.c: makes the session's view of the files. Ends the process with the failing step when it cannot. */
void mounts_make(const struct config *config, int *veils);

/* network.c: brings the session's loopback up and binds the resolver's sockets; -1 in both when it has none. */
void network_make(int *udp, int *tcp);

/*
 * agent.c: confines this process for good, hands its listener to the supervisor and to the guard ('l'), waits for the word to go, and becomes
 * the agent.
 */
_Noreturn void agent_main(int channel, int supervisor, const struct sock_filter *filter, size_t filter_length);

/* landlock.c: restricts this process (and what it starts) to what the session may touch; 0, or -1 with errno. */
int landlock_restrict(const struct config *config);
/* The kernel's Landlock ABI; 0 without. */
int landlock_abi(void);

/*
 * supervisor.c: answers notifications until the session ends. `channel`: the session's parts come in, and 'r' goes out when it is ready;
 * `agent`: the word to go ('g') is sent there then.
 */
_Noreturn void supervisor_main(int channel, int agent);

#endif
