/* SPDX-License-Identifier: Apache-2.0 */
/* Globals that belong to one isolate each: ISLE_LOCAL. A plain C global, in contrast, is one for
 * all isolates on threads: that is C, and the reason for `isle check`, which lists those of an
 * object file. */
#include <inttypes.h>
#include <isle.h>

ISLE_LOCAL(int64_t, own); /* every isolate has its own, zero at first */
static int64_t
    common; /* all isolates have the same; safe here only because one runs after the other */

static isle_value count(isle_value times)
{
    for (int64_t i = 0; i < isle_as_int(times); i++) {
        ++*own();
        ++common;
    }
    return isle_int(*own());
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    *own() = 1;
    int64_t first = isle_as_int(isle_await(isle_run(count, isle_int(10), NULL)));
    int64_t second = isle_as_int(isle_await(isle_run(count, isle_int(20), NULL)));
    printf("its own in the first isolate: %" PRId64 "\n", first);
    printf("its own in the second: %" PRId64 "\n", second);
    printf("its own in the root: %" PRId64 "\n", *own());
    printf("the C global that all share: %" PRId64 "\n", common);
    return 0;
}

ISLE_MAIN(app);
