/*
 * `countersign-guard --layer UPPER LOWER`: what a preview changed, as the kernel wrote it down (overlayfs, `userxattr`), beside what lies below it
 * now. Run by the launcher, outside of every session. Nothing is followed and nothing is changed.
 *
 * Output: records of five texts, each ended by NUL, in no order:
 *   sign      `U` in the upper layer · `L` below, under a name that the upper layer hides · `E` cannot be looked into · `Z` the end, at the end
 *   marks     o opaque · c copied up from below · r has a redirect · m metadata alone · x other extended attributes · d another file system
 *   upper     `kind mode size mtime_ns inode links`, or empty
 *   lower     `kind mode size mtime_ns inode links ctime_ns device`, or empty
 *   path      relative, bytes as they are; of the place itself: empty
 * Kinds: f file · d folder · l link · p FIFO · s socket · n device · w whiteout. A listing without `Z` is not whole. Past MOST_RECORDS it ends with `E`.
 */
#ifndef CSG_LAYER_H
#define CSG_LAYER_H

/* Writes the listing; the exit status: 0, or 1 when it is not whole. */
int layer_main(const char *upper, const char *lower);

#endif
