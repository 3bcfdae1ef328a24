#ifndef KEELSON_CPROCESS_H
#define KEELSON_CPROCESS_H

// prctl takes a variable number of arguments, which Swift cannot call.
#include <sys/prctl.h>

/// Descendants whose parent is gone become children of this process. 0, or -1 with errno.
static inline int keelson_become_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/// The kernel sends `signal_number` to this process when its parent ends; kept through exec, lost
/// by a change of user. 0, or -1 with errno.
static inline int keelson_signal_when_parent_ends(int signal_number) {
    return prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0);
}

#endif
