/* SPDX-License-Identifier: Apache-2.0 */
/* What the mirrors of Dart's benchmarks share. */
#ifndef BENCH_ISLE_DART_H
#define BENCH_ISLE_DART_H

#include "bench.h"

/* A list of maps whose JSON text has about this size. */
isle_value dart_json(int64_t json_size);
/* The value of CBOR bytes. */
isle_value dart_decode(isle_value bytes);

#endif
