/*
 * Closes a program's memory to the other programs of its session before its first instruction: what it reads of its own credentials must
 * not be had from /proc/PID/mem or from a core file by whoever started it. The one call that does it (not being dumpable) only a process
 * itself can make, so it is made to: the call and a trap are laid over its entry point, run, and taken away again.
 * Who relies on it looks at the owner of /proc/PID afterwards (electron/edge/process-tree.ts): that this ran is nobody's word.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "exec.h"

/* Signals that may reach it on these two instructions: each is a stop of its own. */
#define MOST_STOPS 64

typedef struct user_regs_struct registers;

#if defined(__x86_64__)

#define CODE_WORDS 1u
static const unsigned char code[CODE_WORDS * sizeof(long)] = {
    0xb8, 157, 0, 0, 0, /* mov $prctl, %eax */
    0x0f, 0x05,         /* syscall */
    0xcc,               /* int3 */
};
#define AT_TRAP 8u
static uint64_t *next_of(registers *r) { return (uint64_t *)&r->rip; }
static void set_arguments(registers *r) {
  r->rdi = PR_SET_DUMPABLE;
  r->rsi = 0;
}

#elif defined(__aarch64__)

#define CODE_WORDS 2u
static const uint32_t code[CODE_WORDS * sizeof(long) / sizeof(uint32_t)] = {
    0xaa0303e0u,             /* mov x0, x3: the result of execve has overwritten x0 */
    0xd2800008u | 167u << 5, /* mov x8, #prctl */
    0xd4000001u,             /* svc #0 */
    0xd4200000u,             /* brk #0 */
};
#define AT_TRAP 12u
static uint64_t *next_of(registers *r) { return (uint64_t *)&r->pc; }
static void set_arguments(registers *r) {
  r->regs[3] = PR_SET_DUMPABLE;
  r->regs[1] = 0;
}

#else
#error "this processor is not known to the guard"
#endif

static int put_words(pid_t process, uint64_t at, const long words[CODE_WORDS]) {
  for (size_t i = 0; i < CODE_WORDS; i++)
    if (ptrace(PTRACE_POKETEXT, process, (void *)(uintptr_t)(at + i * sizeof(long)), (void *)words[i]) != 0) return -1;
  return 0;
}

static int registers_of(pid_t process, registers *r, enum __ptrace_request request) {
  struct iovec all = {.iov_base = r, .iov_len = sizeof *r};
  return ptrace(request, process, (void *)NT_PRSTATUS, &all) == 0 && all.iov_len == sizeof *r ? 0 : -1;
}

enum came { CAME_THERE, CAME_NOT, CAME_DEAD };

/* Lets it run to the trap. Signals that came meanwhile are kept for it. */
static enum came run_to(pid_t process, uint64_t trap, sigset_t *kept) {
  registers r;
  for (int stops = 0; stops < MOST_STOPS; stops++) {
    int status = stop_continue(process);
    if (status < 0) return CAME_DEAD;
    int signal = WSTOPSIG(status);
    /* A stop of its group, or our own interrupt: neither is lost by going on, for the first is entered again when it is let go. */
    if (status >> 16 != 0) continue;
    if (signal == SIGTRAP && registers_of(process, &r, PTRACE_GETREGSET) == 0 && *next_of(&r) == trap) return CAME_THERE;
    sigaddset(kept, signal);
  }
  return CAME_NOT;
}

int seal_memory(pid_t process) {
  registers before, r;
  long original[CODE_WORDS], laid[CODE_WORDS];
  sigset_t kept;
  sigemptyset(&kept);
  if (registers_of(process, &before, PTRACE_GETREGSET) != 0) return -1;
  r = before;
  uint64_t at = *next_of(&before) & ~(uint64_t)4095;
  for (size_t i = 0; i < CODE_WORDS; i++) {
    errno = 0;
    original[i] = ptrace(PTRACE_PEEKTEXT, process, (void *)(uintptr_t)(at + i * sizeof(long)), NULL);
    if (errno != 0) return -1;
  }
  memcpy(laid, code, sizeof laid);
  set_arguments(&r);
  *next_of(&r) = at;
  enum came came = CAME_NOT;
  if (put_words(process, at, laid) == 0 && registers_of(process, &r, PTRACE_SETREGSET) == 0)
    came = run_to(process, at + AT_TRAP, &kept);
  /* Its number may be another's by now. */
  if (came == CAME_DEAD) return -1;
  /* Whatever came of it: what runs from here is the program as it was judged, or nothing. */
  if (put_words(process, at, original) != 0 || registers_of(process, &before, PTRACE_SETREGSET) != 0) {
    kill(process, SIGKILL);
    return -1;
  }
  for (int signal = 1; signal < NSIG; signal++)
    if (sigismember(&kept, signal) == 1) kill(process, signal);
  return came == CAME_THERE ? 0 : -1;
}
