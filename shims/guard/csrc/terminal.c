#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "own-terminal.h"
#include "tracee.h"

#define MAJOR_MEMORY 1u
#define MAJOR_TTY_OWN 5u
#define MOST_TERMINALS 256

/*
 * Without mounts only: O_PATH descriptors of the far ends of terminals that the session made. The kernel unlinks such a node when the
 * terminal ends, so a new one with the same number is told from it.
 */
static int made[MOST_TERMINALS];
static size_t made_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The number in /proc/PID/stat has the kernel's old layout. */
static dev_t device_of_terminal(pid_t tid) {
  unsigned number = (unsigned)tracee_terminal(tid);
  if (number == 0) return 0;
  return makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

static int forget_ended_locked(void) {
  size_t kept = 0;
  for (size_t i = 0; i < made_count; i++) {
    struct stat facts;
    if (fstat(made[i], &facts) == 0 && facts.st_nlink > 0) made[kept++] = made[i];
    else close(made[i]);
  }
  made_count = kept;
  return kept < MOST_TERMINALS;
}

void terminal_made(int master) {
  unsigned number;
  char path[64];
  if (guard.config.mode != FILTER_LANDLOCK) return;
  if (ioctl(master, TIOCGPTN, &number) != 0) return;
  print_path(path, sizeof path, "/dev/pts/%u", number);
  int slave = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (slave < 0) return;
  pthread_mutex_lock(&lock);
  if (forget_ended_locked()) made[made_count++] = slave;
  else close(slave);
  pthread_mutex_unlock(&lock);
}

/* With mounts, the session has a devpts of its own and only its terminals are in it. */
static int is_made_here(const struct stat *facts) {
  struct stat folder;
  int found = 0;
  if (guard.config.mode != FILTER_LANDLOCK) return stat("/dev/pts", &folder) == 0 && folder.st_dev == facts->st_dev;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < made_count && !found; i++) {
    struct stat other;
    found = fstat(made[i], &other) == 0 && other.st_nlink > 0 && other.st_dev == facts->st_dev && other.st_ino == facts->st_ino;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

/* The supervisor has the standard streams that the agent was started with; what the agent has by now may be anything. -1: none of them. */
static int given(dev_t device) {
  for (int number = 0; number < 3; number++) {
    struct stat facts;
    if (fstat(number, &facts) == 0 && S_ISCHR(facts.st_mode) && facts.st_rdev == device) return number;
  }
  return -1;
}

enum device device_kind(pid_t tid, const struct object *object) {
  dev_t device = object->facts.st_rdev;
  if (!S_ISCHR(object->facts.st_mode)) return DEVICE_NONE;
  if (major(device) == MAJOR_MEMORY) {
    unsigned number = minor(device);
    return number == 3 || number == 5 || number == 7 || number == 8 || number == 9 ? DEVICE_PLAIN : DEVICE_NONE;
  }
  if (major(device) == MAJOR_TTY_OWN && minor(device) == 0) return DEVICE_OWN;
  if (major(device) == MAJOR_TTY_OWN && minor(device) == 2) return DEVICE_MASTER;
  if (!is_terminal_device(device)) return DEVICE_NONE;
  if (device == device_of_terminal(tid) || is_made_here(&object->facts) || given(device) >= 0) return DEVICE_TERMINAL;
  return DEVICE_FOREIGN;
}

static int open_if(const char *path, int flags, dev_t device) {
  struct stat facts;
  int fd = open(path, O_PATH | O_CLOEXEC | flags);
  if (fd >= 0 && (fstat(fd, &facts) != 0 || facts.st_rdev != device)) {
    close(fd);
    return -1;
  }
  return fd;
}

int terminal_of(pid_t tid) {
  dev_t device = device_of_terminal(tid);
  char path[64];
  unsigned number;
  if (device == 0) return -1;
  /* The terminal of the start first: it may have no name inside. */
  int stream = given(device);
  if (stream >= 0) {
    print_path(path, sizeof path, "self/fd/%d", stream);
    return open_if(path, 0, device);
  }
  if (is_pseudo_terminal(device, &number)) {
    print_path(path, sizeof path, "/dev/pts/%u", number);
  } else if (major(device) == MAJOR_TTY_OWN) {
    print_path(path, sizeof path, "/dev/console");
  } else {
    unsigned place = minor(device);
    print_path(path, sizeof path, place < 64 ? "/dev/tty%u" : "/dev/ttyS%u", place < 64 ? place : place - 64);
  }
  int fd = open_if(path, O_NOFOLLOW, device);
  return fd >= 0 ? fd : open_if("/dev/console", O_NOFOLLOW, device);
}
