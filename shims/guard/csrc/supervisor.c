/* Answers what the kernel notifies, from inside the session's user and mount namespaces. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "ask.h"
#include "channel.h"
#include "dns.h"
#include "heart.h"
#include "kernel.h"
#include "notice.h"
#include "parts.h"
#include "tempo.h"
#include "umask.h"
#include "veil.h"
#include "watch.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

#define MOST_WORKERS 512
#define WORKER_STACK (256u * 1024u)
/* Workers that stand ready beside those that wait. */
#define READY_WORKERS 2
/* A program that is being handed a descriptor may be frozen. */
#define LET_GO_MS 50

static pthread_mutex_t crew = PTHREAD_MUTEX_INITIALIZER;
static int workers, waiting;
static struct seccomp_notif_sizes sizes;

static void *work(void *unused);

static void note_move(void) { __atomic_add_fetch(&pulse->moves, 1, __ATOMIC_RELAXED); }

static void note_crew_locked(void) {
  __atomic_store_n(&pulse->workers, (uint32_t)workers, __ATOMIC_RELAXED);
  __atomic_store_n(&pulse->waiting, (uint32_t)waiting, __ATOMIC_RELAXED);
  note_move();
}

static void start_worker_locked(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  if (workers >= MOST_WORKERS) return;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, WORKER_STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attributes, work, NULL) == 0) workers++;
  note_crew_locked();
  pthread_attr_destroy(&attributes);
}

void supervisor_waits(void) {
  pthread_mutex_lock(&crew);
  waiting++;
  note_crew_locked();
  if (workers - waiting < READY_WORKERS) start_worker_locked();
  pthread_mutex_unlock(&crew);
}

void supervisor_goes_on(void) {
  pthread_mutex_lock(&crew);
  waiting--;
  note_crew_locked();
  pthread_mutex_unlock(&crew);
}

enum answered notice_error(struct notice *notice, int error) {
  notice->response->error = -error;
  notice->response->val = 0;
  return ANSWER_RESULT;
}

enum answered notice_value(struct notice *notice, int64_t value) {
  notice->response->error = 0;
  notice->response->val = value;
  return ANSWER_RESULT;
}

int notice_valid(const struct notice *notice) {
  return ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notice->request->id) == 0;
}

/*
 * One number for each worker, odd while it hands a descriptor over: the program runs on with its copy before the worker has closed its own, and a
 * file that is still open for writing somewhere cannot be run.
 */
static uint32_t handing[MOST_WORKERS];
static uint32_t next_slot;
static __thread uint32_t slot;

static void hands_over(void) { __atomic_add_fetch(&handing[slot], 1, __ATOMIC_SEQ_CST); }

void supervisor_let_go(void) {
  long long patience = now_ms() + LET_GO_MS;
  for (size_t i = 0; i < MOST_WORKERS; i++) {
    uint32_t before = __atomic_load_n(&handing[i], __ATOMIC_SEQ_CST);
    if ((before & 1) == 0) continue;
    while (__atomic_load_n(&handing[i], __ATOMIC_SEQ_CST) == before && now_ms() < patience) sched_yield();
  }
}

enum answered notice_install(struct notice *notice, int fd, int flags) {
  struct seccomp_notif_addfd added = {.id = notice->request->id,
                                      .flags = SECCOMP_ADDFD_FLAG_SEND,
                                      .srcfd = (uint32_t)fd,
                                      .newfd_flags = (uint32_t)(flags & O_CLOEXEC)};
  hands_over();
  int result = ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added);
  int error = errno;
  close(fd);
  hands_over();
  if (result >= 0 || error == ENOENT) return ANSWER_DONE;
  return notice_error(notice, error);
}

int notice_replace(struct notice *notice, int number, int fd, int flags) {
  struct seccomp_notif_addfd added = {.id = notice->request->id,
                                      .flags = SECCOMP_ADDFD_FLAG_SETFD,
                                      .srcfd = (uint32_t)fd,
                                      .newfd = (uint32_t)number,
                                      .newfd_flags = (uint32_t)(flags & O_CLOEXEC)};
  return ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added) >= 0 ? 0 : errno;
}

int notice_continue(struct notice *notice) {
  notice->response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  notice->response->error = 0;
  notice->response->val = 0;
  return ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_SEND, notice->response) == 0 ? 0 : -1;
}

static enum answered dispatch(struct notice *notice) {
  switch (notice->request->data.nr) {
    case SYS_execve:
    case SYS_execveat:
      return exec_notified(notice);
    case SYS_connect:
      return connect_notified(notice);
    case SYS_listen:
      return listen_notified(notice);
    case SYS_bind:
      return bind_notified(notice);
    case SYS_umask:
    case SYS_clone:
    case SYS_unshare:
      return umask_notified(notice);
#ifdef SYS_open
    case SYS_open:
    case SYS_creat:
#endif
    case SYS_openat:
    case SYS_openat2:
      return open_notified(notice);
    default:
      return change_notified(notice);
  }
}

static int nobody_left(void) {
  struct pollfd listener = {.fd = guard.listener, .events = POLLIN, .revents = 0};
  return poll(&listener, 1, 0) > 0 && (listener.revents & POLLHUP) != 0;
}

static void *work(void *unused) {
  (void)unused;
  slot = __atomic_fetch_add(&next_slot, 1, __ATOMIC_RELAXED) % MOST_WORKERS;
  struct notice notice = {.request = must_alloc(sizes.seccomp_notif), .response = must_alloc(sizes.seccomp_notif_resp)};
  for (;;) {
    memset(notice.request, 0, sizes.seccomp_notif);
    if (ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_RECV, notice.request) != 0) {
      /* ENOENT: the process was killed meanwhile, or nobody is left who could call. */
      if (errno == EINTR || (errno == ENOENT && !nobody_left())) continue;
      break;
    }
    note_move();
    memset(notice.response, 0, sizes.seccomp_notif_resp);
    notice.response->id = notice.request->id;
    notice.tid = (pid_t)notice.request->pid;
    tempo_beat(notice.tid);
    enum answered answered = dispatch(&notice);
    if (answered == ANSWER_CONTINUE) notice_continue(&notice);
    else if (answered == ANSWER_RESULT) ioctl(guard.listener, SECCOMP_IOCTL_NOTIF_SEND, notice.response);
    note_move();
  }
  free(notice.request);
  free(notice.response);
  return NULL;
}

static void end_session(const char *why) {
  if (why == NULL) {
    say("countersign: the daemon does not answer any more; whatever needs its word is denied\n", NULL);
    return;
  }
  say("countersign: the session is ended: ", why, "\n", NULL);
  kill(guard.first, SIGKILL);
}

static void settle(void) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("the supervisor cannot be tied to the guard", strerror(errno));
  if (fchdir(guard.host_proc) != 0) fail("the supervisor cannot enter /proc", strerror(errno));
}

/* From here on this process sees the session's files, and stays the one that may look into its processes. */
static void enter(const struct parcel *namespaces) {
  if (namespaces->count != 2 || setns(namespaces->fds[0], CLONE_NEWUSER) != 0 || setns(namespaces->fds[1], CLONE_NEWNS) != 0)
    fail("the supervisor cannot enter the session", strerror(errno));
  close(namespaces->fds[0]);
  close(namespaces->fds[1]);
  /* Entering took both away. */
  settle();
}

/* What the others make of the session, in the order in which they send it, up to the agent's listener. */
static void take_session(int channel) {
  struct parcel parcel;
  size_t veil = 0, veils = guard.config.veiled.count;
  guard.veils = must_alloc((veils + 1) * sizeof *guard.veils);
  for (size_t i = 0; i < veils; i++) guard.veils[i] = -1;
  while (guard.listener < 0) {
    /* Whoever ended said why. */
    if (channel_receive(channel, &parcel) != 0) _exit(EXIT_GUARD);
    if (parcel.word == 'n') {
      enter(&parcel);
    } else if (parcel.word == 'v' && veil < veils) {
      guard.veils[veil++] = parcel.count == 1 ? parcel.fds[0] : -1;
    } else if (parcel.word == 'd' && parcel.count == 2) {
      guard.dns_udp = parcel.fds[0];
      guard.dns_tcp = parcel.fds[1];
    } else if (parcel.word == '1' && parcel.sender > 0) {
      guard.first = parcel.sender;
    } else if (parcel.word == 'l' && parcel.count == 1 && parcel.sender > 0 && guard.first > 0) {
      guard.agent = parcel.sender;
      guard.listener = parcel.fds[0];
    } else {
      fail("the session's processes said something unknown", NULL);
    }
  }
}

void supervisor_main(int channel, int agent) {
  static const struct pushes pushes = {.grant = veil_grant, .revoke = veil_revoke, .end = end_session};
  char why[256], door[64];
  umask(0);
  /* One heap for all workers: they hold little, and an arena each would cost a megabyte. */
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
  setsid();
  signal(SIGPIPE, SIG_IGN);
  /* Held open from before: the path itself is not there inside. */
  int socket_file = open(guard.config.daemon_socket, O_PATH | O_CLOEXEC);
  if (socket_file < 0) fail("the daemon's door for the guard is not there", strerror(errno));
  settle();
  print_path(door, sizeof door, "self/fd/%d", socket_file);
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) fail("cannot ask for the kernel's sizes", strerror(errno));
  if (sizes.seccomp_notif < sizeof(struct seccomp_notif)) sizes.seccomp_notif = sizeof(struct seccomp_notif);
  if (sizes.seccomp_notif_resp < sizeof(struct seccomp_notif_resp)) sizes.seccomp_notif_resp = sizeof(struct seccomp_notif_resp);
  /* While the others prepare the session. */
  if (link_connect(door, guard.config.session, guard.config.key, why, sizeof why) != 0) fail("the daemon does not let it in", why);
  take_session(channel);
  if (link_start(&pushes, why, sizeof why) != 0) fail("the daemon does not let it in", why);
  veil_serve();
  dns_serve(guard.dns_udp, guard.dns_tcp);
  watch_start();
  heart_start();
  pthread_mutex_lock(&crew);
  for (int i = 0; i < READY_WORKERS; i++) start_worker_locked();
  int started = workers;
  pthread_mutex_unlock(&crew);
  if (started == 0) fail("the supervisor cannot start its workers", strerror(errno));
  if (channel_send(channel, 'r', NULL, 0) != 0 || channel_send(agent, 'g', NULL, 0) != 0) _exit(EXIT_GUARD);
  close(agent);
  /* Closed when the session is over. */
  struct parcel parcel;
  while (channel_receive(channel, &parcel) == 0) continue;
  link_stop(500);
  /* Whoever reads to the end what the session wrote does not wait for what the kernel has to take apart here. */
  for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
  channel_send(channel, 'b', NULL, 0);
  _exit(0);
}
