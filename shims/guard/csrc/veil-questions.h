/*
 * Touches of veiled files: opened, refused, or held while a person is asked. Whoever waits for the same file, in the same program under
 * the same decision, waits for one question; and who goes through secrets one by one is refused after a few.
 */
#ifndef CSG_VEIL_QUESTIONS_H
#define CSG_VEIL_QUESTIONS_H

#include <stdint.h>
#include <sys/types.h>

/* A worker of the supervisor that waits, to open for a thread of the session what that thread itself could not. */
struct asker {
  /* eventfd; written once `error` is there. */
  int done;
  int error;
};

/* Someone wants to read: the request, and the thread as the host numbers it (0: nobody of the session). */
struct touch {
  int fuse;
  uint64_t unique;
  uint64_t node;
  pid_t tid;
  /* Not null: there is no request, but this waits. */
  struct asker *asker;
};

/* These on the thread that answers the kernel; none of them waits. */
void question_touch(const struct touch *touch, const char *path);
/* The kernel says that a signal reached the one who waits. */
void question_interrupt(int fuse, uint64_t unique);
/* Looks again at those whom a signal reached that did not end their waiting. 1 when there are any: to be called again soon. */
int question_look_again(void);

#endif
