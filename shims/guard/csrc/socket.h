/* Sockets of the session, seen from the supervisor: taking them, knowing where they belong, and making others like them. */
#ifndef CSG_SOCKET_H
#define CSG_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

#define MOST_TRAITS 20

/* What a socket is set to, so that another can take its place unnoticed. */
struct likeness {
  int domain;
  int nonblocking;
  /* O_CLOEXEC or 0: of the descriptor, not of the socket. */
  int cloexec;
  int values[MOST_TRAITS];
  int known[MOST_TRAITS];
  /* Locked by the program; 0 leaves the kernel to tune it. */
  int send_buffer;
  int receive_buffer;
  int linger_on;
  int linger_s;
  struct timeval send_timeout;
  struct timeval receive_timeout;
};

/* Once, before anything else here: learns which network is ours, and makes room for descriptors. */
void socket_prepare(void);

/* Duplicate of descriptor `number` of the process; -1 with the errno that the process would see. */
int socket_of(pid_t tid, int number);
/* 1 while descriptor `number` of the process is the socket that `fd` duplicates: others of its threads go on meanwhile. */
int socket_is_still(pid_t tid, int number, int fd);
/* A pidfd of the process (or its thread) that becomes readable when it ends; -1. */
int pidfd_of(pid_t tid);

/* 1 when the socket lives in the network that the supervisor lives in, or nobody knows. */
int socket_is_outside(int fd);

/*
 * How a stream socket of the internet families stands, as a further connect() would be told: EINVAL when it is fresh, 0 or EISCONN when
 * connected, EALREADY while it connects, or the error of an attempt that failed. Never begins a connection.
 */
int socket_standing(int fd);

void socket_take_likeness(pid_t tid, int number, int fd, struct likeness *out);
/* Applies all but blocking and close-on-exec. */
void socket_give_likeness(int fd, const struct likeness *like);
void socket_set_blocking(int fd, int blocking);

/* Two connected TCP sockets of `domain`, over this machine's loopback, nobody else at either end; 0, or an errno. */
int socket_pair_tcp(int domain, int pair[2]);

/* A registration in an epoll of the process. */
struct watched {
  int epoll;
  uint32_t events;
  uint64_t data;
};
#define MOST_WATCHED 8
/* Finds where descriptor `number` is registered; how many. */
size_t epoll_watching(pid_t tid, int number, struct watched out[MOST_WATCHED]);
/* Registers the socket that took the place of `old` in the same way. */
void epoll_carry_over(pid_t tid, int number, int old, int fd, const struct watched *watched, size_t count);

#endif
