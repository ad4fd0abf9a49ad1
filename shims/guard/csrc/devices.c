#define _GNU_SOURCE
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard.h"
#include "mounts.h"

/*
 * A terminal with a higher number is named /dev/console: numbers are made one by one, at 20 us each, and the start of a session has half a
 * millisecond for all of this.
 */
#define MOST_RESERVED 16

/* Terminals that were made on the way to the wanted number. */
static int spare[MOST_RESERVED];
static size_t spare_count;

static const char *const plain[PLAIN_DEVICES] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

void devices_take(struct devices *devices) {
  for (size_t i = 0; i < PLAIN_DEVICES; i++) devices->plain[i] = clone_tree(plain[i]);
  devices->own_count = own_terminals(devices->own);
  for (size_t i = 0; i < devices->own_count; i++)
    devices->own_trees[i] = devices->own[i].name[0] == 0 ? -1 : clone_tree(devices->own[i].name);
}

static void link_to(const char *target, const char *name) {
  if (symlink(target, name) != 0) cannot("cannot make", name);
}

static void attach_node(int tree, const char *path) {
  if (tree < 0) return;
  if (mknod(path, S_IFREG | 0600, 0) != 0) cannot("cannot make a place for", path);
  attach(tree, path);
}

/*
 * Makes terminals until one has the number, and keeps that one (as long as this process lives) so that none made inside gets it:
 * its place is for the terminal of the same number outside, and numbers stay unambiguous. 0, or -1 when it cannot be had.
 */
static int reserve(unsigned number) {
  if (number >= MOST_RESERVED) return -1;
  while (spare_count < MOST_RESERVED) {
    unsigned got = 0;
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return -1;
    if (ioctl(master, TIOCGPTN, &got) == 0 && got == number) return 0;
    spare[spare_count++] = master;
    if (got > number) return -1;
  }
  return -1;
}

void devices_settle(void) {
  while (spare_count > 0) close(spare[--spare_count]);
}

/*
 * The terminal keeps the name it has outside, so that ttyname(3), `tty`, $SSH_TTY, $GPG_TTY and what `ps` says agree. Where that
 * name cannot be had it is /dev/console, where ttyname(3) looks last.
 */
static void attach_own(const struct own_terminal *terminal, int tree, int *console) {
  unsigned number;
  int reserved = is_pseudo_terminal(terminal->device, &number) && reserve(number) == 0;
  if (tree < 0) return;
  if (strncmp(terminal->name, "/dev/pts/", 9) != 0) {
    attach_node(tree, terminal->name);
  } else if (reserved) {
    attach(tree, terminal->name);
  } else if (!*console) {
    attach_node(tree, "/dev/console");
    *console = 1;
  } else {
    close(tree);
  }
}

void devices_mount(struct devices *devices) {
  int console = 0;
  mount_tmpfs("/dev", "mode=0755,size=64k");
  if (mkdir("/dev/pts", 0755) != 0 || mkdir("/dev/shm", 01777) != 0) cannot("cannot make folders in", "/dev");
  if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620") != 0)
    cannot("cannot mount terminals of the session's own on", "/dev/pts");
  for (size_t i = 0; i < PLAIN_DEVICES; i++) attach_node(devices->plain[i], plain[i]);
  link_to("pts/ptmx", "/dev/ptmx");
  link_to("/proc/self/fd", "/dev/fd");
  link_to("/proc/self/fd/0", "/dev/stdin");
  link_to("/proc/self/fd/1", "/dev/stdout");
  link_to("/proc/self/fd/2", "/dev/stderr");
  for (size_t i = 0; i < devices->own_count; i++) attach_own(&devices->own[i], devices->own_trees[i], &console);
}

void devices_close(void) { set_readonly("/dev", 0); }
