/*
 * A preview: the session works on overlays of the places it may write. What it changes lies in upper layers of the launcher's, below
 * `config.overlay`: `N/upper` and `N/work` for writable place N. The places themselves stay as they are.
 */
#ifndef CSG_OVERLAY_H
#define CSG_OVERLAY_H

#include "guard.h"

/* A detached overlay over a writable place, to be mounted where it is; -1 when nothing is there, or no folder: it stays read-only. */
int overlay_tree(const char *place, const char *folder, size_t number);

#endif
