/* The session's static rules, as the daemon compiled them (docs/guard-protocol.md, `tables`). Any thread; replaced whole. */
#ifndef CSG_TABLE_H
#define CSG_TABLE_H

#include <stddef.h>

#include "../../shell/csrc/frame.h"

enum row { ROW_ALLOW, ROW_DENY, ROW_ASK, ROW_LATE };

/* Replaces the tables by those of a received `tables` frame, its seal taken off; 0, or -1 when it is malformed (the old ones stay). */
int table_replace(const struct bytes *frame);

/* What the rows say about an operation of class `ops` ('w', 'd', 'c' or 'm') on a canonical path; ROW_ASK when none matches. */
enum row table_file(char ops, const char *path);

/*
 * Whether an exec must be asked about: by the names it has, or because an argument contains a trigger. `argv` is one block of
 * `size` bytes, each argument ended by NUL.
 */
int table_exec_asks(const char *program, const char *called_by, const char *argv, size_t size);

/* Whether a canonical socket path, or a host and port, may be connected to without a question. */
int table_unix_allows(const char *path);
int table_host_allows(const char *host, int port);

/*
 * Answers that are remembered for the session (`G`): one object and operation class each. Bounded; forgotten when the tables
 * are replaced. Never two answers for one object: the last holds.
 *
 * An answer to a question that was asked before the tables were replaced is not remembered: it may be what the new policy
 * no longer says. ask() calls table_asking() before each question, and table_remember() compares, on the same thread.
 */
void table_asking(void);
void table_remember(char ops, const char *object, enum row verdict);
int table_remembered(char ops, const char *object, enum row *verdict);

#endif
