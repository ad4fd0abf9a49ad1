/* Passing descriptors and small words between the guard's own processes while a session starts. */
#ifndef CSG_CHANNEL_H
#define CSG_CHANNEL_H

#include <sys/types.h>

#define CHANNEL_FDS 64

struct parcel {
  char word;
  /* Process id of the sender as this process sees it. */
  pid_t sender;
  int fds[CHANNEL_FDS];
  size_t count;
};

/* Makes a pair of seqpacket sockets that carry credentials; 0 or -1. */
int channel_make(int pair[2]);
/* Sends a word and descriptors; 0 or -1. */
int channel_send(int socket, char word, const int *fds, size_t count);
/* Receives one parcel; 0, or -1 when the other end is gone. */
int channel_receive(int socket, struct parcel *parcel);

#endif
