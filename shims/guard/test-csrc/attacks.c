/*
 * What an agent would try against the rules for files. `no` and everything below may not be changed; the rest of the folder may.
 * Prints one line for each thing that succeeded and should not have; the test looks at the files as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char *path;
static volatile int over;

static void must_fail(const char *what, long result) {
  if (result >= 0) printf("SUCCEEDED %s\n", what);
  else if (errno != EACCES) printf("OTHER %s: %s\n", what, strerrorname_np(errno));
}

static const char *self(const char *what, int fd) {
  static char text[4200];
  snprintf(text, sizeof text, "/proc/self/%s", what);
  if (fd >= 0) snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
  return text;
}

static void everything(void) {
  char cwd[2048], text[4200];
  struct timespec times[2] = {{1, 1}, {1, 1}};
  if (getcwd(cwd, sizeof cwd) == NULL) exit(9);
  int folder = open("no", O_RDONLY | O_DIRECTORY), file = open("no/x", O_RDONLY), place = open("no/x", O_PATH);
  must_fail("open", open("no/x", O_WRONLY));
  must_fail("open O_TRUNC", open("no/x", O_RDONLY | O_TRUNC));
  must_fail("open O_CREAT", open("no/new", O_WRONLY | O_CREAT, 0644));
  must_fail("open O_TMPFILE", open("no", O_WRONLY | O_TMPFILE, 0644));
  must_fail("openat", openat(folder, "x", O_RDWR));
  must_fail("openat ..", openat(folder, "../no/x", O_RDWR));
  uint64_t how[3] = {O_RDWR, 0, 0};
  must_fail("openat2", syscall(SYS_openat2, AT_FDCWD, "no/x", how, sizeof how));
  must_fail("reopen", open(self("", file), O_RDWR));
  must_fail("reopen O_PATH", open(self("", place), O_RDWR));
  snprintf(text, sizeof text, "/proc/self/root%s/no/x", cwd);
  must_fail("through root", open(text, O_RDWR));
  must_fail("through cwd", open("/proc/self/cwd/no/x", O_RDWR));
  snprintf(text, sizeof text, "/proc/%d/task/%d/cwd/no/x", getpid(), getpid());
  must_fail("through a thread's cwd", open(text, O_RDWR));
  snprintf(text, sizeof text, "/dev/fd/%d/x", folder);
  must_fail("through /dev/fd", open(text, O_RDWR));
  if (symlink("no/x", "s") != 0 || symlink("no", "sd") != 0 || symlink("no/made", "sm") != 0) exit(9);
  must_fail("through a link", open("s", O_RDWR));
  must_fail("through a linked folder", open("sd/x", O_RDWR));
  must_fail("through a dangling link", open("sm", O_RDWR | O_CREAT, 0644));
  if (chdir("no") != 0) exit(9);
  must_fail("from inside", open("x", O_RDWR));
  must_fail("unlink from inside", unlink("x"));
  if (chdir("..") != 0) exit(9);
  must_fail("unlink", unlink("no/x"));
  must_fail("unlinkat", unlinkat(folder, "x", 0));
  must_fail("rmdir", rmdir("no/e"));
  must_fail("rename away", rename("no/x", "mine"));
  must_fail("rename the folder", rename("no", "mine"));
  int fd = open("own", O_WRONLY | O_CREAT, 0644);
  if (fd < 0) exit(9);
  must_fail("rename onto", rename("own", "no/x"));
  must_fail("rename into", renameat(AT_FDCWD, "own", folder, "own"));
  must_fail("exchange", syscall(SYS_renameat2, AT_FDCWD, "own", AT_FDCWD, "no/x", 2));
  must_fail("exchange back", syscall(SYS_renameat2, AT_FDCWD, "no/x", AT_FDCWD, "own", 2));
  must_fail("link out", link("no/x", "mine"));
  must_fail("link out by descriptor", linkat(file, "", AT_FDCWD, "mine", AT_EMPTY_PATH));
  must_fail("link out by /proc", linkat(AT_FDCWD, self("", file), AT_FDCWD, "mine", AT_SYMLINK_FOLLOW));
  must_fail("link in", link("own", "no/own"));
  must_fail("symlink in", symlink("x", "no/link"));
  must_fail("mkdir in", mkdir("no/folder", 0755));
  must_fail("mkfifo in", mkfifo("no/fifo", 0644));
  must_fail("truncate", truncate("no/x", 0));
  must_fail("chmod", chmod("no/x", 0777));
  must_fail("chmod through a link", chmod("s", 0777));
  must_fail("fchmodat2 descriptor", syscall(452, place, "", 0777, AT_EMPTY_PATH));
  must_fail("chown", chown("no/x", getuid(), getgid()));
  must_fail("utimensat", utimensat(AT_FDCWD, "no/x", times, 0));
  must_fail("setxattr", setxattr("no/x", "user.x", "1", 1, 0));
  must_fail("removexattr", removexattr("no/x", "user.kept"));
  must_fail("write to /proc", open("/proc/self/mem", O_RDWR));
  must_fail("write to /proc by a link", symlink("/proc/self/mem", "pm") == 0 ? open("pm", O_RDWR) : 0);
  must_fail("uid_map", open("/proc/self/uid_map", O_WRONLY));
  snprintf(text, sizeof text, "/proc/%d/oom_score_adj", 1);
  must_fail("another's oom_score_adj", open(text, O_WRONLY));
  printf("done\n");
}

static void *flip(void *unused) {
  (void)unused;
  while (!over) {
    *(volatile uint16_t *)(void *)path = 'o' | 'k' << 8;
    for (volatile int i = 0; i < 300; i++) continue;
    *(volatile uint16_t *)(void *)path = 'n' | 'o' << 8;
    for (volatile int i = 0; i < 300; i++) continue;
  }
  return NULL;
}

/* A link that points to the one and to the other. */
static void *swap(void *unused) {
  (void)unused;
  while (!over) syscall(SYS_renameat2, AT_FDCWD, "turn", AT_FDCWD, "other", 2);
  return NULL;
}

static void race(int tries, void *(*other)(void *), const char *name) {
  pthread_t thread;
  int through = 0;
  pthread_create(&thread, NULL, other, NULL);
  for (int i = 0; i < tries; i++) {
    int fd = open(name, O_RDWR);
    if (fd >= 0) {
      if (pwrite(fd, "W", 1, 0) == 1) through++;
      close(fd);
    }
  }
  over = 1;
  pthread_join(thread, NULL);
  printf("through %d\ndone\n", through);
}

/* As `race`, with calls that change names and modes. */
static void race_names(int tries) {
  pthread_t thread;
  pthread_create(&thread, NULL, flip, NULL);
  for (int i = 0; i < tries; i++) {
    if (chmod(path, 0640) == 0 && i % 4 == 0) truncate(path, 1);
    if (i % 8 == 0 && unlink(path) == 0) close(open("ok/x", O_WRONLY | O_CREAT, 0644));
  }
  over = 1;
  pthread_join(thread, NULL);
  printf("done\n");
}

/* Many at once that wait, so that the supervisor runs out of descriptors before it runs out of workers. */
static void *wait_at_fifo(void *unused) {
  (void)unused;
  int fd = open("fifo", O_WRONLY);
  if (fd < 0 && errno == EMFILE) __sync_fetch_and_add((int *)path, 1);
  return NULL;
}

static void crowd(int count) {
  pthread_t threads[200];
  int made = 0, got = 0;
  for (int i = 0; i < count && i < 200; i++) made += pthread_create(&threads[i], NULL, wait_at_fifo, NULL) == 0;
  usleep(300000);
  must_fail("open in a crowd", open("no/x", O_RDWR) >= 0 ? 0 : (errno = errno == EMFILE ? EACCES : errno, -1));
  int reader = open("fifo", O_RDONLY | O_NONBLOCK);
  for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
  got = *(int *)path;
  close(reader);
  int fd = open("ok/x", O_RDWR);
  printf("full %d\nafterwards %s\ndone\n", got > 0, fd >= 0 ? "opens" : strerror(errno));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  alarm(120);
  if (strcmp(what, "crowd") != 0) strcpy(path, "ok/x");
  if (strcmp(what, "everything") == 0) everything();
  if (strcmp(what, "race") == 0) race(atoi(argv[2]), flip, path);
  if (strcmp(what, "race-link") == 0) {
    if (symlink("ok", "turn") != 0 || symlink("no", "other") != 0) return 9;
    race(atoi(argv[2]), swap, "turn/x");
  }
  if (strcmp(what, "race-names") == 0) race_names(atoi(argv[2]));
  if (strcmp(what, "crowd") == 0) crowd(atoi(argv[2]));
  return 0;
}
