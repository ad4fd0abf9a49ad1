/*
 * The parts of an exec. It is judged at its exec stop: the new image is committed then, nothing of it has run, every other thread of the
 * process is dead and its memory is shared with nobody, so what is read there is what runs (INVARIANT: no race decides).
 *
 *   exec.c  the notification, and the judgement      exec-stop.c  to the stop, and away from it    exec-image.c  what was committed
 *   exec-ask.c  the question and what its answer does      poke.c  what the image runs instead      held.c, ends.c  what happens meanwhile, and after
 *   seal.c  what keeps its memory to itself
 */
#ifndef CSG_EXEC_H
#define CSG_EXEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard.h"

/* What the kernel has made of an exec. */
struct image {
  pid_t process;
  /* Canonical program. */
  char program[PATH_ROOM];
  /* The name it was started by: its folder resolved, its last component as given; the program where there is no such name. */
  char called_by[PATH_ROOM];
  /* Canonical script, when the kernel runs an interpreter for it; else empty. */
  char script[PATH_ROOM];
  /* The name as it was given to the kernel, and the arguments: one block, each ended by NUL. Both lie in `stack`. */
  const char *given;
  const char *argv;
  size_t argv_size;
  size_t argc;
  /* Where in the process its environment's pointers lie. */
  uint64_t environment;
  /* The program has no name any more, or never had one. */
  int nameless;
  /* The script's name may lead elsewhere when its interpreter opens it: it is as good as a name the session wrote. */
  int unsettled;
  char *stack;
  size_t stack_size;
};

enum read_image { IMAGE_READ, IMAGE_UNREADABLE, IMAGE_FOREIGN };

/* Reads the image of a process that stands at its exec stop. FOREIGN: it is not of this processor's native kind. */
enum read_image image_read(pid_t process, struct image *image);
void image_free(struct image *image);

/* exec-stop.c. All of one exec happens on one thread: a tracee belongs to the thread that took it. */
enum stopped {
  STOPPED_AT_EXEC,
  /* The exec failed, or starts anew as another notification: it has been let go already. */
  STOPPED_NOT,
  /* It died; it has been reaped. */
  STOPPED_GONE
};
/* Takes a thread, so that it stops when its exec commits and dies when the supervisor does; 0 or an errno. */
int stop_take(pid_t tid);
/* After the notification was answered: waits for what comes of it, without a clock. `process` is who stands there. */
enum stopped stop_await(pid_t tid, pid_t *process);
/* Lets a stopped process go on. */
void stop_release(pid_t process);
/* Lets a stopped process run to its next stop; the status of that, or -1 when it died (and has been reaped). */
int stop_continue(pid_t process);
/* Ends it, where nothing milder is possible. */
void stop_kill(pid_t process);

/* poke.c: instead of its own first instruction the process makes one call and, when that returns, exits with 126. 0 or -1. */
int poke_stack(pid_t process, uint64_t *stack);
int poke_refusal(pid_t process, const char *message);
int poke_exec(pid_t process, uint64_t environment, const char *path, char *const *argv);

/* seal.c: no other process of its user looks into this one's memory from now on, core files included. 0, or -1 when it could not be done. */
int seal_memory(pid_t process);

/* exec-ask.c: asks about an image and does what the answer says; the process is let go or ended when it returns. */
void exec_ask(const struct image *image, const char *asker, const char *scope, int writable);
/* Refuses without asking: the text goes to the program's standard error, and it exits with 126. */
void exec_refuse(pid_t process, const char *message);
/* 1 when this is what an answer said shall run in this process, which then runs under that answer's action. */
int exec_expected(const struct image *image);

/*
 * exec-text.c: writes to the standard error of a process, and never waits for room there: what does not fit is not said.
 */
void exec_tell(pid_t process, const char *text);

/* held.c: watches a process that stands at its stop for a signal that would end it. `bell` (an eventfd) rings then. */
void held_watch(pid_t process, int bell);
void held_forget(pid_t process);

/* ends.c: reports how a process ends, once it does. To be called while it cannot be reaped. */
void ends_watch(pid_t process, const char *action);

#endif
