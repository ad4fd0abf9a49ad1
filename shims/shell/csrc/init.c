/*
 * countersign-init [--tty] DIRECTORY CMD…: the first process of a session. It adopts orphans (subreaper), so that whatever
 * the agent starts stays below it in the process tree: the daemon refuses the control door to that tree. It starts the agent,
 * passes signals on, tells the host at DIRECTORY/surface.sock when the agent stops and how it ends, and lets nothing outlive it.
 *
 * BUG: killed with SIGKILL by the agent, it adopts nothing any more; the host then ends the session, and what got away keeps
 * only the mark below, which root can take off.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "surface.h"

/* RLIMIT_LOCKS limits nothing since Linux 2.4.25; the number is `SESSION_MARK` of electron/edge/process-tree.ts. */
#define SESSION_MARK 0x43534e
#define SWEEP_TERM_MS 400
#define SWEEP_KILL_MS 3000

struct session {
  int socket;
  int tty;
  pid_t agent;
  int ended;
  int status;
};

static void tell(const struct session *session, const char *what, int number) {
  struct bytes frame = {0};
  char text[32];
  snprintf(text, sizeof text, "%s:%d", what, number);
  put_text(&frame, 'x', text);
  send_frame(session->socket, &frame, now_ms() + 500);
}

static _Noreturn void start_agent(const struct session *session, char **argv, const sigset_t *mask) {
  if (session->tty) {
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, getpid());
    signal(SIGTTOU, SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvp(argv[0], argv);
  int missing = errno == ENOENT;
  say("countersign: cannot run `", argv[0], "`: ", missing ? "no such program" : strerror(errno), "\n", NULL);
  _exit(missing ? EXIT_NOT_FOUND : EXIT_DENIED);
}

static void reap(struct session *session) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG | (session->tty ? WUNTRACED : 0))) > 0) {
    if (pid != session->agent) continue;
    if (WIFSTOPPED(status)) {
      tell(session, "stopped", WSTOPSIG(status));
    } else {
      session->ended = 1;
      session->status = status;
    }
  }
}

static void signal_agent(const struct session *session, int number) {
  if (session->ended) return;
  kill(session->tty ? -session->agent : session->agent, number);
}

/* Reads one instruction of the host: a signal for the agent. 0 when the host is gone or says something else. */
static int obey(const struct session *session) {
  struct bytes frame = {0};
  struct field f;
  size_t offset = 0;
  if (receive_frame(session->socket, &frame, now_ms() + 1000) != RECEIVED) return 0;
  if (next_field(&frame, &offset, &f) != 1 || f.tag != 'g' || f.size == 0 || f.size > 3) return 0;
  char digits[4] = {0};
  memcpy(digits, f.at, f.size);
  int number = atoi(digits);
  if (number > 0 && number < NSIG) signal_agent(session, number);
  free(frame.at);
  return 1;
}

/* Signals every child of ours, which after the agent's end includes every orphan of its tree. */
static int signal_children(int number) {
  char path[64], line[4096];
  int found = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *f = fopen(path, "r");
  if (f == NULL) return 0;
  while (fscanf(f, "%4095s", line) == 1) {
    pid_t pid = (pid_t)atoi(line);
    if (pid > 0 && kill(pid, number) == 0) found++;
    if (number == SIGTERM && pid > 0) kill(pid, SIGCONT);
  }
  fclose(f);
  return found;
}

/* Ends what is left of the tree: TERM, a moment, then KILL until no child is left. */
static void sweep(struct session *session) {
  long long begin = now_ms(), term = begin + SWEEP_TERM_MS, end = begin + SWEEP_KILL_MS;
  reap(session);
  int left = signal_children(SIGTERM);
  while (left > 0 && now_ms() < end) {
    poll(NULL, 0, 5);
    reap(session);
    if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD) break;
    if (now_ms() > term) left = signal_children(SIGKILL);
  }
}

static void accompany(struct session *session, int signals) {
  while (!session->ended) {
    struct pollfd ready[2] = {{.fd = signals, .events = POLLIN, .revents = 0},
                              {.fd = session->socket, .events = POLLIN, .revents = 0}};
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[0].revents != 0) {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) continue;
      if (info.ssi_signo == SIGCHLD) reap(session);
      else if (info.ssi_signo != SIGWINCH && (session->tty || info.ssi_code != SI_KERNEL))
        signal_agent(session, (int)info.ssi_signo);
    }
    if (ready[1].revents != 0 && !session->ended && !obey(session)) {
      /* Without a host nothing in this tree can be decided any more. */
      say("countersign: the session's host is gone; ending the session\n", NULL);
      signal_agent(session, SIGHUP);
      signal_agent(session, SIGCONT);
      poll(NULL, 0, 100);
      signal_agent(session, SIGKILL);
      sweep(session);
      _exit(EXIT_DENIED);
    }
  }
}

int init_main(int argc, char **argv) {
  struct session session = {.socket = -1, .tty = 0, .agent = 0, .ended = 0, .status = 0};
  int at = 1;
  if (at < argc && strcmp(argv[at], "--tty") == 0) {
    session.tty = 1;
    at++;
  }
  if (argc - at < 2) {
    say("countersign: denied: usage: countersign-init [--tty] DIRECTORY CMD…\n", NULL);
    return EXIT_DENIED;
  }
  struct called called = {.name = "countersign-init", .session_dir = argv[at]};
  char *path = session_file(&called, "surface.sock");
  session.socket = path == NULL ? -1 : connect_to(path, now_ms() + 3000);
  struct bytes hello = {0};
  put_text(&hello, 'k', "init");
  put_number(&hello, 'q', getpid());
  if (session.socket < 0 || send_frame(session.socket, &hello, now_ms() + 3000) != 0) {
    say("countersign: denied: the session's host does not answer\n", NULL);
    return EXIT_DENIED;
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    say("countersign: denied: cannot become the session's reaper: ", strerror(errno), "\n", NULL);
    return EXIT_DENIED;
  }
  /* A limit that is lowered stays lowered in every descendant: what escapes us is still known as the agent's. EPERM: lower already. */
  struct rlimit mark = {.rlim_cur = SESSION_MARK, .rlim_max = SESSION_MARK};
  if (setrlimit(RLIMIT_LOCKS, &mark) != 0 && errno != EPERM) {
    say("countersign: denied: cannot mark the session: ", strerror(errno), "\n", NULL);
    return EXIT_DENIED;
  }
  sigset_t watched, before;
  sigfillset(&watched);
  static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT, SIGTTOU, SIGTTIN};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigdelset(&watched, ours[i]);
  sigprocmask(SIG_BLOCK, &watched, &before);
  signal(SIGCHLD, SIG_DFL);
  session.agent = fork();
  if (session.agent < 0) {
    say("countersign: denied: cannot start a process: ", strerror(errno), "\n", NULL);
    return EXIT_DENIED;
  }
  if (session.agent == 0) start_agent(&session, argv + at + 1, &before);
  int signals = signalfd(-1, &watched, SFD_CLOEXEC);
  if (signals < 0) return EXIT_DENIED;
  accompany(&session, signals);
  tell(&session, WIFSIGNALED(session.status) ? "signal" : "exit",
       WIFSIGNALED(session.status) ? WTERMSIG(session.status) : WEXITSTATUS(session.status));
  sweep(&session);
  end_as(session.status);
}
