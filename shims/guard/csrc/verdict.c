#define _GNU_SOURCE
#include "verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ask.h"
#include "kernel.h"
#include "resolve.h"
#include "tracee.h"

static int strictness(enum row row) {
  switch (row) {
    case ROW_ALLOW:
      return 0;
    case ROW_LATE:
      return 1;
    case ROW_ASK:
      return 2;
    case ROW_DENY:
      return 3;
  }
  return 3;
}

int is_permission(enum verdict verdict) { return verdict == MAY || verdict == MAY_OUTSIDE; }

enum row stricter(enum row a, enum row b) { return strictness(a) >= strictness(b) ? a : b; }

/* Shown inside /tmp and not the session's own: what the tables allow of /tmp is not meant for it. */
static int is_only_kept(const char *name) {
  for (size_t i = 0; i < guard.config.writable.count; i++)
    if (is_below(name, guard.config.writable.at[i])) return 0;
  for (size_t i = 0; i < guard.config.kept.count; i++)
    if (is_below(name, guard.config.kept.at[i])) return 1;
  return 0;
}

enum row row_of(char ops, const char *name) {
  enum row row = table_file(ops, name);
  return row == ROW_ALLOW && is_only_kept(name) ? ROW_ASK : row;
}

/* Only what report and question need; most deeds come here once, from `done`. */
static const char *scope(struct deed *deed) {
  scope_of(deed->notice->tid, deed->scope);
  return deed->scope;
}

void done(struct deed *deed) {
  int has_destination = strcmp(deed->op, "rename") == 0 || strcmp(deed->op, "link") == 0;
  effect(deed->op, scope(deed), 0, deed->name, has_destination ? deed->second : NULL);
}

void undone(struct deed *deed, int error) {
  int has_destination = strcmp(deed->op, "rename") == 0 || strcmp(deed->op, "link") == 0;
  if (guard.config.overlay != NULL && error == EROFS) effect(deed->op, scope(deed), error, deed->name, has_destination ? deed->second : NULL);
}

static enum verdict refuse(struct deed *deed) {
  int has_destination = strcmp(deed->op, "rename") == 0 || strcmp(deed->op, "link") == 0;
  effect(deed->op, scope(deed), EACCES, deed->name, has_destination ? deed->second : NULL);
  return MAY_NOT;
}

/* Puts a question; `*reply` must be freed. 0, or -1 when the process that asked is no more. */
static int put_question(struct deed *deed, struct bytes *question, struct reply *reply) {
  char program[PATH_ROOM];
  pid_t process, parent;
  if (tracee_family(deed->notice->tid, &process, &parent) != 0) return -1;
  int gone = (int)syscall(SYS_pidfd_open, process, 0);
  tracee_program(deed->notice->tid, program, sizeof program);
  put_number(question, 'q', process);
  put_text(question, 'e', program);
  put_text(question, 'P', scope(deed));
  supervisor_waits();
  *reply = ask(question, gone, NULL, NULL);
  supervisor_goes_on();
  if (gone >= 0) close(gone);
  if (notice_valid(deed->notice)) return 0;
  reply_free(reply);
  return -1;
}

static void free_question(struct bytes *question) {
  free(question->at);
  *question = (struct bytes){NULL, 0, 0};
}

static enum verdict ask_about(struct deed *deed, char move_to[PATH_ROOM]) {
  struct bytes question = {NULL, 0, 0};
  struct reply reply;
  char octal[32];
  put_text(&question, 'k', "file");
  put_text(&question, 'O', deed->op);
  put_text(&question, 'p', deed->name);
  if (deed->second != NULL) put_text(&question, 't', deed->second);
  snprintf(octal, sizeof octal, "%lo", deed->detail);
  put_text(&question, 'F', octal);
  int asked = put_question(deed, &question, &reply);
  free_question(&question);
  if (asked != 0) return NOBODY_WAITS;
  enum verdict verdict = MAY_NOT;
  if (reply.decision == DECIDED_ALLOW) verdict = MAY_OUTSIDE;
  if (reply.decision == DECIDED_MODIFY && reply.path != NULL && print_path(move_to, PATH_ROOM, "%s", reply.path) >= 0)
    verdict = MOVE_INSTEAD;
  /* Of two names, an answer about one says nothing. */
  if (reply.remember && deed->second == NULL && verdict != MOVE_INSTEAD)
    table_remember(deed->class, deed->name, verdict == MAY_OUTSIDE ? ROW_ALLOW : ROW_DENY);
  reply_free(&reply);
  return verdict == MAY_NOT ? refuse(deed) : verdict;
}

enum verdict settle_late(struct deed *deed, const char *op, const char *file, const char *content) {
  struct bytes question = {NULL, 0, 0};
  struct reply reply;
  /* In a preview a file acts, if ever, when it is committed, and a person has seen it then; the daemon would look at the file below. */
  if (guard.config.overlay != NULL) return MAY;
  put_text(&question, 'k', "late");
  put_text(&question, 'O', op);
  put_text(&question, 'p', file);
  if (strcmp(op, "replace") == 0) put_text(&question, 't', content == NULL ? "" : content);
  int asked = put_question(deed, &question, &reply);
  free_question(&question);
  if (asked != 0) return NOBODY_WAITS;
  /* The daemon looked at the change as such too, so it holds outside of the writable places as well. */
  enum verdict verdict = reply.decision == DECIDED_ALLOW ? MAY_OUTSIDE : MAY_NOT;
  reply_free(&reply);
  return verdict == MAY_NOT ? refuse(deed) : verdict;
}

enum verdict settle(struct deed *deed, enum row row, char move_to[PATH_ROOM]) {
  enum row remembered;
  switch (row) {
    case ROW_ALLOW:
    case ROW_LATE:
      return MAY;
    case ROW_DENY:
      return refuse(deed);
    case ROW_ASK:
      break;
  }
  /* Nothing is there that an answer could be about. */
  if (is_session_hidden(deed->name)) return refuse(deed);
  if (deed->second == NULL && table_remembered(deed->class, deed->name, &remembered))
    return remembered == ROW_ALLOW ? MAY_OUTSIDE : refuse(deed);
  return ask_about(deed, move_to);
}
