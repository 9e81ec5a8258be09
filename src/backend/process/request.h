/* SPDX-License-Identifier: Apache-2.0 */
/* What host and zygote say to each other: two images of the same files, so plain structs, each one
 * packet of the control socket. Also what the zygote hands to a child, by the fork.
 *
 * Law: both ends are trusted. A child has neither end. */
#ifndef ISLE_BACKEND_REQUEST_H
#define ISLE_BACKEND_REQUEST_H

#include "backend/process/zygote.h"

/* Descriptors of an image that begins as a zygote. 0 and 1 are /dev/null, 2 a pipe to the host. */
enum { ISLE__ORDER_FD = 3, ISLE__CONTROL_FD = 4, ISLE__HOST_FD = 5 /* a pidfd */ };
/* Of a child: its two bells and its courier. */
enum { ISLE__CHILD_BELL_IN = 3, ISLE__CHILD_BELL_OUT = 4, ISLE__CHILD_COURIER = 5 };

enum { ISLE__ZYGOTE_CHILDREN = 4096 }; /* at once, of one zygote */

/* Says "you are a zygote": in a memory file with all seals. */
#define ISLE__ORDER_MAGIC "isle zygote 1"
struct isle__zygote_order {
    char magic[16];
    uint32_t size;                 /* of this struct */
    int32_t host;                  /* its process id, which is the new image's parent */
    struct isle__code_place image; /* isle__zygote_image of the host */
};

/* The slot of a child is the lower part of its serial. */
static inline uint32_t isle__serial_slot(uint64_t serial)
{
    return (uint32_t)serial;
}

enum isle__request_fd {
    ISLE__FD_MEMORY_IN,
    ISLE__FD_MEMORY_OUT,
    ISLE__FD_BELL_IN,
    ISLE__FD_BELL_OUT,
    ISLE__FD_COURIER,
    ISLE__FD_REST /* what there is of: log, door of a control group, copy of the object, reads,
                     folders of code */
};
enum { ISLE__REQUEST_FDS = ISLE__FD_REST + 3 + 2 * ISLE__SANDBOX_PATHS, ISLE__REQUEST_NAME = 1024 };

/* Host to zygote: a child, please. The names are left away where there is no code; all but the
 * serial where the child of that serial is to end, because its pidfd never came to the host. */
struct isle__zygote_request {
    uint64_t serial;
    struct isle__policy policy;
    uint64_t out_size, in_size; /* of the rings, as the child sees them */
    uint32_t has_log, has_door, has_copy, has_code;
    uint32_t read_count, code_count;
    char object[ISLE__REQUEST_NAME], entry[ISLE__REQUEST_NAME];
};

enum isle__answer_kind {
    ISLE__ANSWER_LACKS, /* before the hello: text says why the layer number `status` is missing */
    ISLE__ANSWER_HELLO, /* serial 0; status: 0, or it cannot serve and ends */
    ISLE__ANSWER_BORN,  /* with its pidfd */
    ISLE__ANSWER_REFUSED,
    ISLE__ANSWER_DIED
};
struct isle__zygote_answer {
    uint32_t kind;
    uint32_t reached;
    uint64_t serial;
    int32_t code, status;
    int64_t cpu_ns;
    uint64_t memory_peak;
    char text[ISLE__SANDBOX_TEXT];
};

/* A child's first record in its ring. */
#define ISLE__HELLO_MAGIC UINT32_C(0x69736c65)
struct isle__child_hello {
    uint32_t magic;
    uint32_t reached;
    uint32_t failed; /* it cannot lock itself in, or load its code: text */
    char text[ISLE__SANDBOX_TEXT];
};

/* What a child has from the zygote. */
struct isle__child_start {
    const struct isle__zygote_request *request;
    const int *fds; /* of the request */
    uint32_t fd_count;
    struct isle__sandbox *sandbox;
};
ISLE_NORETURN void isle__child_begin(const struct isle__child_start *start);

/* --- the host's parts */

/* A zygote that was started (launch.c). */
struct isle__zygote_process {
    int control; /* non-blocking */
    int pidfd;
    int nanny;    /* a pidfd of the process between; -1: there is none */
    void *stacks; /* the nanny's; NULL */
    uint32_t reached;
    char lacks[ISLE__LAYERS][64]; /* why a layer is missing; "" */
};
#define ISLE__ZYGOTE_NONE                                                                          \
    {                                                                                              \
        .control = -1, .pidfd = -1, .nanny = -1                                                    \
    }
static const struct isle__zygote_process isle__zygote_none = ISLE__ZYGOTE_NONE;
/* Executes the program again and waits for the hello. ISLE_ESPAWN with a text. */
ISLE_MUST_CHECK isle_err isle__zygote_launch(struct isle__zygote_process *ret_process, char *text,
                                             size_t text_size);
/* Ends it if it runs on after so long, takes its exit status away from the system; a text that says
 * how it ended. Waits for its end. */
enum { ISLE__ZYGOTE_GRACE_MS = 100 };
void isle__zygote_reap(struct isle__zygote_process *process, int grace_ms, char *text,
                       size_t text_size);
/* Whether this process has called isle_child_main (zygote.c). */
bool isle__zygote_is_expected(void);

#endif
