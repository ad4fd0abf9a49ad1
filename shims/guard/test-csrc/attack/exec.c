/* A program that policy denies, by every way to start it. It prints RAN. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attack.h"

static const char *denied(void) { return in(stage.tools, "csn-denied"); }
static char *const words[] = {"csn-denied", NULL};
static char *const innocent[] = {"true", NULL};

static void copy_to(int to) {
  char room[65536];
  ssize_t n;
  int from = open(denied(), O_RDONLY | O_CLOEXEC);
  while ((n = read(from, room, sizeof room)) > 0)
    if (write(to, room, (size_t)n) != n) _exit(97);
  close(from);
}

static void plainly(void) { execv(denied(), words); }
static void as_true(void) { execv(denied(), innocent); }
static void without_name(void) {
  char *const none[] = {NULL};
  execv(denied(), none);
}
static void from_folder(void) { syscall(SYS_execveat, open(stage.tools, O_PATH), "csn-denied", words, environ, 0); }
static void by_number(void) { syscall(SYS_execveat, open(denied(), O_RDONLY | O_CLOEXEC), "", words, environ, AT_EMPTY_PATH); }
static void by_path_number(void) { syscall(SYS_execveat, open(denied(), O_PATH | O_CLOEXEC), "", words, environ, AT_EMPTY_PATH); }
static void by_proc_number(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", open(denied(), O_RDONLY));
  execv(path, innocent);
}
static void by_symlink(void) {
  unlink(in(stage.work, "true"));
  if (symlink(denied(), in(stage.work, "true")) != 0) return;
  execv(in(stage.work, "true"), innocent);
}
static void from_memory(void) {
  int memory = memfd_create("true", MFD_CLOEXEC);
  copy_to(memory);
  syscall(SYS_execveat, memory, "", innocent, environ, AT_EMPTY_PATH);
}
static void from_memory_by_proc(void) {
  char path[64];
  int memory = memfd_create("true", 0);
  copy_to(memory);
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  execv(path, innocent);
}
static void deleted(void) {
  const char *name = in(stage.work, "gone");
  int to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  copy_to(to);
  close(to);
  int from = open(name, O_RDONLY | O_CLOEXEC);
  unlink(name);
  syscall(SYS_execveat, from, "", innocent, environ, AT_EMPTY_PATH);
}
static void by_script(void) {
  char text[4200];
  snprintf(text, sizeof text, "#!%s\n", denied());
  must_write(in(stage.work, "script"), text, 0755);
  execv(in(stage.work, "script"), innocent);
}
static void by_shell(void) { execl("/bin/sh", "sh", "-c", denied(), (char *)NULL); }
static void by_env(void) { execl("/usr/bin/env", "env", "X=1", denied(), (char *)NULL); }
static void by_xargs(void) { execl("/bin/sh", "sh", "-c", "echo x | xargs \"$0\"", denied(), (char *)NULL); }
/* The dynamic loader runs a program that only it names. */
static void by_loader(void) {
  static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", NULL};
  for (size_t i = 0; loaders[i] != NULL; i++) execl(loaders[i], "ld.so", denied(), (char *)NULL);
}
static void preloaded(void) {
  setenv("LD_PRELOAD", in(stage.tools, "preload.so"), 1);
  execv(denied(), words);
}
static void copied(void) {
  const char *name = in(stage.work, "mytool");
  int to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  copy_to(to);
  close(to);
  execl(name, "mytool", (char *)NULL);
}
static void bad_pointer(void) { execv((const char *)8, words); }
static void folder(void) { execl(stage.work, "x", (char *)NULL); }
static void not_executable(void) {
  must_write(in(stage.work, "data"), "#!/bin/true\n", 0644);
  chmod(in(stage.work, "data"), 0644);
  execl(in(stage.work, "data"), "data", (char *)NULL);
}
static void missing(void) { execl(in(stage.work, "no-such"), "no-such", (char *)NULL); }
static void garbage(void) {
  must_write(in(stage.work, "garbage"), "\x7f""ELFgarbage", 0755);
  execl(in(stage.work, "garbage"), "garbage", (char *)NULL);
}
static void odd_name(void) {
  must_write(in(stage.work, "od\nd\xff"), "#!/bin/sh\necho odd\n", 0755);
  execl(in(stage.work, "od\nd\xff"), "odd", (char *)NULL);
}
static void static_program(void) { execl(in(stage.tools, "static"), "static", "write", in(stage.home, "made-static"), (char *)NULL); }

#define RUN(name)                                                   \
  static void run_##name(char *r) { tell_run(r, name); }            \
  struct unused_##name { int nothing; }
RUN(plainly);
RUN(as_true);
RUN(without_name);
RUN(from_folder);
RUN(by_number);
RUN(by_path_number);
RUN(by_proc_number);
RUN(by_symlink);
RUN(from_memory);
RUN(from_memory_by_proc);
RUN(deleted);
RUN(by_script);
RUN(by_shell);
RUN(by_env);
RUN(by_xargs);
RUN(by_loader);
RUN(preloaded);
RUN(copied);
RUN(bad_pointer);
RUN(folder);
RUN(not_executable);
RUN(missing);
RUN(garbage);
RUN(odd_name);
RUN(static_program);

const struct row exec_rows[] = {
    {"exec-denied", run_plainly},
    {"exec-denied-as-true", run_as_true},
    {"exec-denied-without-name", run_without_name},
    {"exec-denied-from-folder", run_from_folder},
    {"exec-denied-by-number", run_by_number},
    {"exec-denied-by-path-number", run_by_path_number},
    {"exec-denied-by-proc", run_by_proc_number},
    {"exec-denied-symlink", run_by_symlink},
    {"exec-denied-memfd", run_from_memory},
    {"exec-denied-memfd-proc", run_from_memory_by_proc},
    {"exec-denied-deleted", run_deleted},
    {"exec-denied-interpreter", run_by_script},
    {"exec-denied-shell", run_by_shell},
    {"exec-denied-env", run_by_env},
    {"exec-denied-xargs", run_by_xargs},
    {"exec-denied-loader", run_by_loader},
    {"exec-denied-preloaded", run_preloaded},
    {"exec-copied", run_copied},
    {"exec-bad-pointer", run_bad_pointer},
    {"exec-folder", run_folder},
    {"exec-not-executable", run_not_executable},
    {"exec-missing", run_missing},
    {"exec-garbage", run_garbage},
    {"exec-odd-name", run_odd_name},
    {"exec-static", run_static_program},
    {NULL, NULL},
};
