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
#include <sys/stat.h>
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

/* While the first process still waits: later it lets nobody look into it. */
static void hand_namespaces(pid_t pid, int channel) {
  char path[64];
  int fds[2];
  static const char *const names[2] = {"user", "mnt"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%d/ns/%s", pid, names[i]);
    fds[i] = openat(guard.host_proc, path, O_RDONLY | O_CLOEXEC);
    if (fds[i] < 0) fail("cannot open the session's namespaces", strerror(errno));
  }
  if (channel_send(channel, 'n', fds, 2) != 0) fail("the supervisor", "it ended while the session was being prepared");
  for (int i = 0; i < 2; i++) close(fds[i]);
}

/* From a folder of the host's that is open, the agent would come to files and terminals past every mount. */
static void refuse_folders(void) {
  struct stat facts;
  for (int fd = 0; fd < 3; fd++)
    if (fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode)) fail("a standard stream of the session is a folder; give it a file, a pipe or a terminal", NULL);
}

/* The ends of the start: [0] leads to the process, [1] is its own. */
struct channels {
  int first[2];
  int supervisor[2];
};

static pid_t start_first(const struct channels *channels, const struct sock_filter *filter, size_t length) {
  unsigned long namespaces =
      guard.config.mode == FILTER_LANDLOCK ? 0 : CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC;
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | namespaces, 0, 0, 0, 0);
  if (pid < 0) fail("cannot make the session's namespaces (countersign-guard --probe says which step fails)", strerror(errno));
  if (pid == 0) {
    close(channels->first[0]);
    close(channels->supervisor[1]);
    first_main(channels->first[1], channels->supervisor[0], filter, length);
  }
  return pid;
}

static pid_t start_supervisor(const struct channels *channels) {
  pid_t pid = fork();
  if (pid < 0) fail("cannot start the supervisor", strerror(errno));
  if (pid == 0) {
    close(channels->first[1]);
    close(channels->supervisor[0]);
    supervisor_main(channels->supervisor[1], channels->first[0]);
  }
  return pid;
}

/* Receives a parcel that must be the given word. */
static void expect(int channel, char word, struct parcel *parcel, const char *who) {
  if (channel_receive(channel, parcel) != 0 || parcel->word != word) fail(who, "it ended while the session was being prepared");
}

int main(int argc, char **argv) {
  static struct sock_filter filter[FILTER_ROOM];
  if (argc == 2 && strcmp(argv[1], "--probe") == 0) return probe_main();
  if (argc == 4 && strcmp(argv[1], "--layer") == 0) return layer_main(argv[2], argv[3]);
  if (argc != 2) fail("usage: countersign-guard CONFIG", NULL);
  refuse_folders();
  config_read(argv[1], &guard.config);
  /* Without mounts of its own it would work on the places themselves. */
  if (guard.config.overlay != NULL && guard.config.mode == FILTER_LANDLOCK) fail("a preview needs namespaces", NULL);
  guard.host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  guard.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (guard.host_proc < 0 || guard.host_root < 0) fail("cannot open /proc", strerror(errno));
  pulse = mmap(NULL, sizeof *pulse, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pulse == MAP_FAILED) fail("out of memory", NULL);
  struct channels channels;
  if (channel_make(channels.first) != 0 || channel_make(channels.supervisor) != 0) fail("cannot make a socket", strerror(errno));
  /* First: it finds the daemon while the kernel makes the namespaces. */
  pid_t supervisor = start_supervisor(&channels);
  struct filter_choice choice = {.mode = guard.config.mode, .arch = filter_native_arch(), .reads = 0, .landlock_abi = landlock_abi()};
  size_t length = filter_build(&choice, filter);
  if (length == 0) fail("this processor is not known to the guard", NULL);
  /* What the session's first process leaves behind when it is killed comes to us. */
  if (guard.config.mode == FILTER_LANDLOCK) prctl(PR_SET_CHILD_SUBREAPER, 1);
  guard.first = start_first(&channels, filter, length);
  close(channels.first[1]);
  close(channels.supervisor[1]);
  if (guard.config.mode != FILTER_LANDLOCK) {
    map_user(guard.first);
    hand_namespaces(guard.first, channels.supervisor[0]);
  }
  if (channel_send(channels.first[0], 'm', NULL, 0) != 0) fail("the session's first process is gone", NULL);

  struct parcel parcel;
  expect(channels.first[0], 'l', &parcel, "the agent's process");
  if (parcel.count != 1 || parcel.sender <= 0) fail("the agent's process", "it has no listener");
  guard.listener = parcel.fds[0];
  guard.agent = parcel.sender;
  expect(channels.supervisor[0], 'r', &parcel, "the supervisor");
  outside_main(channels.first[0], supervisor, channels.supervisor[0]);
}
