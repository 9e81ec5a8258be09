/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of streams share: a job for a writer that is spawned is [sink, count]. */
#ifndef STREAMS_HELP_H
#define STREAMS_HELP_H

#include "guarantees.h"

static inline isle_value job(isle_stream *stream, int64_t count)
{
    return isle_pack("[o,i]", isle_stream_sink(stream), count);
}

static inline isle_writer *job_open(isle_value message, int64_t *ret_count)
{
    *ret_count = isle_as_int(isle_list_get(message, 1));
    return isle_stream_writer(isle_list_get(message, 0));
}

#endif
