#ifndef CSN_ASK_H
#define CSN_ASK_H

#include "surface.h"

/* See ask.c for the arguments. */
int ask_main(const struct called *called, int argc, char **argv);

#endif
