/* SPDX-License-Identifier: Apache-2.0 */
/* Isolate.run: a computation in an isolate of its own, its result in a future, the isolate gone
 * when it has returned. */
#include <inttypes.h>
#include <isle.h>

static isle_value answer(isle_value argument)
{
    (void)argument;
    return isle_int(42);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    int64_t result = isle_as_int(isle_await(isle_run(answer, isle_null(), NULL)));
    printf("Result: %" PRId64 "\n", result);
    return 0;
}

ISLE_MAIN(app);
