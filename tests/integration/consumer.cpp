/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer in C++: no destructor lies between a throw and its catch. */
#include <cinttypes>
#include <cstdio>

#include <isle.h>

static isle_value answer(isle_value argument)
{
    return isle_int(isle_as_int(argument) * 2);
}

static int app(int, char **)
{
    std::printf("%" PRId64 "\n", isle_as_int(isle_await(isle_run(answer, isle_int(21), nullptr))));
    return 0;
}

ISLE_MAIN(app);
