/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: items from one isolate to another that takes them in its own time. The window is what
 * the peers' bounded channels hold. */
#include "bench.h"

enum { WINDOW = 512, STREAM_TEXT_SIZE = 64, SCOPE_ITEMS = 64 };

static int64_t stream_count(void)
{
    return bench_scaled(20000000, 8000);
}

static void stream_put_ints(isle_value sink)
{
    int64_t count = stream_count();
    isle_writer *writer = isle_stream_writer(sink);
    for (int64_t i = 0; i < count; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_end(writer);
}

static isle_stream *stream_open(isle_entry *entry)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = WINDOW});
    isle_spawn(entry, isle_stream_sink(stream), NULL);
    return stream;
}

static isle_value stream_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = stream_count(), sum = 0;
    isle_value item;
    int64_t start = bench_now_ns();
    isle_stream *stream = stream_open(stream_put_ints);
    for (bool more = true; more;) {
        ISLE_SCOPE; /* of so many items; what brought them goes with it */
        for (int i = 0; i < WINDOW && (more = isle_stream_read(stream, &item)); i++)
            sum += isle_as_int(item);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum of the items");
    bench_figure((double)count * 1e9 / (double)time);
    isle_stream_close(stream);
    return isle_null();
}

struct stream_sum {
    isle_future *over;
    int64_t sum;
};

static void stream_add(isle_value item, void *context)
{
    ((struct stream_sum *)context)->sum += isle_as_int(item);
}

static void stream_over(void *context)
{
    isle_future_complete(((struct stream_sum *)context)->over, isle_null());
}

static isle_value stream_handler_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = stream_count();
    struct stream_sum *mine = isle_new(struct stream_sum);
    int64_t start = bench_now_ns();
    mine->over = isle_future_new();
    isle_stream_listen(stream_open(stream_put_ints), stream_add, stream_over, NULL, mine);
    isle_await(mine->over);
    int64_t time = bench_now_ns() - start;
    bench_require(mine->sum == count * (count - 1) / 2, "sum of the items");
    bench_figure((double)count * 1e9 / (double)time);
    return isle_null();
}

/* Items that need memory. */
static int64_t stream_text_count(void)
{
    return stream_count() / 10;
}

static void stream_put_texts(isle_value sink)
{
    int64_t count = stream_text_count();
    char line[STREAM_TEXT_SIZE];
    isle_writer *writer = isle_stream_writer(sink);
    memset(line, 'x', sizeof line);
    for (int64_t left = count; left > 0; left -= SCOPE_ITEMS) {
        ISLE_SCOPE;
        for (int i = 0; i < SCOPE_ITEMS && i < left; i++)
            isle_stream_put(writer, isle_string_sized(line, sizeof line));
    }
    isle_stream_end(writer);
}

static isle_value stream_text_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = stream_text_count(), size = 0;
    int64_t start = bench_now_ns();
    isle_stream *stream = stream_open(stream_put_texts);
    isle_value item;
    for (bool more = true; more;) {
        ISLE_SCOPE;
        for (int i = 0; i < SCOPE_ITEMS && (more = isle_stream_read(stream, &item)); i++)
            size += (int64_t)isle_count(item);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(size == count * STREAM_TEXT_SIZE, "size of the texts");
    bench_figure((double)count * 1e9 / (double)time);
    isle_stream_close(stream);
    return isle_null();
}

const struct workload stream_workloads[] = {
    {"stream", stream_drive, 0, false},
    {"stream-handler", stream_handler_drive, 0, false},
    {"stream-text", stream_text_drive, 0, false},
    {NULL, NULL, 0, false},
};
