/* Connections into the host's network, made by the supervisor for a process of the session. */
#ifndef CSG_DIAL_H
#define CSG_DIAL_H

#include "dns.h"
#include "lookup.h"
#include "socket.h"
#include "via.h"

/* Where to: as the agent named it. */
struct target {
  char host[NAME_ROOM];
  int port;
};

/* Whether addresses that point into this machine or its link may be dialled for this target; asked about the literal address. */
typedef int (*permits_near)(void *context, const struct in6_addr *address, int port);

/*
 * Finds the target's addresses, and connects to one of them: each is given a head start before the next is tried too. A connected,
 * non-blocking socket, or -1 with errno. `gone` (or -1): gives up when it becomes readable.
 */
int dial(const struct target *target, const struct likeness *like, long long deadline, int gone, permits_near permits, void *context);

/*
 * As dial(), for a caller that must not wait: gives up with ETIMEDOUT when the addresses are not known within `patience_ms`; the socket may
 * still be connecting.
 */
int dial_briefly(const struct target *target, const struct likeness *like, int patience_ms, permits_near permits, void *context);

/*
 * Connects to the proxy and says the token: whole, before anybody else has the socket. A non-blocking socket, or -1 with errno: ECONNREFUSED
 * whatever kept it from the proxy, ETIMEDOUT when it took longer than to `deadline`, ECONNABORTED when `gone` became readable.
 */
int dial_via(const struct via *via, const struct likeness *like, long long deadline, int gone);

#endif
