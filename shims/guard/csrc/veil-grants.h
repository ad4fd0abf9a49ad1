/* What was decided about veiled paths for the rest of the session. Any thread. */
#ifndef CSG_VEIL_GRANTS_H
#define CSG_VEIL_GRANTS_H

enum granted { GRANTED_UNKNOWN, GRANTED_OPEN, GRANTED_SHUT };

/* The youngest word about the path wins. A `path` that ends in a slash is about everything below it. */
void grants_say(const char *path, enum granted granted);
enum granted grants_of(const char *path);

/* 1 when a grant of `granted` is about `path`. */
int grant_covers(const char *granted, const char *path);

#endif
