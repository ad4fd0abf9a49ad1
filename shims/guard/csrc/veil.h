/*
 * Veils: what lies over secrets. Where /dev/fuse is at hand the names can be seen and the first touch of a file is a question; a
 * grant opens exactly that file for that session. Elsewhere the place is masked.
 */
#ifndef CSG_VEIL_H
#define CSG_VEIL_H

/*
 * first.c, before the supervisor: mounts a veil over a folder or file and returns its descriptor; -1 when it cannot. Until
 * veil_serve() runs, whoever looks behind it waits: nothing of the start may.
 */
int veil_mount(const char *path);

/* 1 when veils can be mounted here at all. */
int veil_possible(void);

/* Supervisor: serves every veil of guard.veils on threads of its own. Real files are reached by guard.host_root only. */
void veil_serve(void);

/*
 * Asks for the thread of a notification whether it may read a veiled file, and waits for the answer. 0: the supervisor's next opening of
 * that path through the veil succeeds, once. Else an errno. Not on the thread that serves the veils; around it, supervisor_waits().
 */
struct notice;
int veil_ask(const struct notice *notice, const char *path);

/*
 * A person allowed or took back a path of this session (pushes of the link). The path of a file is that file; one that ends in a
 * slash is everything below it.
 */
void veil_grant(const char *path);
void veil_revoke(const char *path);

#endif
