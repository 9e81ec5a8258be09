/* SPDX-License-Identifier: Apache-2.0 */
/* nng's part of bench/sockets. */
#ifndef BENCH_NNG_LIBRARY_H
#define BENCH_NNG_LIBRARY_H

#include <nng/nng.h>

struct endpoint {
    nng_socket socket;
    nng_aio *aio; /* of the thread that uses it */
};

struct message {
    nng_msg *body;
};

struct member {
    nng_pipe pipe;
};

/* Messages of a stream in all; for each receiver of a fork-join; of each sender of a fan-in. */
enum { STREAM_COUNT = 200000, FORK_JOIN_COUNT = 2000, FAN_IN_EACH = 10 };

#endif
