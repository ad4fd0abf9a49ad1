/* Whether the kernel hands the processor over with each notification. */
#ifndef CSG_TEMPO_H
#define CSG_TEMPO_H

#include <sys/types.h>

/* Called with who made each call, by any worker. */
void tempo_beat(pid_t tid);

#endif
