/*
 * The shim stays the parent of what it ran: only a parent learns an exit code, and an outcome that nobody knows is worth
 * little. So it must be invisible: same process group as its child (the terminal's signals reach the child by themselves),
 * stops when the child stopped, ends as the child ended, holds none of its pipes.
 *
 * BUG: `$!` is the shim's pid. SIGSTOP and SIGKILL sent to that pid alone cannot be passed on; the child is killed with a
 * killed shim (PDEATHSIG) and goes on beside a stopped one. A signal sent to the whole group by another process (not by
 * the terminal) reaches the child twice.
 */
#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "surface.h"

#define REPORT_MS 500

char *find_program(const char *name) {
  struct stat self, candidate;
  if (stat("/proc/self/exe", &self) != 0) return NULL;
  const char *path = getenv("PATH");
  if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
  while (*path != '\0') {
    size_t size = strcspn(path, ":");
    char *full = NULL;
    if (asprintf(&full, "%.*s/%s", size == 0 ? 1 : (int)size, size == 0 ? "." : path, name) < 0) return NULL;
    /* Any link to this binary is a shim, whichever directory it stands in: never run ourselves again. */
    if (stat(full, &candidate) == 0 && S_ISREG(candidate.st_mode) && access(full, X_OK) == 0 &&
        !(candidate.st_dev == self.st_dev && candidate.st_ino == self.st_ino))
      return full;
    free(full);
    path += size;
    if (*path == ':') path++;
  }
  return NULL;
}

static _Noreturn void exec_program(const char *path, char **argv) {
  execv(path, argv);
  if (errno == ENOEXEC) {
    /* A script without `#!`: what a shell would do. */
    size_t count = 0;
    while (argv[count] != NULL) count++;
    char **words = calloc(count + 3, sizeof *words);
    if (words != NULL) {
      words[0] = "sh";
      words[1] = (char *)path;
      for (size_t i = 1; i < count; i++) words[i + 1] = argv[i];
      execv("/bin/sh", words);
    }
  }
  say("countersign: cannot run `", path, "`: ", strerror(errno), "\n", NULL);
  _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_DENIED);
}

_Noreturn void end_as(int status) {
  if (WIFSIGNALED(status)) {
    int number = WTERMSIG(status);
    struct rlimit none = {0, 0};
    sigset_t set;
    /* The child wrote the core file, if anyone wanted one. */
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), number);
    _exit(128 + number);
  }
  _exit(WEXITSTATUS(status));
}

static void report(int socket, int status, pid_t child) {
  struct bytes frame = {0};
  char text[32];
  snprintf(text, sizeof text, WIFSIGNALED(status) ? "signal:%d" : "exit:%d",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  put_text(&frame, 'x', text);
  put_number(&frame, 'q', child);
  send_frame(socket, &frame, now_ms() + REPORT_MS);
}

/* Stops this process the way its child was stopped, and passes on that it goes on again. */
static void stop_as(int number, pid_t child) {
  sigset_t set, old;
  struct sigaction was, plain = {.sa_handler = SIG_DFL};
  sigemptyset(&set);
  sigaddset(&set, number);
  sigaction(number, &plain, &was);
  kill(getpid(), number);
  sigprocmask(SIG_UNBLOCK, &set, &old);
  /* Stopped here until SIGCONT. In an orphaned group the kernel drops the stop; then there is nobody to stop for. */
  sigprocmask(SIG_SETMASK, &old, NULL);
  sigaction(number, &was, NULL);
  kill(child, SIGCONT);
}

static _Noreturn void accompany(int socket, pid_t child, const sigset_t *watched) {
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(watched, &info);
    if (number < 0) continue;
    if (number == SIGCHLD) {
      int status;
      pid_t pid;
      while ((pid = waitpid(child, &status, WNOHANG | WUNTRACED)) == child) {
        if (WIFSTOPPED(status)) {
          stop_as(WSTOPSIG(status), child);
        } else {
          report(socket, status, child);
          end_as(status);
        }
      }
      if (pid < 0) _exit(EXIT_DENIED);
    } else if (info.si_code != SI_KERNEL && number != SIGWINCH) {
      /* From a process, to this pid: the child has not seen it. The terminal's own signals (SI_KERNEL) it has. */
      kill(child, number);
    }
  }
}

_Noreturn void run_program(int socket, const char *path, char **argv) {
  if (socket < 0) exec_program(path, argv);
  sigset_t all, before;
  sigfillset(&all);
  static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigdelset(&all, ours[i]);
  sigprocmask(SIG_BLOCK, &all, &before);
  /* An ignored SIGCHLD would take the exit code away from us; the program gets back what it was given. */
  struct sigaction child_was, plain = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &plain, &child_was);
  pid_t self = getpid();
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self) _exit(EXIT_DENIED);
    sigaction(SIGCHLD, &child_was, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    exec_program(path, argv);
  }
  if (child < 0) {
    say("countersign: cannot run `", path, "`: ", strerror(errno), "\n", NULL);
    _exit(EXIT_DENIED);
  }
  /* Held pipes would keep a reader from seeing the end, or a writer from seeing that nobody reads. */
  if (socket > 0) syscall(SYS_close_range, 0u, (unsigned)socket - 1, 0u);
  syscall(SYS_close_range, (unsigned)socket + 1, ~0u, 0u);
  accompany(socket, child, &all);
}
