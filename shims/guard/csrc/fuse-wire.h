/*
 * The kernel's FUSE protocol (linux/fuse.h, 7.31 and later), as much of it as a read-only veil needs. All numbers are the host's own
 * byte order.
 */
#ifndef CSG_FUSE_WIRE_H
#define CSG_FUSE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define WIRE_ROOT 1u
/* Room for one request: we announce writes of a page, and the kernel wants 8 KiB at least. */
#define WIRE_REQUEST_ROOM (16u * 1024u)
/* No read is longer (32 pages). */
#define WIRE_MOST_READ (128u * 1024u)

enum wire_op {
  WIRE_LOOKUP = 1,
  WIRE_FORGET = 2,
  WIRE_GETATTR = 3,
  WIRE_SETATTR = 4,
  WIRE_READLINK = 5,
  WIRE_SYMLINK = 6,
  WIRE_MKNOD = 8,
  WIRE_MKDIR = 9,
  WIRE_UNLINK = 10,
  WIRE_RMDIR = 11,
  WIRE_RENAME = 12,
  WIRE_LINK = 13,
  WIRE_OPEN = 14,
  WIRE_READ = 15,
  WIRE_WRITE = 16,
  WIRE_STATFS = 17,
  WIRE_RELEASE = 18,
  WIRE_SETXATTR = 21,
  WIRE_REMOVEXATTR = 24,
  WIRE_INIT = 26,
  WIRE_OPENDIR = 27,
  WIRE_READDIR = 28,
  WIRE_RELEASEDIR = 29,
  WIRE_CREATE = 35,
  WIRE_INTERRUPT = 36,
  WIRE_DESTROY = 38,
  WIRE_IOCTL = 39,
  WIRE_BATCH_FORGET = 42,
  WIRE_FALLOCATE = 43,
  WIRE_RENAME2 = 45,
  WIRE_TMPFILE = 51
};

struct wire_request {
  uint32_t size;
  uint32_t op;
  uint64_t unique;
  uint64_t node;
  uint32_t uid;
  uint32_t gid;
  /* Thread that asks, as the pid namespace of whoever mounted numbers it; 0 when it is not in there. */
  uint32_t pid;
  uint32_t extension;
};

struct wire_attributes {
  uint64_t ino, size, blocks, atime, mtime, ctime;
  uint32_t atime_ns, mtime_ns, ctime_ns;
  uint32_t mode, nlink, uid, gid, rdev, blksize, flags;
};

struct wire_entry {
  uint64_t node, generation, entry_valid, attributes_valid;
  uint32_t entry_valid_ns, attributes_valid_ns;
  struct wire_attributes attributes;
};

struct wire_facts {
  uint64_t valid;
  uint32_t valid_ns, unused;
  struct wire_attributes attributes;
};

struct wire_getattr {
  uint32_t flags, unused;
  uint64_t handle;
};

struct wire_open {
  uint32_t flags, open_flags;
};

/* Nothing of what is read stays with the kernel. */
#define WIRE_DIRECT_IO 1u

struct wire_opened {
  uint64_t handle;
  uint32_t flags;
  int32_t backing;
};

/* READ and READDIR. */
struct wire_read {
  uint64_t handle, offset;
  uint32_t size, read_flags;
  uint64_t owner;
  uint32_t flags, unused;
};

/* RELEASE and RELEASEDIR. */
struct wire_release {
  uint64_t handle;
  uint32_t flags, release_flags;
  uint64_t owner;
};

struct wire_forget {
  uint64_t node, count;
};

struct wire_batch {
  uint32_t count, unused;
};

struct wire_entry_in_folder {
  uint64_t ino, offset;
  uint32_t size, type;
};

/* Answers the kernel's first word on a fresh mount; 0, or -1 when there is none or it speaks another protocol. */
int wire_begin(int fuse);

/* Answers a request with an errno, or with `size` bytes. 0, or -1 when nobody waits for it any more. */
int wire_fail(int fuse, uint64_t unique, int error);
int wire_reply(int fuse, uint64_t unique, const void *data, size_t size);

/* Drops what the kernel keeps of a file's content. Waits for reads that are under way: not on the thread that answers them. */
void wire_drop_content(int fuse, uint64_t node);

void wire_attributes_of(const struct stat *facts, struct wire_attributes *out);

/* Puts one entry of a folder at `at`; its size, or 0 when it does not fit into `room`. */
size_t wire_put_entry(unsigned char *at, size_t room, const struct wire_entry_in_folder *entry, const char *name);

#endif
