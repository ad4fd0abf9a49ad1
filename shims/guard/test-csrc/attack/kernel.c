/* Doors of the kernel that lead past files, programs and connections. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"

#define UNKNOWN_CALL 2000
#define X32 0x40000000L

static void uring(char *r) {
  struct io_uring_params parameters;
  memset(&parameters, 0, sizeof parameters);
  tell(r, syscall(SYS_io_uring_setup, 4, &parameters));
}
static void new_user(char *r) { tell(r, unshare(CLONE_NEWUSER)); }
static void new_user_and_mounts(char *r) { tell(r, unshare(CLONE_NEWUSER | CLONE_NEWNS)); }
static void new_time(char *r) { tell(r, unshare(0x80)); }
static void empty_mounts(char *r) { tell(r, unshare(0x00100000)); }
static void clone_user(char *r) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  tell(r, pid);
}
static void clone3_user(char *r) {
  uint64_t arguments[11] = {[0] = CLONE_NEWUSER, [4] = SIGCHLD};
  long pid = syscall(SYS_clone3, arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  tell(r, pid);
}
static void mounting(char *r) { tell(r, mount("none", stage.work, "tmpfs", 0, NULL)); }
static void binding(char *r) { tell(r, mount("/", stage.work, NULL, MS_BIND | MS_REC, NULL)); }
static void remounting(char *r) { tell(r, mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)); }
static void unmounting(char *r) { tell(r, umount2(in(stage.home, ".ssh"), MNT_DETACH)); }
static void tree_opening(char *r) { tell(r, syscall(SYS_open_tree, AT_FDCWD, stage.home, 1)); }
static void fs_opening(char *r) { tell(r, syscall(SYS_fsopen, "tmpfs", 0)); }
static void root_changing(char *r) { tell(r, chroot(stage.work)); }
static void root_pivoting(char *r) { tell(r, syscall(SYS_pivot_root, ".", ".")); }
static void listener(char *r) {
  struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF}};
  struct sock_fprog program = {1, code};
  tell(r, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
/* A filter that pretends success may lie to its own process only: what is really done is judged all the same. */
static void lying_filter(char *r) {
  struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                               {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_openat},
                               {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
                               {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  struct sock_fprog program = {4, code};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) tell(r, -1);
  else tell(r, open(in(stage.home, "made-under-filter"), O_WRONLY | O_CREAT, 0644));
}
static void type_into_terminal(char *r) { tell(r, ioctl(0, TIOCSTI, "x")); }
static void paste_console(char *r) {
  char action = 3;
  tell(r, ioctl(0, 0x541C, &action));
}
static void line_discipline(char *r) {
  int kind = 15;
  tell(r, ioctl(0, TIOCSETD, &kind));
}
static void bpf(char *r) { tell(r, syscall(SYS_bpf, 0, NULL, 0)); }
static void user_fault(char *r) { tell(r, syscall(SYS_userfaultfd, 1)); }
static void perf(char *r) { tell(r, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)); }
static void keys(char *r) { tell(r, syscall(SYS_keyctl, 0, -3, 0)); }
static void key_adding(char *r) { tell(r, syscall(SYS_add_key, "user", "attack", "x", 1, -3)); }
static void secret_memory(char *r) { tell(r, syscall(447, 0)); }
static void fan(char *r) { tell(r, syscall(SYS_fanotify_init, 0, 0)); }
static void module(char *r) { tell(r, syscall(SYS_init_module, NULL, 0, "")); }
static void kernel_log(char *r) { tell(r, syscall(SYS_syslog, 3, NULL, 0)); }
static void host_name(char *r) { tell(r, sethostname("attack", 6)); }
static void other_personality(char *r) { tell(r, personality(ADDR_NO_RANDOMIZE)); }
static void unknown_call(char *r) { tell(r, syscall(UNKNOWN_CALL)); }
static void own_executable(char *r) {
  struct prctl_mm_map map;
  memset(&map, 0, sizeof map);
  tell(r, prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0));
}
#ifdef __x86_64__
static void x32(char *r) { tell(r, syscall(X32 + 39)); }
static void old_gate(char *r) {
  long value;
  __asm__ volatile("int $0x80" : "=a"(value) : "a"(20) : "memory");
  tell_text(r, "ok %ld", value);
}
#endif

const struct row kernel_rows[] = {
    {"io-uring", uring},
    {"unshare-user", new_user},
    {"unshare-user-mounts", new_user_and_mounts},
    {"unshare-time", new_time},
    {"unshare-empty-mounts", empty_mounts},
    {"clone-user", clone_user},
    {"clone3-user", clone3_user},
    {"mount-tmpfs", mounting},
    {"mount-bind", binding},
    {"mount-remount", remounting},
    {"unmount-mask", unmounting},
    {"open-tree", tree_opening},
    {"fsopen", fs_opening},
    {"chroot", root_changing},
    {"pivot-root", root_pivoting},
    {"seccomp-listener", listener},
    {"seccomp-own-filter", lying_filter},
    {"tiocsti", type_into_terminal},
    {"tioclinux", paste_console},
    {"tiocsetd", line_discipline},
    {"bpf", bpf},
    {"userfaultfd", user_fault},
    {"perf", perf},
    {"keyctl", keys},
    {"add-key", key_adding},
    {"memfd-secret", secret_memory},
    {"fanotify", fan},
    {"init-module", module},
    {"syslog", kernel_log},
    {"sethostname", host_name},
    {"personality", other_personality},
    {"unknown-call", unknown_call},
    {"prctl-set-mm", own_executable},
#ifdef __x86_64__
    {"x32", x32},
    {"int-0x80", old_gate},
#endif
    {NULL, NULL},
};
