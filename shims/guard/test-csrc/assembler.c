/* Assembles small programs and prints, for each, what came of it: its length, and what it answers for the numbers 7 and 8. */
#include <linux/seccomp.h>
#include <stdio.h>

#include "../csrc/bpf.h"
#include "interpreter.h"

static struct bpf b;
static struct sock_filter out[BPF_LINES * 3];

static unsigned int answer(size_t size, int number) {
  struct seccomp_data data = {.nr = number};
  struct ending end = interpret(out, size, &data);
  return end.wrong == NULL ? end.action : 0xdead;
}

static void show(const char *name, size_t room) {
  size_t size = bpf_finish(&b, out, room);
  if (size == 0) printf("%s refused\n", name);
  else printf("%s %zu %u %u\n", name, size, answer(size, 7), answer(size, 8));
}

static void fill(size_t count) {
  for (size_t i = 0; i < count; i++) bpf_mask(&b, 0xffffffff);
}

/* 7 jumps over `gap` instructions to return 77; 8 goes on, and over `other` more, to return 88. */
static void far(const char *name, size_t gap, size_t other) {
  bpf_start(&b);
  bpf_label seven = bpf_new_label(&b);
  bpf_label eight = bpf_new_label(&b);
  bpf_load(&b, 0);
  bpf_jump(&b, BPF_JEQ, 7, seven, eight);
  bpf_return(&b, 99);
  fill(gap);
  bpf_place(&b, seven);
  bpf_return(&b, 77);
  fill(other);
  bpf_place(&b, eight);
  bpf_return(&b, 88);
  show(name, sizeof out / sizeof out[0]);
}

/* A far jump inside the reach of another pushes that one out of reach. */
static void pushed(const char *name, size_t gap) {
  bpf_start(&b);
  bpf_label seven = bpf_new_label(&b);
  bpf_label last = bpf_new_label(&b);
  bpf_load(&b, 0);
  bpf_jump(&b, BPF_JEQ, 7, seven, BPF_NEXT);
  bpf_jump(&b, BPF_JEQ, 9, last, BPF_NEXT);
  bpf_jump(&b, BPF_JEQ, 8, BPF_NEXT, last);
  bpf_return(&b, 88);
  fill(gap);
  bpf_place(&b, seven);
  bpf_return(&b, 77);
  fill(10);
  bpf_place(&b, last);
  bpf_return(&b, 99);
  show(name, sizeof out / sizeof out[0]);
}

int main(void) {
  far("near", 10, 10);
  far("reach", 254, 0);
  far("past-reach", 255, 0);
  far("other-reach", 0, 253);
  far("other-past-reach", 0, 254);
  far("both-far", 600, 600);
  for (size_t gap = 240; gap <= 260; gap++) pushed("pushed", gap);

  bpf_start(&b);
  bpf_label nowhere = bpf_new_label(&b);
  bpf_load(&b, 0);
  bpf_jump(&b, BPF_JEQ, 7, nowhere, BPF_NEXT);
  bpf_return(&b, 1);
  show("unplaced", BPF_LINES);

  bpf_start(&b);
  bpf_label back = bpf_new_label(&b);
  bpf_load(&b, 0);
  bpf_place(&b, back);
  bpf_mask(&b, 1);
  bpf_go(&b, back);
  bpf_return(&b, 1);
  show("backwards", BPF_LINES);

  bpf_start(&b);
  bpf_label behind = bpf_new_label(&b);
  bpf_go(&b, behind);
  bpf_return(&b, 1);
  bpf_place(&b, behind);
  show("placed-at-the-end", BPF_LINES);

  bpf_start(&b);
  bpf_label twice = bpf_new_label(&b);
  bpf_go(&b, twice);
  bpf_place(&b, twice);
  bpf_return(&b, 1);
  bpf_place(&b, twice);
  bpf_return(&b, 2);
  show("placed-twice", BPF_LINES);

  bpf_start(&b);
  bpf_place(&b, 5);
  bpf_return(&b, 1);
  show("unknown-label", BPF_LINES);

  bpf_start(&b);
  bpf_load(&b, 0);
  show("does-not-return", BPF_LINES);

  bpf_start(&b);
  show("empty", BPF_LINES);

  bpf_start(&b);
  bpf_load(&b, 0);
  bpf_jump(&b, 0x70, 7, BPF_NEXT, BPF_NEXT);
  bpf_return(&b, 1);
  show("no-such-test", BPF_LINES);

  bpf_start(&b);
  fill(9);
  bpf_return(&b, 5);
  show("fits", 10);
  show("one-too-long", 9);

  bpf_start(&b);
  fill(BPF_LINES);
  bpf_return(&b, 5);
  show("too-many-lines", BPF_LINES);

  bpf_start(&b);
  for (size_t i = 0; i < BPF_LABELS; i++) (void)bpf_new_label(&b);
  bpf_return(&b, 5);
  show("too-many-labels", BPF_LINES);
  return 0;
}
