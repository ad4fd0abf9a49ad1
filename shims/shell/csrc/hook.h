#ifndef CSN_HOOK_H
#define CSN_HOOK_H

#include "surface.h"

/* See hook.c for the arguments. */
int hook_main(const struct called *called, int argc, char **argv);

#endif
