#define _GNU_SOURCE
#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include "link.h"

/* A wait of more than this is a daemon that miscounts. */
#define LONGEST_WAIT_MS (7ll * 24 * 3600 * 1000)

enum asked reply_asked(const struct bytes *question) {
  struct field f;
  /* Behind the header that put() makes. */
  size_t offset = question->size < 8 ? question->size : 8;
  if (next_field(question, &offset, &f) != 1 || f.tag != 'k') return ASKED_OTHER;
  if (field_is(&f, "exec")) return ASKED_EXEC;
  int host = field_is(&f, "connect");
  if (!host && !field_is(&f, "file")) return ASKED_OTHER;
  while (next_field(question, &offset, &f) == 1)
    if (f.tag == 'O' && host) return field_is(&f, "tcp") ? ASKED_HOST : ASKED_OTHER;
    else if (f.tag == 'O') return field_is(&f, "delete") || field_is(&f, "rmdir") || field_is(&f, "write") ? ASKED_MOVABLE : ASKED_OTHER;
  return ASKED_OTHER;
}

struct reply reply_denied(const char *text) {
  return (struct reply){.decision = DECIDED_DENY, .message = text, .action = ""};
}

void reply_free(struct reply *reply) {
  free(reply->frame.at);
  free(reply->argv);
  *reply = reply_denied("");
}

/* A field's value as a C string, or null when it holds a NUL. Ended later: what stands behind it is the next field's tag. */
static char *text_of(const struct bytes *frame, const struct field *field) {
  if (memchr(field->at, 0, field->size) != NULL) return NULL;
  return (char *)frame->at + (field->at - frame->at);
}

static long long number_of(const struct field *field) {
  if (field->size == 0 || field->size > 12) return -1;
  long long number = 0;
  for (size_t i = 0; i < field->size; i++) {
    if (field->at[i] < '0' || field->at[i] > '9') return -1;
    number = number * 10 + (field->at[i] - '0');
  }
  return number;
}

/* Ends every value by a NUL. Only once all fields are known: the NUL overwrites the tag of the one behind. */
static void end_values(struct bytes *frame) {
  struct field f;
  size_t offset = 0;
  unsigned char *end = NULL;
  while (next_field(frame, &offset, &f) == 1) {
    if (end != NULL) *end = 0;
    end = frame->at + offset;
  }
  /* The last one's stands on the seal that was taken off. */
  if (end != NULL) *end = 0;
}

static enum heard read_waiting(struct bytes *frame, size_t offset, struct waited *waited) {
  struct field f;
  int more, text = 0, left = 0;
  *waited = (struct waited){.text = "", .left_ms = 0};
  while ((more = next_field(frame, &offset, &f)) == 1) {
    if (f.tag == 'm' && !text) {
      waited->text = text_of(frame, &f);
      if (waited->text == NULL) return HEARD_MALFORMED;
      text = 1;
    } else if (f.tag == 'd' && !left) {
      waited->left_ms = number_of(&f);
      if (waited->left_ms < 0) return HEARD_MALFORMED;
      if (waited->left_ms > LONGEST_WAIT_MS) waited->left_ms = LONGEST_WAIT_MS;
      left = 1;
    } else {
      return HEARD_MALFORMED;
    }
  }
  if (more < 0 || !left) return HEARD_MALFORMED;
  end_values(frame);
  return HEARD_WAITING;
}

static int read_decision(const struct field *field, enum decision *decision) {
  if (field_is(field, "ALLOW")) *decision = DECIDED_ALLOW;
  else if (field_is(field, "DENY")) *decision = DECIDED_DENY;
  else if (field_is(field, "MODIFY")) *decision = DECIDED_MODIFY;
  else return -1;
  return 0;
}

/* One field of an answer; -1 when it may not be there. `seen` keeps what must not come twice. */
static int read_field(const struct bytes *frame, const struct field *f, struct reply *reply, unsigned *seen, size_t *words) {
  static const char once[] = "DmixGp";
  const char *which = f->tag == 0 ? NULL : strchr(once, f->tag);
  if (which != NULL) {
    unsigned bit = 1u << (unsigned)(which - once);
    if (*seen & bit) return -1;
    *seen |= bit;
  }
  switch (f->tag) {
    case 'D':
      return read_decision(f, &reply->decision);
    case 'm':
      return (reply->message = text_of(frame, f)) == NULL ? -1 : 0;
    case 'i':
      return (reply->action = text_of(frame, f)) == NULL ? -1 : 0;
    case 'x':
      reply->report_end = 1;
      return 0;
    case 'G':
      reply->remember = 1;
      return 0;
    case 'p':
      return f->size == 0 || (reply->path = text_of(frame, f)) == NULL ? -1 : 0;
    case 'a':
      (*words)++;
      return text_of(frame, f) == NULL ? -1 : 0;
    default:
      return -1;
  }
}

/* Collects the `a` fields, `words` of them; null when there is no memory. */
static char **words_of(const struct bytes *frame, size_t words) {
  char **argv = calloc(words + 1, sizeof *argv);
  if (argv == NULL) return NULL;
  struct field f;
  size_t offset = 0, at = 0;
  while (next_field(frame, &offset, &f) == 1)
    if (f.tag == 'a' && at < words) argv[at++] = text_of(frame, &f);
  return argv;
}

static enum heard read_answer(struct bytes *frame, size_t offset, enum asked asked, struct reply *reply) {
  struct field f;
  int more;
  unsigned seen = 0;
  size_t words = 0;
  *reply = reply_denied("");
  while ((more = next_field(frame, &offset, &f)) == 1)
    if (read_field(frame, &f, reply, &seen, &words) != 0) break;
  int changed = reply->decision == DECIDED_MODIFY;
  int whole = more == 0 && (seen & 1u) != 0;
  /* A change that this question cannot have is not carried out as something else. */
  int fits = changed ? reply->path != NULL && asked != ASKED_OTHER && (asked != ASKED_MOVABLE) == (words > 0)
                     : reply->path == NULL && words == 0;
  if (whole && fits && words > 0) fits = (reply->argv = words_of(frame, words)) != NULL;
  if (!whole || !fits) {
    *reply = reply_denied("");
    return HEARD_MALFORMED;
  }
  end_values(frame);
  reply->frame = *frame;
  *frame = (struct bytes){0};
  return HEARD_ANSWER;
}

enum heard reply_read(struct bytes *frame, enum asked asked, struct reply *reply, struct waited *waited) {
  struct field kind;
  size_t offset;
  if (frame_kind(frame, &offset, &kind) != 0) return HEARD_MALFORMED;
  if (field_is(&kind, "waiting")) return read_waiting(frame, offset, waited);
  if (field_is(&kind, "answer")) return read_answer(frame, offset, asked, reply);
  return HEARD_MALFORMED;
}
