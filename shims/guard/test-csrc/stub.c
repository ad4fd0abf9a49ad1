/* Runs the stub of poke.c in this process, with its registers set as poke.c sets them: writes `poked` to standard error, ends with 126. */
#include "../csrc/poke.c"

#include <sys/mman.h>

int main(void) {
  static const char text[] = "poked\n";
  unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  registers r;
  memset(&r, 0, sizeof r);
  make_stub(page, SYS_write);
  __builtin___clear_cache((char *)page, (char *)page + STUB_SIZE);
  set_call(&r, (uint64_t)(uintptr_t)page, 0, (const uint64_t[3]){2, (uint64_t)(uintptr_t)text, sizeof text - 1});
#if defined(__x86_64__)
  __asm__ volatile("jmp *%0" : : "r"(r.rip), "D"(r.rdi), "S"(r.rsi), "d"(r.rdx) : "memory");
#else
  register uint64_t x1 __asm__("x1") = r.regs[1], x2 __asm__("x2") = r.regs[2], x3 __asm__("x3") = r.regs[3];
  __asm__ volatile("mov x0, #0\n\tbr %0" : : "r"(r.pc), "r"(x1), "r"(x2), "r"(x3) : "x0", "memory");
#endif
  return 1;
}
