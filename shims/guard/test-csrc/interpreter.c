#include "interpreter.h"

#include <string.h>

static struct ending wrong(const char *why) { return (struct ending){.wrong = why}; }

struct ending interpret(const struct sock_filter *filter, size_t size, const struct seccomp_data *data) {
  struct ending end = {0};
  uint32_t a = 0;
  size_t at = 0;
  for (; at < size; at++) {
    const struct sock_filter *i = &filter[at];
    int test = 0;
    end.steps++;
    switch (i->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i->k % 4 != 0 || i->k + 4 > sizeof *data) return wrong("loads from outside seccomp_data");
        memcpy(&a, (const char *)data + i->k, sizeof a);
        if (i->k >= offsetof(struct seccomp_data, instruction_pointer)) end.arguments++;
        continue;
      case BPF_ALU | BPF_AND | BPF_K: a &= i->k; continue;
      case BPF_RET | BPF_K: end.action = i->k; return end;
      case BPF_JMP | BPF_JA:
        if (i->k >= size - at - 1) return wrong("jumps past the end");
        at += i->k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K: test = a == i->k; break;
      case BPF_JMP | BPF_JGT | BPF_K: test = a > i->k; break;
      case BPF_JMP | BPF_JGE | BPF_K: test = a >= i->k; break;
      case BPF_JMP | BPF_JSET | BPF_K: test = (a & i->k) != 0; break;
      default: return wrong("an instruction that filters do not use");
    }
    at += test ? i->jt : i->jf;
  }
  return wrong("runs past the end");
}
