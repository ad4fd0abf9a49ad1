/*
 * The configuration of one session: a file with one frame (shims/shell/csrc/frame.h), written by the launcher, removed once read.
 *
 *   S session · K key · D daemon socket · M full, landlock or nested · R ask before veiled reads · I terminal · c cwd ·
 *   T folder for /tmp · w writable (repeated) · v veiled (repeated) · h hidden (repeated) · x shown (repeated) · b kept, below /tmp (repeated) ·
 *   r base name of files whose reading is reported, `*` for anything (repeated) · O overlay folder · d resolv.conf · n name server ·
 *   a argv of the agent (repeated)
 */
#ifndef CSG_CONFIG_H
#define CSG_CONFIG_H

#include "guard.h"

/* Reads and removes the file; ends the process with its reason when it is not ours or not whole. */
void config_read(const char *path, struct config *config);
/* The same of bytes that were read already; `path` only names them. They stay the caller's. */
void config_parse(unsigned char *file, size_t size, const char *path, struct config *config);

#endif
