/* What of the workspace is read: inotify on files whose content is classified, told as `read` effects. */
#ifndef CSG_WATCH_H
#define CSG_WATCH_H

/* Starts watching, on a thread of its own; quietly not when the kernel has no room for it. */
void watch_start(void);

#endif
