/* Odd names and odd ways inside the workspace: what a kernel without us answers, no more and no less. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"

static void line_break(char *r) { tell(r, open(in(stage.work, "two\nlines"), O_WRONLY | O_CREAT, 0644)); }
static void not_utf8(char *r) { tell(r, open(in(stage.work, "b\xff\xfe"), O_WRONLY | O_CREAT, 0644)); }
static void exclusive_new(char *r) { tell(r, open(in(stage.work, "exclusive"), O_WRONLY | O_CREAT | O_EXCL, 0640)); }
static void exclusive_again(char *r) {
  must_write(in(stage.work, "exclusive-2"), "x", 0644);
  tell(r, open(in(stage.work, "exclusive-2"), O_WRONLY | O_CREAT | O_EXCL, 0640));
}
static void exclusive_symlink(char *r) {
  unlink(in(stage.work, "dangling"));
  if (symlink("nowhere", in(stage.work, "dangling")) != 0) tell_text(r, "unprepared");
  else tell(r, open(in(stage.work, "dangling"), O_WRONLY | O_CREAT | O_EXCL, 0644));
}
static void not_following(char *r) {
  must_write(in(stage.work, "target"), "x", 0644);
  unlink(in(stage.work, "to-target"));
  if (symlink("target", in(stage.work, "to-target")) != 0) tell_text(r, "unprepared");
  else tell(r, open(in(stage.work, "to-target"), O_WRONLY | O_NOFOLLOW));
}
static void trailing_slash(char *r) {
  must_write(in(stage.work, "a-file"), "x", 0644);
  tell(r, open(in(stage.work, "a-file/"), O_WRONLY));
}
static void creating_with_slash(char *r) { tell(r, open(in(stage.work, "new-file/"), O_WRONLY | O_CREAT, 0644)); }
static void folder_with_slash(char *r) { tell(r, mkdir(in(stage.work, "new-folder/"), 0755)); }
static void deleting_with_slash(char *r) {
  must_write(in(stage.work, "a-file"), "x", 0644);
  tell(r, unlink(in(stage.work, "a-file/")));
}
static void deleting_dot(char *r) { tell(r, rmdir(in(stage.work, "."))); }
static void deleting_workspace(char *r) { tell(r, rmdir(stage.work)); }
static void nameless(char *r) {
  char path[64];
  struct stat facts;
  unlink(in(stage.work, "named"));
  int fd = open(stage.work, O_WRONLY | O_TMPFILE, 0600);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (fd < 0 || write(fd, "body", 4) != 4) tell(r, -1);
  else if (linkat(AT_FDCWD, path, AT_FDCWD, in(stage.work, "named"), AT_SYMLINK_FOLLOW) != 0) tell(r, -1);
  else if (stat(in(stage.work, "named"), &facts) != 0 || facts.st_size != 4) tell(r, -1);
  else tell(r, 0);
}
static void deleted_folder(char *r) {
  const char *name = in(stage.work, "to-go");
  mkdir(name, 0755);
  if (chdir(name) != 0 || rmdir(name) != 0) tell_text(r, "unprepared");
  else tell(r, open("here", O_WRONLY | O_CREAT, 0644));
}
static void umask_kept(char *r) {
  struct stat facts;
  umask(027);
  unlink(in(stage.work, "masked"));
  close(open(in(stage.work, "masked"), O_WRONLY | O_CREAT, 0666));
  if (stat(in(stage.work, "masked"), &facts) != 0) tell(r, -1);
  else tell_text(r, "%o", facts.st_mode & 07777);
}
static void beneath(char *r) {
  struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644, .resolve = RESOLVE_BENEATH};
  int folder = open(stage.work, O_PATH | O_DIRECTORY);
  tell(r, syscall(SYS_openat2, folder, "../escaped", &how, sizeof how));
}
static void how_too_long(char *r) {
  unsigned char how[64] = {0};
  how[40] = 1;
  tell(r, syscall(SYS_openat2, AT_FDCWD, in(stage.work, "x"), how, sizeof how));
}
static void bad_descriptor(char *r) { tell(r, openat(777, "x", O_WRONLY | O_CREAT, 0644)); }
static void no_memory_there(char *r) { tell(r, open((const char *)8, O_WRONLY)); }
static void loop(char *r) {
  unlink(in(stage.work, "loop"));
  if (symlink("loop", in(stage.work, "loop")) != 0) tell_text(r, "unprepared");
  else tell(r, open(in(stage.work, "loop"), O_WRONLY));
}
static void too_long(char *r) {
  char name[400];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = 0;
  tell(r, open(in(stage.work, name), O_WRONLY | O_CREAT, 0644));
}
static void no_descriptors(char *r) {
  int fd, last = -1;
  while ((fd = open("/dev/null", O_WRONLY)) >= 0) last = fd;
  int full = errno;
  int again = open(in(stage.work, "one-more"), O_WRONLY | O_CREAT, 0644) < 0 ? errno : 0;
  close(last);
  int room = open(in(stage.work, "one-more"), O_WRONLY | O_CREAT, 0644);
  tell_text(r, "%d %d %s", full, again, room >= 0 ? "ok" : "no");
}
static void folder_for_writing(char *r) { tell(r, open(stage.work, O_WRONLY)); }
static void fifo(char *r) {
  unlink(in(stage.work, "pipe"));
  if (mkfifo(in(stage.work, "pipe"), 0600) != 0) {
    tell(r, -1);
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    int out = open(in(stage.work, "pipe"), O_WRONLY);
    _exit(write(out, "through\n", 8) == 8 ? 0 : 1);
  }
  tell_content(r, open(in(stage.work, "pipe"), O_RDONLY));
}

const struct row naming_rows[] = {
    {"name-with-line-break", line_break},
    {"name-not-utf8", not_utf8},
    {"exclusive-new", exclusive_new},
    {"exclusive-existing", exclusive_again},
    {"exclusive-symlink", exclusive_symlink},
    {"nofollow-symlink", not_following},
    {"write-trailing-slash", trailing_slash},
    {"create-trailing-slash", creating_with_slash},
    {"mkdir-trailing-slash", folder_with_slash},
    {"unlink-trailing-slash", deleting_with_slash},
    {"rmdir-dot", deleting_dot},
    {"rmdir-workspace", deleting_workspace},
    {"nameless-file", nameless},
    {"deleted-cwd", deleted_folder},
    {"umask", umask_kept},
    {"openat2-beneath", beneath},
    {"openat2-unknown-fields", how_too_long},
    {"openat-bad-descriptor", bad_descriptor},
    {"open-bad-pointer", no_memory_there},
    {"symlink-loop", loop},
    {"name-too-long", too_long},
    {"no-descriptors-left", no_descriptors},
    {"write-a-folder", folder_for_writing},
    {"fifo-inside", fifo},
    {NULL, NULL},
};
