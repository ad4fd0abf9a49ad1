/*
 * execve and execveat. What fails anyway is answered at the notification (the search along PATH is most of it); all else is let into the kernel
 * under PTRACE_SEIZE and judged at the exec stop, also when nobody will be asked: until the exec commits, another thread, whoever
 * shares the memory, and whoever may rename a folder of the path can still change what it will be.
 */
#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ask.h"
#include "notice.h"
#include "resolve.h"
#include "scope.h"
#include "table.h"
#include "tracee.h"

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

static const char NAMELESS[] = "countersign: denied: a program without a name (deleted, or only in memory) cannot be judged; run it from a file\n";
static const char UNREADABLE[] = "countersign: denied: this program's memory cannot be read, so it cannot be judged\n";
static const char FOREIGN[] = "countersign: denied: only programs of this machine's native kind run in a session\n";
static const char UNWATCHED[] = "countersign: denied: this process cannot be watched (is another debugger attached?)\n";

/* Names that mean something else to each process: what they lead to is the kernel's business, and is judged when it is committed. */
static int is_own_view(const char *path) { return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/", 5) == 0; }

/* The error that this file is refused with before anything is tried; 0 when the kernel may try. */
static int refusal_of(const struct object *object) {
  if (S_ISLNK(object->facts.st_mode)) return ELOOP;
  if (!S_ISREG(object->facts.st_mode)) return EACCES;
  /* Also in memory only: a memfd has no link either. */
  if (object->facts.st_nlink == 0) return EACCES;
  /* What cannot be read cannot be looked at once it runs. */
  if (syscall(SYS_faccessat2, object->fd, "", R_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) return EACCES;
  return 0;
}

static int find(pid_t tid, int dirfd, const char *path, int flags, struct object *object) {
  if (path[0] != 0 || (flags & AT_EMPTY_PATH) == 0)
    return resolve_object(tid, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0, 0, object);
  object->fd = tracee_base(tid, dirfd);
  if (object->fd < 0) return errno;
  if (fstat(object->fd, &object->facts) == 0 && name_of(object->fd, object->name, sizeof object->name) > 0) return 0;
  close(object->fd);
  return EACCES;
}

/* What can be answered without the kernel trying: an errno, or 0. */
static int early_error(struct notice *notice) {
  const __u64 *args = notice->request->data.args;
  int at = notice->request->data.nr == SYS_execveat, flags = at ? (int)args[4] : 0;
  char path[PATH_ROOM];
  struct object object;
  int length = tracee_text(notice->tid, args[at ? 1 : 0], path, sizeof path);
  if (length < 0) return -length;
  int error = find(notice->tid, at ? (int)args[0] : AT_FDCWD, path, flags, &object);
  if (error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG || error == EBADF)
    return is_own_view(path) ? 0 : error;
  /* Anything else (a loop, too many files open here) is the kernel's to say. */
  if (error != 0) return 0;
  error = refusal_of(&object);
  if (error != 0 && S_ISREG(object.facts.st_mode) && notice_valid(notice)) {
    char scope[SCOPE_ROOM];
    scope_of(notice->tid, scope);
    effect("exec", scope, error, object.name, NULL);
  }
  close(object.fd);
  return error;
}

static void judge(pid_t process, const char *asker, const char *scope) {
  struct image image;
  enum read_image read = image_read(process, &image);
  if (read != IMAGE_READ) {
    exec_refuse(process, read == IMAGE_FOREIGN ? FOREIGN : UNREADABLE);
    image_free(&image);
    return;
  }
  if (exec_expected(&image)) {
    stop_release(process);
    image_free(&image);
    return;
  }
  if (image.nameless) {
    effect("exec", scope, EACCES, image.program, NULL);
    exec_refuse(process, NAMELESS);
    image_free(&image);
    return;
  }
  int writable = is_session_writable(image.program) || (image.script[0] != 0 && is_session_writable(image.script));
  int asks = writable || table_exec_asks(image.program, image.called_by, image.argv, image.argv_size);
  if (!asks && image.script[0] != 0) asks = table_exec_asks(image.script, image.called_by, image.argv, image.argv_size);
  if (asks) {
    exec_ask(&image, asker, scope, writable);
  } else {
    /* Noted first: the session may be over before this thread runs again. */
    effect("exec", scope, 0, image.script[0] != 0 ? image.script : image.program, NULL);
    stop_release(process);
  }
  image_free(&image);
}

enum answered exec_notified(struct notice *notice) {
  char asker[PATH_ROOM], scope[SCOPE_ROOM];
  pid_t process = 0;
  int error = early_error(notice);
  if (error != 0) return notice_error(notice, error);
  tracee_program(notice->tid, asker, sizeof asker);
  /* The number of the thread is its own only as long as it waits in this call. */
  if (!notice_valid(notice)) return ANSWER_DONE;
  error = stop_take(notice->tid);
  if (error == ESRCH) return ANSWER_DONE;
  if (error != 0) {
    exec_tell(notice->tid, UNWATCHED);
    return notice_error(notice, EPERM);
  }
  /* From here on the kernel (a slow disk) or a person is waited for. */
  supervisor_waits();
  supervisor_let_go();
  notice_continue(notice);
  /* Looked up while the kernel loads the program. */
  scope_of(notice->tid, scope);
  if (stop_await(notice->tid, &process) == STOPPED_AT_EXEC) judge(process, asker, scope);
  supervisor_goes_on();
  return ANSWER_DONE;
}
