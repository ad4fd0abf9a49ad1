#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int channel_make(int pair[2]) {
  int on = 1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  for (int i = 0; i < 2; i++)
    if (setsockopt(pair[i], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return -1;
  return 0;
}

int channel_send(int socket, char word, const int *fds, size_t count) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS)];
  } control;
  struct iovec data = {.iov_base = &word, .iov_len = 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (count > CHANNEL_FDS) return -1;
  if (count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  ssize_t n;
  do n = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n == 1 ? 0 : -1;
}

int channel_receive(int socket, struct parcel *parcel) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS) + CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec data = {.iov_base = &parcel->word, .iov_len = 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n;
  memset(&control, 0, sizeof control);
  parcel->count = 0;
  parcel->sender = 0;
  do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n != 1) return -1;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET) continue;
    if (h->cmsg_type == SCM_CREDENTIALS) {
      struct ucred who;
      memcpy(&who, CMSG_DATA(h), sizeof who);
      parcel->sender = who.pid;
    } else if (h->cmsg_type == SCM_RIGHTS) {
      parcel->count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      memcpy(parcel->fds, CMSG_DATA(h), parcel->count * sizeof(int));
    }
  }
  return 0;
}
