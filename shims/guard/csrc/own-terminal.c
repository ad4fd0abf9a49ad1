#define _GNU_SOURCE
#include "own-terminal.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guard.h"

#define MAJOR_TTY 4u
#define MAJOR_TTY_OWN 5u
#define MAJOR_SLAVE_FIRST 136u
#define MAJOR_SLAVE_LAST 143u
#define SERIAL_FIRST 64u

#ifndef TIOCGDEV
#define TIOCGDEV _IOR('T', 0x32, unsigned int)
#endif

int is_pseudo_terminal(dev_t device, unsigned *number) {
  if (major(device) < MAJOR_SLAVE_FIRST || major(device) > MAJOR_SLAVE_LAST) return 0;
  *number = minor(device);
  return 1;
}

int is_terminal_device(dev_t device) {
  unsigned number;
  return is_pseudo_terminal(device, &number) || major(device) == MAJOR_TTY || (major(device) == MAJOR_TTY_OWN && minor(device) == 1);
}

/* The kernel says a terminal's number also of /dev/tty and /dev/console, which are other names for it. */
static dev_t device_behind(int fd) {
  unsigned number = 0;
  if (ioctl(fd, TIOCGDEV, &number) != 0) return 0;
  return makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

/* Names are places directly in /dev, or a number in /dev/pts. */
static int is_plain_name(const char *name) {
  if (strncmp(name, "/dev/pts/", 9) == 0) return name[9] != 0 && strspn(name + 9, "0123456789") == strlen(name + 9);
  return strncmp(name, "/dev/", 5) == 0 && name[5] != 0 && name[5] != '.' && strchr(name + 5, '/') == NULL;
}

static struct own_terminal *add(struct own_terminal *out, size_t *count, dev_t device) {
  for (size_t i = 0; i < *count; i++)
    if (out[i].device == device) return &out[i];
  if (*count == MOST_OWN_TERMINALS) return NULL;
  out[*count].device = device;
  out[*count].name[0] = 0;
  return &out[(*count)++];
}

/* The name that the descriptor was opened by, when it leads to the same node still. */
static void name_stream(struct own_terminal *terminal, int fd, const struct stat *facts) {
  char link[64], name[PATH_ROOM];
  struct stat there;
  print_path(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, name, sizeof name - 1);
  if (n <= 0) return;
  name[n] = 0;
  if (!is_plain_name(name) || lstat(name, &there) != 0) return;
  if (there.st_dev == facts->st_dev && there.st_ino == facts->st_ino) print_path(terminal->name, sizeof terminal->name, "%s", name);
}

/* Only the controlling terminal answers for its session: another of the same number, in another devpts, does not. */
static int is_controlling(const char *name) {
  int session = 0;
  int fd = open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  int found = ioctl(fd, TIOCGSID, &session) == 0;
  close(fd);
  return found;
}

static void name_controlling(struct own_terminal *terminal) {
  unsigned number;
  char name[TERMINAL_NAME_ROOM];
  if (is_pseudo_terminal(terminal->device, &number)) {
    print_path(name, sizeof name, "/dev/pts/%u", number);
  } else if (major(terminal->device) == MAJOR_TTY) {
    int serial = minor(terminal->device) >= SERIAL_FIRST;
    print_path(name, sizeof name, serial ? "/dev/ttyS%u" : "/dev/tty%u", minor(terminal->device) - (serial ? SERIAL_FIRST : 0));
  } else {
    return;
  }
  if (is_controlling(name)) print_path(terminal->name, sizeof terminal->name, "%s", name);
}

size_t own_terminals(struct own_terminal out[MOST_OWN_TERMINALS]) {
  size_t count = 0;
  for (int fd = 0; fd < 3; fd++) {
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISCHR(facts.st_mode) || !is_terminal_device(facts.st_rdev)) continue;
    struct own_terminal *terminal = add(out, &count, facts.st_rdev);
    if (terminal != NULL && terminal->name[0] == 0) name_stream(terminal, fd, &facts);
  }
  int own = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (own < 0) return count;
  dev_t device = device_behind(own);
  struct own_terminal *terminal = device == 0 ? NULL : add(out, &count, device);
  if (terminal != NULL && terminal->name[0] == 0) name_controlling(terminal);
  close(own);
  return count;
}
