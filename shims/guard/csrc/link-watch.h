/* The link's own thread, and what the questions need of it. */
#ifndef CSG_LINK_WATCH_H
#define CSG_LINK_WATCH_H

#include "link.h"

/* How the daemon is reached; set once by link_connect(), before any other thread asks. */
struct reached {
  char *socket_path;
  char *session;
  struct hmac_key key;
  /* Becomes readable, and stays so, when the link is lost or the session ends. */
  int lost;
};

/* Null before link_start() and once nothing is to be asked any more. */
const struct reached *link_reached(void);

#endif
