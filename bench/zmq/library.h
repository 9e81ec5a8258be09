/* SPDX-License-Identifier: Apache-2.0 */
/* ZeroMQ's part of bench/sockets. */
#ifndef BENCH_ZMQ_LIBRARY_H
#define BENCH_ZMQ_LIBRARY_H

#include <zmq.h>

struct endpoint {
    void *socket;
};

struct message {
    zmq_msg_t body;
};

struct member {
    unsigned char id[8]; /* as the router names it */
    size_t size;
};

/* Messages of a stream in all; for each receiver of a fork-join; of each sender of a fan-in. */
enum { STREAM_COUNT = 5000000, FORK_JOIN_COUNT = 5000, FAN_IN_EACH = 100 };

#endif
