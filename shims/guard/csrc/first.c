/* The first process of the session: pid 1 of its namespaces. It reaps, and when it ends everything in them ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "channel.h"
#include "devices.h"
#include "parts.h"
#include "sweep.h"

#define SWEEP_TERM_MS 400

static void tell(int channel, char how, int number) {
  struct ending ending = {.how = how, .number = (unsigned char)number};
  send(channel, &ending, sizeof ending, MSG_NOSIGNAL);
}

static void prepare(int supervisor) {
  size_t count = guard.config.veiled.count;
  int *veils = must_alloc((count + 1) * sizeof *veils);
  mounts_make(&guard.config, veils);
  for (size_t i = 0; i < count; i++) {
    channel_send(supervisor, 'v', &veils[i], veils[i] >= 0 ? 1 : 0);
    if (veils[i] >= 0) close(veils[i]);
  }
  int dns[2] = {-1, -1};
  network_make(&dns[0], &dns[1]);
  if (dns[0] >= 0 && dns[1] >= 0) channel_send(supervisor, 'd', dns, 2);
  for (int i = 0; i < 2; i++)
    if (dns[i] >= 0) close(dns[i]);
}

/* Ends what the agent left running: TERM, a moment, and then our own end is KILL for the rest. */
static void sweep(void) {
  long long end = now_ms() + SWEEP_TERM_MS;
  /* ESRCH: nobody is left. */
  if (kill(-1, SIGTERM) != 0) return;
  kill(-1, SIGCONT);
  while (now_ms() < end) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid < 0 && errno == ECHILD) return;
    if (pid == 0) poll(NULL, 0, 2);
  }
}

void first_main(int channel, int supervisor, const struct sock_filter *filter, size_t length) {
  struct parcel parcel;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("cannot tie the session to the guard", strerror(errno));
  if (channel_receive(channel, &parcel) != 0 || parcel.word != 'm') _exit(EXIT_GUARD);
  int namespaces = guard.config.mode != FILTER_LANDLOCK;
  if (namespaces) prepare(supervisor);
  else prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (channel_send(supervisor, '1', NULL, 0) != 0) _exit(EXIT_GUARD);
  pid_t agent = fork();
  if (agent < 0) fail("cannot start a process", strerror(errno));
  if (agent == 0) agent_main(channel, supervisor, filter, length);
  close(supervisor);
  close(guard.host_proc);
  close(guard.host_root);
  prctl(PR_SET_DUMPABLE, 0);
  devices_settle();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WUNTRACED);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) _exit(EXIT_GUARD);
    if (pid != agent) continue;
    if (WIFSTOPPED(status)) {
      tell(channel, 's', WSTOPSIG(status));
      continue;
    }
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    tell(channel, WIFSIGNALED(status) ? 'g' : 'e', number);
    if (namespaces) sweep();
    else sweep_children(SWEEP_TERM_MS, 0, 0);
    _exit(0);
  }
}
