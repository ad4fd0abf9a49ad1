/* The parts of the guard that tests of files do not need. Where the real ones are linked, they take the place of these. */
#include <sys/types.h>

#include "../csrc/dns.h"
#include "../csrc/notice.h"
#include "../csrc/parts.h"
#include "../csrc/probe.h"
#include "../csrc/veil.h"
#include "../csrc/watch.h"

#define WEAK __attribute__((weak))

WEAK enum answered exec_notified(struct notice *notice) {
  (void)notice;
  return ANSWER_CONTINUE;
}
WEAK enum answered connect_notified(struct notice *notice) {
  (void)notice;
  return ANSWER_CONTINUE;
}
WEAK int veil_mount(const char *path) { return path == NULL ? 0 : -1; }
WEAK int veil_ask(const struct notice *notice, const char *path) { return notice == NULL || path == NULL ? 1 : 13; }
WEAK void veil_serve(void) {}
WEAK void veil_grant(const char *path) { (void)path; }
WEAK void veil_revoke(const char *path) { (void)path; }
WEAK void watch_start(void) {}
WEAK void dns_serve(int udp, int tcp) {
  (void)udp;
  (void)tcp;
}
WEAK int dns_name_of(const struct sockaddr *address, char out[NAME_ROOM]) {
  (void)address;
  out[0] = 0;
  return 0;
}
WEAK int dns_is_ours(const struct sockaddr *address) { return address == NULL; }
WEAK int landlock_restrict(const struct config *config) { return config == NULL; }
WEAK int landlock_abi(void) { return 0; }
WEAK int probe_main(void) { return 3; }
