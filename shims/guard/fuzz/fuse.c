/* Requests behind a veil, as a kernel (or whoever plays one) sends them: any numbers of nodes and handles, bodies that are cut. Each request: kind, node, two of size, body. */
#define _GNU_SOURCE
#include "../csrc/veil.c"

#include <stdlib.h>
#include <sys/socket.h>

#include "world.h"

#define MOST_REQUESTS 24

static struct veil veil = {.fuse = -1};
static int far = -1;
static char where[PATH_ROOM];

static void remove_folder(void) {
  char file[PATH_ROOM + 8];
  snprintf(file, sizeof file, "%s/f", where);
  unlink(file);
  snprintf(file, sizeof file, "%s/l", where);
  unlink(file);
  rmdir(where);
}

static void prepare(void) {
  static char template[] = "/tmp/csn-fuzz-XXXXXX";
  static char *veiled[] = {where, NULL};
  char file[PATH_ROOM + 8];
  int ends[2];
  must_hold(mkdtemp(template) != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  snprintf(where, sizeof where, "%s", template);
  snprintf(file, sizeof file, "%s/f", where);
  close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  snprintf(file, sizeof file, "%s/l", where);
  must_hold(symlink("f", file) == 0);
  guard.host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  guard.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  guard.config.veiled = (struct texts){.at = veiled, .count = 1};
  veil = (struct veil){.fuse = ends[0], .host_pids = 1, .path = where, .root = node_make_root(where)};
  far = ends[1];
}

/* Those that would ask somebody: nobody is there. */
static int asks(uint32_t op) { return op == WIRE_OPEN || op == WIRE_OPENDIR || op == WIRE_READDIR || op == WIRE_DESTROY; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static unsigned char heard[WIRE_MOST_READ + 64];
  if (far < 0) {
    prepare();
    atexit(remove_folder);
  }
  for (int n = 0; n < MOST_REQUESTS && size >= 4; n++) {
    struct wire_request request = {.op = data[0], .unique = (uint64_t)n + 1, .node = data[1], .pid = (uint32_t)getpid()};
    size_t length = data[2] | (size_t)(data[3] & 1) << 8;
    data += 4;
    size -= 4;
    if (length > size) length = size;
    _Alignas(8) unsigned char body[512];
    memcpy(body, data, length);
    data += length;
    size -= length;
    request.size = (uint32_t)(sizeof request + length);
    if (asks(request.op)) continue;
    /* A block of just its size, so that reading past its end shows. */
    unsigned char *exact = malloc(length == 0 ? 1 : length);
    if (exact == NULL) return 0;
    memcpy(exact, body, length);
    answer(&veil, &request, exact, length);
    free(exact);
    while (recv(far, heard, sizeof heard, 0) > 0) continue;
  }
  return 0;
}
