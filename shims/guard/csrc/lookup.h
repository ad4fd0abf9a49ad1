/*
 * Real addresses of a name, asked of the host's own resolver once a connection to that name is allowed. A static program cannot load the system's name
 * service, so this reads /etc/hosts and asks the servers of /etc/resolv.conf itself.
 */
#ifndef CSG_LOOKUP_H
#define CSG_LOOKUP_H

#include <netinet/in.h>
#include <stddef.h>

#define MOST_ADDRESSES 16

/* IPv4 addresses are mapped into IPv6 (::ffff:a.b.c.d). */
struct addresses {
  struct in6_addr at[MOST_ADDRESSES];
  size_t count;
  /* They stand in /etc/hosts: whoever administers this machine wrote them. */
  int from_hosts;
};

/* 0, or an errno: EHOSTUNREACH when the name has no address, ETIMEDOUT when nobody answered before `deadline` (now_ms scale). */
int lookup(const char *name, long long deadline, struct addresses *out);

/* 1 when this is a name server of the host's configuration, as its programs would ask it. */
int address_is_name_server(const struct in6_addr *address, int port);

/* Reads a literal IPv4 or IPv6 address; 1, or 0 when the text is a name. */
int address_of_text(const char *text, struct in6_addr *out);
/* Canonical text of an address. */
void text_of_address(const struct in6_addr *address, char out[INET6_ADDRSTRLEN]);
/* This machine itself, or what only its own link reaches (metadata services). */
int address_is_near(const struct in6_addr *address);
int address_is_loopback(const struct in6_addr *address);

#endif
