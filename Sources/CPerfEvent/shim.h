#ifndef KEELSON_CPERFEVENT_H
#define KEELSON_CPERFEVENT_H

// perf_event_open has no function in the C library, and syscall takes a variable number of
// arguments, which Swift cannot call.
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Opens a counter of the instructions that the calling thread runs in user mode, which counts at
/// once: read(2) gives a 64-bit number. Its descriptor, or -1 with errno.
static inline int keelson_open_instruction_counter(void) {
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif
