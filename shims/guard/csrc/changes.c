#include "changes.h"

#include <errno.h>

#include "borrow.h"
#include "proc.h"
#include "processes.h"

enum answered change_notified(struct notice *notice) {
  enum answered answered;
  borrow();
  if (is_elsewhere(notice->tid)) return ANSWER_CONTINUE;
  if (names_notified(notice, &answered) || attributes_notified(notice, &answered) || processes_notified(notice, &answered)) return answered;
  /* The filter notifies it and nothing here knows it: then it does not exist. */
  return notice_error(notice, ENOSYS);
}
