/* SPDX-License-Identifier: Apache-2.0 */
/* The channel between two sides that keep to the rules: order and content of records of every size,
 * full and empty rings, pieces, batches, rests and bells; within a thread, between threads, between
 * processes. */
#include "channel_help.h"

enum { RING = 4096, WHOLE_MAX = RING / 2 - 8, PIECE = RING / 4 - 8 };

static enum isle__channel_state put_number(struct isle__channel *channel, uint64_t number)
{
    return isle__channel_put(channel, &number, sizeof number, NULL, 0);
}

static void check_number(struct isle__channel *channel, uint64_t number)
{
    uint64_t got;
    size_t size;
    CHECK_INT(isle__channel_next(channel, &size), ISLE__CHANNEL_OK);
    CHECK_UINT(size, sizeof got);
    isle__channel_take(channel, &got, sizeof got, NULL);
    CHECK_UINT(got, number);
}

static void check_empty(struct isle__channel *channel)
{
    size_t size;
    CHECK_INT(isle__channel_next(channel, &size), ISLE__CHANNEL_EMPTY);
}

/* How often the bell was rung since it was last cleared; clears it. */
static uint64_t rung(const struct isle__channel *channel)
{
    uint64_t count = 0;
    if (read(isle__channel_bell(channel), &count, sizeof count) < 0)
        CHECK_INT(errno, EAGAIN);
    return count;
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* --- records */

static void check_passes(struct channel_pair pair, size_t head_size, size_t body_size)
{
    unsigned char head[64], body[4 * RING];
    size_t size = 0;
    enum isle__channel_state put = ISLE__CHANNEL_FULL, next = ISLE__CHANNEL_EMPTY;
    while (next != ISLE__CHANNEL_OK) {
        if (put == ISLE__CHANNEL_FULL)
            put = isle__channel_put(pair.a, channel_text(), head_size, channel_text() + 100,
                                    body_size);
        CHECK(put != ISLE__CHANNEL_BROKEN);
        isle__channel_flush(pair.a);
        next = isle__channel_next(pair.b, &size);
        CHECK(next != ISLE__CHANNEL_BROKEN);
    }
    CHECK_INT(put, ISLE__CHANNEL_OK);
    CHECK_UINT(size, head_size + body_size);
    isle__channel_take(pair.b, head, head_size, body);
    CHECK_BYTES(head, head_size, channel_text(), head_size);
    CHECK_BYTES(body, body_size, channel_text() + 100, body_size);
    isle__channel_taken(pair.b);
}

TEST(records_of_every_size_pass)
{
    static const size_t sizes[] = {0,
                                   1,
                                   7,
                                   8,
                                   9,
                                   63,
                                   64,
                                   PIECE - 1,
                                   PIECE,
                                   PIECE + 1,
                                   WHOLE_MAX - 1,
                                   WHOLE_MAX,
                                   WHOLE_MAX + 1,
                                   RING - 1,
                                   RING,
                                   RING + 1,
                                   2 * PIECE,
                                   3 * PIECE,
                                   4 * PIECE,
                                   3 * RING + 5};
    struct channel_pair pair = channel_pair_new(RING, RING, 4 * RING);
    for (int round = 0; round < 300; round++) /* at ever other places of the ring */
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            check_passes(pair, 0, sizes[i]);
            check_passes(pair, (size_t)round % 64, sizes[i]);
        }
    check_passes(pair, 64, 0);
    check_empty(pair.b);
    channel_pair_close(pair);
}

TEST(a_head_larger_than_the_record_gets_what_there_is)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    unsigned char head[16] = {0};
    size_t size;
    CHECK_INT(isle__channel_put(pair.a, "abc", 3, NULL, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    isle__channel_take(pair.b, head, sizeof head, NULL);
    CHECK_BYTES(head, 4, "abc", 4);
    channel_pair_close(pair);
}

TEST(nothing_is_seen_before_the_flush)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_INT(put_number(pair.a, i), ISLE__CHANNEL_OK);
        check_empty(pair.b);
        CHECK(!isle__channel_stirs(pair.b));
    }
    isle__channel_flush(pair.a);
    CHECK(isle__channel_stirs(pair.b));
    for (uint64_t i = 0; i < 10; i++)
        check_number(pair.b, i);
    check_empty(pair.b);
    CHECK(!isle__channel_stirs(pair.b));
    channel_pair_close(pair);
}

TEST(next_names_a_record_until_it_is_taken)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    size_t size;
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    CHECK_INT(isle__channel_put(pair.a, "abc", 3, NULL, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
        CHECK_UINT(size, 8);
    }
    check_number(pair.b, 1);
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    CHECK_UINT(size, 3);
    channel_pair_close(pair);
}

TEST(the_beginning_of_a_record_is_shown_before_it_is_taken)
{
    struct channel_pair pair = channel_pair_new(RING, RING, 4 * RING);
    char large[2 * RING] = "large", got[8] = "";
    size_t size;
    CHECK_INT(isle__channel_put(pair.a, "abcdef", 6, NULL, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK(!isle__channel_peek(pair.b, got, sizeof got));
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    CHECK(isle__channel_peek(pair.b, got, 3));
    CHECK_STRING(got, "abc");
    CHECK(isle__channel_peek(pair.b, got, sizeof got));
    CHECK_STRING(got, "abcdef");
    isle__channel_take(pair.b, got, 2, got + 2);
    CHECK_STRING(got, "abcdef");
    while (isle__channel_put(pair.a, large, sizeof large, NULL, 0) != ISLE__CHANNEL_OK)
        CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_EMPTY);
    isle__channel_flush(pair.a);
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    CHECK(!isle__channel_peek(pair.b, got, sizeof got));
    channel_pair_close(pair);
}

/* True: it looked, in vain, until that was over. */
static bool looks_in_vain(struct isle__channel *channel)
{
    bool looked = false;
    while (isle__channel_looks(channel))
        looked = true;
    return looked;
}

TEST(looks_in_vain_become_rare_and_answers_are_counted_apart)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    for (int skipped = 1; skipped <= 15; skipped = 2 * skipped + 1) {
        for (int i = 0; i < skipped; i++)
            CHECK(!looks_in_vain(pair.a));
        CHECK(looks_in_vain(pair.a));
    }
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK(!looks_in_vain(pair.a)); /* for an answer: the first one */
    CHECK(isle__channel_looks(pair.a));
    isle__channel_met(pair.a);
    CHECK(!isle__channel_looks(pair.a)); /* for whatever may come */
    channel_pair_close(pair);
}

/* What the other side says is a hint, whatever it is. */
TEST(a_side_yields_to_one_that_was_last_seen_on_its_core)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK(!isle__channel_look(pair.a));
    CHECK(!pair.a->is_near); /* nobody has been seen */
    CHECK(!isle__channel_look(pair.b));
    CHECK(pair.b->is_near);
    CHECK(!isle__channel_look(pair.a));
    CHECK(pair.a->is_near);
    for (uint32_t core = 0; core < 3; core++) {
        atomic_store(&pair.b->out.mine->core, isle__cpu_here() + 1 + core * UINT32_MAX / 4);
        CHECK(!isle__channel_look(pair.a));
        CHECK(!pair.a->is_near);
    }
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK(isle__channel_look(pair.b));
    channel_pair_close(pair);
}

TEST(a_full_ring_takes_no_more_until_some_is_taken)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 1000; round++) {
        while (put_number(pair.a, in) == ISLE__CHANNEL_OK)
            in++;
        CHECK_UINT(in - out, RING / 16); /* a cell and a number each */
        CHECK_INT(put_number(pair.a, in), ISLE__CHANNEL_FULL);
        for (int i = 0; i < round % 256; i++)
            check_number(pair.b, out++);
        if (round % 256 > 0)
            CHECK_INT(put_number(pair.a, in), ISLE__CHANNEL_FULL); /* taken, but not yet told */
        isle__channel_taken(pair.b);
    }
    while (out < in)
        check_number(pair.b, out++);
    check_empty(pair.b);
    channel_pair_close(pair);
}

TEST(who_waits_until_all_is_read_is_told_when_it_is)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    CHECK_INT(isle__channel_is_read(pair.a), ISLE__CHANNEL_OK);
    for (uint64_t round = 0; round < 1000; round++) {
        uint64_t count = 1 + round % (RING / 16);
        for (uint64_t i = 0; i < count; i++)
            CHECK_INT(put_number(pair.a, i), ISLE__CHANNEL_OK);
        CHECK_INT(isle__channel_is_read(pair.a), ISLE__CHANNEL_FULL);
        CHECK(isle__channel_rest(pair.a));
        for (uint64_t i = 0; i < count; i++) {
            check_number(pair.b, i);
            CHECK(!isle__channel_stirs(pair.a));
        }
        isle__channel_taken(pair.b);
        CHECK(isle__channel_stirs(pair.a));
        CHECK(isle__notifier_wait(isle__channel_bell(pair.a), 0));
        isle__channel_bell_clear(pair.a);
        CHECK_INT(isle__channel_is_read(pair.a), ISLE__CHANNEL_OK);
        CHECK(!isle__channel_stirs(pair.a));
    }
    channel_pair_close(pair);
}

/* Before it is all put, or all taken. */
TEST(a_quarter_of_a_ring_is_shown_and_freed_by_who_keeps_up)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t in = 0, out = 0;
    for (; in < RING / 16 / 4 - 1; in++) {
        CHECK_INT(put_number(pair.a, in), ISLE__CHANNEL_OK);
        isle__channel_keep_up(pair.a);
    }
    check_empty(pair.b);
    CHECK_INT(put_number(pair.a, in++), ISLE__CHANNEL_OK);
    isle__channel_keep_up(pair.a);
    check_number(pair.b, out++);
    while (put_number(pair.a, in) == ISLE__CHANNEL_OK)
        in++;
    for (; out < RING / 16 / 4 - 1; out++) {
        isle__channel_keep_up(pair.b);
        check_number(pair.b, out);
    }
    CHECK_INT(put_number(pair.a, in), ISLE__CHANNEL_FULL);
    check_number(pair.b, out++);
    isle__channel_keep_up(pair.b);
    CHECK_INT(put_number(pair.a, in++), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    for (; out < in; out++)
        check_number(pair.b, out);
    channel_pair_close(pair);
}

TEST(the_two_directions_do_not_meet)
{
    struct channel_pair pair = channel_pair_new(RING, 4 * RING, RING);
    uint64_t a_sent = 0, b_sent = 0;
    while (put_number(pair.a, a_sent) == ISLE__CHANNEL_OK)
        a_sent++;
    while (put_number(pair.b, 1000 + b_sent) == ISLE__CHANNEL_OK)
        b_sent++;
    CHECK_UINT(a_sent, RING / 16);
    CHECK_UINT(b_sent, RING / 4);
    isle__channel_flush(pair.a);
    isle__channel_flush(pair.b);
    for (uint64_t i = 0; i < b_sent; i++)
        check_number(pair.a, 1000 + i);
    for (uint64_t i = 0; i < a_sent; i++)
        check_number(pair.b, i);
    channel_pair_close(pair);
}

/* --- pieces */

TEST(a_large_record_is_seen_whole_or_not_at_all)
{
    struct channel_pair pair = channel_pair_new(RING, RING, CHANNEL_TEXT);
    const size_t size = 40 * RING + 3;
    unsigned char *body = malloc(size);
    size_t got = 0, calls = 0;
    CHECK(body != NULL);
    while (isle__channel_put(pair.a, NULL, 0, channel_text(), size) == ISLE__CHANNEL_FULL) {
        check_empty(pair.b);
        calls++;
    }
    CHECK(calls >= 39);
    isle__channel_flush(pair.a);
    CHECK_INT(isle__channel_next(pair.b, &got), ISLE__CHANNEL_OK);
    CHECK_UINT(got, size);
    isle__channel_take(pair.b, NULL, 0, body);
    CHECK(memcmp(body, channel_text(), size) == 0);
    CHECK_INT(put_number(pair.a, 5), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    check_number(pair.b, 5);
    free(body);
    channel_pair_close(pair);
}

TEST(memory_for_pieces_grows_only_as_bytes_arrive)
{
    struct channel_pair pair = channel_pair_new(RING, RING, (size_t)64 << 20);
    uint64_t before = isle__memory_live();
    unsigned char *body = calloc(1, 64 << 20);
    size_t arrived = 0;
    CHECK(body != NULL);
    for (int i = 0; i < 200; i++) {
        CHECK_INT(isle__channel_put(pair.a, NULL, 0, body, 64 << 20), ISLE__CHANNEL_FULL);
        check_empty(pair.b);
        arrived = pair.b->pieces.size;
        CHECK(arrived >= (size_t)i * PIECE);
        CHECK(isle__memory_live() - before <= (arrived > RING ? 2 * arrived : RING));
    }
    channel_pair_close(pair); /* in the middle of a record */
    CHECK(isle__memory_live() <= before);
    free(body);
}

TEST(a_record_in_pieces_can_be_taken_with_its_memory)
{
    struct channel_pair pair = channel_pair_new(RING, RING, CHANNEL_TEXT);
    uint64_t before = isle__memory_live();
    const size_t size = 3 * RING;
    size_t got = 0, capacity = 0;
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    while (isle__channel_put(pair.a, NULL, 0, channel_text(), size) == ISLE__CHANNEL_FULL) {
        if (isle__channel_next(pair.b, &got) == ISLE__CHANNEL_OK) {
            CHECK(isle__channel_take_memory(pair.b, &capacity) == NULL); /* it came at once */
            check_number(pair.b, 1);
        }
    }
    isle__channel_flush(pair.a);
    CHECK_INT(isle__channel_next(pair.b, &got), ISLE__CHANNEL_OK);
    CHECK_UINT(got, size);
    void *memory = isle__channel_take_memory(pair.b, &capacity);
    CHECK(memory != NULL && capacity >= size);
    CHECK(memcmp(memory, channel_text(), size) == 0);
    check_empty(pair.b);
    isle__memory_free(memory, capacity);
    CHECK_UINT(isle__memory_live(), before);
    channel_pair_close(pair);
}

TEST(memory_of_pieces_is_kept_if_it_is_no_larger_than_the_ring)
{
    struct channel_pair pair = channel_pair_new(RING, RING, CHANNEL_TEXT);
    uint64_t before = isle__memory_live();
    check_passes(pair, 0, RING);
    CHECK_UINT(isle__memory_live(), before + RING);
    check_passes(pair, 0, RING / 2);
    check_passes(pair, 0, 3 * RING);
    CHECK_UINT(isle__memory_live(), before);
    channel_pair_close(pair);
}

TEST(a_reader_that_has_no_memory_for_pieces_breaks_its_channel)
{
    struct channel_pair pair = channel_pair_new(RING, RING, CHANNEL_TEXT);
    size_t size;
    CHECK_INT(isle__channel_put(pair.a, NULL, 0, channel_text(), 9 * RING), ISLE__CHANNEL_FULL);
    isle__memory_fail_at(1);
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_BROKEN);
    isle__memory_fail_at(0);
    CHECK(isle__channel_is_broken(pair.b));
    CHECK_STRING(isle__channel_broken_by(pair.b), "there is no memory for its record");
    CHECK_INT(put_number(pair.b, 1), ISLE__CHANNEL_BROKEN);
    CHECK(!isle__channel_is_broken(pair.a));
    channel_pair_close(pair);
}

/* --- rests and bells */

TEST(a_rest_is_rung_for_once)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    CHECK_INT(put_number(pair.a, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK_UINT(rung(pair.b), 0); /* it does not rest */
    CHECK(!isle__channel_rest(pair.b));
    check_number(pair.b, 0);
    CHECK(isle__channel_rest(pair.b));
    for (uint64_t i = 1; i < 10; i++) {
        CHECK_INT(put_number(pair.a, i), ISLE__CHANNEL_OK);
        isle__channel_flush(pair.a);
        isle__channel_flush(pair.a);
    }
    CHECK_UINT(rung(pair.b), 1);
    for (uint64_t i = 1; i < 10; i++)
        check_number(pair.b, i);
    CHECK_INT(put_number(pair.a, 10), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK_UINT(rung(pair.b), 0); /* awake */
    check_number(pair.b, 10);
    CHECK(isle__channel_rest(pair.b));
    CHECK_INT(put_number(pair.a, 11), ISLE__CHANNEL_OK);
    CHECK_UINT(rung(pair.b), 0); /* not yet shown */
    isle__channel_flush(pair.a);
    CHECK_UINT(rung(pair.b), 1);
    channel_pair_close(pair);
}

TEST(a_rest_that_is_none_is_not_rung_for)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    CHECK_INT(put_number(pair.a, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    for (int i = 0; i < 5; i++)
        CHECK(!isle__channel_rest(pair.b));
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);
    CHECK_UINT(rung(pair.b), 0);
    channel_pair_close(pair);
}

TEST(room_is_rung_for_when_there_is_much_of_it)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t in = 0, out = 0;
    while (put_number(pair.a, in) == ISLE__CHANNEL_OK)
        in++;
    CHECK(isle__channel_rest(pair.a));
    size_t size;
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    while (out < in) {
        check_number(pair.b, out++);
        isle__channel_taken(pair.b);
        CHECK_UINT(rung(pair.a), out == in / 2);
        CHECK(isle__channel_stirs(pair.a)); /* a record fits as soon as one was taken */
    }
    CHECK(!isle__channel_rest(pair.a)); /* told once, */
    CHECK(isle__channel_rest(pair.a));  /* to one who may not want it any more */
    channel_pair_close(pair);
}

TEST(who_waits_for_what_comes_is_not_rung_for_room)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t in = 0;
    while (in < 200 && put_number(pair.a, in) == ISLE__CHANNEL_OK)
        in++;
    CHECK(isle__channel_rest(pair.a));
    for (uint64_t out = 0; out < in; out++) {
        check_number(pair.b, out);
        isle__channel_taken(pair.b);
    }
    CHECK_UINT(rung(pair.a), 0);
    channel_pair_close(pair);
}

TEST(room_for_the_next_piece_is_waited_for)
{
    struct channel_pair pair = channel_pair_new(RING, RING, CHANNEL_TEXT);
    size_t size = 0, rests = 0;
    while (isle__channel_put(pair.a, NULL, 0, channel_text(), 10 * RING) == ISLE__CHANNEL_FULL) {
        if (!isle__channel_rest(pair.a))
            continue;
        rests++;
        check_empty(pair.b);
        CHECK_UINT(rung(pair.a), 1);
    }
    CHECK(rests >= 9);
    isle__channel_flush(pair.a);
    CHECK_INT(isle__channel_next(pair.b, &size), ISLE__CHANNEL_OK);
    channel_pair_close(pair);
}

TEST(a_wait_ends_by_the_bell_by_what_is_there_and_by_its_time)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    for (int i = 0; i < 20; i++) {
        int64_t began = isle__clock_now();
        isle__channel_wait(pair.b, ISLE_MS(1));
        CHECK(isle__clock_now() - began >= ISLE_US(999));
    }
    CHECK_INT(put_number(pair.a, 1), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.a);                  /* rings: the last wait was a rest */
    isle__channel_wait(pair.b, CHANNEL_PATIENCE); /* it is there */
    check_number(pair.b, 1);
    isle__channel_wait(pair.b, CHANNEL_PATIENCE); /* the bell that is left */
    CHECK_UINT(rung(pair.b), 0);
    isle__channel_wait(pair.b, 0);
    channel_pair_close(pair);
}

TEST(a_mark_is_seen_by_the_other_side)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    CHECK_UINT(isle__channel_marked(pair.a), 0);
    isle__channel_mark(pair.b, 77);
    CHECK_UINT(isle__channel_marked(pair.a), 77);
    CHECK_UINT(isle__channel_marked(pair.b), 0);
    channel_pair_close(pair);
}

/* --- what it is made of */

TEST(sizes_that_cannot_be_are_refused)
{
    static const size_t sizes[] = {0, 1, 2048, 4095, 4097, 6144, ISLE__CHANNEL_RING_MAX * 2};
    struct isle__channel *channel;
    struct isle__channel_fds fds;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_ERR(isle__channel_make(sizes[i], RING, RING, &channel, &fds), ISLE_EINVAL);
        CHECK_ERR(isle__channel_make(RING, sizes[i], RING, &channel, &fds), ISLE_EINVAL);
    }
    CHECK_ERR(isle__channel_make(RING, RING, ISLE__CHANNEL_RECORD_MAX + 1, &channel, &fds),
              ISLE_EINVAL);
}

TEST(a_channel_that_cannot_be_made_leaves_nothing_behind)
{
    struct channel_pair pair;
    struct isle__channel_fds fds;
    size_t descriptors = count_descriptors();
    uint64_t live = isle__memory_live();
    isle_err err = ISLE_ENOMEM;
    for (uint64_t nth = 1; err != ISLE_OK; nth++) {
        CHECK_ERR(err, ISLE_ENOMEM);
        CHECK_UINT(isle__memory_live(), live);
        CHECK_UINT(count_descriptors(), descriptors);
        isle__memory_fail_at(nth);
        err = isle__channel_make(RING, 2 * RING, RING, &pair.a, &fds);
    }
    isle__memory_fail_at(1);
    CHECK_ERR(isle__channel_attach(&fds, 2 * RING, RING, RING, &pair.b), ISLE_ENOMEM);
    isle__memory_fail_at(0);
    CHECK_ERR(isle__channel_attach(&fds, RING, 2 * RING, RING, &pair.b), ISLE_EINVAL);
    CHECK_UINT(count_descriptors(), descriptors + 6); /* all four are still the caller's */
    CHECK_ERR(isle__channel_attach(&fds, 2 * RING, RING, RING, &pair.b), ISLE_OK);
    CHECK_UINT(count_descriptors(), descriptors + 4);
    channel_pair_close(pair);
    CHECK_UINT(count_descriptors(), descriptors);
    CHECK_UINT(isle__memory_live(), live);
}

/* --- two threads, two processes */

static void stress_threads(size_t ring, size_t most, uint64_t count, bool sleeps)
{
    struct channel_pair pair = channel_pair_new(ring, ring, most + sizeof(struct channel_head));
    struct channel_driver drivers[2];
    channel_drivers_init(drivers, pair.a, pair.b, count, count, most, sleeps);
    channel_drive_threads(drivers);
    CHECK_UINT(drivers[0].received, count);
    CHECK_UINT(drivers[1].received, count);
    printf("rests: %" PRIu64 " and %" PRIu64 "\n", drivers[0].rests, drivers[1].rests);
    channel_pair_close(pair);
}

static uint64_t many(uint64_t quick)
{
    uint64_t count = test_tier() == TEST_SOAK ? 50 * quick : quick;
    return *TEST_SANITIZER != '\0' ? count / 10 : count;
}

TEST(millions_of_records_between_threads)
{
    stress_threads(65536, 8192, many(1000000), false);
}
TEST_TIMEOUT(millions_of_records_between_threads, 120);

TEST(large_records_through_the_smallest_ring)
{
    stress_threads(RING, 20 * RING, many(100000), false);
}
TEST_TIMEOUT(large_records_through_the_smallest_ring, 120);

/* Nobody spins: each time that nothing can be done a side sleeps. */
TEST(no_wakeup_is_lost)
{
    stress_threads(RING, 1000, many(200000), true);
    stress_threads(RING, 4 * RING, many(50000), true);
}
TEST_TIMEOUT(no_wakeup_is_lost, 120);

/* One each way at a time: every step is a wake-up. */
TEST(no_wakeup_of_a_ping_is_lost)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t count = many(100000);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    struct isle__channel *channel = child == 0 ? pair.b : pair.a;
    for (uint64_t i = 0; i < count; i++) {
        if (child != 0)
            CHECK_INT(put_number(channel, i), ISLE__CHANNEL_OK);
        int64_t end = isle__clock_now() + CHANNEL_PATIENCE;
        size_t size;
        while (isle__channel_next(channel, &size) == ISLE__CHANNEL_EMPTY) {
            CHECK(isle__clock_now() < end);
            if (!isle__channel_rest(channel) ||
                !isle__notifier_wait(isle__channel_bell(channel), CHANNEL_PATIENCE))
                continue;
            isle__channel_bell_clear(channel);
        }
        check_number(channel, i);
        if (child == 0)
            CHECK_INT(put_number(channel, i), ISLE__CHANNEL_OK);
    }
    isle__channel_flush(channel);
    if (child == 0)
        _exit(0);
    int status = 1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    channel_pair_close(pair);
}
TEST_TIMEOUT(no_wakeup_of_a_ping_is_lost, 120);

static void stress_processes(size_t ring, size_t most, uint64_t count, bool sleeps)
{
    struct channel_pair pair;
    struct isle__channel_fds fds;
    struct channel_driver drivers[2];
    size_t record_max = most + sizeof(struct channel_head);
    CHECK_ERR(isle__channel_make(ring, 2 * ring, record_max, &pair.a, &fds), ISLE_OK);
    channel_drivers_init(drivers, pair.a, NULL, count, count / 2, most, sleeps);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_ERR(isle__channel_attach(&fds, 2 * ring, ring, record_max, &pair.b), ISLE_OK);
        isle__channel_close(pair.a);
        drivers[1].channel = pair.b;
        channel_drive(&drivers[1]);
        CHECK_UINT(drivers[1].received, count);
        _exit(0);
    }
    channel_drive(&drivers[0]);
    int status = 1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_UINT(drivers[0].received, count / 2);
    isle__channel_close(pair.a);
}

TEST(millions_of_records_between_processes)
{
    stress_processes(65536, 100000, many(1000000), false);
    stress_processes(RING, 1000, many(300000), true);
}
TEST_TIMEOUT(millions_of_records_between_processes, 120);

/* Both sides at one address: what a release does not order, the thread sanitizer sees. A third
 * thread looks on. */
static _Atomic bool onlooker_ends;

static void look_on(void *argument)
{
    struct channel_heap_pair *pair = argument;
    while (!atomic_load_explicit(&onlooker_ends, memory_order_relaxed)) {
        (void)isle__channel_stirs(&pair->a);
        (void)isle__channel_stirs(&pair->b);
        CHECK(!isle__channel_is_broken(&pair->a));
        CHECK_UINT(isle__channel_marked(&pair->b), 0);
    }
}

TEST(releases_order_all_that_is_read)
{
    struct channel_heap_pair pair;
    struct channel_driver drivers[2];
    struct isle__thread onlooker;
    size_t most = 3 * RING;
    channel_heap_pair_init(&pair, RING, 2 * RING, most + sizeof(struct channel_head), true);
    channel_drivers_init(drivers, &pair.a, &pair.b, many(200000), many(100000), most, false);
    atomic_store_explicit(&onlooker_ends, false, memory_order_relaxed);
    start(&onlooker, look_on, &pair);
    channel_drive_threads(drivers);
    atomic_store_explicit(&onlooker_ends, true, memory_order_relaxed);
    isle__thread_join(&onlooker);
    channel_heap_pair_fini(&pair);
}
TEST_TIMEOUT(releases_order_all_that_is_read, 120);

TEST_MAIN()
