/*
 * countersign-hook: what an agent runs at each of its events.
 *
 *   countersign-hook AGENT EVENT [--socket PATH] [--wait SECONDS] [--start PROGRAM]
 *
 * Reads what the agent writes to standard input, hands it on verbatim, and writes what it is answered, in the agent's own format: one exec, one
 * round trip (electron/wire/hook/frame.ts is the other end). Inside `countersign run` the session's host is asked, else the daemon at
 * PATH; when nobody listens there, PROGRAM is run once with `daemon start`. Nobody answers, or not in time: denied, in the agent's own format,
 * where something is about to happen; elsewhere it is said, and the agent goes on.
 */
#define _GNU_SOURCE
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define START_MS 20000
#define WAIT_MS 140000
#define FIRST_WORD_MS 40000
/* What blocks a tool call in Claude Code, Codex CLI, Gemini CLI, Cursor and Windsurf; any other failure would let it through. */
#define EXIT_BLOCK 2

struct hook {
  const char *agent;
  const char *event;
  const char *socket;
  const char *start;
  long long deadline;
};

/* Events at which nothing is about to happen; electron/daemon/hook-service.ts has the same list. */
static int is_blocking(const char *event) {
  static const char *const others[] = {"Session",      "session",    "Post",        "post",          "After",     "after",
                                       "Notification", "notification", "Stop",      "stop",          "Subagent",  "subagent",
                                       "UserPrompt",   "userPrompt", "beforeSubmit", "BeforeAgent",  "pre_user",  "PreCompact",
                                       "PreCompress",  "preCompact", "agentStop",   "errorOccurred"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    if (strncmp(event, others[i], strlen(others[i])) == 0) return 0;
  return 1;
}

static int write_all(int descriptor, const void *at, size_t size) {
  const char *next = at;
  while (size > 0) {
    ssize_t n = write(descriptor, next, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    next += n;
    size -= (size_t)n;
  }
  return 0;
}

/* Says no by itself. `why` is a text of ours: it holds nothing that JSON would have to escape. */
static int deny(const struct hook *hook, const char *why) {
  say("countersign: ", is_blocking(hook->event) ? "denied: " : "", why, "\n", NULL);
  if (!is_blocking(hook->event)) return 0;
  char line[1024];
  int size;
  if (strcmp(hook->agent, "cursor") == 0)
    size = snprintf(line, sizeof line,
                    "{\"permission\":\"deny\",\"user_message\":\"countersign: denied: %s\","
                    "\"agent_message\":\"countersign: denied: %s\"}\n",
                    why, why);
  else if (strcmp(hook->agent, "copilot") == 0)
    size = snprintf(line, sizeof line,
                    "{\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"countersign: denied: %s\"}\n", why);
  else
    return EXIT_BLOCK;
  if (size < 0 || size >= (int)sizeof line || write_all(1, line, (size_t)size) != 0) return EXIT_BLOCK;
  /* GitHub Copilot CLI reads the answer only of a hook that succeeded. */
  return strcmp(hook->agent, "copilot") == 0 ? 0 : EXIT_BLOCK;
}

/* Reads standard input to its end; 0, -1 when it cannot be read, 1 when it is too large. */
static int read_payload(struct bytes *payload) {
  payload->room = 1 << 16;
  payload->at = malloc(payload->room);
  while (payload->at != NULL) {
    ssize_t n = read(0, payload->at + payload->size, payload->room - payload->size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) return 0;
    payload->size += (size_t)n;
    if (payload->size > MAX_FRAME - 4096) return 1;
    if (payload->size < payload->room) continue;
    payload->room *= 2;
    payload->at = realloc(payload->at, payload->room);
  }
  return -1;
}

/* Runs `PROGRAM daemon start` and waits for it: it returns once the daemon answers. 0 when it did. */
static int start_daemon(const struct hook *hook) {
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0) _exit(127);
    setsid();
    execl(hook->start, hook->start, "daemon", "start", (char *)NULL);
    _exit(127);
  }
  long long deadline = now_ms() + START_MS;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (now_ms() > deadline) return -1;
    usleep(5000);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int connect_daemon(const struct called *called, const struct hook *hook) {
  char *session = session_file(called, "surface.sock");
  struct stat s;
  if (session != NULL && stat(session, &s) == 0 && S_ISSOCK(s.st_mode)) return connect_to(session, now_ms() + CONNECT_MS);
  /* A session whose host is gone is over: the daemon must not be asked as if this agent were in none. */
  if (getenv("COUNTERSIGN_SESSION") != NULL || hook->socket == NULL) return -1;
  int socket = connect_to(hook->socket, now_ms() + CONNECT_MS);
  if (socket >= 0 || hook->start == NULL || start_daemon(hook) != 0) return socket;
  return connect_to(hook->socket, now_ms() + CONNECT_MS);
}

/* True when somebody is waited for; moves the deadline, never past the hook's own. */
static int is_waiting(const struct bytes *frame, const struct hook *hook, long long *deadline) {
  struct field f;
  size_t offset = 0;
  int waiting = 0;
  while (next_field(frame, &offset, &f) == 1) {
    if (f.tag == 'w') {
      waiting = 1;
      write_all(2, f.at, f.size);
    } else if (f.tag == 'd' && waiting) {
      char digits[16] = {0};
      memcpy(digits, f.at, f.size < sizeof digits - 1 ? f.size : sizeof digits - 1);
      long long until = now_ms() + atoll(digits) + 2000;
      *deadline = until < hook->deadline ? until : hook->deadline;
    }
  }
  return waiting;
}

/* Writes a final answer; the exit status it names, or -1 when it is none. */
static int give(const struct bytes *frame) {
  struct field f, out = {0}, message = {0};
  size_t offset = 0;
  int more, status = -1;
  while ((more = next_field(frame, &offset, &f)) == 1) {
    if (f.tag == 'o') out = f;
    else if (f.tag == 'm') message = f;
    else if (f.tag == 's' && f.size == 1 && f.at[0] >= '0' && f.at[0] <= '9') status = f.at[0] - '0';
    else return -1;
  }
  if (more < 0 || status < 0) return -1;
  if (message.size > 0 && write_all(2, message.at, message.size) != 0) return -1;
  /* Half an answer could be read as none, and none lets the call through. */
  if (out.size > 0 && write_all(1, out.at, out.size) != 0) return EXIT_BLOCK;
  return status;
}

static int ask_daemon(const struct hook *hook, int socket, const struct bytes *payload) {
  struct bytes question = {0};
  put_text(&question, 'k', "hook");
  put_text(&question, 'n', hook->agent);
  put_text(&question, 'e', hook->event);
  put_number(&question, 'q', getpid());
  put(&question, 'b', payload->at, payload->size);
  long long deadline = now_ms() + FIRST_WORD_MS;
  if (deadline > hook->deadline) deadline = hook->deadline;
  if (send_frame(socket, &question, deadline) != 0) return deny(hook, "the firewall went away; see `countersign status`");
  struct bytes frame = {0};
  for (;;) {
    switch (receive_frame(socket, &frame, deadline)) {
      case RECEIVED:
        break;
      case RECEIVED_LATE:
        return deny(hook, "no decision came in time; see `countersign approve` and `countersign status`");
      case RECEIVED_END:
        return deny(hook, "the firewall went away before it answered; see `countersign status`");
      case RECEIVED_BROKEN:
      default:
        return deny(hook, "the firewall answered something unreadable; see `countersign doctor`");
    }
    if (is_waiting(&frame, hook, &deadline)) continue;
    int status = give(&frame);
    return status >= 0 ? status : deny(hook, "the firewall answered something unreadable; see `countersign doctor`");
  }
}

int hook_main(const struct called *called, int argc, char **argv) {
  if (argc < 3) {
    say("countersign: denied: this hook does not say which agent and which event it is for\n", NULL);
    return EXIT_BLOCK;
  }
  struct hook hook = {.agent = argv[1], .event = argv[2], .socket = NULL, .start = NULL, .deadline = now_ms() + WAIT_MS};
  for (int i = 3; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (value != NULL && strcmp(argv[i], "--socket") == 0) hook.socket = value;
    else if (value != NULL && strcmp(argv[i], "--start") == 0) hook.start = value;
    else if (value != NULL && strcmp(argv[i], "--home") == 0) setenv("COUNTERSIGN_HOME", value, 1);
    else if (value != NULL && strcmp(argv[i], "--wait") == 0 && atoi(value) > 0) hook.deadline = now_ms() + 1000LL * atoi(value);
    else return deny(&hook, "this hook is called with something it does not know; run `countersign connect` again");
  }
  struct bytes payload = {0};
  int read = read_payload(&payload);
  if (read != 0)
    return deny(&hook, read > 0 ? "what the agent wrote is larger than 16 MiB and cannot be judged" : "what the agent wrote cannot be read");
  int socket = connect_daemon(called, &hook);
  if (socket < 0) return deny(&hook, "the firewall does not answer; start it with `countersign daemon start`");
  return ask_daemon(&hook, socket, &payload);
}
