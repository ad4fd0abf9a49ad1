/*
 * One line a row: an operation with its arguments, its result and errno, and what the folder looks like afterwards. Run with and
 * without the guard in folders alike; the outputs must be the same. `differ plain` gives up root's capabilities first, as a session does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

struct row {
  const char *name;
  long (*run)(void);
};

static struct row rows[400];
static size_t row_count;
static char here[4096];
static char big[70000];

static void add(const char *name, long (*run)(void)) { rows[row_count++] = (struct row){name, run}; }

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define ROW(name, ...)                                                                             \
  static long JOIN(row_, __LINE__)(void) { __VA_ARGS__; }                                          \
  __attribute__((constructor)) static void JOIN(add_, __LINE__)(void) { add(name, JOIN(row_, __LINE__)); }

/* What can be done with a descriptor that a row got. */
static long use(long fd) {
  char text[8] = "";
  if (fd < 0) return fd;
  int flags = fcntl((int)fd, F_GETFL), cloexec = fcntl((int)fd, F_GETFD);
  struct stat facts;
  fstat((int)fd, &facts);
  ssize_t got = S_ISREG(facts.st_mode) ? read((int)fd, text, 3) : 0;
  ssize_t put = S_ISREG(facts.st_mode) ? write((int)fd, "W", 1) : 0;
  printf("fd flags=%o cloexec=%d read=%zd %.3s write=%zd ", flags & ~(O_LARGEFILE | O_NOFOLLOW | 0100000), cloexec, got, text, put);
  return 0;
}

static long raw_open(const char *path, int flags, int mode) {
#ifdef SYS_open
  return syscall(SYS_open, path, flags, mode);
#else
  return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
#endif
}
static long at(int dirfd, const char *path, int flags, int mode) { return syscall(SYS_openat, dirfd, path, flags, mode); }

struct how {
  uint64_t flags, mode, resolve, more;
};
static long how2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, size_t size) {
  struct how how = {flags, mode, resolve, 0};
  return syscall(SYS_openat2, dirfd, path, &how, size);
}
static int dir(const char *path) { return open(path, O_RDONLY | O_DIRECTORY); }
static const char *absolute(const char *name) {
  static char paths[4][8192];
  static int next;
  char *out = paths[next++ % 4], cwd[4096];
  snprintf(out, sizeof paths[0], "%s/%s", getcwd(cwd, sizeof cwd), name);
  return out;
}
static const char *self_fd(int fd) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}
/* A text that ends right before a page that is not there. */
static char *at_edge(const char *text) {
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  size_t length = strlen(text);
  return memcpy(pages + 4096 - length, text, length);
}
static const char *long_name(size_t length) {
  memset(big, 'n', length);
  big[length] = 0;
  return big;
}
/* d/../d/../ … f, `length` bytes in all. */
static const char *long_path(size_t length) {
  size_t n = 0;
  while (n + 5 < length - 1) {
    memcpy(big + n, "d/../", 5);
    n += 5;
  }
  while (n < length - 1) {
    memcpy(big + n, "/", 1);
    n++;
  }
  memcpy(big + n, "f", 2);
  return big;
}
static void full(void) {
  struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};
  setrlimit(RLIMIT_NOFILE, &none);
}

/* Opening. */
ROW("open O_WRONLY", return use(raw_open("f", O_WRONLY, 0)))
ROW("open O_RDWR", return use(raw_open("f", O_RDWR, 0)))
ROW("open O_RDWR O_CLOEXEC O_APPEND", return use(raw_open("f", O_RDWR | O_CLOEXEC | O_APPEND, 0)))
ROW("open O_WRONLY absolute", return use(raw_open(absolute("f"), O_WRONLY, 0)))
ROW("open O_WRONLY through ..", return use(raw_open("d/../f", O_WRONLY, 0)))
ROW("open O_WRONLY double slash", return use(raw_open("d//..//f", O_WRONLY, 0)))
ROW("open O_WRONLY missing", return use(raw_open("missing", O_WRONLY, 0)))
ROW("open O_WRONLY missing folder", return use(raw_open("missing/f", O_WRONLY, 0)))
ROW("open O_WRONLY below a file", return use(raw_open("f/x", O_WRONLY, 0)))
ROW("open O_WRONLY slash after a file", return use(raw_open("f/", O_WRONLY, 0)))
ROW("open O_WRONLY folder", return use(raw_open("d", O_WRONLY, 0)))
ROW("open O_RDWR folder slash", return use(raw_open("d/", O_RDWR, 0)))
ROW("open O_WRONLY O_DIRECTORY file", return use(raw_open("f", O_WRONLY | O_DIRECTORY, 0)))
ROW("open O_WRONLY O_DIRECTORY folder", return use(raw_open("d", O_WRONLY | O_DIRECTORY, 0)))
ROW("open O_WRONLY .", return use(raw_open(".", O_WRONLY, 0)))
ROW("open O_WRONLY ..", return use(raw_open("..", O_WRONLY, 0)))
ROW("open O_WRONLY /", return use(raw_open("/", O_WRONLY, 0)))
ROW("open O_WRONLY empty", return use(raw_open("", O_WRONLY, 0)))
ROW("open O_WRONLY null", return use(raw_open(NULL, O_WRONLY, 0)))
ROW("open O_WRONLY unmapped", return use(raw_open((char *)8, O_WRONLY, 0)))
ROW("open O_WRONLY into an unmapped page", return use(raw_open(at_edge("fffffff"), O_WRONLY, 0)))
ROW("open O_WRONLY link", return use(raw_open("l", O_WRONLY, 0)))
ROW("open O_WRONLY O_NOFOLLOW link", return use(raw_open("l", O_WRONLY | O_NOFOLLOW, 0)))
ROW("open O_WRONLY O_NOFOLLOW file", return use(raw_open("f", O_WRONLY | O_NOFOLLOW, 0)))
ROW("open O_WRONLY O_NOFOLLOW O_DIRECTORY link", return use(raw_open("ld", O_WRONLY | O_NOFOLLOW | O_DIRECTORY, 0)))
ROW("open O_WRONLY through a linked folder", return use(raw_open("ld/x", O_WRONLY, 0)))
ROW("open O_WRONLY loop", return use(raw_open("loop", O_WRONLY, 0)))
ROW("open O_WRONLY dangling", return use(raw_open("dangling", O_WRONLY, 0)))
ROW("open O_WRONLY 0444", return use(raw_open("ro", O_WRONLY, 0)))
ROW("open O_WRONLY mode 0", return use(raw_open("none", O_WRONLY, 0)))
ROW("open O_RDWR 0200", return use(raw_open("wo", O_RDWR, 0)))
ROW("open O_WRONLY 0200", return use(raw_open("wo", O_WRONLY, 0)))
ROW("open O_WRONLY folder without x", return use(raw_open("nox/x", O_WRONLY, 0)))
ROW("open O_TRUNC O_RDONLY", return use(raw_open("f", O_RDONLY | O_TRUNC, 0)))
ROW("open O_TRUNC O_WRONLY", return use(raw_open("f", O_WRONLY | O_TRUNC, 0)))
ROW("open O_TRUNC 0444", return use(raw_open("ro", O_RDONLY | O_TRUNC, 0)))
ROW("open O_CREAT existing", return use(raw_open("f", O_WRONLY | O_CREAT, 0600)))
ROW("open O_CREAT new", return use(raw_open("new", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT new O_RDONLY", return use(raw_open("new", O_RDONLY | O_CREAT, 0666)))
ROW("open O_CREAT new mode 0", return use(raw_open("new", O_RDWR | O_CREAT, 0)))
ROW("open O_CREAT new 07777", return use(raw_open("new", O_RDWR | O_CREAT, 07777)))
ROW("open O_CREAT umask 077", umask(077); return use(raw_open("new", O_RDWR | O_CREAT, 0666)))
ROW("open O_CREAT umask 0", umask(0); return use(raw_open("new", O_RDWR | O_CREAT, 0666)))
ROW("open O_CREAT in a setgid folder", return use(raw_open("sg/new", O_RDWR | O_CREAT, 02777)))
ROW("open O_CREAT O_EXCL new", return use(raw_open("new", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT O_EXCL existing", return use(raw_open("f", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT O_EXCL folder", return use(raw_open("d", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT O_EXCL link", return use(raw_open("l", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT O_EXCL dangling", return use(raw_open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT dangling", return use(raw_open("dangling", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT O_NOFOLLOW dangling", return use(raw_open("dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, 0666)))
ROW("open O_CREAT dangling into a missing folder", return use(raw_open("dangling2", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT dangling to a dangling", return use(raw_open("dangling3", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT loop", return use(raw_open("loop", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT link", return use(raw_open("l", O_WRONLY | O_CREAT | O_TRUNC, 0666)))
ROW("open O_CREAT folder", return use(raw_open("d", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT O_RDONLY folder", return use(raw_open("d", O_RDONLY | O_CREAT, 0666)))
ROW("open O_CREAT linked folder", return use(raw_open("ld", O_RDONLY | O_CREAT, 0666)))
ROW("open O_CREAT new slash", return use(raw_open("new/", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT file slash", return use(raw_open("f/", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT folder slash", return use(raw_open("d/", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT O_EXCL folder slash", return use(raw_open("d/", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT .", return use(raw_open(".", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT ..", return use(raw_open("d/..", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT /", return use(raw_open("/", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT O_EXCL .", return use(raw_open(".", O_WRONLY | O_CREAT | O_EXCL, 0666)))
ROW("open O_CREAT O_DIRECTORY", return use(raw_open("new", O_RDONLY | O_CREAT | O_DIRECTORY, 0666)))
ROW("open O_CREAT in a missing folder", return use(raw_open("missing/new", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT below a file", return use(raw_open("f/new", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT in a folder without w", return use(raw_open("now/new", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT existing in a folder without w", return use(raw_open("now/x", O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT name of 255", return use(raw_open(long_name(255), O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT name of 256", return use(raw_open(long_name(256), O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT missing folder and name of 256", return use(raw_open("missing/nnnnnnnnnnnnnnnn", O_WRONLY | O_CREAT, 0666)))
ROW("open O_WRONLY path of 4095", return use(raw_open(long_path(4095), O_WRONLY, 0)))
ROW("open O_WRONLY path of 4096", return use(raw_open(long_path(4096), O_WRONLY, 0)))
ROW("open O_CREAT path of 4095", return use(raw_open(long_path(4095), O_WRONLY | O_CREAT, 0666)))
ROW("open O_CREAT newline and 0xff", return use(raw_open("a\nb\xff\x01", O_WRONLY | O_CREAT, 0666)))
ROW("open O_WRONLY O_CREAT O_TRUNC 0444", return use(raw_open("ro", O_WRONLY | O_CREAT | O_TRUNC, 0666)))
ROW("creat", umask(022); return use(syscall(SYS_openat, AT_FDCWD, "f", O_CREAT | O_WRONLY | O_TRUNC, 0777)))
ROW("open unknown flag", return use(raw_open("f", O_WRONLY | 0x40000000, 0)))
ROW("open access mode 3", return use(raw_open("f", O_RDWR | O_WRONLY, 0)))
ROW("open O_TMPFILE", return use(raw_open("d", O_TMPFILE | O_RDWR, 0666)))
ROW("open O_TMPFILE O_RDONLY", return use(raw_open("d", O_TMPFILE | O_RDONLY, 0666)))
ROW("open O_TMPFILE file", return use(raw_open("f", O_TMPFILE | O_RDWR, 0666)))
ROW("open O_TMPFILE missing", return use(raw_open("missing", O_TMPFILE | O_RDWR, 0666)))
ROW("open O_TMPFILE no w", return use(raw_open("now", O_TMPFILE | O_RDWR, 0666)))
ROW("O_TMPFILE gets a name", int fd = (int)raw_open("d", O_TMPFILE | O_RDWR, 0644); if (write(fd, "T", 1) != 1) return -1;
    return syscall(SYS_linkat, AT_FDCWD, self_fd(fd), AT_FDCWD, "d/named", AT_SYMLINK_FOLLOW))
ROW("O_TMPFILE O_EXCL gets no name", int fd = (int)raw_open("d", O_TMPFILE | O_RDWR | O_EXCL, 0644);
    return syscall(SYS_linkat, AT_FDCWD, self_fd(fd), AT_FDCWD, "d/named", AT_SYMLINK_FOLLOW))
ROW("open O_PATH O_WRONLY", return raw_open("f", O_PATH | O_WRONLY, 0) >= 0)
ROW("openat folder", return use(at(dir("d"), "x", O_RDWR, 0)))
ROW("openat folder O_CREAT", return use(at(dir("d"), "new", O_RDWR | O_CREAT, 0640)))
ROW("openat folder ..", return use(at(dir("d"), "../f", O_RDWR, 0)))
ROW("openat O_PATH folder", return use(at(open("d", O_PATH), "x", O_RDWR, 0)))
ROW("openat bad descriptor", return use(at(777, "x", O_RDWR, 0)))
ROW("openat bad descriptor absolute", return use(at(777, absolute("f"), O_RDWR, 0)))
ROW("openat file as folder", return use(at(open("f", O_RDONLY), "x", O_RDWR, 0)))
ROW("openat file as folder O_CREAT", return use(at(open("f", O_RDONLY), "x", O_RDWR | O_CREAT, 0666)))
ROW("openat empty", return use(at(dir("d"), "", O_RDWR, 0)))
ROW("openat -1", return use(at(-1, "x", O_RDWR | O_CREAT, 0666)))
ROW("openat removed folder O_CREAT", int fd = dir("e"); rmdir("e"); return use(at(fd, "x", O_RDWR | O_CREAT, 0666)))
ROW("open O_CREAT in a removed working directory", if (chdir("e") != 0 || rmdir("../e") != 0) return -7; return use(raw_open("x", O_RDWR | O_CREAT, 0666)))
ROW("open .. of a removed working directory", if (chdir("e") != 0 || rmdir("../e") != 0) return -7; return use(raw_open("../f", O_RDWR, 0)))
ROW("openat in a renamed folder", int fd = dir("d"); rename("d", "moved"); return use(at(fd, "new", O_RDWR | O_CREAT, 0666)))
ROW("open O_WRONLY table full", full(); return use(raw_open("f", O_WRONLY, 0)))
ROW("open O_CREAT table full", full(); return use(raw_open("new", O_WRONLY | O_CREAT, 0666)))
ROW("open /dev/null", return use(raw_open("/dev/null", O_RDWR, 0)))
ROW("open /dev/null O_CREAT O_TRUNC", return use(raw_open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666)))
ROW("open /dev/full", return use(raw_open("/dev/full", O_WRONLY, 0)))
ROW("open /dev/tty without one", setsid(); return use(raw_open("/dev/tty", O_RDWR, 0)))
ROW("open fifo O_RDWR", return use(raw_open("fifo", O_RDWR, 0)))
ROW("open fifo O_WRONLY O_NONBLOCK", return use(raw_open("fifo", O_WRONLY | O_NONBLOCK, 0)))
ROW("open fifo O_WRONLY with a reader", int r = open("fifo", O_RDONLY | O_NONBLOCK); long fd = raw_open("fifo", O_WRONLY, 0);
    char c = 0; if (write((int)fd, "z", 1) != 1 || read(r, &c, 1) != 1) return -9; printf("%c ", c); return use(fd))
ROW("open fifo O_WRONLY waits for its reader", pid_t p = fork(); if (p == 0) { usleep(50000); int r = open("fifo", O_RDONLY); char c; _exit(read(r, &c, 1) == 1 ? 0 : 1); }
    long fd = raw_open("fifo", O_WRONLY, 0); if (write((int)fd, "z", 1) != 1) return -9; int status; waitpid(p, &status, 0); printf("reader %d ", status); return use(fd))
ROW("open socket", return use(raw_open("sock", O_RDWR, 0)))
ROW("reopen own descriptor O_RDWR", return use(raw_open(self_fd(open("f", O_RDONLY)), O_RDWR, 0)))
ROW("reopen own descriptor of 0444", return use(raw_open(self_fd(open("ro", O_RDONLY)), O_RDWR, 0)))
ROW("reopen O_PATH descriptor", return use(raw_open(self_fd(open("f", O_PATH)), O_WRONLY | O_TRUNC, 0)))
ROW("reopen a removed file", int fd = open("f", O_RDONLY); unlink("f"); return use(raw_open(self_fd(fd), O_RDWR, 0)))
ROW("reopen a pipe", int p[2]; if (pipe(p) != 0) return -9; return use(raw_open(self_fd(p[0]), O_WRONLY, 0)))
ROW("reopen a missing descriptor", return use(raw_open("/proc/self/fd/999", O_RDWR, 0)))
ROW("reopen through /dev/fd", char path[32]; snprintf(path, sizeof path, "/dev/fd/%d", open("f", O_RDONLY)); return use(raw_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666)))
ROW("open below /proc/self/cwd", return use(raw_open("/proc/self/cwd/f", O_RDWR, 0)))
ROW("open O_CREAT below /proc/self/cwd", return use(raw_open("/proc/self/cwd/new", O_RDWR | O_CREAT, 0666)))
ROW("open O_CREAT below a descriptor", char path[64]; snprintf(path, sizeof path, "/proc/self/fd/%d/new", dir("d")); return use(raw_open(path, O_RDWR | O_CREAT, 0666)))
ROW("open below /proc/thread-self/cwd", return use(raw_open("/proc/thread-self/cwd/f", O_RDWR, 0)))
ROW("open by own number", char path[64]; snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), open("f", O_RDONLY)); return use(raw_open(path, O_RDWR, 0)))
ROW("open link to /proc/self/fd", int fd = open("f", O_RDONLY); if (symlink(self_fd(fd), "pl") != 0) return -9; long r = use(raw_open("pl", O_RDWR, 0)); unlink("pl"); return r)
ROW("open memfd by its descriptor", int fd = memfd_create("m", 0); return use(raw_open(self_fd(fd), O_RDWR, 0)))
ROW("write own oom_score_adj", long fd = raw_open("/proc/self/oom_score_adj", O_WRONLY, 0); return write((int)fd, "500", 3))
ROW("write own comm", long fd = raw_open("/proc/self/comm", O_WRONLY, 0); return write((int)fd, "other", 5))
/* The umask is followed from call to call. */
static long make_some(const char *name) { return use(raw_open(name, O_WRONLY | O_CREAT | O_EXCL, 0666)); }
static void *set_in_thread(void *mask) { umask((mode_t)(uintptr_t)mask); return NULL; }
static void *set_alone_in_thread(void *mask) { printf("unshare %d ", unshare(CLONE_FS)); umask((mode_t)(uintptr_t)mask); make_some("thread"); return NULL; }
static void *make_in_thread(void *unused) { make_some("thread"); return unused; }
static void in_thread(void *(*run)(void *), mode_t mask) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)mask) == 0) pthread_join(thread, NULL);
}
static int set_beside(void *unused) { (void)unused; umask(027); return 0; }
static _Alignas(16) char beside[65536];
ROW("umask changed between files", umask(022); make_some("one"); umask(077); make_some("two"); umask(0); return make_some("three"))
ROW("umask asked for", mode_t old = umask(0); umask(027); printf("%o ", old); make_some("one"); old = umask(0); umask(old); return make_some("two"))
ROW("umask of more bits", umask(07777); printf("%o ", umask(022)); return make_some("one"))
ROW("umask set in a thread", make_some("one"); in_thread(set_in_thread, 077); make_some("two"); umask(02); return make_some("three"))
ROW("umask of the process in a thread", umask(077); in_thread(make_in_thread, 0); return make_some("one"))
ROW("umask of a thread alone", umask(022); make_some("one"); in_thread(set_alone_in_thread, 077); return make_some("two"))
ROW("umask of a child", umask(022); make_some("one"); pid_t p = fork(); if (p == 0) { umask(077); _exit(make_some("two") != 0); } waitpid(p, NULL, 0); return make_some("three"))
ROW("umask inherited after a change", make_some("one"); umask(077); pid_t p = fork(); if (p == 0) _exit(make_some("two") != 0); waitpid(p, NULL, 0); return make_some("three"))
ROW("umask shared with another process", umask(022); make_some("one"); pid_t p = clone(set_beside, beside + sizeof beside, CLONE_FS | CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    waitpid(p, NULL, 0); return make_some("two"))
/* With a default ACL the umask does not count. */
static void set_default_acl(const char *folder) {
  static const uint32_t acl[] = {2, 1 | 7 << 16, 0xffffffff, 4 | 7 << 16, 0xffffffff, 0x20 | 5 << 16, 0xffffffff};
  umask(077);
  printf("acl %d ", setxattr(folder, "system.posix_acl_default", acl, sizeof acl, 0));
}
ROW("open O_CREAT under a default ACL", set_default_acl("e"); return use(raw_open("e/new", O_RDWR | O_CREAT, 0666)))
ROW("mkdir under a default ACL", set_default_acl("e"); return mkdir("e/new", 0777))
ROW("mknod under a default ACL", set_default_acl("e"); return mknod("e/new", S_IFIFO | 0666, 0))
/* openat2. */
ROW("openat2 O_RDWR", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0, 24)))
ROW("openat2 O_RDONLY", return use(how2(AT_FDCWD, "f", O_RDONLY, 0, 0, 24)))
ROW("openat2 O_RDONLY folder", return use(how2(AT_FDCWD, "d", O_RDONLY | O_DIRECTORY, 0, 0, 24)))
ROW("openat2 O_CREAT", return use(how2(AT_FDCWD, "new", O_RDWR | O_CREAT, 0640, 0, 24)))
ROW("openat2 size 0", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0, 0)))
ROW("openat2 size 23", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0, 23)))
ROW("openat2 size 32", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0, 32)))
ROW("openat2 size 32 not zero", struct how how = {O_RDWR, 0, 0, 7}; return use(syscall(SYS_openat2, AT_FDCWD, "f", &how, 32)))
ROW("openat2 size 5000", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0, 5000)))
ROW("openat2 null how", return use(syscall(SYS_openat2, AT_FDCWD, "f", NULL, 24)))
ROW("openat2 unknown flag", return use(how2(AT_FDCWD, "f", 1ull << 40, 0, 0, 24)))
ROW("openat2 unknown resolve", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 0x8000, 24)))
ROW("openat2 mode without O_CREAT", return use(how2(AT_FDCWD, "f", O_RDWR, 0644, 0, 24)))
ROW("openat2 mode too large", return use(how2(AT_FDCWD, "new", O_RDWR | O_CREAT, 0100644, 0, 24)))
ROW("openat2 O_RDWR O_TMPFILE", return use(how2(AT_FDCWD, "d", O_RDWR | O_TMPFILE, 0600, 0, 24)))
ROW("openat2 NO_SYMLINKS link", return use(how2(AT_FDCWD, "l", O_RDWR, 0, 4, 24)))
ROW("openat2 NO_SYMLINKS file", return use(how2(AT_FDCWD, "f", O_RDWR, 0, 4, 24)))
ROW("openat2 NO_SYMLINKS linked folder", return use(how2(AT_FDCWD, "ld/x", O_RDWR, 0, 4, 24)))
ROW("openat2 BENEATH inside", return use(how2(dir("d"), "x", O_RDWR, 0, 8, 24)))
ROW("openat2 BENEATH outside", return use(how2(dir("d"), "../f", O_RDWR, 0, 8, 24)))
ROW("openat2 BENEATH absolute", return use(how2(dir("d"), absolute("f"), O_RDWR, 0, 8, 24)))
ROW("openat2 BENEATH O_CREAT inside", return use(how2(dir("d"), "new", O_RDWR | O_CREAT, 0600, 8, 24)))
ROW("openat2 BENEATH O_CREAT outside", return use(how2(dir("d"), "../new", O_RDWR | O_CREAT, 0600, 8, 24)))
ROW("openat2 IN_ROOT absolute", return use(how2(dir("d"), "/x", O_RDWR, 0, 0x10, 24)))
ROW("openat2 IN_ROOT ..", return use(how2(dir("d"), "../../x", O_RDWR, 0, 0x10, 24)))
ROW("openat2 IN_ROOT O_CREAT", return use(how2(dir("d"), "/../new", O_RDWR | O_CREAT, 0600, 0x10, 24)))
ROW("openat2 BENEATH IN_ROOT", return use(how2(dir("d"), "x", O_RDWR, 0, 0x18, 24)))
ROW("openat2 NO_MAGICLINKS", return use(how2(AT_FDCWD, self_fd(open("f", O_RDONLY)), O_RDWR, 0, 2, 24)))
ROW("openat2 O_CREAT trailing slash", return use(how2(AT_FDCWD, "new/", O_RDWR | O_CREAT, 0600, 0, 24)))
ROW("openat2 bad descriptor", return use(how2(777, "x", O_RDWR, 0, 0, 24)))
/* Removing. */
ROW("unlink", return unlink("f"))
ROW("unlink missing", return unlink("missing"))
ROW("unlink folder", return unlink("d"))
ROW("unlink file slash", return unlink("f/"))
ROW("unlink folder slash", return unlink("d/"))
ROW("unlink link", return unlink("l"))
ROW("unlink link slash", return unlink("ld/"))
ROW("unlink dangling", return unlink("dangling"))
ROW("unlink .", return unlink("."))
ROW("unlink ..", return unlink(".."))
ROW("unlink /", return unlink("/"))
ROW("unlink empty", return unlink(""))
ROW("unlink null", return unlink(NULL))
ROW("unlink in a folder without w", return unlink("now/x"))
ROW("unlink name of 256", return unlink(long_name(256)))
ROW("unlinkat folder", return unlinkat(dir("d"), "x", 0))
ROW("unlinkat bad flags", return unlinkat(AT_FDCWD, "f", 4))
ROW("unlinkat AT_REMOVEDIR", return unlinkat(AT_FDCWD, "e", AT_REMOVEDIR))
ROW("unlinkat bad descriptor", return unlinkat(777, "f", 0))
ROW("rmdir", return rmdir("e"))
ROW("rmdir slash", return rmdir("e/"))
ROW("rmdir full", return rmdir("d"))
ROW("rmdir file", return rmdir("f"))
ROW("rmdir link", return rmdir("ld"))
ROW("rmdir link slash", return rmdir("ld/"))
ROW("rmdir .", return rmdir("e/."))
ROW("rmdir ..", return rmdir("e/.."))
ROW("rmdir /", return rmdir("/"))
ROW("rmdir missing", return rmdir("missing"))
/* Making. */
ROW("mkdir", umask(022); return mkdir("new", 0777))
ROW("mkdir umask 0 01777", umask(0); return mkdir("new", 01777))
ROW("mkdir slash", return mkdir("new/", 0755))
ROW("mkdir slashes", return mkdir("new///", 0755))
ROW("mkdir existing", return mkdir("d", 0755))
ROW("mkdir existing file", return mkdir("f", 0755))
ROW("mkdir existing file slash", return mkdir("f/", 0755))
ROW("mkdir dangling", return mkdir("dangling", 0755))
ROW("mkdir dangling slash", return mkdir("dangling/", 0755))
ROW("mkdir missing folder", return mkdir("missing/new", 0755))
ROW("mkdir .", return mkdir(".", 0755))
ROW("mkdir /", return mkdir("/", 0755))
ROW("mkdir absolute", return mkdir(absolute("new"), 0700))
ROW("mkdir in a folder without w", return mkdir("now/new", 0755))
ROW("mkdir in a setgid folder", return mkdir("sg/new", 0755))
ROW("mkdir in a linked folder", return mkdir("ld/new", 0755))
ROW("mkdirat", return mkdirat(dir("d"), "new", 0711))
ROW("mkdir empty", return mkdir("", 0755))
ROW("mknod fifo", return mknod("new", S_IFIFO | 0644, 0))
ROW("mknod file", return mknod("new", S_IFREG | 0644, 0))
ROW("mknod type 0", return mknod("new", 0600, 0))
ROW("mknod socket", return mknod("new", S_IFSOCK | 0644, 0))
ROW("mknod folder", return mknod("new", S_IFDIR | 0755, 0))
ROW("mknod bad type", return mknod("new", 0030000 | 0644, 0))
ROW("mknod device", return mknod("new", S_IFCHR | 0644, makedev(1, 3)))
ROW("mknod existing", return mknod("f", S_IFIFO | 0644, 0))
ROW("mknod slash", return mknod("new/", S_IFIFO | 0644, 0))
ROW("mknod bad type in a missing folder", return mknod("missing/new", 0030000 | 0644, 0))
ROW("symlink", return symlink("where ever", "new"))
ROW("symlink existing", return symlink("x", "f"))
ROW("symlink dangling", return symlink("x", "dangling"))
ROW("symlink empty", return symlink("", "new"))
ROW("symlink to empty", return symlink("x", ""))
ROW("symlink slash", return symlink("x", "new/"))
ROW("symlink null", return symlink(NULL, "new"))
ROW("symlink long", return symlink(long_name(4095), "new"))
ROW("symlink too long", return symlink(long_name(4096), "new"))
ROW("symlinkat", return symlinkat("../f", dir("d"), "new"))
ROW("link", return link("f", "new"))
ROW("link existing", return link("f", "ro"))
ROW("link missing", return link("missing", "new"))
ROW("link folder", return link("d", "new"))
ROW("link a link", return link("l", "new"))
ROW("linkat AT_SYMLINK_FOLLOW", return linkat(AT_FDCWD, "l", AT_FDCWD, "new", AT_SYMLINK_FOLLOW))
ROW("linkat AT_EMPTY_PATH", return linkat(open("f", O_RDONLY), "", AT_FDCWD, "new", AT_EMPTY_PATH))
ROW("linkat empty", return linkat(open("f", O_RDONLY), "", AT_FDCWD, "new", 0))
ROW("linkat bad flags", return linkat(AT_FDCWD, "f", AT_FDCWD, "new", 0x20000))
ROW("linkat folders", return linkat(dir("d"), "x", dir("e"), "new", 0))
ROW("link to a slash", return link("f", "new/"))
ROW("link from a slash", return link("f/", "new"))
ROW("link across mounts", return link("/proc/version", "new"))
ROW("link missing in a missing folder", return link("missing", "missing/new"))
/* Moving. */
ROW("rename", return rename("f", "new"))
ROW("rename onto a file", return rename("f", "ro"))
ROW("rename onto itself", return rename("f", "f"))
ROW("rename file onto a folder", return rename("f", "e"))
ROW("rename folder onto a file", return rename("d", "f"))
ROW("rename folder onto an empty folder", return rename("d", "e"))
ROW("rename folder onto a full folder", return rename("e", "d"))
ROW("rename folder into itself", return rename("d", "d/y"))
ROW("rename onto its ancestor", return rename("d/x", "d"))
ROW("rename missing", return rename("missing", "new"))
ROW("rename into a missing folder", return rename("f", "missing/new"))
ROW("rename file slash", return rename("f/", "new"))
ROW("rename file to a slash", return rename("f", "new/"))
ROW("rename folder slash", return rename("d/", "new/"))
ROW("rename link", return rename("l", "new"))
ROW("rename linked folder slash", return rename("ld/", "new"))
ROW("rename .", return rename(".", "new"))
ROW("rename onto ..", return rename("f", ".."))
ROW("rename empty", return rename("", "new"))
ROW("rename null", return rename("f", NULL))
ROW("rename across mounts", return rename("f", "/dev/shm/differ-x"))
ROW("rename from a folder without w", return rename("now/x", "new"))
ROW("renameat", return renameat(dir("d"), "x", dir("e"), "y"))
ROW("renameat2 NOREPLACE", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "ro", 1))
ROW("renameat2 NOREPLACE new", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "new", 1))
ROW("renameat2 EXCHANGE", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 2))
ROW("renameat2 EXCHANGE missing", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "new", 2))
ROW("renameat2 bad flags", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "new", 16))
ROW("renameat2 both", return (long)syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "new", 3))
/* Changing. */
ROW("chmod", return chmod("f", 0751))
ROW("chmod special bits", return chmod("f", 06755))
ROW("chmod link", return chmod("l", 0700))
ROW("chmod folder", return chmod("d", 0700))
ROW("chmod missing", return chmod("missing", 0700))
ROW("chmod dangling", return chmod("dangling", 0700))
ROW("chmod slash", return chmod("f/", 0700))
ROW("chmod empty", return chmod("", 0700))
ROW("chmod null", return chmod(NULL, 0700))
ROW("chmod mode 0 file", return chmod("none", 0644))
ROW("fchmodat", return (long)syscall(SYS_fchmodat, dir("d"), "x", 0600))
ROW("fchmodat2 AT_SYMLINK_NOFOLLOW link", return (long)syscall(452, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW))
ROW("fchmodat2 AT_SYMLINK_NOFOLLOW file", return (long)syscall(452, AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW))
ROW("fchmodat2 AT_EMPTY_PATH", return (long)syscall(452, open("f", O_RDONLY), "", 0600, AT_EMPTY_PATH))
ROW("fchmodat2 AT_EMPTY_PATH working directory", return (long)syscall(452, AT_FDCWD, "", 0711, AT_EMPTY_PATH))
ROW("fchmodat2 bad flags", return (long)syscall(452, AT_FDCWD, "f", 0600, 4))
ROW("chown own", return chown("f", getuid(), getgid()))
ROW("chown nothing", return chown("f", (uid_t)-1, (gid_t)-1))
ROW("lchown link", return lchown("l", getuid(), (gid_t)-1))
ROW("chown missing", return chown("missing", getuid(), getgid()))
ROW("chown clears setuid", chmod("f", 06755); return chown("f", getuid(), getgid()))
ROW("fchownat AT_EMPTY_PATH", return fchownat(open("f", O_PATH), "", getuid(), getgid(), AT_EMPTY_PATH))
ROW("fchownat bad flags", return fchownat(AT_FDCWD, "f", 0, 0, 4))
ROW("truncate", return truncate("f", 3))
ROW("truncate longer", return truncate("f", 100))
ROW("truncate negative", return truncate("f", -1))
ROW("truncate folder", return truncate("d", 0))
ROW("truncate fifo", return truncate("fifo", 0))
ROW("truncate missing", return truncate("missing", 0))
ROW("truncate 0444", return truncate("ro", 0))
ROW("truncate link", return truncate("l", 1))
ROW("truncate null", return truncate(NULL, 1))
ROW("utimensat", struct timespec t[2] = {{1000, 5}, {2000, 7}}; return utimensat(AT_FDCWD, "f", t, 0))
ROW("utimensat now", return utimensat(AT_FDCWD, "f", NULL, 0))
ROW("utimensat link", struct timespec t[2] = {{1000, 5}, {2000, 7}}; return utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW))
ROW("utimensat omit", struct timespec t[2] = {{1, UTIME_OMIT}, {2, UTIME_OMIT}}; return (long)syscall(SYS_utimensat, 777, "x", t, 0))
ROW("utimensat half", struct timespec t[2] = {{1, UTIME_OMIT}, {2000, 7}}; return utimensat(AT_FDCWD, "f", t, 0))
ROW("utimensat bad", struct timespec t[2] = {{1, 2000000000}, {2, 0}}; return utimensat(AT_FDCWD, "f", t, 0))
ROW("utimensat bad flags", return utimensat(AT_FDCWD, "f", NULL, 4))
ROW("utimensat fault", return (long)syscall(SYS_utimensat, AT_FDCWD, "f", (void *)8, 0))
ROW("utimensat AT_EMPTY_PATH", struct timespec t[2] = {{1000, 5}, {2000, 7}}; return (long)syscall(SYS_utimensat, open("f", O_RDONLY), "", t, AT_EMPTY_PATH))
ROW("futimens", struct timespec t[2] = {{1000, 5}, {2000, 7}}; return futimens(open("f", O_RDONLY), t))
ROW("utimensat missing", return utimensat(AT_FDCWD, "missing", NULL, 0))
ROW("utimensat 0444 now", return utimensat(AT_FDCWD, "ro", NULL, 0))
#ifdef SYS_utime
ROW("utimes", struct timeval t[2] = {{1000, 5}, {2000, 7}}; return (long)syscall(SYS_utimes, "f", t))
ROW("utimes bad", struct timeval t[2] = {{1000, 1000000}, {2000, 7}}; return (long)syscall(SYS_utimes, "missing", t))
ROW("utime", long t[2] = {1000, 2000}; return (long)syscall(SYS_utime, "f", t))
ROW("utime now", return (long)syscall(SYS_utime, "f", NULL))
ROW("futimesat", struct timeval t[2] = {{1000, 5}, {2000, 7}}; return (long)syscall(SYS_futimesat, dir("d"), "x", t))
ROW("raw creat", umask(027); return use(syscall(SYS_creat, "new", 0777)))
#endif
ROW("setxattr", long r = setxattr("f", "user.x", "value", 5, 0); char v[9] = ""; printf("%zd %s ", getxattr("f", "user.x", v, 8), v); return r)
ROW("setxattr create twice", setxattr("f", "user.x", "1", 1, 0); return setxattr("f", "user.x", "2", 1, XATTR_CREATE))
ROW("setxattr replace missing", return setxattr("f", "user.x", "2", 1, XATTR_REPLACE))
ROW("setxattr bad flags", return setxattr("f", "user.x", "2", 1, 8))
ROW("setxattr empty name", return setxattr("f", "", "2", 1, 0))
ROW("setxattr long name", return setxattr("f", long_name(256), "2", 1, 0))
ROW("setxattr no namespace", return setxattr("f", "plain", "2", 1, 0))
ROW("setxattr too large", return setxattr("f", "user.x", big, 65537, 0))
ROW("setxattr null value", return setxattr("f", "user.x", NULL, 5, 0))
ROW("setxattr missing", return setxattr("missing", "user.x", "1", 1, 0))
ROW("setxattr null value and missing", return setxattr("missing", "user.x", NULL, 5, 0))
ROW("lsetxattr link", return lsetxattr("l", "user.x", "1", 1, 0))
ROW("setxattr trusted", return setxattr("f", "trusted.x", "1", 1, 0))
ROW("removexattr", setxattr("f", "user.x", "1", 1, 0); return removexattr("f", "user.x"))
ROW("removexattr missing", return removexattr("f", "user.x"))
ROW("lremovexattr link", return lremovexattr("l", "user.x"))
ROW("setxattrat", struct { uint64_t v; uint32_t s, f; } x = {(uintptr_t) "value", 5, 0}; long r = syscall(463, dir("d"), "x", 0, "user.y", &x, sizeof x);
    char v[9] = ""; printf("%zd %s ", getxattr("d/x", "user.y", v, 8), v); return r)
ROW("setxattrat small", return syscall(463, AT_FDCWD, "f", 0, "user.y", "", 8))
ROW("removexattrat", setxattr("f", "user.x", "1", 1, 0); return syscall(466, AT_FDCWD, "f", 0, "user.x"))
ROW("removexattrat bad flags", return syscall(466, AT_FDCWD, "f", 4, "user.x"))
ROW("file_setattr small", return syscall(469, AT_FDCWD, "f", "", 8, 0))
ROW("file_setattr", uint64_t a[3] = {0, 0, 0}; return syscall(469, AT_FDCWD, "f", a, sizeof a, 0) == 0 || errno == EOPNOTSUPP ? 0 : -1)

static void put_file(const char *path, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  if (fd < 0 || write(fd, "content", 7) != 7) exit(9);
  close(fd);
  chmod(path, mode);
}

/* Every row has a folder of its own with the same things in it. */
static void furnish(void) {
  umask(022);
  put_file("f", 0644);
  put_file("ro", 0444);
  put_file("none", 0);
  put_file("wo", 0200);
  int failed = mkdir("d", 0755) || mkdir("e", 0755) || mkdir("now", 0755) || mkdir("nox", 0755) || mkdir("sg", 0755) || chmod("sg", 02775);
  put_file("d/x", 0644);
  put_file("now/x", 0644);
  put_file("nox/x", 0644);
  failed |= chmod("now", 0555) || chmod("nox", 0600) || symlink("f", "l") || symlink("d", "ld") || symlink("new", "dangling");
  failed |= symlink("missing/new", "dangling2") || symlink("dangling", "dangling3") || symlink("loop", "loop") || mkfifo("fifo", 0644);
  failed |= mknod("sock", S_IFSOCK | 0644, 0);
  if (failed) {
    perror("cannot furnish");
    exit(9);
  }
}

static void show(const char *path, int depth) {
  struct dirent **entries;
  int count = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char name[8192], text[4200];
    struct stat facts;
    const char *base = entries[i]->d_name;
    if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0) continue;
    snprintf(name, sizeof name, "%s/%s", path, base);
    if (lstat(name, &facts) != 0) continue;
    printf(" %.20s:%o:%u", base, facts.st_mode, (unsigned)facts.st_gid);
    if (!S_ISDIR(facts.st_mode)) printf(":%ld:%lu", (long)facts.st_size, (unsigned long)facts.st_nlink);
    if (facts.st_mtim.tv_sec < 10000) printf(":t%ld.%ld", (long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
    if (S_ISREG(facts.st_mode)) {
      int fd = open(name, O_RDONLY);
      ssize_t got = fd < 0 ? -1 : read(fd, text, 12);
      if (got > 0) printf(":%.*s", (int)got, text);
      if (fd >= 0) close(fd);
    }
    if (S_ISLNK(facts.st_mode)) {
      ssize_t got = readlink(name, text, 40);
      printf(":%.*s", (int)got, text);
    }
    if (S_ISDIR(facts.st_mode) && depth < 2) show(name, depth + 1);
  }
}

static void drop(void) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED);
  if (syscall(SYS_capset, &head, none) != 0) exit(9);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "plain") == 0) drop();
  if (getcwd(here, sizeof here) == NULL) return 9;
  /* A row that hangs is a row that differs. */
  alarm(60);
  for (size_t i = 0; i < row_count; i++) {
    char folder[32];
    snprintf(folder, sizeof folder, "r%zu", i);
    if (mkdir(folder, 0755) != 0 || chdir(folder) != 0) return 9;
    furnish();
    printf("%s: ", rows[i].name);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      alarm(5);
      errno = 0;
      long result = rows[i].run();
      int error = errno;
      printf("= %ld %s |", result < 0 ? -1 : result, result < 0 ? strerrorname_np(error) : "");
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (status != 0) printf("ended %d |", status);
    if (chdir(here) != 0) return 9;
    show(folder, 0);
    printf("\n");
  }
  return 0;
}
