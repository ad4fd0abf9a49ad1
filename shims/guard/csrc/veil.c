#define _GNU_SOURCE
#include "veil.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "ask.h"
#include "fuse-wire.h"
#include "guard.h"
#include "tracee.h"
#include "veil-files.h"
#include "veil-grants.h"
#include "veil-questions.h"
#include "veil-real.h"
#include "veil-stay.h"
#include "veil-tree.h"

#define SERVER_STACK (256u * 1024u)
/* How often one is looked at again whom a signal reached while it was held. */
#define LOOK_MS 100

/* A path that is replaced while the session runs gets another veil; the kernel takes no more of them than this. */
#define MOST_ANEW 256u

struct veil {
  int fuse;
  /* The kernel numbers threads as the host does: it was mounted by the supervisor. */
  int host_pids;
  const char *path;
  struct veil_node *root;
};

static struct veil_node **roots;
static unsigned anew;
static int ready = -1, stay = -1;

/* The host's: the session's own /dev has none. */
static int open_fuse(void) { return openat(guard.host_root, "dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK); }

int veil_possible(void) {
  int fuse = open_fuse();
  if (fuse >= 0) close(fuse);
  return fuse >= 0;
}

int veil_mount(const char *path) {
  struct stat facts;
  char options[128];
  if (real_facts(path, &facts) != 0 || !(S_ISDIR(facts.st_mode) || S_ISREG(facts.st_mode))) return -1;
  int fuse = open_fuse();
  if (fuse < 0) return -1;
  /* Without default_permissions: whether something may be read is our answer, and the kernel asks for every open. */
  snprintf(options, sizeof options, "fd=%d,rootmode=%o,user_id=%u,group_id=%u", fuse, facts.st_mode & S_IFMT, getuid(), getgid());
  if (mount("countersign", path, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, options) != 0) {
    close(fuse);
    return -1;
  }
  if (wire_begin(fuse) == 0) return fuse;
  umount2(path, MNT_DETACH);
  close(fuse);
  return -1;
}

/* The path that a request is about; -1 when the request was answered because there is none. */
static int path_of(const struct veil *veil, const struct wire_request *request, const char *name, char out[PATH_ROOM]) {
  const struct veil_node *node = request->node == WIRE_ROOT ? veil->root : node_of(request->node);
  if (node == NULL) wire_fail(veil->fuse, request->unique, ESTALE);
  else if (node_path(node, name, out, PATH_ROOM) != 0) wire_fail(veil->fuse, request->unique, ENAMETOOLONG);
  else if (real_is_hidden(out)) wire_fail(veil->fuse, request->unique, ENOENT);
  else return 0;
  return -1;
}

static void look_up(const struct veil *veil, const struct wire_request *request, const char *name) {
  char path[PATH_ROOM];
  struct stat facts;
  struct wire_entry entry = {0};
  if (path_of(veil, request, name, path) != 0) return;
  if (real_facts(path, &facts) != 0) {
    wire_fail(veil->fuse, request->unique, errno);
    return;
  }
  struct veil_node *parent = request->node == WIRE_ROOT ? veil->root : node_of(request->node);
  struct veil_node *node = node_enter(parent, name, strlen(name));
  if (node == NULL) {
    wire_fail(veil->fuse, request->unique, ENFILE);
    return;
  }
  entry.node = node->id;
  wire_attributes_of(&facts, &entry.attributes);
  /* Who is gone does not know the name now. */
  if (wire_reply(veil->fuse, request->unique, &entry, sizeof entry) != 0) node_forget(entry.node, 1);
}

static void tell_facts(const struct veil *veil, const struct wire_request *request) {
  char path[PATH_ROOM];
  struct stat facts;
  struct wire_facts out = {0};
  if (path_of(veil, request, NULL, path) != 0) return;
  if (real_facts(path, &facts) != 0 && (errno != ENOENT || veil_file_facts(veil->fuse, request->node, &facts) != 0)) {
    wire_fail(veil->fuse, request->unique, ENOENT);
    return;
  }
  wire_attributes_of(&facts, &out.attributes);
  wire_reply(veil->fuse, request->unique, &out, sizeof out);
}

static void read_link(const struct veil *veil, const struct wire_request *request) {
  char path[PATH_ROOM], text[PATH_ROOM];
  if (path_of(veil, request, NULL, path) != 0) return;
  int fd = real_open(path, O_PATH | O_NOFOLLOW);
  ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", text, sizeof text - 1);
  int error = errno;
  if (fd >= 0) close(fd);
  if (n < 0) wire_fail(veil->fuse, request->unique, error);
  else wire_reply(veil->fuse, request->unique, text, (size_t)n);
}

static void open_file(const struct veil *veil, const struct wire_request *request, const struct wire_open *asked) {
  char path[PATH_ROOM];
  struct touch touch = {.fuse = veil->fuse, .unique = request->unique, .node = request->node};
  if (path_of(veil, request, NULL, path) != 0) return;
  if ((asked->flags & O_ACCMODE) != O_RDONLY || (asked->flags & O_TRUNC) != 0) {
    wire_fail(veil->fuse, request->unique, EROFS);
    return;
  }
  if (real_is_shown(path, veil->path)) {
    veil_file_open(veil->fuse, request->unique, request->node, path);
    return;
  }
  touch.tid = veil->host_pids ? (pid_t)request->pid : real_pid((pid_t)request->pid);
  question_touch(&touch, path);
}

static void open_folder(const struct veil *veil, const struct wire_request *request) {
  char path[PATH_ROOM];
  if (path_of(veil, request, NULL, path) == 0) veil_folder_open(veil->fuse, request->unique, request->node, path);
}

static void tell_space(const struct veil *veil, const struct wire_request *request) {
  struct {
    uint64_t blocks, free, available, files, free_files;
    uint32_t block, longest_name, fragment, unused[7];
  } out = {.block = 4096, .longest_name = 255, .fragment = 4096};
  wire_reply(veil->fuse, request->unique, &out, sizeof out);
}

static void forget_many(const unsigned char *body, size_t size) {
  struct wire_batch batch;
  struct wire_forget each;
  memcpy(&batch, body, sizeof batch);
  for (size_t at = sizeof batch; batch.count > 0 && at + sizeof each <= size; at += sizeof each, batch.count--) {
    memcpy(&each, body + at, sizeof each);
    node_forget(each.node, each.count);
  }
}

/* The fixed part of a request's body; 0, or -1 (answered) when it is not there. */
static int body_of(const struct veil *veil, const struct wire_request *request, const unsigned char *body, size_t size, void *out,
                   size_t wanted) {
  if (size >= wanted) {
    memcpy(out, body, wanted);
    return 0;
  }
  wire_fail(veil->fuse, request->unique, EIO);
  return -1;
}

static void answer(const struct veil *veil, const struct wire_request *request, const unsigned char *body, size_t size) {
  union {
    struct wire_open open;
    struct wire_read read;
    struct wire_release release;
    struct wire_forget forget;
    uint64_t interrupted;
  } asked;
  switch (request->op) {
    case WIRE_LOOKUP:
      if (memchr(body, 0, size) != NULL) look_up(veil, request, (const char *)body);
      else wire_fail(veil->fuse, request->unique, EIO);
      return;
    case WIRE_GETATTR: tell_facts(veil, request); return;
    case WIRE_READLINK: read_link(veil, request); return;
    case WIRE_OPEN:
      if (body_of(veil, request, body, size, &asked, sizeof asked.open) == 0) open_file(veil, request, &asked.open);
      return;
    case WIRE_OPENDIR: open_folder(veil, request); return;
    case WIRE_READ:
    case WIRE_READDIR:
      if (body_of(veil, request, body, size, &asked, sizeof asked.read) != 0) return;
      if (request->op == WIRE_READ) veil_file_read(veil->fuse, request->unique, &asked.read);
      else veil_folder_read(veil->fuse, request->unique, &asked.read);
      return;
    case WIRE_RELEASE:
    case WIRE_RELEASEDIR:
      if (body_of(veil, request, body, size, &asked, sizeof asked.release) != 0) return;
      veil_file_close(asked.release.handle);
      wire_reply(veil->fuse, request->unique, NULL, 0);
      return;
    case WIRE_STATFS: tell_space(veil, request); return;
    /* These have no answer. */
    case WIRE_FORGET:
      if (size < sizeof asked.forget.node) return;
      memcpy(&asked.forget.count, body, sizeof asked.forget.count);
      node_forget(request->node, asked.forget.count);
      return;
    case WIRE_BATCH_FORGET:
      if (size >= sizeof(struct wire_batch)) forget_many(body, size);
      return;
    case WIRE_INTERRUPT:
      if (size < sizeof asked.interrupted) return;
      memcpy(&asked.interrupted, body, sizeof asked.interrupted);
      question_interrupt(veil->fuse, asked.interrupted);
      return;
    case WIRE_DESTROY: return;
    case WIRE_IOCTL: wire_fail(veil->fuse, request->unique, ENOTTY); return;
    /* Nothing changes through a veil. */
    case WIRE_SETATTR:
    case WIRE_SYMLINK:
    case WIRE_MKNOD:
    case WIRE_MKDIR:
    case WIRE_UNLINK:
    case WIRE_RMDIR:
    case WIRE_RENAME:
    case WIRE_RENAME2:
    case WIRE_LINK:
    case WIRE_CREATE:
    case WIRE_TMPFILE:
    case WIRE_WRITE:
    case WIRE_FALLOCATE:
    case WIRE_SETXATTR:
    case WIRE_REMOVEXATTR: wire_fail(veil->fuse, request->unique, EROFS); return;
    /* The kernel then does without: attributes, seeking, polling, flushing. */
    default: wire_fail(veil->fuse, request->unique, ENOSYS);
  }
}

/* Answers one request; -1 when the veil is no more. */
static int serve_one(const struct veil *veil) {
  static _Alignas(8) unsigned char room[WIRE_REQUEST_ROOM];
  struct wire_request request;
  ssize_t n = read(veil->fuse, room, sizeof room);
  /* ENOENT: it was given up while we took it. */
  if (n < 0) return errno == ENODEV ? -1 : 0;
  if ((size_t)n < sizeof request) return 0;
  memcpy(&request, room, sizeof request);
  answer(veil, &request, room + sizeof request, (size_t)n - sizeof request);
  return 0;
}

/* Begins to answer for a veil. Never freed: who still answers a question about it must not meet another. */
static int add_veil(unsigned at, int fuse, int host_pids) {
  struct veil *veil = must_alloc(sizeof *veil);
  *veil = (struct veil){.fuse = fuse, .host_pids = host_pids, .path = guard.config.veiled.at[at], .root = roots[at]};
  struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = veil}};
  return epoll_ctl(ready, EPOLL_CTL_ADD, fuse, &event);
}

/* Something lies bare that was veiled, or to be veiled. A session in which it stays bare must not go on. */
static void veil_anew(unsigned at) {
  int fuse = anew++ < MOST_ANEW ? veil_mount(guard.config.veiled.at[at]) : -1;
  if (fuse >= 0 && add_veil(at, fuse, 1) == 0) {
    stay_veiled(at);
    return;
  }
  say("countersign: the session is ended: `", guard.config.veiled.at[at], "` was replaced and cannot be veiled again\n", NULL);
  kill(guard.first, SIGKILL);
}

/*
 * The one thread that answers the kernel. INVARIANT (no deadlock): nothing in here waits for what lies behind a veil, for a person,
 * or for anyone who might be looking through a veil.
 */
static void *serve(void *unused) {
  (void)unused;
  struct epoll_event events[16];
  for (;;) {
    int n = epoll_wait(ready, events, 16, question_look_again() ? LOOK_MS : -1);
    if (n < 0 && errno != EINTR) fail("the veils cannot be served", strerror(errno));
    for (int i = 0; i < n; i++) {
      const struct veil *veil = events[i].data.ptr;
      if (veil == NULL) stay_look(stay, veil_anew);
      /* The descriptor stays open: its number must not come to mean something else for who still answers. */
      else if (serve_one(veil) != 0) epoll_ctl(ready, EPOLL_CTL_DEL, veil->fuse, NULL);
    }
  }
}

void veil_serve(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  struct epoll_event appeared = {.events = EPOLLIN, .data = {.ptr = NULL}};
  size_t count = guard.config.veiled.count;
  /* Where none can be mounted, the places are masked. */
  if (count == 0 || !guard.config.reads || guard.config.mode == FILTER_LANDLOCK || !veil_possible()) return;
  roots = must_alloc(count * sizeof(struct veil_node *));
  ready = epoll_create1(EPOLL_CLOEXEC);
  if (ready < 0) fail("the veils cannot be served", strerror(errno));
  for (unsigned i = 0; i < count; i++) {
    roots[i] = node_make_root(guard.config.veiled.at[i]);
    if (guard.veils[i] >= 0 && add_veil(i, guard.veils[i], 0) != 0) fail("the veils cannot be served", strerror(errno));
  }
  stay = stay_start();
  if (stay < 0 || epoll_ctl(ready, EPOLL_CTL_ADD, stay, &appeared) != 0) fail("the veils cannot be watched over", strerror(errno));
  real_pids_start();
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, SERVER_STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attributes, serve, NULL) != 0) fail("the veils cannot be served", strerror(errno));
  pthread_attr_destroy(&attributes);
}

void veil_grant(const char *path) { grants_say(path, GRANTED_OPEN); }

void veil_revoke(const char *path) {
  grants_say(path, GRANTED_SHUT);
  veil_files_shut(path);
}
