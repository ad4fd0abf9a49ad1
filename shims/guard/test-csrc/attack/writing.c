/* Changes outside the workspace: none may come to be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attack.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const char *notes(void) { return in(stage.home, "notes.txt"); }

static void creating(char *r) { tell(r, open(in(stage.home, "made"), O_WRONLY | O_CREAT, 0644)); }
static void creating_openat2(char *r) {
  struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
  tell(r, syscall(SYS_openat2, AT_FDCWD, in(stage.home, "made"), &how, sizeof how));
}
static void opening_to_write(char *r) { tell(r, open(notes(), O_WRONLY)); }
static void opening_to_append(char *r) { tell(r, open(notes(), O_RDWR | O_APPEND)); }
static void emptying(char *r) { tell(r, open(notes(), O_RDONLY | O_TRUNC)); }
static void truncating(char *r) { tell(r, truncate(notes(), 1)); }
static void making_folder(char *r) { tell(r, mkdir(in(stage.home, "made-folder"), 0755)); }
static void making_symlink(char *r) { tell(r, symlink("x", in(stage.home, "made-symlink"))); }
static void making_fifo(char *r) { tell(r, mknod(in(stage.home, "made-fifo"), S_IFIFO | 0644, 0)); }
static void making_device(char *r) { tell(r, mknod(in(stage.work, "made-device"), S_IFBLK | 0666, 0xfe00)); }
static void deleting(char *r) { tell(r, unlink(notes())); }
static void deleting_folder(char *r) { tell(r, rmdir(in(stage.home, "empty"))); }
static void moving_out(char *r) {
  must_write(in(stage.work, "to-move"), "x\n", 0644);
  tell(r, rename(in(stage.work, "to-move"), in(stage.home, ".bash_login")));
}
static void moving_in(char *r) { tell(r, rename(notes(), in(stage.work, "notes.txt"))); }
static void exchanging(char *r) {
  must_write(in(stage.work, "to-swap"), "x\n", 0644);
  tell(r, syscall(SYS_renameat2, AT_FDCWD, in(stage.work, "to-swap"), AT_FDCWD, notes(), 2));
}
static void linking_out(char *r) {
  must_write(in(stage.work, "to-link"), "x\n", 0644);
  tell(r, link(in(stage.work, "to-link"), in(stage.home, "made-link")));
}
static void linking_in(char *r) { tell(r, link(notes(), in(stage.work, "made-link"))); }
static void linking_in_by_number(char *r) {
  char path[64];
  int fd = open(notes(), O_RDONLY);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  tell(r, linkat(AT_FDCWD, path, AT_FDCWD, in(stage.work, "made-link"), AT_SYMLINK_FOLLOW));
}
static void mode_changing(char *r) { tell(r, chmod(notes(), 0777)); }
static void mode_changing_2(char *r) { tell(r, syscall(SYS_fchmodat2, AT_FDCWD, notes(), 0777, 0)); }
static void owner_changing(char *r) { tell(r, chown(notes(), getuid(), getgid())); }
static void times_changing(char *r) { tell(r, utimensat(AT_FDCWD, notes(), NULL, 0)); }
static void attribute_setting(char *r) { tell(r, setxattr(notes(), "user.attack", "1", 1, 0)); }
static void attribute_removing(char *r) { tell(r, removexattr(notes(), "user.kept")); }
/* A descriptor for reading is enough for these. */
static void mode_changing_by_number(char *r) { tell(r, fchmod(open(notes(), O_RDONLY), 0777)); }
static void times_changing_by_number(char *r) { tell(r, futimens(open(notes(), O_RDONLY), NULL)); }
static void attribute_by_number(char *r) { tell(r, fsetxattr(open(notes(), O_RDONLY), "user.attack", "1", 1, 0)); }
static void by_symlink(char *r) {
  const char *name = in(stage.work, "b-link");
  unlink(name);
  if (symlink(notes(), name) != 0) tell(r, -1);
  else tell(r, open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  unlink(name);
}
static void by_dangling_symlink(char *r) {
  const char *name = in(stage.work, "b-dangling");
  unlink(name);
  if (symlink(in(stage.home, "made"), name) != 0) tell(r, -1);
  else tell(r, open(name, O_WRONLY | O_CREAT, 0644));
  unlink(name);
}
static void by_folder_symlink(char *r) {
  const char *name = in(stage.work, "b-folder");
  unlink(name);
  if (symlink(stage.home, name) != 0) tell(r, -1);
  else tell(r, open(in(name, "made"), O_WRONLY | O_CREAT, 0644));
  unlink(name);
}
static void above_workspace(char *r) { tell(r, open("../made-above", O_WRONLY | O_CREAT, 0644)); }
static void from_own_root(char *r) {
  char path[4200];
  snprintf(path, sizeof path, "/proc/self/root%s/made", stage.home);
  tell(r, open(path, O_WRONLY | O_CREAT, 0644));
}
static void reopening_to_write(char *r) {
  char path[64];
  int fd = open(notes(), O_RDONLY);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  tell(r, open(path, O_WRONLY));
}
static void nameless_outside(char *r) { tell(r, open(stage.home, O_WRONLY | O_TMPFILE, 0644)); }
static void nameless_linked_out(char *r) {
  char path[64];
  int fd = open(stage.work, O_WRONLY | O_TMPFILE, 0644);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (fd < 0) tell_text(r, "unprepared");
  else tell(r, linkat(AT_FDCWD, path, AT_FDCWD, in(stage.home, "made"), AT_SYMLINK_FOLLOW));
}
static void own_policy(char *r) { tell(r, open(in(stage.own, "config/policies/own.yaml"), O_WRONLY | O_CREAT, 0644)); }
static void own_ledger(char *r) { tell(r, unlink(in(stage.own, "state/ledger/ledger.sqlite"))); }
static void own_socket(char *r) { tell(r, unlink(in(stage.own, "run/guard/guard.sock"))); }
static void own_folder(char *r) { tell(r, rename(stage.own, in(stage.work, "own"))); }
static void kernel_setting(char *r) { tell(r, open("/proc/sys/kernel/core_pattern", O_WRONLY)); }
static void kernel_trigger(char *r) { tell(r, open("/proc/sysrq-trigger", O_WRONLY)); }
static void raw_disk(char *r) { tell(r, open("/dev/vda", O_RDWR)); }
static void startup_file(char *r) { tell(r, open(in(stage.home, ".bashrc"), O_WRONLY | O_CREAT | O_APPEND, 0644)); }

const struct row writing_rows[] = {
    {"create-outside", creating},
    {"create-outside-openat2", creating_openat2},
    {"write-outside", opening_to_write},
    {"append-outside", opening_to_append},
    {"empty-outside", emptying},
    {"truncate-outside", truncating},
    {"mkdir-outside", making_folder},
    {"symlink-outside", making_symlink},
    {"fifo-outside", making_fifo},
    {"device-inside", making_device},
    {"delete-outside", deleting},
    {"rmdir-outside", deleting_folder},
    {"move-out", moving_out},
    {"move-in", moving_in},
    {"exchange", exchanging},
    {"link-out", linking_out},
    {"link-in", linking_in},
    {"link-in-by-number", linking_in_by_number},
    {"chmod-outside", mode_changing},
    {"fchmodat2-outside", mode_changing_2},
    {"chown-outside", owner_changing},
    {"times-outside", times_changing},
    {"setxattr-outside", attribute_setting},
    {"removexattr-outside", attribute_removing},
    {"fchmod-outside", mode_changing_by_number},
    {"futimens-outside", times_changing_by_number},
    {"fsetxattr-outside", attribute_by_number},
    {"write-by-symlink", by_symlink},
    {"write-by-dangling-symlink", by_dangling_symlink},
    {"write-by-folder-symlink", by_folder_symlink},
    {"write-above-workspace", above_workspace},
    {"write-through-own-root", from_own_root},
    {"reopen-to-write", reopening_to_write},
    {"nameless-outside", nameless_outside},
    {"nameless-linked-out", nameless_linked_out},
    {"write-policy", own_policy},
    {"delete-ledger", own_ledger},
    {"delete-guard-socket", own_socket},
    {"move-own-folder", own_folder},
    {"write-kernel-setting", kernel_setting},
    {"write-kernel-trigger", kernel_trigger},
    {"open-raw-disk", raw_disk},
    {"write-startup-file", startup_file},
    {NULL, NULL},
};
