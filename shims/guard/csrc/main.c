/*
 * countersign-guard CONFIG: runs an agent so that no action of its process tree goes round the control plane (AARM R1).
 *
 * Ends as the agent ended. The order of the start is the guarantee: nothing of the agent runs before its supervisor answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "config.h"
#include "layer.h"
#include "outside.h"
#include "parts.h"
#include "probe.h"

static void write_map(pid_t pid, const char *file, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", pid, file);
  int fd = openat(guard.host_proc, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) fail("cannot map this user into the session", strerror(errno));
  close(fd);
}

/* One user and one group, our own: everything else shows as nobody. */
static void map_user(pid_t pid) {
  char text[64];
  write_map(pid, "setgroups", "deny");
  snprintf(text, sizeof text, "%u %u 1", getuid(), getuid());
  write_map(pid, "uid_map", text);
  snprintf(text, sizeof text, "%u %u 1", getgid(), getgid());
  write_map(pid, "gid_map", text);
}

/* Taken while the first process still waits: later it lets nobody look into it. */
static void open_namespaces(pid_t pid) {
  char path[64];
  static const char *const names[2] = {"user", "mnt"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%d/ns/%s", pid, names[i]);
    guard.namespaces[i] = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
    if (guard.namespaces[i] < 0) fail("cannot open the session's namespaces", strerror(errno));
  }
}

static pid_t start_first(int channel, int close_too, const struct sock_filter *filter, size_t length) {
  unsigned long namespaces =
      guard.config.mode == FILTER_LANDLOCK ? 0 : CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC;
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | namespaces, 0, 0, 0, 0);
  if (pid < 0) fail("cannot make the session's namespaces (countersign-guard --probe says which step fails)", strerror(errno));
  if (pid == 0) {
    close(close_too);
    first_main(channel, filter, length);
  }
  return pid;
}

static pid_t start_supervisor(int channel, int close_too) {
  pid_t pid = fork();
  if (pid < 0) fail("cannot start the supervisor", strerror(errno));
  if (pid == 0) {
    close(close_too);
    supervisor_main(channel);
  }
  return pid;
}

/* Receives a parcel that must be the given word. */
static void expect(int channel, char word, struct parcel *parcel, const char *who) {
  if (channel_receive(channel, parcel) != 0 || parcel->word != word) fail(who, "it ended while the session was being prepared");
}

/* What the first process made inside, up to its word that the mounts stand. */
static void take_mounted(int channel) {
  struct parcel parcel;
  size_t veil = 0;
  guard.veils = must_alloc((guard.config.veiled.count + 1) * sizeof *guard.veils);
  for (size_t i = 0; i < guard.config.veiled.count; i++) guard.veils[i] = -1;
  for (;;) {
    if (channel_receive(channel, &parcel) != 0) fail("the session's first process ended while the session was being prepared", NULL);
    if (parcel.word == '1') return;
    if (parcel.word == 'd' && parcel.count == 2) {
      guard.dns_udp = parcel.fds[0];
      guard.dns_tcp = parcel.fds[1];
    } else if (parcel.word == 'v' && veil < guard.config.veiled.count) {
      guard.veils[veil++] = parcel.count == 1 ? parcel.fds[0] : -1;
    } else {
      fail("the session's first process said something unknown", NULL);
    }
  }
}

int main(int argc, char **argv) {
  static struct sock_filter filter[FILTER_ROOM];
  if (argc == 2 && strcmp(argv[1], "--probe") == 0) return probe_main();
  if (argc == 4 && strcmp(argv[1], "--layer") == 0) return layer_main(argv[2], argv[3]);
  if (argc != 2) fail("usage: countersign-guard CONFIG", NULL);
  config_read(argv[1], &guard.config);
  /* Without mounts of its own it would work on the places themselves. */
  if (guard.config.overlay != NULL && guard.config.mode == FILTER_LANDLOCK) fail("a preview needs namespaces", NULL);
  guard.host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  guard.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (guard.host_proc < 0 || guard.host_root < 0) fail("cannot open /proc", strerror(errno));
  pulse = mmap(NULL, sizeof *pulse, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pulse == MAP_FAILED) fail("out of memory", NULL);
  struct filter_choice choice = {.mode = guard.config.mode, .arch = filter_native_arch(), .reads = 0, .landlock_abi = landlock_abi()};
  size_t length = filter_build(&choice, filter);
  if (length == 0) fail("this processor is not known to the guard", NULL);

  /* What the session's first process leaves behind when it is killed comes to us. */
  if (guard.config.mode == FILTER_LANDLOCK) prctl(PR_SET_CHILD_SUBREAPER, 1);
  int to_first[2], to_supervisor[2];
  if (channel_make(to_first) != 0) fail("cannot make a socket", strerror(errno));
  guard.first = start_first(to_first[1], to_first[0], filter, length);
  close(to_first[1]);
  if (guard.config.mode != FILTER_LANDLOCK) {
    map_user(guard.first);
    open_namespaces(guard.first);
  }
  if (channel_send(to_first[0], 'm', NULL, 0) != 0) fail("the session's first process is gone", NULL);

  struct parcel parcel;
  take_mounted(to_first[0]);
  expect(to_first[0], 'l', &parcel, "the agent's process");
  if (parcel.count != 1 || parcel.sender <= 0) fail("the agent's process", "it has no listener");
  guard.listener = parcel.fds[0];
  guard.agent = parcel.sender;

  /* Made now, so that no other process holds an end of it: its closing must be noticed. */
  if (channel_make(to_supervisor) != 0) fail("cannot make a socket", strerror(errno));
  pid_t supervisor = start_supervisor(to_supervisor[1], to_supervisor[0]);
  close(to_supervisor[1]);
  /* Without the supervisor nobody answers behind a veil, and the kernel must notice. */
  for (size_t i = 0; i < guard.config.veiled.count; i++)
    if (guard.veils[i] >= 0) close(guard.veils[i]);
  expect(to_supervisor[0], 'r', &parcel, "the supervisor");
  if (channel_send(to_first[0], 'g', NULL, 0) != 0) fail("the session's first process is gone", NULL);
  outside_main(to_first[0], supervisor, to_supervisor[0]);
}
