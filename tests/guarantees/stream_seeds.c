/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, under many seeds and with faults (seeds.h). Three writers are read by three readers, in
 * direct style or by handlers that pause, with windows in items and bytes; some writers fail or end
 * in the middle, some readers close. What must hold: items come in order, each once, the first
 * first; nobody is ahead by more than the window; the end or the error comes after the last item,
 * and the end only if all was written; a writer whose reader has closed is told; memory is bounded.
 */
#include "seeds.h"

enum { STREAMS = 3, ITEMS = 60 };
enum plan { TO_THE_END, FAILS, LEAVES, PLANS };

static struct plot {
    enum plan plan;
    int64_t count;   /* that it is to write */
    int64_t closes;  /* the reader, when it has read so many; ITEMS: never */
    int64_t written; /* perhaps one more is */
    int64_t read;
    size_t items_max; /* of the window */
    bool has_bytes, is_over, has_ended;
} plots[STREAMS];

static void draw(struct plot *plot)
{
    *plot = (struct plot){
        .plan = chance(2) == 0 ? TO_THE_END : (enum plan)chance(PLANS),
        .count = (int64_t)chance(ITEMS),
        .closes = chance(3) == 0 ? (int64_t)chance(ITEMS) : ITEMS,
        .items_max = 1 + chance(20),
        .has_bytes = chance(2) == 0,
    };
}

/* --- the writer */

static isle_value item_of(const struct plot *plot, int64_t number)
{
    if (!plot->has_bytes)
        return isle_int(number);
    isle_value item = isle_pack("[i]", number);
    isle_list_add(item, isle_bytes(NULL, chance(200)));
    return item;
}

static void write_one(struct plot *plot, isle_writer *writer)
{
    isle_value item = item_of(plot, plot->written);

    if (chance(2) == 0) {
        isle_stream_put(writer, item);
    } else {
        isle_err err;

        while ((err = isle_stream_try_write(writer, item)) == ISLE_EFULL)
            (void)!isle_try_await(isle_stream_ready(writer), ISLE_US(100), NULL);
        if (err != ISLE_OK)
            isle_throw(isle_last_error());
    }
    plot->written++;
    /* One is being read, and what was given back is on its way. */
    CHECK(plot->written - plot->read <= (int64_t)plot->items_max + 1 || plot->is_over);
}

static isle_value write_many(isle_value message)
{
    struct plot *plot = &plots[isle_as_int(isle_list_get(message, 0))];
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 1));

    while (plot->written < plot->count) {
        ISLE_SCOPE;
        write_one(plot, writer);
        if (chance(5) == 0)
            isle_sleep((int64_t)chance(30000));
        if (chance(8) == 0)
            isle_stream_flush(writer);
    }
    if (plot->plan == FAILS)
        isle_stream_fail(writer, isle_int(7));
    else if (plot->plan == TO_THE_END)
        isle_stream_end(writer);
    return isle_null();
}

static void writer_entry(isle_value message)
{
    struct plot *plot = &plots[isle_as_int(isle_list_get(message, 0))];
    isle_err err = isle_try(write_many, message, NULL);

    if (err != ISLE_OK && nothing_fails()) {
        CHECK(err == ISLE_ECANCELED || err == ISLE_ECLOSED); /* its isolate has ended, too */
        CHECK(plot->is_over && plot->closes < ITEMS);
    }
}

/* --- the reader */

static void read_item(struct plot *plot, isle_value item)
{
    CHECK_INT(isle_as_int(plot->has_bytes ? isle_list_get(item, 0) : item), plot->read);
    CHECK(plot->read <= plot->written);
    plot->read++;
}

/* As the stream said: ISLE_ECLOSED is its end. */
static void check_over(struct plot *plot, isle_err err)
{
    plot->is_over = true;
    if (err == ISLE_ECLOSED) {
        CHECK_INT(plot->plan, TO_THE_END);
        CHECK_INT(plot->read, plot->count);
    } else if (err == ISLE_ETHROWN) {
        CHECK_INT(plot->plan, FAILS);
        CHECK_INT(plot->read, plot->count);
    } else if (nothing_fails()) {
        CHECK_ERR(err, ISLE_ENORESULT);
        CHECK_INT(plot->plan, LEAVES);
        CHECK_INT(plot->read, plot->count);
    }
    plot->has_ended = true;
}

static isle_stream *open_stream(struct plot *plot)
{
    return isle_stream_open(&(isle_stream_options){.items_max = plot->items_max,
                                                   .bytes_max = plot->has_bytes ? 2000 : 0});
}

static isle_value read_stream(isle_value number)
{
    struct plot *plot = &plots[isle_as_int(number)];
    isle_stream *stream = open_stream(plot);
    isle_options narrow = {.mailbox_max_messages = 3};
    isle_value message = isle_pack("[i,o]", isle_as_int(number), isle_stream_sink(stream));
    isle_value item;
    isle_err err = ISLE_OK;

    isle_stream_expect(stream, isle_spawn(writer_entry, message, &narrow));
    while (plot->read < plot->closes) {
        ISLE_SCOPE;
        err = isle_stream_try_read(stream, ISLE_FOREVER, &item);
        if (err != ISLE_OK)
            break;
        read_item(plot, item);
        if (chance(4) == 0)
            isle_sleep((int64_t)chance(50000));
    }
    if (err != ISLE_OK)
        check_over(plot, err);
    plot->is_over = true;
    isle_stream_close(stream);
    return isle_null();
}

/* --- the root */

static int app(int argc, char **argv)
{
    isle_future *runs[STREAMS];

    (void)argc, (void)argv;
    for (int i = 0; i < STREAMS; i++) {
        isle_options options = {.mailbox_max_messages = 2 + chance(60)};

        draw(&plots[i]);
        runs[i] = isle_run(read_stream, isle_int(i), &options);
    }
    for (int i = 0; i < STREAMS; i++) {
        isle_err err = isle_try_await(runs[i], ISLE_FOREVER, NULL);

        look_at_memory(4 << 20);
        if (nothing_fails())
            CHECK_ERR(err, ISLE_OK);
        if (err == ISLE_OK)
            CHECK(plots[i].has_ended || plots[i].read == plots[i].closes);
        whole += err == ISLE_OK;
    }
    end_of_all();
    return 0;
}

TEST(streams_of_items)
{
    under_seeds(app);
}
TEST_TIMEOUT(streams_of_items, 120);

TEST_MAIN()
