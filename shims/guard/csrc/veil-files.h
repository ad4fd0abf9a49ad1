/* Files and folders that are open behind a veil. */
#ifndef CSG_VEIL_FILES_H
#define CSG_VEIL_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "fuse-wire.h"

/* Opens what may be read and answers the request. 0, or the errno it was answered with. Any thread. */
int veil_file_open(int fuse, uint64_t unique, uint64_t node, const char *path);

/* Of files that are open: their facts even when their name is gone. 0, or -1 when none of that node is open. */
int veil_file_facts(int fuse, uint64_t node, struct stat *facts);

void veil_folder_open(int fuse, uint64_t unique, uint64_t node, const char *path);

/* Only on the thread that answers the kernel. */
void veil_file_read(int fuse, uint64_t unique, const struct wire_read *asked);
void veil_folder_read(int fuse, uint64_t unique, const struct wire_read *asked);
void veil_file_close(uint64_t handle);

/* Whatever is open of a path (as a grant names it) is read no further. Not on the thread that answers the kernel. */
void veil_files_shut(const char *granted);

#endif
