/* Who goes through secrets: a program, or several that the same one starts. Behind one lock of the caller. */
#ifndef CSG_VEIL_FAMILY_H
#define CSG_VEIL_FAMILY_H

#include <sys/types.h>

/* The process that stands for the family of `process`, whose parent is `parent`. */
pid_t family_of(pid_t process, pid_t parent);

/*
 * 1 when a question about the path may be put for the family: it has not just been refused that path, nor so many others (with
 * `waiting` of its questions not answered yet) that it looks like a search.
 */
int family_may_ask(pid_t family, const char *path, unsigned waiting, long long now);

/* A question of the family was answered with a refusal. */
void family_refused(pid_t family, const char *path, long long now);

#endif
