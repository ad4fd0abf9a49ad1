/* Other processes: the supervisor, the guard, the daemon, and the session's first process. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attack.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static void kill_supervisor(char *r) { tell(r, kill(stage.supervisor, SIGSTOP)); }
static void kill_guard(char *r) { tell(r, kill(stage.guard, SIGSTOP)); }
static void kill_daemon(char *r) { tell(r, kill(stage.daemon, SIGSTOP)); }
/* Pid 1 of its namespace takes no signal from inside that it has no handler for. */
static void kill_first(char *r) {
  kill(1, SIGKILL);
  kill(1, SIGTERM);
  usleep(50000);
  tell(r, kill(1, 0));
}
static void trace_supervisor(char *r) { tell(r, ptrace(PTRACE_ATTACH, stage.supervisor, 0, 0)); }
static void trace_first(char *r) { tell(r, ptrace(PTRACE_SEIZE, 1, 0, 0)); }
static void trace_me(char *r) { tell(r, ptrace(PTRACE_TRACEME, 0, 0, 0)); }
static void read_memory_of(char *r, pid_t pid) {
  char here[8];
  struct iovec local = {here, sizeof here}, remote = {(void *)0x400000, sizeof here};
  tell(r, process_vm_readv(pid, &local, 1, &remote, 1, 0));
}
static void read_supervisor_memory(char *r) { read_memory_of(r, stage.supervisor); }
static void read_first_memory(char *r) { read_memory_of(r, 1); }
static void write_first_memory(char *r) {
  char here[8] = "x";
  struct iovec local = {here, sizeof here}, remote = {(void *)0x400000, sizeof here};
  tell(r, process_vm_writev(1, &local, 1, &remote, 1, 0));
}
static void proc_file(char *r, pid_t pid, const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  tell(r, open(path, flags));
}
static void supervisor_mem(char *r) { proc_file(r, stage.supervisor, "mem", O_RDWR); }
static void supervisor_environ(char *r) { proc_file(r, stage.supervisor, "environ", O_RDONLY); }
static void daemon_environ(char *r) { proc_file(r, stage.daemon, "environ", O_RDONLY); }
static void first_mem(char *r) { proc_file(r, 1, "mem", O_RDWR); }
static void first_mem_read(char *r) { proc_file(r, 1, "mem", O_RDONLY); }
static void first_environ(char *r) { proc_file(r, 1, "environ", O_RDONLY); }
static void first_fds(char *r) {
  char path[64];
  tell_text(r, "none");
  for (int fd = 0; fd < 64; fd++) {
    snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
    if (open(path, O_RDONLY | O_NONBLOCK) >= 0) tell_text(r, "opened %d", fd);
  }
}
static void first_maps(char *r) { proc_file(r, 1, "maps", O_RDONLY); }
static void pidfd_of_supervisor(char *r) { tell(r, syscall(SYS_pidfd_open, stage.supervisor, 0)); }
static void fd_of_first(char *r) {
  int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
  tell(r, syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}
static void join_namespace_of(char *r, const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) tell(r, -1);
  else tell(r, setns(fd, 0));
}
static void join_supervisor_network(char *r) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/net", stage.supervisor);
  join_namespace_of(r, path);
}
static void join_first_mounts(char *r) { join_namespace_of(r, "/proc/1/ns/mnt"); }
static void join_own_user(char *r) { join_namespace_of(r, "/proc/self/ns/user"); }
static void limit_first(char *r) {
  struct rlimit limit = {0, 0};
  tell(r, prlimit(1, RLIMIT_NOFILE, &limit, NULL));
}
static void blindfold(char *r) {
  int fd;
  prctl(PR_SET_DUMPABLE, 0);
  fd = open(in(stage.home, ".ssh/id_rsa"), O_RDONLY);
  if (fd >= 0) tell_content(r, fd);
  else if (open(in(stage.home, "blind"), O_WRONLY | O_CREAT, 0644) >= 0) tell_text(r, "wrote outside");
  else if (open(in(stage.work, "blind"), O_WRONLY | O_CREAT, 0644) < 0) tell(r, -1);
  else tell_text(r, "kept");
}
static void blindfolded_exec_then(void) {
  prctl(PR_SET_DUMPABLE, 0);
  execl(in(stage.tools, "csn-denied"), "csn-denied", (char *)NULL);
}
static void blindfolded_exec(char *r) { tell_run(r, blindfolded_exec_then); }
static void inherited(char *r) {
  int found = 0;
  for (int fd = 3; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0) found++;
  tell_text(r, "%d", found);
}
/* Every process that can be seen, by its name. */
static void others(char *r) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  int strangers = 0;
  while (proc != NULL && (entry = readdir(proc)) != NULL) {
    int pid = atoi(entry->d_name);
    if (pid == stage.daemon || pid == stage.supervisor || pid > 3000000) strangers++;
  }
  tell_text(r, "%d", strangers);
}
static void status_line(char *r, const char *name) {
  char line[256];
  FILE *file = fopen("/proc/self/status", "re");
  tell_text(r, "missing");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0) {
      line[strcspn(line, "\n")] = 0;
      tell_text(r, "%s", line + strlen(name) + 2);
    }
}
static void new_privileges(char *r) { status_line(r, "NoNewPrivs"); }
static void capabilities(char *r) { status_line(r, "CapEff"); }
static void bounding(char *r) { status_line(r, "CapBnd"); }
static void become_root(char *r) {
  if (getuid() == 0) tell_text(r, "root");
  else tell(r, setuid(0));
}
static void setuid_program_then(void) { execl(in(stage.tools, "setuid"), "setuid", "euid", (char *)NULL); }
static void setuid_program(char *r) { tell_run(r, setuid_program_then); }

const struct row process_rows[] = {
    {"stop-supervisor", kill_supervisor},
    {"stop-guard", kill_guard},
    {"stop-daemon", kill_daemon},
    {"kill-first", kill_first},
    {"trace-supervisor", trace_supervisor},
    {"trace-first", trace_first},
    {"trace-me", trace_me},
    {"read-supervisor-memory", read_supervisor_memory},
    {"read-first-memory", read_first_memory},
    {"write-first-memory", write_first_memory},
    {"supervisor-mem", supervisor_mem},
    {"supervisor-environ", supervisor_environ},
    {"daemon-environ", daemon_environ},
    {"first-mem", first_mem},
    {"first-mem-read", first_mem_read},
    {"first-environ", first_environ},
    {"first-fds", first_fds},
    {"first-maps", first_maps},
    {"pidfd-supervisor", pidfd_of_supervisor},
    {"fd-of-first", fd_of_first},
    {"setns-supervisor-network", join_supervisor_network},
    {"setns-first-mounts", join_first_mounts},
    {"setns-own-user", join_own_user},
    {"prlimit-first", limit_first},
    {"not-dumpable", blindfold},
    {"not-dumpable-exec", blindfolded_exec},
    {"inherited-descriptors", inherited},
    {"strangers-in-proc", others},
    {"no-new-privileges", new_privileges},
    {"effective-capabilities", capabilities},
    {"bounding-capabilities", bounding},
    {"setuid-0", become_root},
    {"setuid-program", setuid_program},
    {NULL, NULL},
};
