/*
 * Landlock, beside the mounts (full) or instead of them (landlock): what the session may read, change and run. It stays with every process of the
 * session, also when the supervisor is gone.
 *
 * Descriptors that the supervisor puts into a process are not restricted by it: what the supervisor opens, it has judged.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "own-terminal.h"
#include "parts.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define ASK_VERSION 1u
#define RULE_PATH 1

#define RUN (1ull << 0)
#define WRITE_FILE (1ull << 1)
#define READ_FILE (1ull << 2)
#define READ_FOLDER (1ull << 3)
#define MAKE_CHARACTER (1ull << 6)
#define MAKE_BLOCK (1ull << 11)
#define REFER (1ull << 13)
#define TRUNCATE (1ull << 14)
#define DEVICE_IOCTL (1ull << 15)
#define EVERYTHING_FIRST ((1ull << 13) - 1)
#define OF_FILES (RUN | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_IOCTL)
#define LOOK (RUN | READ_FILE | READ_FOLDER)

#define TCP_BIND (1ull << 0)
#define TCP_CONNECT (1ull << 1)
#define SCOPE_ABSTRACT (1ull << 0)
#define SCOPE_SIGNAL (1ull << 1)

struct ruleset {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

struct path_rule {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

int landlock_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

static uint64_t files_of(int abi) {
  uint64_t files = EVERYTHING_FIRST;
  if (abi >= 2) files |= REFER;
  if (abi >= 3) files |= TRUNCATE;
  if (abi >= 5) files |= DEVICE_IOCTL;
  return files;
}

struct walk {
  const struct config *config;
  int rules;
  uint64_t handled;
};

/* Grants rights on what is there; what is not there, or is a link, needs none. 0, or -1 with errno. */
static int grant(const struct walk *walk, const char *path, uint64_t rights) {
  struct stat facts;
  int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW), result = 0;
  if (fd < 0) return errno == EMFILE || errno == ENFILE ? -1 : 0;
  if (fstat(fd, &facts) == 0 && !S_ISLNK(facts.st_mode)) {
    if (!S_ISDIR(facts.st_mode)) rights &= OF_FILES;
    struct path_rule rule = {.allowed = rights & walk->handled, .parent = fd};
    /* EBADFD: a file of no file system that rules could be for. */
    if (rule.allowed != 0 && syscall(SYS_landlock_add_rule, walk->rules, RULE_PATH, &rule, 0u) != 0 && errno != EBADFD) result = -1;
  }
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

static int grant_all(const struct walk *walk, const struct texts *paths, uint64_t rights) {
  for (size_t i = 0; i < paths->count; i++)
    if (grant(walk, paths->at[i], rights) != 0) return -1;
  return 0;
}

/* Grants rights on what is open; a descriptor's own name need not lead there, and pipes and sockets need no rule. 0, or -1. */
static int grant_open(const struct walk *walk, int fd, uint64_t rights) {
  struct path_rule rule = {.allowed = rights & walk->handled, .parent = fd};
  if (syscall(SYS_landlock_add_rule, walk->rules, RULE_PATH, &rule, 0u) != 0 && errno != EBADFD) return -1;
  return 0;
}

/* The terminals of the start are the host's nodes; by which mount somebody comes to them does not matter to a rule. */
static int grant_own_terminals(const struct walk *walk, uint64_t rights) {
  struct own_terminal own[MOST_OWN_TERMINALS];
  struct stat facts;
  size_t count = own_terminals(own);
  for (int fd = 0; fd < 3; fd++)
    if (fstat(fd, &facts) == 0 && S_ISCHR(facts.st_mode) && grant_open(walk, fd, rights) != 0) return -1;
  for (size_t i = 0; i < count; i++)
    if (own[i].name[0] != 0 && grant(walk, own[i].name, rights) != 0) return -1;
  return 0;
}

/*
 * What may be opened in /dev. With mounts /dev/pts is the session's own. Without, the person's other terminals are in it, and no rule can tell
 * them from those that will be made inside: only the session's own is granted, and made ones are opened by the supervisor, which knows them.
 */
static int grant_devices(const struct walk *walk) {
  static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts/ptmx"};
  uint64_t rights = WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_IOCTL;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    if (grant(walk, devices[i], rights) != 0) return -1;
  if (walk->config->mode != FILTER_LANDLOCK) return grant(walk, "/dev/pts", rights | READ_FOLDER) != 0 ? -1 : grant_own_terminals(walk, rights);
  if (grant(walk, "/dev", READ_FOLDER) != 0) return -1;
  return grant_own_terminals(walk, rights);
}

static int is_listed(const struct texts *paths, const char *path) {
  for (size_t i = 0; i < paths->count; i++)
    if (strcmp(paths->at[i], path) == 0) return 1;
  return 0;
}

static int is_above_one(const struct texts *paths, const char *path) {
  for (size_t i = 0; i < paths->count; i++)
    if (is_below(paths->at[i], path)) return 1;
  return 0;
}

/*
 * Landlock can only grant, and a grant reaches all the way down: everything but some folders is granted as the brothers of each step on the way to
 * them. What appears beside them later is not granted.
 */
static int grant_around(const struct walk *walk, const char *folder, uint64_t rights) {
  char path[PATH_ROOM];
  DIR *list = opendir(folder);
  struct dirent *entry;
  int result = 0;
  if (list == NULL) return 0;
  while (result == 0 && (entry = readdir(list)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (print_path(path, sizeof path, "%s%s%s", folder, folder[1] == 0 ? "" : "/", entry->d_name) < 0) continue;
    /* Devices are granted one by one. */
    if (strcmp(path, "/dev") == 0) continue;
    if (is_listed(&walk->config->hidden, path) || is_listed(&walk->config->veiled, path)) continue;
    if (is_above_one(&walk->config->hidden, path) || is_above_one(&walk->config->veiled, path)) result = grant_around(walk, path, rights);
    else result = grant(walk, path, rights);
  }
  closedir(list);
  return result;
}

/*
 * A workspace that holds secrets (a whole home) is granted around them. What is made beside them later can then be written, which the supervisor does, and
 * not be read.
 */
static int grant_writable(const struct walk *walk, uint64_t rights) {
  const struct config *config = walk->config;
  for (size_t i = 0; i < config->writable.count; i++) {
    const char *path = config->writable.at[i];
    int holds = config->mode == FILTER_LANDLOCK && (is_above_one(&config->hidden, path) || is_above_one(&config->veiled, path));
    if ((holds ? grant_around(walk, path, rights) : grant(walk, path, rights)) != 0) return -1;
  }
  return 0;
}

static int grant_everything(const struct walk *walk) {
  const struct config *config = walk->config;
  uint64_t change = walk->handled & ~(MAKE_CHARACTER | MAKE_BLOCK);
  if (config->mode == FILTER_LANDLOCK) {
    if (grant(walk, "/", READ_FOLDER) != 0 || grant_around(walk, "/", LOOK) != 0 || grant_all(walk, &config->shown, LOOK) != 0) return -1;
    if (config->temp != NULL && grant(walk, config->temp, change) != 0) return -1;
  } else {
    if (grant(walk, "/", LOOK) != 0) return -1;
    if (config->temp != NULL && (grant(walk, "/tmp", change) != 0 || grant(walk, "/var/tmp", change) != 0)) return -1;
  }
  if (grant_writable(walk, change) != 0 || grant(walk, "/dev/shm", change) != 0) return -1;
  return grant_devices(walk);
}

/* Which parts of Landlock this session has; 1 when there is any. */
static int choose(const struct config *config, int abi, struct ruleset *out) {
  memset(out, 0, sizeof *out);
  /* Whoever is restricted in files may not mount, and containers do. Before ABI 2 nothing could be moved between folders. */
  if (config->mode == FILTER_LANDLOCK || (config->mode == FILTER_FULL && abi >= 2)) out->files = files_of(abi);
  /* With a network of its own the session may do in it what it likes. */
  if (config->mode == FILTER_LANDLOCK && abi >= 4) out->network = TCP_BIND | TCP_CONNECT;
  if (abi >= 6) out->scopes = SCOPE_ABSTRACT | SCOPE_SIGNAL;
  return out->files != 0 || out->scopes != 0;
}

int landlock_restrict(const struct config *config) {
  struct ruleset ruleset;
  int abi = landlock_abi();
  if (abi == 0 && config->mode == FILTER_LANDLOCK) {
    errno = ENOSYS;
    return -1;
  }
  /* The mounts stand by themselves. */
  if (abi == 0 || !choose(config, abi, &ruleset)) return 0;
  size_t size = abi >= 6 ? sizeof ruleset : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
  struct walk walk = {.config = config, .handled = ruleset.files};
  walk.rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0u);
  if (walk.rules < 0) return -1;
  int result = ruleset.files == 0 ? 0 : grant_everything(&walk);
  if (result == 0) result = syscall(SYS_landlock_restrict_self, walk.rules, 0u) == 0 ? 0 : -1;
  int error = errno;
  close(walk.rules);
  errno = error;
  return result;
}
