/* The steps of which a session's view of the files is made. They end the process, with the failing step, when they cannot. */
#ifndef CSG_MOUNTS_H
#define CSG_MOUNTS_H

_Noreturn void cannot(const char *what, const char *path);

/* A detached copy of a tree, as it is before anything becomes read-only; -1 when there is nothing. */
int clone_tree(const char *path);
/* Mounts a detached tree and closes it. Device nodes can be opened in it only when it lies in /dev. */
void attach(int tree, const char *path);
void set_readonly(const char *path, unsigned flags);
void mount_tmpfs(const char *path, const char *options);

#endif
