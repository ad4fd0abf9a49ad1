/* The terminals that a session was started with: its controlling one and those of its standard streams. */
#ifndef CSG_OWN_TERMINAL_H
#define CSG_OWN_TERMINAL_H

#include <stddef.h>
#include <sys/types.h>

#define MOST_OWN_TERMINALS 4
#define TERMINAL_NAME_ROOM 64

struct own_terminal {
  dev_t device;
  /* Its place in /dev; empty when no name there leads to it (the terminal of a container that was entered from outside). */
  char name[TERMINAL_NAME_ROOM];
};

/* True for a terminal's own device: a pseudo terminal, a virtual console, a serial line, /dev/console; not for /dev/tty. */
int is_terminal_device(dev_t device);

/* 1 with the number when the device is the far end of a pseudo terminal. */
int is_pseudo_terminal(dev_t device, unsigned *number);

/* Looks for this process's own terminals and for names that surely lead to them. How many. Opens nobody else's for longer than it takes to tell. */
size_t own_terminals(struct own_terminal out[MOST_OWN_TERMINALS]);

#endif
