#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shell/csrc/frame.h"
#include "channel.h"
#include "devices.h"
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

/*
 * The capabilities of the new user namespace are not the agent's: not as an ordinary user, whose exec would end them, and not as
 * root, whose exec would bring them back.
 */
static void drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                               SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
  for (unsigned long capability = 0; capability < 64; capability++) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (syscall(SYS_capset, &header, none) != 0) fail("cannot give up capabilities", strerror(errno));
}

/* A group of its own in the terminal's foreground, as a shell would start it. */
static void take_terminal(void) {
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpid());
  signal(SIGTTOU, SIG_DFL);
}

void agent_main(int channel, int supervisor, const struct sock_filter *filter, size_t length) {
  struct parcel parcel;
  if (guard.config.tty) take_terminal();
  if (chdir(guard.config.cwd) != 0) fail("cannot enter the working directory", strerror(errno));
  drop_capabilities();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("cannot give up new privileges", strerror(errno));
  if (landlock_restrict(&guard.config) != 0) fail("cannot restrict the session with Landlock", strerror(errno));
  int listener = install(filter, length);
  if (channel_send(supervisor, 'l', &listener, 1) != 0 || channel_send(channel, 'l', &listener, 1) != 0) _exit(EXIT_GUARD);
  close(listener);
  devices_settle();
  if (channel_receive(channel, &parcel) != 0 || parcel.word != 'g') _exit(EXIT_GUARD);
  /* Whatever the launcher left open is not the agent's. */
  syscall(SYS_close_range, 3u, ~0u, 0u);
  execvp(guard.config.command[0], guard.config.command);
  int missing = errno == ENOENT;
  say("countersign: cannot run `", guard.config.command[0], "`: ", missing ? "no such program" : strerror(errno), "\n", NULL);
  _exit(missing ? 127 : 126);
}
