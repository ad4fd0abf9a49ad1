/*
 * A classic-BPF assembler for seccomp filters. Jumps name labels, which are resolved at the end; a conditional jump whose
 * target is further than its eight bits reach goes through an unconditional one. One wrong offset would answer every system
 * call wrongly, so nobody counts instructions by hand.
 */
#ifndef CSG_BPF_H
#define CSG_BPF_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_LINES 2048
#define BPF_LABELS 1024

/* A place in the program. BPF_NEXT is the instruction after the jump. */
typedef uint16_t bpf_label;
#define BPF_NEXT ((bpf_label)0)

struct bpf_line {
  uint16_t code;
  bpf_label yes;
  bpf_label no;
  /* Whether `yes` or `no` needs an unconditional jump after the conditional one. */
  uint8_t yes_far;
  uint8_t no_far;
  uint32_t k;
};

struct bpf {
  struct bpf_line lines[BPF_LINES];
  size_t size;
  /* The line that a label stands before; BPF_LINES while it is not placed. */
  uint16_t places[BPF_LABELS];
  size_t labels;
  /* Something did not fit, or was used wrongly: nothing comes out. */
  int failed;
};

void bpf_start(struct bpf *program);

bpf_label bpf_new_label(struct bpf *program);
/* Places the label before the next instruction. Once; only jumps from before it reach it. */
void bpf_place(struct bpf *program, bpf_label label);

/* Loads 32 bits of struct seccomp_data; masks what is loaded. */
void bpf_load(struct bpf *program, size_t offset);
void bpf_mask(struct bpf *program, uint32_t mask);

/* `test` is BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET: what is loaded against `k`. */
void bpf_jump(struct bpf *program, uint16_t test, uint32_t k, bpf_label yes, bpf_label no);
void bpf_go(struct bpf *program, bpf_label label);
void bpf_return(struct bpf *program, uint32_t action);

/*
 * Writes the program into `out` and returns its length; 0 when it has more than `room` instructions, a label was never placed or
 * lies behind its jump, or the last instruction does not return.
 */
size_t bpf_finish(struct bpf *program, struct sock_filter *out, size_t room);

#endif
