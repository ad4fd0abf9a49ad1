#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "channel.h"
#include "parts.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static int install(const struct sock_filter *filter, size_t length) {
  struct sock_fprog program = {.len = (unsigned short)length, .filter = (struct sock_filter *)(uintptr_t)filter};
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (fd < 0) fail("cannot install the filter", strerror(errno));
  return (int)fd;
}

/* A group of its own in the terminal's foreground, as a shell would start it. */
static void take_terminal(void) {
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpid());
  signal(SIGTTOU, SIG_DFL);
}

void agent_main(int channel, const struct sock_filter *filter, size_t length) {
  struct parcel parcel;
  if (guard.config.tty) take_terminal();
  if (chdir(guard.config.cwd) != 0) fail("cannot enter the working directory", strerror(errno));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("cannot give up new privileges", strerror(errno));
  if (landlock_restrict(&guard.config) != 0) fail("cannot restrict the session with Landlock", strerror(errno));
  int listener = install(filter, length);
  if (channel_send(channel, 'l', &listener, 1) != 0) _exit(EXIT_GUARD);
  close(listener);
  if (channel_receive(channel, &parcel) != 0 || parcel.word != 'g') _exit(EXIT_GUARD);
  /* Whatever the launcher left open is not the agent's. */
  syscall(SYS_close_range, 3u, ~0u, 0u);
  execvp(guard.config.command[0], guard.config.command);
  int missing = errno == ENOENT;
  say("countersign: cannot run `", guard.config.command[0], "`: ", missing ? "no such program" : strerror(errno), "\n", NULL);
  _exit(missing ? 127 : 126);
}
