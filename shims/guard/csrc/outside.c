#define _GNU_SOURCE
#include "outside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "heart.h"
#include "parts.h"
#include "sweep.h"

#define BEAT_MS 1000
#define FAREWELL_MS 2000

struct outside {
  int channel;
  pid_t supervisor;
  int leash;
  int ended;
  struct ending ending;
  int first_gone;
  struct heartbeat heartbeat;
};

static _Noreturn void end_as_agent(const struct ending *ending) {
  if (ending->how == 'g') {
    struct rlimit none = {0, 0};
    sigset_t all;
    setrlimit(RLIMIT_CORE, &none);
    signal(ending->number, SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    kill(getpid(), ending->number);
    _exit(128 + ending->number);
  }
  _exit(ending->number);
}

/* Without a pid namespace what the first process adopted does not end with it, and is ours then. */
static void end_orphans(pid_t supervisor) {
  if (guard.config.mode != FILTER_LANDLOCK) return;
  sweep_children(0, supervisor, 0);
}

static _Noreturn void kill_session(const struct outside *o, const char *why) {
  kill(guard.first, SIGKILL);
  end_orphans(o->supervisor);
  if (o->supervisor > 0) kill(o->supervisor, SIGKILL);
  fail(why, NULL);
}

static void signal_agent(int number) { kill(guard.config.tty ? -guard.agent : guard.agent, number); }

/* The agent was stopped: we stop too, so that whoever started us sees it, and go on with it. */
static void stop_with_agent(void) {
  raise(SIGSTOP);
  signal_agent(SIGCONT);
}

static void hear_first(struct outside *o) {
  struct ending heard;
  ssize_t n = recv(o->channel, &heard, sizeof heard, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n != (ssize_t)sizeof heard) {
    o->first_gone = 1;
    return;
  }
  if (heard.how == 's') {
    stop_with_agent();
  } else {
    o->ended = 1;
    o->ending = heard;
  }
}

static void reap(struct outside *o) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == guard.first) {
      o->first_gone = 1;
    } else if (pid == o->supervisor) {
      o->supervisor = -1;
      if (!o->ended) kill_session(o, "its supervisor died, and without it nothing can be decided");
    }
  }
}

static void watch(struct outside *o) {
  struct pollfd waiting = {.fd = guard.listener, .events = POLLIN, .revents = 0};
  int asked = poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLIN) != 0;
  if (heart_stands_still(&o->heartbeat, asked)) kill_session(o, "its supervisor hangs, and without it nothing can be decided");
}

static void pass_on(struct outside *o, int signals) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
    int number = (int)info.ssi_signo;
    if (number == SIGCHLD) reap(o);
    /* What the terminal sends reaches the agent by itself. */
    else if (number != SIGWINCH && !o->ended && (guard.config.tty || info.ssi_code != SI_KERNEL)) signal_agent(number);
  }
}

/*
 * The session is over: the supervisor tells the daemon what is left to tell. Its own end is not waited for: taking the
 * session's mounts apart takes the kernel milliseconds, and nothing can happen in them any more.
 */
static _Noreturn void finish(struct outside *o) {
  end_orphans(o->supervisor);
  struct pollfd farewell = {.fd = o->leash, .events = POLLIN, .revents = 0};
  shutdown(o->leash, SHUT_WR);
  if (o->supervisor > 0 && poll(&farewell, 1, FAREWELL_MS) == 0) kill(o->supervisor, SIGKILL);
  if (guard.config.tty) {
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, getpgrp());
  }
  if (!o->ended) fail("the session's first process was killed", NULL);
  end_as_agent(&o->ending);
}

void outside_main(int channel, pid_t supervisor, int leash) {
  struct outside o = {.channel = channel, .supervisor = supervisor, .leash = leash};
  sigset_t watched;
  sigfillset(&watched);
  static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT, SIGTTOU, SIGTTIN};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigdelset(&watched, ours[i]);
  sigprocmask(SIG_BLOCK, &watched, NULL);
  int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) kill_session(&o, "it cannot wait for signals");
  reap(&o);
  long long beat = now_ms() + BEAT_MS;
  while (!o.first_gone) {
    struct pollfd ready[2] = {{.fd = signals, .events = POLLIN, .revents = 0}, {.fd = channel, .events = POLLIN, .revents = 0}};
    long long left = beat - now_ms();
    if (poll(ready, 2, left < 0 ? 0 : (int)left) < 0 && errno != EINTR) kill_session(&o, "it cannot wait");
    if (ready[1].revents != 0) hear_first(&o);
    if (ready[0].revents != 0) pass_on(&o, signals);
    if (now_ms() >= beat) {
      watch(&o);
      beat = now_ms() + BEAT_MS;
    }
  }
  /* The last word may have come with the end. */
  if (!o.ended) hear_first(&o);
  finish(&o);
}
