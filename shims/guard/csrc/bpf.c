#include "bpf.h"

#include <linux/bpf_common.h>

#define REACH 255u

void bpf_start(struct bpf *program) {
  program->size = 0;
  /* Label 0 is BPF_NEXT. */
  program->labels = 1;
  program->failed = 0;
}

bpf_label bpf_new_label(struct bpf *program) {
  if (program->labels == BPF_LABELS) {
    program->failed = 1;
    return BPF_NEXT;
  }
  program->places[program->labels] = BPF_LINES;
  return (bpf_label)program->labels++;
}

void bpf_place(struct bpf *program, bpf_label label) {
  if (label == BPF_NEXT || label >= program->labels || program->places[label] != BPF_LINES || program->size == BPF_LINES) {
    program->failed = 1;
    return;
  }
  program->places[label] = (uint16_t)program->size;
}

static void add(struct bpf *program, uint16_t code, uint32_t k, bpf_label yes, bpf_label no) {
  if (program->size == BPF_LINES) {
    program->failed = 1;
    return;
  }
  program->lines[program->size++] = (struct bpf_line){.code = code, .k = k, .yes = yes, .no = no};
}

void bpf_load(struct bpf *program, size_t offset) {
  add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, BPF_NEXT, BPF_NEXT);
}

void bpf_mask(struct bpf *program, uint32_t mask) { add(program, BPF_ALU | BPF_AND | BPF_K, mask, BPF_NEXT, BPF_NEXT); }

void bpf_jump(struct bpf *program, uint16_t test, uint32_t k, bpf_label yes, bpf_label no) {
  if (test != BPF_JEQ && test != BPF_JGT && test != BPF_JGE && test != BPF_JSET) program->failed = 1;
  add(program, (uint16_t)(BPF_JMP | BPF_K | test), k, yes, no);
}

void bpf_go(struct bpf *program, bpf_label label) { add(program, BPF_JMP | BPF_JA, 0, label, BPF_NEXT); }

void bpf_return(struct bpf *program, uint32_t action) { add(program, BPF_RET | BPF_K, action, BPF_NEXT, BPF_NEXT); }

static int is_always(const struct bpf_line *line) { return line->code == (BPF_JMP | BPF_JA); }
static int is_test(const struct bpf_line *line) { return BPF_CLASS(line->code) == BPF_JMP && !is_always(line); }
static int is_return(const struct bpf_line *line) { return BPF_CLASS(line->code) == BPF_RET; }

/* Where each line lies once the far jumps are put in; the last entry is the length of the whole. */
static void lay_out(const struct bpf *program, size_t at[BPF_LINES + 1]) {
  at[0] = 0;
  for (size_t i = 0; i < program->size; i++)
    at[i + 1] = at[i] + 1 + (size_t)program->lines[i].yes_far + (size_t)program->lines[i].no_far;
}

/* The place of a label as seen from line `i`, or 0 (a place that no jump can reach) when it has none ahead. */
static size_t target(const struct bpf *program, const size_t at[BPF_LINES + 1], size_t i, bpf_label label) {
  if (label == BPF_NEXT) return at[i + 1];
  size_t line = program->places[label];
  return line > i && line < program->size ? at[line] : 0;
}

static int all_ahead(const struct bpf *program, const size_t at[BPF_LINES + 1]) {
  for (size_t i = 0; i < program->size; i++) {
    const struct bpf_line *line = &program->lines[i];
    if (!is_return(line) && i + 1 == program->size) return 0;
    if (is_always(line) && target(program, at, i, line->yes) == 0) return 0;
    if (is_test(line) && (target(program, at, i, line->yes) == 0 || target(program, at, i, line->no) == 0)) return 0;
  }
  return program->size > 0;
}

/* Marks the conditional jumps that do not reach; whether there was one. A mark stays, so this comes to an end. */
static int mark_far(struct bpf *program, const size_t at[BPF_LINES + 1]) {
  int marked = 0;
  for (size_t i = 0; i < program->size; i++) {
    struct bpf_line *line = &program->lines[i];
    if (!is_test(line)) continue;
    if (!line->yes_far && target(program, at, i, line->yes) - at[i] - 1 > REACH) marked = line->yes_far = 1;
    if (!line->no_far && target(program, at, i, line->no) - at[i] - 1 > REACH) marked = line->no_far = 1;
  }
  return marked;
}

static struct sock_filter always(size_t from, size_t to) {
  return (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)(to - from - 1)};
}

size_t bpf_finish(struct bpf *program, struct sock_filter *out, size_t room) {
  size_t at[BPF_LINES + 1];
  if (program->failed) return 0;
  lay_out(program, at);
  if (!all_ahead(program, at)) return 0;
  while (mark_far(program, at)) lay_out(program, at);
  if (at[program->size] > room) return 0;
  for (size_t i = 0; i < program->size; i++) {
    const struct bpf_line *line = &program->lines[i];
    size_t here = at[i];
    if (is_always(line)) {
      out[here] = always(here, target(program, at, i, line->yes));
      continue;
    }
    out[here] = (struct sock_filter){.code = line->code, .k = line->k};
    if (!is_test(line)) continue;
    size_t yes = target(program, at, i, line->yes);
    size_t no = target(program, at, i, line->no);
    size_t far = here + 1;
    if (line->yes_far) {
      out[far] = always(far, yes);
      yes = far++;
    }
    if (line->no_far) {
      out[far] = always(far, no);
      no = far;
    }
    out[here].jt = (uint8_t)(yes - here - 1);
    out[here].jf = (uint8_t)(no - here - 1);
  }
  return at[program->size];
}
