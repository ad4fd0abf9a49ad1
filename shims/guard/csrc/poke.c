/*
 * What a process at its exec stop runs instead of the program: one call with the arguments given in registers, then exit_group(126).
 * The stub lies at the start of the page of the entry point, which is mapped and executable; forced, so that only this process's copy
 * of the page changes. The call's number is loaded by the stub itself: on the way out of execve the kernel overwrites the register of the result.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "exec.h"

/* A fresh stack reaches 128 KiB below its pointer. */
#define MOST_BELOW (96u * 1024u)
#define PAGE_START ~(uint64_t)4095
#define EXIT_REFUSED 126

#if defined(__x86_64__)

typedef struct user_regs_struct registers;
#define STUB_SIZE 24u
static uint64_t stack_of(const registers *r) { return r->rsp; }
static uint64_t entry_of(const registers *r) { return r->rip; }

static void make_stub(unsigned char stub[STUB_SIZE], unsigned call) {
  static const unsigned char code[STUB_SIZE] = {
      0xb8, 0, 0, 0, 0,            /* mov $call, %eax */
      0x0f, 0x05,                  /* syscall */
      0xb8, 231, 0, 0, 0,          /* mov $exit_group, %eax */
      0xbf, EXIT_REFUSED, 0, 0, 0, /* mov $126, %edi */
      0x0f, 0x05,                  /* syscall */
      0x0f, 0x0b,                  /* ud2 */
      0xcc, 0xcc, 0xcc,
  };
  memcpy(stub, code, STUB_SIZE);
  stub[1] = (unsigned char)call;
}

static void set_call(registers *r, uint64_t at, uint64_t stack, const uint64_t arguments[3]) {
  r->rip = at;
  r->rsp = stack;
  r->rdi = arguments[0];
  r->rsi = arguments[1];
  r->rdx = arguments[2];
}

#elif defined(__aarch64__)

typedef struct user_regs_struct registers;
#define STUB_SIZE 32u
static uint64_t stack_of(const registers *r) { return r->sp; }
static uint64_t entry_of(const registers *r) { return r->pc; }

static void make_stub(unsigned char stub[STUB_SIZE], unsigned call) {
  const uint32_t code[STUB_SIZE / 4] = {
      0xaa0303e0u,                     /* mov x0, x3 */
      0xd2800008u | call << 5,         /* mov x8, #call */
      0xd4000001u,                     /* svc #0 */
      0xd2800008u | 94u << 5,          /* mov x8, #exit_group */
      0xd2800000u | EXIT_REFUSED << 5, /* mov x0, #126 */
      0xd4000001u,                     /* svc #0 */
      0xd4200000u,                     /* brk #0 */
      0xd503201fu,
  };
  memcpy(stub, code, STUB_SIZE);
}

static void set_call(registers *r, uint64_t at, uint64_t stack, const uint64_t arguments[3]) {
  r->pc = at;
  r->sp = stack;
  r->regs[3] = arguments[0];
  r->regs[1] = arguments[1];
  r->regs[2] = arguments[2];
}

#else
#error "this processor is not known to the guard"
#endif

/* -1 also for an image of another kind, whose registers are fewer. */
static int get_registers(pid_t process, registers *r) {
  struct iovec all = {.iov_base = r, .iov_len = sizeof *r};
  return ptrace(PTRACE_GETREGSET, process, (void *)NT_PRSTATUS, &all) == 0 && all.iov_len == sizeof *r ? 0 : -1;
}

int poke_stack(pid_t process, uint64_t *stack) {
  registers r;
  if (get_registers(process, &r) != 0) return -1;
  *stack = stack_of(&r);
  return 0;
}

static int poke_stub(pid_t process, uint64_t at, unsigned call) {
  unsigned char stub[STUB_SIZE];
  make_stub(stub, call);
  for (size_t i = 0; i < STUB_SIZE; i += sizeof(long)) {
    long word;
    memcpy(&word, stub + i, sizeof word);
    if (ptrace(PTRACE_POKETEXT, process, (void *)(uintptr_t)(at + i), (void *)word) != 0) return -1;
  }
  return 0;
}

static int write_stack(pid_t process, uint64_t at, void *data, size_t size) {
  struct iovec here = {.iov_base = data, .iov_len = size};
  struct iovec there = {.iov_base = (void *)(uintptr_t)at, .iov_len = size};
  return size == 0 || process_vm_writev(process, &here, 1, &there, 1, 0) == (ssize_t)size ? 0 : -1;
}

static int set_registers(pid_t process, registers *r) {
  struct iovec all = {.iov_base = r, .iov_len = sizeof *r};
  return ptrace(PTRACE_SETREGSET, process, (void *)NT_PRSTATUS, &all) == 0 ? 0 : -1;
}

/* Below everything the kernel put there, aligned as a stack is. */
static uint64_t room_below(uint64_t stack, size_t size) { return (stack - 256 - size) & ~(uint64_t)15; }

int poke_refusal(pid_t process, const char *message) {
  registers r;
  size_t size = strlen(message);
  if (size > MOST_BELOW) size = MOST_BELOW;
  if (get_registers(process, &r) != 0) return -1;
  uint64_t at = entry_of(&r) & PAGE_START, data = room_below(stack_of(&r), size);
  if (poke_stub(process, at, SYS_write) != 0) return -1;
  /* The text is a courtesy: without room for it the refusal stands. */
  if (write_stack(process, data, (void *)(uintptr_t)message, size) != 0) size = 0;
  set_call(&r, at, data, (const uint64_t[3]){2, data, size});
  return set_registers(process, &r);
}

int poke_exec(pid_t process, uint64_t environment, const char *path, char *const *argv) {
  registers r;
  size_t argc = 0, strings = strlen(path) + 1;
  while (argv[argc] != NULL) strings += strlen(argv[argc++]) + 1;
  size_t pointers = (argc + 1) * sizeof(uint64_t), size = pointers + strings;
  if (size > MOST_BELOW || get_registers(process, &r) != 0) return -1;
  uint64_t at = entry_of(&r) & PAGE_START, data = room_below(stack_of(&r), size), next = data + pointers;
  unsigned char *copy = malloc(size);
  if (copy == NULL) return -1;
  unsigned char *text = copy + pointers;
  for (size_t i = 0; i < argc; i++) {
    size_t length = strlen(argv[i]) + 1;
    memcpy(copy + i * sizeof next, &next, sizeof next);
    memcpy(text, argv[i], length);
    text += length;
    next += length;
  }
  memset(copy + argc * sizeof next, 0, sizeof next);
  memcpy(text, path, strlen(path) + 1);
  int written = write_stack(process, data, copy, size);
  free(copy);
  if (written != 0 || poke_stub(process, at, SYS_execve) != 0) return -1;
  set_call(&r, at, data, (const uint64_t[3]){next, data, environment});
  return set_registers(process, &r);
}
