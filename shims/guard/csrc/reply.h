/* What a frame on an `ask` connection says (docs/guard-protocol.md, Answers). Pure; refuses whatever the page does not allow. */
#ifndef CSG_REPLY_H
#define CSG_REPLY_H

#include "ask.h"

/* What was asked, as far as the answer depends on it. Movable is what can be done with another file in its place; a host may
 * be reached another way. */
enum asked { ASKED_OTHER, ASKED_EXEC, ASKED_MOVABLE, ASKED_HOST };
enum asked reply_asked(const struct bytes *question);

enum heard { HEARD_ANSWER, HEARD_WAITING, HEARD_MALFORMED };

struct waited {
  /* Points into the frame; never null. */
  const char *text;
  long long left_ms;
};

/*
 * Reads a received frame, its seal taken off but still behind it: values are ended by a NUL in place. An answer takes
 * the frame over (`frame` is empty then); otherwise it stays the caller's.
 */
enum heard reply_read(struct bytes *frame, enum asked asked, struct reply *reply, struct waited *waited);

/* A denial of our own; `text` must outlive it. */
struct reply reply_denied(const char *text);

#endif
