/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of 16 MiB through a wall, one after the other, each answered by a word. A message is
 * made before the clock starts; who has it looks at both of its ends. A transferable is a new one
 * each time, frozen bytes are the same ones each time, which is what they are for. */
#include "bench.h"

enum { SIZE = 16 << 20, FROZEN = 1, OUT = 2 };

/* What both sides know. */
struct large {
    isle_send_port peer;
    int64_t how;
};
ISLE_TYPE(large_type, struct large, ISLE_FIELD(struct large, peer), ISLE_FIELD(struct large, how));

static void stamp(void *bytes, int64_t number)
{
    memcpy(bytes, &number, sizeof number);
    memcpy((char *)bytes + SIZE - sizeof number, &number, sizeof number);
}

static isle_value large_make(const struct large *large, int64_t number)
{
    if (large->how & FROZEN) {
        isle_value bytes = isle_bytes(NULL, SIZE);
        memset(isle_bytes_data(bytes), 0x5a, SIZE);
        stamp(isle_bytes_data(bytes), 0);
        return isle_freeze(bytes);
    }
    isle_value bytes = isle_transferable(SIZE);
    memset(isle_transferable_data(bytes), 0x5a, SIZE);
    stamp(isle_transferable_data(bytes), number);
    return bytes;
}

/* Its number; -1: another message. */
static int64_t large_number(const struct large *large, isle_value message)
{
    size_t size;
    int64_t first, last;
    isle_value bytes = large->how & FROZEN ? message : isle_materialize(message);
    const char *data = isle_as_bytes(bytes, &size);
    if (size != SIZE)
        return -1;
    memcpy(&first, data, sizeof first);
    memcpy(&last, data + SIZE - sizeof last, sizeof last);
    return first == last ? first : -1;
}

/* The same frozen bytes as long as the caller keeps them. */
static isle_value large_next(const struct large *large, isle_value kept, int64_t number)
{
    return large->how & FROZEN ? kept : large_make(large, number);
}

/* The child's side: makes each message and sends it when it is asked to, or says what came. */
static void child_large(isle_value message)
{
    const struct large *large = isle_as_object(message, &large_type);
    isle_receive_port *port = isle_default_port();
    bool makes = (large->how & OUT) != 0;
    isle_value kept = makes && large->how & FROZEN ? large_make(large, 0) : isle_null();
    int64_t count = isle_as_int(isle_port_receive(port));
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value next = makes ? large_next(large, kept, i) : isle_null();
        if (makes)
            isle_send(large->peer, isle_int(i));
        isle_value came = isle_port_receive(port);
        isle_send(large->peer, makes ? next : isle_int(large_number(large, came)));
    }
    isle_port_close(port);
}

static int64_t large_rounds(const struct large *large, isle_receive_port *port, int64_t count)
{
    int64_t time = 0;
    bool takes = (large->how & OUT) != 0;
    isle_value kept = !takes && large->how & FROZEN ? large_make(large, 0) : isle_null();
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value next = takes ? isle_port_receive(port) : large_next(large, kept, i);
        int64_t start = bench_now_ns();
        isle_send(large->peer, next);
        isle_value came = isle_port_receive(port);
        int64_t number = takes ? large_number(large, came) : isle_as_int(came);
        time += bench_now_ns() - start;
        bench_require(number == (large->how & FROZEN ? 0 : i), "the same bytes");
    }
    return time;
}

static isle_value large_drive(isle_value parameter)
{
    bench_require(isle_type_register(&large_type) == ISLE_OK, "a registered type");
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    struct large theirs = {.peer = isle_port_send_port(port), .how = isle_as_int(parameter)};
    struct large ours = theirs;
    int64_t count = bench_scaled(40, 3);
    ours.peer = wall_spawn(child_large, isle_object(&large_type, &theirs), ends);
    isle_send(ours.peer, isle_int(count));
    int64_t time = large_rounds(&ours, port, count);
    isle_port_close(port);
    wall_require_returned(ends);
    bench_figure((double)count * SIZE * 1e9 / (double)time);
    return isle_null();
}

const struct workload wall_large_workloads[] = {
    {"wall-moved-in", large_drive, 0, false},
    {"wall-moved-out", large_drive, OUT, false},
    {"wall-frozen-in", large_drive, FROZEN, false},
    {"wall-frozen-out", large_drive, FROZEN | OUT, false},
    {NULL, NULL, 0, false},
};
