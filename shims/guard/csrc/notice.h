/* One notification of the kernel, and the ways to answer it. */
#ifndef CSG_NOTICE_H
#define CSG_NOTICE_H

#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/types.h>

enum answered {
  /*
   * Let the kernel do it. INVARIANT (no race decides): only when the answer followed from registers alone, or when every outcome is
   * bounded by mounts and Landlock and no rule has anything stricter to say (docs/decisions/0030-guard-filter.md).
   */
  ANSWER_CONTINUE,
  /* `response` is filled: an error or a value. */
  ANSWER_RESULT,
  /* Answered already, or the process that asked is gone. */
  ANSWER_DONE
};

struct notice {
  struct seccomp_notif *request;
  struct seccomp_notif_resp *response;
  /* Thread that made the call, as the host numbers it. */
  pid_t tid;
};

/* The call fails with `error` (an errno), or returns `value`. */
enum answered notice_error(struct notice *notice, int error);
enum answered notice_value(struct notice *notice, int64_t value);
/* 1 while the process still waits in this call: to be asked after anything below /proc/PID was opened. */
int notice_valid(const struct notice *notice);
/* Puts `fd` into the process as the call's result (and closes it here). `flags`: O_CLOEXEC or 0. */
enum answered notice_install(struct notice *notice, int fd, int flags);
/* Replaces descriptor `number` of the process by `fd`; 0 or an errno. `fd` stays open here. */
int notice_replace(struct notice *notice, int number, int fd, int flags);
/* Lets the call go on in the kernel, now; 0, or -1 when the process is gone. */
int notice_continue(struct notice *notice);

/* Around anything that may wait for a person or a peer: another worker takes the next notification meanwhile. */
void supervisor_waits(void);
/* Waits until every descriptor that is being handed over right now is the program's alone. */
void supervisor_let_go(void);
void supervisor_goes_on(void);

/* The kinds of notification; each in the file of its name. */
enum answered exec_notified(struct notice *notice);
enum answered open_notified(struct notice *notice);
enum answered change_notified(struct notice *notice);
enum answered connect_notified(struct notice *notice);
enum answered listen_notified(struct notice *notice);
enum answered bind_notified(struct notice *notice);

#endif
