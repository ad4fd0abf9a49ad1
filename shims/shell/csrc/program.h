/* Finding a real program behind the shims, running it, and reporting how it ended. */
#ifndef CSN_PROGRAM_H
#define CSN_PROGRAM_H

/* Absolute or relative path of the program `name` on PATH that is not one of our shims, or null. */
char *find_program(const char *name);

/*
 * Runs the program as a child and ends this process exactly as the child ended. With `socket` >= 0 the outcome is sent
 * there; with -1 the program replaces this process.
 */
_Noreturn void run_program(int socket, const char *path, char **argv);

/* Ends this process as a wait status says: the same exit code, or the same signal. */
_Noreturn void end_as(int status);

#endif
