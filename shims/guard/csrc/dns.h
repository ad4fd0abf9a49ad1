/*
 * Names inside the session: a resolver on 127.0.0.1:53 of its network answers every name with an address of its own (198.18.0.0/15 and
 * fd43:534e::/48) that stands for that name. Nothing is looked up before a connection is allowed.
 */
#ifndef CSG_DNS_H
#define CSG_DNS_H

#include <stddef.h>
#include <sys/socket.h>

#define NAME_ROOM 256

/* Serves the two sockets on threads of its own; nothing when they are -1. */
void dns_serve(int udp, int tcp);

/* Serves one connected stream until it is idle or at its end, and closes it; 0, or an errno and it stays the caller's. */
int dns_take(int fd);

/* The name that an address stands for, into `out`; 1, or 0 when it stands for none. */
int dns_name_of(const struct sockaddr *address, char out[NAME_ROOM]);

/* 1 when the address lies in the ranges that stand for names. */
int dns_is_ours(const struct sockaddr *address);

#endif
