#define _GNU_SOURCE
#include "fuse-wire.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAJOR 7
/* The newest minor version whose messages are laid out as here; the kernel speaks the older of both. */
#define MINOR 38
#define OLDEST_MINOR 31

/* Lookups and reads of one folder need not wait for each other: one of them may be held for a person. */
#define ASYNC_READ (1u << 0)
#define PARALLEL_FOLDERS (1u << 18)
#define MORE_FLAGS (1u << 30)
/* MORE_FLAGS: files read without the page cache may be mapped shared all the same. */
#define DIRECT_IO_MAPS (1u << (36 - 32))

#define DROP_INODE 2

struct init_in {
  uint32_t major, minor, max_readahead, flags, more_flags, unused[11];
};

struct init_out {
  uint32_t major, minor, max_readahead, flags;
  uint16_t max_background, congestion;
  uint32_t max_write, time_granularity;
  uint16_t max_pages, map_alignment;
  uint32_t more_flags, unused[7];
};

struct answer {
  uint32_t size;
  int32_t error;
  uint64_t unique;
};

_Static_assert(sizeof(struct wire_request) == 40 && sizeof(struct wire_attributes) == 88 && sizeof(struct init_out) == 64 &&
                   sizeof(struct wire_entry) == 128 && sizeof(struct wire_read) == 40 && sizeof(struct answer) == 16,
               "as the kernel lays them out");

static int send_answer(int fuse, uint64_t unique, int error, const void *data, size_t size) {
  struct answer answer = {.size = (uint32_t)(sizeof answer + size), .error = error, .unique = unique};
  struct iovec parts[2] = {{.iov_base = &answer, .iov_len = sizeof answer}, {.iov_base = (void *)(uintptr_t)data, .iov_len = size}};
  ssize_t n;
  do n = writev(fuse, parts, size == 0 ? 1 : 2);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -1 : 0;
}

int wire_fail(int fuse, uint64_t unique, int error) { return send_answer(fuse, unique, -error, NULL, 0); }

int wire_reply(int fuse, uint64_t unique, const void *data, size_t size) { return send_answer(fuse, unique, 0, data, size); }

int wire_begin(int fuse) {
  unsigned char room[WIRE_REQUEST_ROOM];
  struct wire_request request;
  struct init_in asked = {0};
  ssize_t n = read(fuse, room, sizeof room);
  if (n < (ssize_t)(sizeof request + 16)) return -1;
  memcpy(&request, room, sizeof request);
  size_t size = (size_t)n - sizeof request;
  memcpy(&asked, room + sizeof request, size < sizeof asked ? size : sizeof asked);
  if (request.op != WIRE_INIT || asked.major != MAJOR || asked.minor < OLDEST_MINOR) return -1;
  uint32_t more = (asked.flags & MORE_FLAGS) != 0 ? asked.more_flags & DIRECT_IO_MAPS : 0;
  struct init_out out = {.major = MAJOR,
                         .minor = MINOR,
                         .max_readahead = WIRE_MOST_READ,
                         .flags = asked.flags & (ASYNC_READ | PARALLEL_FOLDERS | MORE_FLAGS),
                         .max_background = 16,
                         .congestion = 12,
                         .max_write = 4096,
                         .time_granularity = 1,
                         .more_flags = more};
  return wire_reply(fuse, request.unique, &out, sizeof out);
}

void wire_drop_content(int fuse, uint64_t node) {
  struct {
    uint64_t node;
    int64_t offset, length;
  } drop = {.node = node, .offset = 0, .length = 0};
  send_answer(fuse, 0, DROP_INODE, &drop, sizeof drop);
}

void wire_attributes_of(const struct stat *facts, struct wire_attributes *out) {
  *out = (struct wire_attributes){.ino = facts->st_ino,
                                  .size = (uint64_t)facts->st_size,
                                  .blocks = (uint64_t)facts->st_blocks,
                                  .atime = (uint64_t)facts->st_atim.tv_sec,
                                  .mtime = (uint64_t)facts->st_mtim.tv_sec,
                                  .ctime = (uint64_t)facts->st_ctim.tv_sec,
                                  .atime_ns = (uint32_t)facts->st_atim.tv_nsec,
                                  .mtime_ns = (uint32_t)facts->st_mtim.tv_nsec,
                                  .ctime_ns = (uint32_t)facts->st_ctim.tv_nsec,
                                  .mode = facts->st_mode,
                                  .nlink = (uint32_t)facts->st_nlink,
                                  .uid = facts->st_uid,
                                  .gid = facts->st_gid,
                                  .blksize = 4096};
}

size_t wire_put_entry(unsigned char *at, size_t room, const struct wire_entry_in_folder *entry, const char *name) {
  size_t whole = (sizeof *entry + entry->size + 7) & ~(size_t)7;
  if (whole > room) return 0;
  memset(at, 0, whole);
  memcpy(at, entry, sizeof *entry);
  memcpy(at + sizeof *entry, name, entry->size);
  return whole;
}
