#ifndef CSN_INIT_H
#define CSN_INIT_H

/* countersign-init [--tty] DIRECTORY CMD…; see init.c. */
int init_main(int argc, char **argv);

#endif
