/* Devices: the few that anybody may write, and terminals, of which a session may use its own only. */
#ifndef CSG_TERMINAL_H
#define CSG_TERMINAL_H

#include "resolve.h"

enum device {
  /* No device: the rules for files hold. */
  DEVICE_NONE,
  /* null, zero, full, random, urandom: nothing of anybody's is behind it. */
  DEVICE_PLAIN,
  /* Makes a new terminal. */
  DEVICE_MASTER,
  /* The tracee's own terminal by another name: /dev/tty. */
  DEVICE_OWN,
  /* A terminal of this session. */
  DEVICE_TERMINAL,
  /* A terminal of somebody else. */
  DEVICE_FOREIGN
};

enum device device_kind(pid_t tid, const struct object *object);

/* O_PATH descriptor of the tracee's controlling terminal; -1 when it has none that can be reached. */
int terminal_of(pid_t tid);

/* A terminal was made by the session (`master` was opened). Where there are no mounts, its other end is remembered as the session's. */
void terminal_made(int master);

#endif
