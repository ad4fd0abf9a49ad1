/* listen() and bind() of the session. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bound.h"
#include "call.h"
#include "guard.h"
#include "resolve.h"
#include "socket.h"
#include "tracee.h"

enum answered listen_notified(struct notice *notice) {
  struct call call = {.notice = notice, .number = (int)notice->request->data.args[0]};
  int error = call_take_socket(&call);
  if (error != 0) return notice_error(notice, error);
  error = call_look_at_socket(&call);
  /* A socket of the host's network would take callers from outside. */
  if (error == 0 && call.domain != AF_UNIX && (guard.config.mode == FILTER_LANDLOCK || socket_is_outside(call.fd))) error = EACCES;
  if (!notice_valid(notice)) {
    close(call.fd);
    return ANSWER_DONE;
  }
  if (error == 0 && listen(call.fd, (int)notice->request->data.args[1]) != 0) error = errno;
  close(call.fd);
  return error == 0 ? notice_value(notice, 0) : notice_error(notice, error);
}

/* Without namespaces only: elsewhere a session binds in a network and in folders of its own. */
static int bind_path(struct call *call) {
  struct sockaddr_un address, through = {.sun_family = AF_UNIX};
  char path[sizeof address.sun_path + 1];
  struct place place;
  size_t head = offsetof(struct sockaddr_un, sun_path);
  if (call->length <= head || call->length > sizeof address) return call->length == head ? EACCES : EINVAL;
  memcpy(&address, call->address.bytes, call->length);
  if (address.sun_family != AF_UNIX) return EINVAL;
  /* Abstract names are everybody's here. */
  if (address.sun_path[0] == 0) return EACCES;
  memcpy(path, address.sun_path, call->length - head);
  path[call->length - head] = 0;
  int error = resolve_place(call->notice->tid, AT_FDCWD, path, 0, &place);
  if (error != 0) return error;
  if (!is_session_writable(place.name)) error = EACCES;
  else if (print_path(through.sun_path, sizeof through.sun_path, "self/fd/%d/%s", place.folder, place.last) < 0) error = ENAMETOOLONG;
  else {
    /* The file gets the socket's own mode, less our umask, which is 0. */
    fchmod(call->fd, 0777 & ~tracee_umask(call->notice->tid));
    if (bind(call->fd, (struct sockaddr *)&through, sizeof through) != 0) error = errno;
    else bound_remember(place.folder, place.last);
  }
  close(place.folder);
  return error;
}

enum answered bind_notified(struct notice *notice) {
  struct call call = {.notice = notice, .number = (int)notice->request->data.args[0]};
  int error = call_take_socket(&call);
  if (error != 0) return notice_error(notice, error);
  error = call_read_arguments(&call);
  if (error == 0) error = call_look_at_socket(&call);
  int valid = notice_valid(notice);
  if (valid && error == 0) {
    if (call.domain == AF_UNIX) error = bind_path(&call);
    else if (call.domain != AF_NETLINK) error = EACCES;
    else if (bind(call.fd, &call.address.any, (socklen_t)call.length) != 0) error = errno;
  }
  close(call.fd);
  if (!valid) return ANSWER_DONE;
  return error == 0 ? notice_value(notice, 0) : notice_error(notice, error);
}
