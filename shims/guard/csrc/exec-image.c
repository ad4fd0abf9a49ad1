#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "exec.h"
#include "resolve.h"
#include "tracee.h"

#define FIRST_READ (32u * 1024u)
/* The kernel allows 6 MiB of arguments and environment. */
#define MOST_READ (16u * 1024u * 1024u)
#define WORD sizeof(uint64_t)
/* As the kernel: more links in one path are a loop. */
#define MOST_LINKS 40

/* All of a fresh stack: from its pointer to its upper end, where the mapping ends. */
static int read_stack(struct image *image, uint64_t from) {
  for (size_t room = FIRST_READ; room <= MOST_READ; room *= 8) {
    char *grown = realloc(image->stack, room);
    if (grown == NULL) return -1;
    image->stack = grown;
    struct iovec here = {.iov_base = grown, .iov_len = room};
    struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = room};
    ssize_t n = process_vm_readv(image->process, &here, 1, &there, 1, 0);
    if (n <= 0) return -1;
    image->stack_size = (size_t)n;
    if (image->stack_size < room) return 0;
  }
  return -1;
}

/* The word at an index of the stack; 0 beyond its end, which ends every list. */
static uint64_t word_at(const struct image *image, size_t index) {
  uint64_t word = 0;
  if (index < image->stack_size / WORD) memcpy(&word, image->stack + index * WORD, WORD);
  return word;
}

/* The text at an address of the stack; null when it does not lie whole within it. */
static const char *text_at(const struct image *image, uint64_t from, uint64_t address) {
  if (address < from || address - from >= image->stack_size) return NULL;
  const char *text = image->stack + (address - from);
  return memchr(text, 0, image->stack_size - (size_t)(address - from)) == NULL ? NULL : text;
}

/* Arguments, then environment, then the auxiliary vector: laid out by the kernel, and refused where it is not as the kernel lays it out. */
static int parse(struct image *image, uint64_t from) {
  uint64_t argc = word_at(image, 0);
  if (argc >= image->stack_size / WORD) return -1;
  image->argc = (size_t)argc;
  image->argv = "";
  for (size_t i = 0; i < image->argc; i++) {
    const char *text = text_at(image, from, word_at(image, 1 + i));
    if (text == NULL) return -1;
    if (i == 0) image->argv = text;
    else if (text != image->argv + image->argv_size) return -1;
    image->argv_size = (size_t)(text - image->argv) + strlen(text) + 1;
  }
  size_t at = 1 + image->argc;
  if (word_at(image, at++) != 0) return -1;
  image->environment = from + at * WORD;
  while (word_at(image, at) != 0) at++;
  for (at++; word_at(image, at) != AT_NULL; at += 2)
    if (word_at(image, at) == AT_EXECFN) image->given = text_at(image, from, word_at(image, at + 1));
  return image->given == NULL ? -1 : 0;
}

static int same_file(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* Whether the interpreter was handed the name itself, as the kernel does for `#!`. */
static int hands_name_on(const struct image *image) {
  const char *word = image->argv;
  for (size_t i = 0; i < 3 && i < image->argc; i++, word += strlen(word) + 1)
    if (i > 0 && strcmp(word, image->given) == 0) return 1;
  return 0;
}

/*
 * Whether nobody in the session can make a name lead elsewhere: it is absolute (a folder may be shared with whoever changes it), and no
 * folder on its way, links followed, is the session's to write. The interpreter opens it a second time, and would find something else.
 */
static int is_firm(const char *name) {
  struct walked {
    char pending[2 * PATH_ROOM];
    char joined[2 * PATH_ROOM];
    char text[PATH_ROOM];
  };
  int firm = 1, links = 0, at = name[0] == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  struct walked *walked = must_alloc(sizeof *walked);
  if (at < 0 || print_path(walked->pending, sizeof walked->pending, "%s", name) < 0) firm = 0;
  for (char *next = walked->pending; firm;) {
    struct stat facts;
    next += strspn(next, "/");
    if (*next == 0) break;
    char *end = next + strcspn(next, "/"), kept = *end;
    *end = 0;
    int fd = openat(at, next, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    *end = kept;
    if (fd < 0 || name_of(at, walked->text, sizeof walked->text) < 0 || is_session_writable(walked->text) || fstat(fd, &facts) != 0) {
      firm = 0;
    } else if (S_ISLNK(facts.st_mode)) {
      ssize_t n = readlinkat(fd, "", walked->text, sizeof walked->text - 1);
      walked->text[n < 0 ? 0 : n] = 0;
      firm = n > 0 && ++links <= MOST_LINKS && print_path(walked->joined, sizeof walked->joined, "%s%s", walked->text, end) >= 0;
      memcpy(walked->pending, walked->joined, sizeof walked->joined);
      next = walked->pending;
      close(fd);
      fd = walked->text[0] == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : fcntl(at, F_DUPFD_CLOEXEC, 3);
      firm = firm && fd >= 0;
    } else {
      next = end;
    }
    if (fd >= 0) {
      close(at);
      at = fd;
    }
  }
  if (at >= 0) close(at);
  free(walked);
  return firm;
}

/* What lies at a place, its last link followed: found from the folder that gave the place its name, so that both are of one moment. */
static int find_in(const struct image *image, const struct place *place, struct object *object) {
  int error = resolve_in_place(place, object);
  if (error != 0 || !S_ISLNK(object->facts.st_mode)) return error;
  close(object->fd);
  return resolve_object(image->process, AT_FDCWD, place->name, 0, 0, object);
}

/*
 * By which name it was started, and whether that name is a script. The name was the kernel's own copy, but where it leads may have
 * changed since, and changes while we look: a name is believed when it leads to the program that runs. One that is handed on and leads elsewhere is a
 * script; one that is not handed on has moved, and says nothing.
 */
static void name_image(struct image *image, const struct stat *program) {
  struct place place;
  struct object object;
  memcpy(image->called_by, image->program, sizeof image->called_by);
  int by_number = strncmp(image->given, "/dev/fd/", 8) == 0, error;
  int handed_on = hands_name_on(image);
  if (by_number) {
    /* The descriptors are the process's own by now. */
    error = resolve_object(image->process, AT_FDCWD, image->given, 0, 0, &object);
  } else {
    error = resolve_place(image->process, AT_FDCWD, image->given, 0, &place);
    if (error != 0) {
      if (handed_on) print_path(image->script, sizeof image->script, "%s", image->given);
      image->unsettled = handed_on;
      return;
    }
    error = find_in(image, &place, &object);
    close(place.folder);
  }
  int same = error == 0 && same_file(&object.facts, program);
  if (!by_number && (same || handed_on)) memcpy(image->called_by, place.name, sizeof image->called_by);
  if (handed_on && !same) {
    memcpy(image->script, error == 0 ? object.name : image->called_by, sizeof image->script);
    image->unsettled = !by_number && !is_session_writable(image->script) && !is_firm(image->given);
  }
  if (error == 0) close(object.fd);
}

enum read_image image_read(pid_t process, struct image *image) {
  char path[64];
  uint64_t from = 0;
  struct stat program;
  memset(image, 0, offsetof(struct image, program));
  image->process = process;
  image->program[0] = image->called_by[0] = image->script[0] = 0;
  image->given = image->argv = NULL;
  image->argv_size = image->argc = image->stack_size = 0;
  image->environment = 0;
  image->nameless = 0;
  image->unsettled = 0;
  image->stack = NULL;
  if (poke_stack(process, &from) != 0) return IMAGE_FOREIGN;
  snprintf(path, sizeof path, "%d/exe", process);
  ssize_t n = readlinkat(guard.host_proc, path, image->program, sizeof image->program - 1);
  if (n <= 0 || fstatat(guard.host_proc, path, &program, 0) != 0) return IMAGE_UNREADABLE;
  image->program[n] = 0;
  image->nameless = program.st_nlink == 0 || image->program[0] != '/';
  if (read_stack(image, from) != 0 || parse(image, from) != 0) return IMAGE_UNREADABLE;
  name_image(image, &program);
  return IMAGE_READ;
}

void image_free(struct image *image) { free(image->stack); }
