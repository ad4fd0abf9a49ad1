/* A call of the session on one of its sockets, with what it named: read once. */
#ifndef CSG_CALL_H
#define CSG_CALL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "notice.h"

struct call {
  struct notice *notice;
  int number;
  /* Our duplicate of the process's socket. */
  int fd;
  int domain;
  int type;
  union {
    struct sockaddr any;
    struct sockaddr_storage room;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    unsigned char bytes[sizeof(struct sockaddr_storage)];
  } address;
  size_t length;
};

/* Takes the process's socket; 0, or an errno as the kernel would give it. Close `fd`. */
int call_take_socket(struct call *call);
/* Reads the address (second argument, length in the third); 0, or an errno. */
int call_read_arguments(struct call *call);
/* Finds out what kind of socket it is; 0, or an errno: ENOTSOCK. */
int call_look_at_socket(struct call *call);

#endif
