/*
 * Connections to unix sockets. Neither a network namespace nor a read-only mount keeps a program from one that it can name, and behind many of them is a
 * program that acts for whoever connects (containers, D-Bus, keys): so only the session's own are open, and what the tables name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "borrow.h"
#include "bound.h"
#include "connection.h"
#include "guard.h"
#include "resolve.h"
#include "table.h"
#include "tracee.h"

/* Asks the session's network which sockets it has; opened on a thread that enters it and ends. */
static int diagnosis = -1;
/* The process by which the session's network is found; the session's first lets nobody look into it. */
static pid_t asked_first;
static pthread_once_t opened = PTHREAD_ONCE_INIT;
static pthread_mutex_t diagnosis_lock = PTHREAD_MUTEX_INITIALIZER;

static void *open_inside(void *unused) {
  char path[64];
  (void)unused;
  borrow_nothing();
  snprintf(path, sizeof path, "%d/ns/net", asked_first);
  int network = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
  if (network < 0) return NULL;
  if (setns(network, CLONE_NEWNET) == 0) diagnosis = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  close(network);
  return NULL;
}

static void open_diagnosis(void) {
  pthread_t thread;
  struct timeval patience = {.tv_sec = 2};
  if (guard.config.mode == FILTER_LANDLOCK) return;
  if (pthread_create(&thread, NULL, open_inside, NULL) == 0) pthread_join(thread, NULL);
  if (diagnosis >= 0) setsockopt(diagnosis, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

/* The device of an object's file system as the kernel numbers it: what stat() tells of btrfs and overlays is another one. */
static int device_of(int fd, uint32_t *device) {
  char name[64], info[512], line[1024];
  int mount = -1, found = 0;
  snprintf(name, sizeof name, "fdinfo/%d", fd);
  if (read_proc(getpid(), name, info, sizeof info) <= 0) return 0;
  const char *at = strstr(info, "mnt_id:");
  if (at == NULL || sscanf(at, "mnt_id: %d", &mount) != 1) return 0;
  int table = openat(guard.host_proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
  FILE *file = table < 0 ? NULL : fdopen(table, "r");
  if (file == NULL) {
    if (table >= 0) close(table);
    return 0;
  }
  while (!found && fgets(line, sizeof line, file) != NULL) {
    int id;
    unsigned major, minor;
    if (sscanf(line, "%d %*d %u:%u ", &id, &major, &minor) != 3 || id != mount) continue;
    *device = major << 20 | minor;
    found = 1;
  }
  fclose(file);
  return found;
}

/* What a message says of one socket; 1 when it is the one that is bound to this file. */
static int is_that(const unsigned char *at, size_t size, uint32_t inode, uint32_t device) {
  size_t offset = NLMSG_ALIGN(sizeof(struct unix_diag_msg));
  while (offset + sizeof(struct rtattr) <= size) {
    struct rtattr attribute;
    struct unix_diag_vfs vfs;
    memcpy(&attribute, at + offset, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > size - offset) return 0;
    if (attribute.rta_type == UNIX_DIAG_VFS && attribute.rta_len >= sizeof attribute + sizeof vfs) {
      memcpy(&vfs, at + offset + sizeof attribute, sizeof vfs);
      if (vfs.udiag_vfs_ino == inode && vfs.udiag_vfs_dev == device) return 1;
    }
    offset += RTA_ALIGN((size_t)attribute.rta_len);
  }
  return 0;
}

/* Reads the kernel's list to its end, also when it was found: what is left would answer the next question. */
static int read_list(uint32_t inode, uint32_t device) {
  static unsigned char buffer[65536];
  int found = 0;
  for (;;) {
    ssize_t n = recv(diagnosis, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    for (size_t offset = 0; offset + sizeof(struct nlmsghdr) <= (size_t)n;) {
      struct nlmsghdr header;
      memcpy(&header, buffer + offset, sizeof header);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > (size_t)n - offset || header.nlmsg_type == NLMSG_ERROR) return 0;
      if (header.nlmsg_type == NLMSG_DONE) return found;
      if (is_that(buffer + offset + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN, inode, device)) found = 1;
      offset += NLMSG_ALIGN((size_t)header.nlmsg_len);
    }
  }
}

/* 1 when a process of the session listens behind this file; 0 when it is somebody else, or nobody can tell. */
static int is_bound_inside(pid_t tid, const struct object *object) {
  struct {
    struct nlmsghdr header;
    struct unix_diag_req request;
  } message = {.header = {.nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
               .request = {.sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_show = UDIAG_SHOW_VFS}};
  uint32_t device;
  int found = 0;
  if (guard.config.mode == FILTER_LANDLOCK) return bound_knows(&object->facts);
  pthread_mutex_lock(&diagnosis_lock);
  if (asked_first == 0) asked_first = tid;
  pthread_mutex_unlock(&diagnosis_lock);
  pthread_once(&opened, open_diagnosis);
  if (diagnosis < 0 || !device_of(object->fd, &device)) return 0;
  pthread_mutex_lock(&diagnosis_lock);
  if (send(diagnosis, &message, sizeof message, 0) == (ssize_t)sizeof message) found = read_list((uint32_t)object->facts.st_ino, device);
  pthread_mutex_unlock(&diagnosis_lock);
  return found;
}

/* The session's own folder, where its surface listens. */
static int is_shown(const char *name) {
  for (size_t i = 0; i < guard.config.shown.count; i++)
    if (is_below(name, guard.config.shown.at[i])) return 1;
  return 0;
}

static int is_hidden(const char *name) {
  if (is_shown(name)) return 0;
  for (size_t i = 0; i < guard.config.hidden.count; i++)
    if (is_below(name, guard.config.hidden.at[i])) return 1;
  return 0;
}

static int ask_unix(const struct asker *asker, const char *name, int gone) {
  struct bytes question = {0};
  enum row row;
  if (table_remembered('u', name, &row)) return row == ROW_ALLOW;
  put_text(&question, 'k', "connect");
  put_number(&question, 'q', asker->process);
  put_text(&question, 'e', asker->program);
  put_text(&question, 'P', asker->scope);
  put_text(&question, 'O', "unix");
  put_text(&question, 'p', name);
  struct reply reply = ask(&question, gone, NULL, NULL);
  int allowed = reply.decision == DECIDED_ALLOW;
  if (reply.remember) table_remember('u', name, allowed ? ROW_ALLOW : ROW_DENY);
  reply_free(&reply);
  free(question.at);
  return allowed;
}

static int connect_patiently(int fd, const struct sockaddr_un *address, size_t length) {
  int r;
  supervisor_waits();
  do r = connect(fd, (const struct sockaddr *)address, (socklen_t)length);
  while (r != 0 && errno == EINTR);
  int error = r == 0 ? 0 : errno;
  supervisor_goes_on();
  return error;
}

static int connect_object(struct notice *notice, int fd, const struct asker *asker, const struct object *object) {
  struct sockaddr_un through = {.sun_family = AF_UNIX};
  if (is_hidden(object->name)) return EACCES;
  if (!S_ISSOCK(object->facts.st_mode)) return ECONNREFUSED;
  int allowed = table_unix_allows(object->name) || (is_session_writable(object->name) && is_bound_inside(notice->tid, object));
  /* In a preview, what listens outside of it is not reached, whoever would allow it. */
  if (guard.config.overlay != NULL && !is_shown(object->name) && !(is_session_writable(object->name) && is_bound_inside(notice->tid, object)))
    return ECONNREFUSED;
  if (!allowed) {
    int gone = pidfd_of(notice->tid);
    supervisor_waits();
    allowed = ask_unix(asker, object->name, gone);
    supervisor_goes_on();
    if (gone >= 0) close(gone);
  }
  if (!allowed) return EACCES;
  /* Relative to the host's /proc, which is this process's working directory: exactly what was judged, whatever its name leads to by now. */
  snprintf(through.sun_path, sizeof through.sun_path, "self/fd/%d", object->fd);
  return connect_patiently(fd, &through, sizeof through);
}

enum answered unix_connect(struct notice *notice, int fd, const unsigned char *bytes, size_t length) {
  struct sockaddr_un address;
  char path[sizeof address.sun_path + 1];
  size_t head = offsetof(struct sockaddr_un, sun_path);
  memset(&address, 0, sizeof address);
  if (length <= head || length > sizeof address) return notice_error(notice, EINVAL);
  memcpy(&address, bytes, length);
  if (address.sun_family != AF_UNIX) return notice_error(notice, EINVAL);
  if (address.sun_path[0] == 0) {
    /* Abstract names belong to a network: the session's own are its own. Without one they are everybody's. */
    if (guard.config.mode == FILTER_LANDLOCK || socket_is_outside(fd)) return notice_error(notice, EACCES);
    int error = connect_patiently(fd, &address, length);
    return error == 0 ? notice_value(notice, 0) : notice_error(notice, error);
  }
  struct asker asker;
  struct object object;
  asker_of(notice->tid, &asker);
  memcpy(path, address.sun_path, length - head);
  path[length - head] = 0;
  int error = resolve_object(notice->tid, AT_FDCWD, path, 0, 0, &object);
  if (error != 0) {
    /* That nothing is there is no act to speak of; a loop or a wall is. */
    if (error != ENOENT) effect("connect", asker.scope, error, path, NULL);
    return notice_error(notice, error);
  }
  error = connect_object(notice, fd, &asker, &object);
  effect("connect", asker.scope, error, object.name, NULL);
  close(object.fd);
  return error == 0 ? notice_value(notice, 0) : notice_error(notice, error);
}
