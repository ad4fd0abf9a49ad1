/*
 * Terminals for tests.
 *
 *   terminals drive [-w TEXT | -s TEXT]… -- COMMAND…   runs a command on a terminal of its own; waits until it has shown a text, types one. `\r`, `\e`,
 *                                                      `\cX` in a text are what they say. Prints what it showed; ends as it ended, 99 when a wait was in vain
 *   terminals victim                                   prints a terminal's name and types into it until standard input ends
 *   terminals steal NAME                               tries to read what is typed there, each way on a line of its own
 *   terminals hold COUNT                               makes that many terminals, says `held`, and ends with standard input
 *   terminals made                                     makes a terminal and opens its far end each way that programs do
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif
#define TYPED "keystrokes of the person"
#define MOST_SHOWN (1u << 20)
#define WAIT_MS 20000
#define MOST_MASTERS 64
#define PAUSE_MS 10

static char shown[MOST_SHOWN];
static size_t shown_size, matched;

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* 0 when the terminal has nothing more to show. */
static int show_more(int master, int wait_ms) {
  struct pollfd p = {.fd = master, .events = POLLIN};
  if (poll(&p, 1, wait_ms) <= 0) return 1;
  ssize_t n = read(master, shown + shown_size, MOST_SHOWN - 1 - shown_size);
  if (n <= 0) return 0;
  if (write(1, shown + shown_size, (size_t)n) != n) exit(98);
  shown_size += (size_t)n;
  return shown_size < MOST_SHOWN - 1;
}

static int wait_for(int master, const char *text) {
  long long end = now_ms() + WAIT_MS;
  size_t length = strlen(text);
  for (;;) {
    char *found = memmem(shown + matched, shown_size - matched, text, length);
    if (found != NULL) {
      matched = (size_t)(found - shown) + length;
      return 1;
    }
    if (now_ms() > end || !show_more(master, 50)) return 0;
  }
}

static void type(int master, const char *text) {
  for (; *text != 0; text++) {
    char c = *text;
    if (c == '\\' && text[1] == 'r') c = '\r', text++;
    else if (c == '\\' && text[1] == 'e') c = 27, text++;
    else if (c == '\\' && text[1] == 'c' && text[2] != 0) c = (char)(text[2] & 31), text += 2;
    if (write(master, &c, 1) != 1) return;
  }
}

static int open_master(int *slave) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) exit(97);
  *slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*slave < 0) exit(97);
  return master;
}

static int drive(char **words) {
  int at = 0, slave, status, vain = 0;
  while (words[at] != NULL && strcmp(words[at], "--") != 0) at++;
  if (words[at] == NULL) return 96;
  int master = open_master(&slave);
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  ioctl(master, TIOCSWINSZ, &size);
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
    execvp(words[at + 1], words + at + 1);
    _exit(127);
  }
  close(slave);
  for (int i = 0; i + 1 < at && !vain; i += 2) {
    if (strcmp(words[i], "-s") == 0) type(master, words[i + 1]);
    else if (!wait_for(master, words[i + 1])) vain = 1;
    if (vain) fprintf(stderr, "waited in vain for `%s`\n", words[i + 1]);
  }
  long long end = now_ms() + WAIT_MS;
  while (!vain && show_more(master, 50) && now_ms() < end) continue;
  if (vain || now_ms() >= end) kill(pid, SIGKILL), vain = 1;
  if (waitpid(pid, &status, 0) != pid) return 95;
  return vain ? 99 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int victim(void) {
  int slave, master = open_master(&slave);
  struct pollfd over = {.fd = 0, .events = POLLIN};
  printf("%s\n", ptsname(master));
  fflush(stdout);
  fcntl(master, F_SETFL, O_NONBLOCK);
  while (poll(&over, 1, PAUSE_MS) == 0) {
    char echoed[4096];
    if (write(master, TYPED "\r", sizeof TYPED) < 0 && errno != EAGAIN) return 1;
    if (read(master, echoed, sizeof echoed) < 0 && errno != EAGAIN) return 1;
  }
  return 0;
}

static int hold(int count) {
  char c;
  while (count-- > 0)
    if (posix_openpt(O_RDWR | O_NOCTTY) < 0) return 1;
  if (write(1, "held\n", 5) != 5) return 1;
  return read(0, &c, 1) < 0;
}

static int reads_typed(int fd) {
  char text[4096];
  for (long long end = now_ms() + 100; now_ms() < end;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PAUSE_MS) <= 0) continue;
    ssize_t n = read(fd, text, sizeof text);
    if (n <= 0) return 0;
    if (memmem(text, (size_t)n, "keystrokes", 10) != NULL) return 1;
  }
  return 0;
}

#define READ_IT (O_RDONLY | O_NOCTTY | O_NONBLOCK)

static void tried(const char *way, int fd) {
  int error = errno;
  printf("%s: %s\n", way, fd < 0 ? strerrorname_np(error) : reads_typed(fd) ? "STOLEN" : "nothing");
  fflush(stdout);
  if (fd >= 0) close(fd);
}

/* Everything that can be opened in a folder. */
static void try_folder(const char *way, const char *folder) {
  DIR *list = opendir(folder);
  struct dirent *entry;
  int stolen = 0;
  while (list != NULL && (entry = readdir(list)) != NULL) {
    struct stat facts;
    if (entry->d_name[0] == '.' || fstatat(dirfd(list), entry->d_name, &facts, 0) != 0 || !S_ISCHR(facts.st_mode)) continue;
    if (major(facts.st_rdev) == 1 || (major(facts.st_rdev) == 5 && minor(facts.st_rdev) == 2)) continue;
    int fd = openat(dirfd(list), entry->d_name, READ_IT);
    if (fd < 0) continue;
    stolen |= reads_typed(fd);
    close(fd);
  }
  if (list != NULL) closedir(list);
  printf("%s: %s\n", way, stolen ? "STOLEN" : "nothing");
  fflush(stdout);
}

static void try_processes(void) {
  DIR *list = opendir("/proc");
  struct dirent *entry;
  while (list != NULL && (entry = readdir(list)) != NULL) {
    char folder[300];
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    snprintf(folder, sizeof folder, "/proc/%s/fd", entry->d_name);
    try_folder("descriptors of a process", folder);
  }
  if (list != NULL) closedir(list);
}

/* A terminal of the same number, and its far end as the kernel gives it. */
static void try_peers(unsigned number) {
  int masters[MOST_MASTERS], count = 0;
  for (; count < MOST_MASTERS; count++) {
    unsigned got;
    int lock = 0;
    masters[count] = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (masters[count] < 0 || ioctl(masters[count], TIOCGPTN, &got) != 0) break;
    ioctl(masters[count], TIOCSPTLCK, &lock);
    if (got < number) continue;
    int peer = ioctl(masters[count], TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    tried("the peer of a master of that number or the next", peer);
    count++;
    break;
  }
  while (count > 0) close(masters[--count]);
}

static int steal(const char *name) {
  char path[512];
  const char *number = strrchr(name, '/') + 1;
  tried("by its name", open(name, READ_IT));
  tried("by its name, with openat2", (int)syscall(437, AT_FDCWD, name, &(struct { unsigned long long f, m, r; }){READ_IT, 0, 0}, 24));
  tried("for writing", open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
  int place = open(name, O_PATH);
  snprintf(path, sizeof path, "/proc/self/fd/%d", place);
  tried("through a descriptor of the place", open(path, READ_IT));
  int folder = open("/dev/pts", O_RDONLY | O_DIRECTORY);
  tried("from its folder", openat(folder, number, READ_IT));
  snprintf(path, sizeof path, "/proc/self/root%s", name);
  tried("through a root", open(path, READ_IT));
  snprintf(path, sizeof path, "/proc/1/root%s", name);
  tried("through another's root", open(path, READ_IT));
  snprintf(path, sizeof path, "/proc/1/cwd/../../../../../../..%s", name);
  tried("through another's folder", open(path, READ_IT));
  struct stat facts;
  unlink("node");
  unsigned at = (unsigned)strtoul(number, NULL, 10);
  int error = mknod("node", S_IFCHR | 0666, makedev(136 + at / 256, at % 256)) == 0 ? 0 : errno;
  errno = error;
  tried("by a node of its own", error != 0 ? -1 : open("node", READ_IT));
  tried("the first console", open("/dev/tty1", READ_IT));
  tried("the machine's console", open("/dev/console", READ_IT));
  try_folder("any terminal", "/dev/pts");
  try_folder("any device", "/dev");
  if (stat("elsewhere", &facts) == 0) try_folder("the folder's other mount", "elsewhere");
  try_processes();
  try_peers(at);
  return 0;
}

/* Whether what is written at one end arrives at the other. */
static void passes(const char *way, int master, int slave) {
  char text[16] = "";
  struct termios raw;
  int ok = slave >= 0 && isatty(slave) && tcgetattr(slave, &raw) == 0;
  if (ok) {
    cfmakeraw(&raw);
    ok = tcsetattr(slave, TCSANOW, &raw) == 0 && write(master, "typed", 5) == 5 && read(slave, text, sizeof text) == 5;
    if (ok && (fcntl(slave, F_GETFL) & O_ACCMODE) == O_RDWR) ok = write(slave, "shown", 5) == 5 && read(master, text, sizeof text) == 5;
  }
  printf("%s: %s\n", way, ok ? "works" : strerrorname_np(errno));
  if (slave >= 0) close(slave);
}

static int made(int only_writable) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return printf("no master: %s\n", strerror(errno));
  const char *name = ptsname(master);
  int keep = open(name, O_RDWR | O_NOCTTY);
  passes("by name", master, open(name, O_RDWR | O_NOCTTY));
  if (!only_writable) passes("by name, for reading", master, open(name, O_RDONLY | O_NOCTTY));
  if (!only_writable) passes("as the master's peer", master, ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  printf("ttyname: %s\n", keep >= 0 && ttyname(keep) != NULL && strcmp(ttyname(keep), name) == 0 ? "agrees" : "differs");
  return 0;
}

int main(int count, char **words) {
  if (count < 2) return 96;
  if (strcmp(words[1], "drive") == 0) return drive(words + 2);
  if (strcmp(words[1], "victim") == 0) return victim();
  if (strcmp(words[1], "hold") == 0 && count == 3) return hold(atoi(words[2]));
  if (strcmp(words[1], "steal") == 0 && count == 3) return steal(words[2]);
  if (strcmp(words[1], "made") == 0) return made(count == 3);
  return 96;
}
