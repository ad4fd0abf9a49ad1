/*
 * A /dev of the session's own: the few devices that are nobody's, a devpts instance of its own, and the terminals it was started
 * with. The person's other terminals, their microphone, camera, keyboard and disks have no name in it, so nothing has to watch
 * who opens them, for reading or otherwise.
 */
#ifndef CSG_DEVICES_H
#define CSG_DEVICES_H

#include "own-terminal.h"

#define PLAIN_DEVICES 6

struct devices {
  /* Detached mounts of single nodes; -1 where there is none. */
  int plain[PLAIN_DEVICES];
  struct own_terminal own[MOST_OWN_TERMINALS];
  int own_trees[MOST_OWN_TERMINALS];
  size_t own_count;
};

/* Takes hold of the nodes, before the host's mounts lose them. */
void devices_take(struct devices *devices);

/* Mounts the new /dev, still writable, for mount points. */
void devices_mount(struct devices *devices);

/* Gives back what the start needed of terminals. It costs time: for when nobody waits for this process, in each that has them. */
void devices_settle(void);

/* Nothing changes in /dev any more. */
void devices_close(void);

#endif
