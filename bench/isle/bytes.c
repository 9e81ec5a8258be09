/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes there and back: copied at each send, or moved as a transferable. The sender stamps each
 * round into both ends of the bytes and looks for the stamps in what comes back. */
#include "bench.h"

static void stamp(unsigned char *data, size_t size, int64_t round)
{
    memcpy(data, &round, sizeof round);
    memcpy(data + size - sizeof round, &round, sizeof round);
}

static void stamp_require(const unsigned char *data, size_t size, size_t wanted, int64_t round)
{
    bench_require(size == wanted && memcmp(data, &round, sizeof round) == 0 &&
                      memcmp(data + size - sizeof round, &round, sizeof round) == 0,
                  "the bytes that came back");
}

enum { WARM = 20 }; /* rounds before the measured ones */

struct bytes_run {
    isle_receive_port *port;
    isle_send_port peer;
    size_t size;
};

static void copy_rounds(const struct bytes_run *run, int64_t count)
{
    ISLE_SCOPE;
    isle_value mine = isle_bytes(NULL, run->size);
    unsigned char *data = isle_bytes_data(mine);
    memset(data, 0x5a, run->size); /* memory of its own, not the system's page of zeros */
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        size_t size;
        stamp(data, run->size, i);
        isle_send(run->peer, mine);
        const unsigned char *back = isle_as_bytes(isle_port_receive(run->port), &size);
        stamp_require(back, size, run->size, i);
    }
}

static void move_rounds(const struct bytes_run *run, int64_t count)
{
    isle_value mine = isle_transferable(run->size);
    memset(isle_transferable_data(mine), 0x5a, run->size);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        stamp(isle_transferable_data(mine), run->size, i);
        isle_send(run->peer, mine);
        mine = isle_port_receive(run->port);
        stamp_require(isle_transferable_data(mine), run->size, run->size, i);
        mine = isle_escape(mine);
    }
}

static void bytes_measure(void (*rounds)(const struct bytes_run *run, int64_t count), size_t size,
                          int64_t count)
{
    isle_receive_port *port = isle_port_open();
    struct bytes_run run = {
        .port = port,
        .peer = isle_spawn(bench_echo, isle_port_value(port), NULL).default_port,
        .size = size,
    };
    int64_t before = bench_now_ns();
    rounds(&run, WARM);
    int64_t start = bench_now_ns();
    count = bench_fit(count, WARM, start - before);
    rounds(&run, count);
    int64_t time = bench_now_ns() - start;
    bench_figure((double)time / (double)count);
    isle_send(run.peer, isle_null());
    isle_port_close(port);
}

static isle_value copy_drive(isle_value parameter)
{
    int64_t size = isle_as_int(parameter);
    int64_t count = size <= 1024 ? 300000 : size <= 65536 ? 50000 : size <= 1 << 20 ? 3000 : 100;
    bytes_measure(copy_rounds, (size_t)size, bench_scaled(count, 10));
    return isle_null();
}

static isle_value move_drive(isle_value parameter)
{
    bytes_measure(move_rounds, (size_t)isle_as_int(parameter), bench_scaled(300000, 100));
    return isle_null();
}

const struct workload bytes_workloads[] = {
    {"echo-copy-1k", copy_drive, 1024, true},
    {"echo-copy-64k", copy_drive, 65536, true},
    {"echo-copy-1m", copy_drive, 1 << 20, true},
    {"echo-copy-16m", copy_drive, 16 << 20, true},
    {"echo-move-1k", move_drive, 1024, true},
    {"echo-move-64k", move_drive, 65536, true},
    {"echo-move-1m", move_drive, 1 << 20, true},
    {"echo-move-16m", move_drive, 16 << 20, true},
    {NULL, NULL, 0, false},
};
