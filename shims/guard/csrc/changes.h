/* The notified calls that change files without opening them. Each answers as the kernel would, or refuses. */
#ifndef CSG_CHANGES_H
#define CSG_CHANGES_H

#include "notice.h"

/* What makes, removes and moves names. 1 when the call is one of them, and then `*answered` is the answer. */
int names_notified(struct notice *notice, enum answered *answered);

/* What changes an object: mode, owner, times, attributes, length. 1 when the call is one of them. */
int attributes_notified(struct notice *notice, enum answered *answered);

#endif
