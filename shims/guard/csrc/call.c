#define _GNU_SOURCE
#include "call.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "socket.h"
#include "tracee.h"

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static int option_of(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -errno;
}

int call_take_socket(struct call *call) {
  pthread_once(&prepared, socket_prepare);
  call->fd = socket_of(call->notice->tid, call->number);
  return call->fd < 0 ? errno : 0;
}

int call_look_at_socket(struct call *call) {
  call->domain = option_of(call->fd, SO_DOMAIN);
  call->type = option_of(call->fd, SO_TYPE);
  return call->domain < 0 ? -call->domain : 0;
}

int call_read_arguments(struct call *call) {
  const struct seccomp_data *data = &call->notice->request->data;
  int length = (int)data->args[2];
  if (length < 0 || (size_t)length > sizeof call->address) return EINVAL;
  call->length = (size_t)length;
  if (length > 0 && tracee_read(call->notice->tid, data->args[1], &call->address, call->length) != 0) return EFAULT;
  return 0;
}
