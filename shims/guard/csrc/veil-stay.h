/*
 * Veils stay where they lie. When somebody outside replaces a file or folder, the kernel takes off what was mounted on it, in every
 * namespace: it is veiled anew as soon as it is there again. So is what was not there when the session began.
 */
#ifndef CSG_VEIL_STAY_H
#define CSG_VEIL_STAY_H

/* Starts watching over guard.config.veiled; a descriptor that is readable when something appeared, or -1. */
int stay_start(void);

/* Reads what appeared, and calls `bare` for each veiled path (its index) over which no veil lies now. */
void stay_look(int fd, void (*bare)(unsigned at));

/* A veil lies over the path now. */
void stay_veiled(unsigned at);

/* 1 when the path lies behind another veil, or is named twice: it has none of its own. */
int stay_is_covered(unsigned at);

#endif
