/* SPDX-License-Identifier: Apache-2.0 */
/* Time and chance, both from the kernel. Neither fails on a kernel that this layer runs on: a
 * failure is a broken invariant. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

int64_t isle__clock_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        isle__die("isle: no monotonic clock");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void isle__random_fill(void *memory, size_t size)
{
    unsigned char *at = memory;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            isle__die("isle: no random bytes from the kernel");
        }
        at += got;
        size -= (size_t)got;
    }
}
