/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the channel share: pairs of sides, and a driver that moves records whose size
 * and content follow from their number, in both directions at once. */
#ifndef ISLE_TEST_CHANNEL_HELP_H
#define ISLE_TEST_CHANNEL_HELP_H

#include "platform_help.h"

#include <sys/mman.h>

#include "channel/record.h"

/* Longer than any wake-up that is not lost. */
#define CHANNEL_PATIENCE ISLE_SECONDS(20)

static inline uint64_t channel_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Two sides; in one process they have a mapping each. */
struct channel_pair {
    struct isle__channel *a, *b;
};

static inline struct channel_pair channel_pair_new(size_t a_to_b, size_t b_to_a, size_t record_max)
{
    struct channel_pair pair;
    struct isle__channel_fds fds;
    CHECK_ERR(isle__channel_make(a_to_b, b_to_a, record_max, &pair.a, &fds), ISLE_OK);
    CHECK_ERR(isle__channel_attach(&fds, b_to_a, a_to_b, record_max, &pair.b), ISLE_OK);
    return pair;
}

static inline void channel_pair_close(struct channel_pair pair)
{
    isle__channel_close(pair.a);
    isle__channel_close(pair.b);
}

/* Two sides in memory of the heap that both see at one address, so that the sanitizers of addresses
 * and of threads watch every byte of it. `bells`: with them. */
struct channel_heap_pair {
    struct isle__channel a, b;
    size_t a_size, b_size;
};

static inline void *channel_heap_memory(size_t size)
{
    void *memory = aligned_alloc(128, ISLE__RING_PAGE + size);
    CHECK(memory != NULL);
    memset(memory, 0, ISLE__RING_PAGE + size);
    return memory;
}

static inline void channel_heap_pair_init(struct channel_heap_pair *pair, size_t a_to_b,
                                          size_t b_to_a, size_t record_max, bool bells)
{
    void *a = channel_heap_memory(a_to_b), *b = channel_heap_memory(b_to_a);
    int first = bells ? isle__notifier_open() : -1, second = bells ? isle__notifier_open() : -1;
    CHECK(!bells || (first >= 0 && second >= 0));
    *pair = (struct channel_heap_pair){.a_size = a_to_b, .b_size = b_to_a};
    pair->a =
        (struct isle__channel){.record_max = record_max, .bell_in = first, .bell_out = second};
    pair->b =
        (struct isle__channel){.record_max = record_max, .bell_in = second, .bell_out = first};
    isle__ring_init(&pair->a.out, &pair->a.in, a, a_to_b, b, b_to_a);
    isle__ring_init(&pair->b.out, &pair->b.in, b, b_to_a, a, a_to_b);
}

static inline void channel_heap_pair_fini(struct channel_heap_pair *pair)
{
    isle__record_pieces_fini(&pair->a.pieces);
    isle__record_pieces_fini(&pair->b.pieces);
    isle__fd_close(pair->a.bell_in);
    isle__fd_close(pair->a.bell_out);
    free(pair->a.out.mine);
    free(pair->b.out.mine);
}

/* --- records that say themselves whether they are right */

enum { CHANNEL_TEXT = 1 << 20 };

static inline const unsigned char *channel_text(void)
{
    static unsigned char text[CHANNEL_TEXT + 4096];
    static _Atomic bool filled;
    if (!atomic_load_explicit(&filled, memory_order_acquire)) {
        uint64_t state = 1;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (unsigned char)channel_random(&state);
        atomic_store_explicit(&filled, true, memory_order_release);
    }
    return text;
}

struct channel_head {
    uint64_t serial, seed;
};

/* Bytes behind the head of that record: mostly few, at times many, at most `most`. */
static inline size_t channel_body_size(uint64_t seed, uint64_t serial, size_t most)
{
    uint64_t state = seed ^ (serial * 0x9e3779b97f4a7c15u);
    uint64_t kind = channel_random(&state), size = channel_random(&state);
    size_t limit = kind % 64 == 0 ? most : kind % 8 == 0 ? 2000 : 100;
    return (size_t)(size % ((limit < most ? limit : most) + 1));
}

/* One side's work: `send` records out, `receive` records in. */
struct channel_driver {
    struct isle__channel *channel;
    uint64_t send, receive;
    uint64_t out_seed, in_seed, random;
    size_t most; /* bytes of a body */
    bool sleeps; /* waits without a spin */
    uint64_t sent, received, rests;
    unsigned char *body;
};

static inline bool channel_drive_out(struct channel_driver *driver)
{
    struct channel_head head = {driver->sent, driver->out_seed};
    size_t size = channel_body_size(head.seed, head.serial, driver->most);
    if (driver->sent == driver->send)
        return false;
    enum isle__channel_state state = isle__channel_put(driver->channel, &head, sizeof head,
                                                       channel_text() + head.serial % 4096, size);
    CHECK(state == ISLE__CHANNEL_OK || state == ISLE__CHANNEL_FULL);
    if (state == ISLE__CHANNEL_FULL)
        return false;
    driver->sent++;
    if (channel_random(&driver->random) % 8 == 0)
        isle__channel_flush(driver->channel);
    return true;
}

static inline bool channel_drive_in(struct channel_driver *driver)
{
    struct channel_head head;
    size_t size;
    enum isle__channel_state state = isle__channel_next(driver->channel, &size);
    CHECK(state == ISLE__CHANNEL_OK || state == ISLE__CHANNEL_EMPTY);
    if (state == ISLE__CHANNEL_EMPTY)
        return false;
    CHECK(driver->received < driver->receive);
    size_t expected = channel_body_size(driver->in_seed, driver->received, driver->most);
    CHECK_UINT(size, sizeof head + expected);
    isle__channel_take(driver->channel, &head, sizeof head, driver->body);
    CHECK_UINT(head.serial, driver->received);
    CHECK_UINT(head.seed, driver->in_seed);
    CHECK(memcmp(driver->body, channel_text() + head.serial % 4096, expected) == 0);
    driver->received++;
    if (channel_random(&driver->random) % 8 == 0)
        isle__channel_taken(driver->channel);
    return true;
}

/* A wake-up that does not come within the patience is lost. */
static inline void channel_drive_wait(struct channel_driver *driver)
{
    struct isle__channel *channel = driver->channel;
    if (!driver->sleeps && isle__channel_spin(channel, ISLE_MS(1)))
        return;
    if (!isle__channel_rest(channel))
        return;
    driver->rests++;
    int64_t end = isle__clock_now() + CHANNEL_PATIENCE;
    while (!isle__notifier_wait(isle__channel_bell(channel), end - isle__clock_now()))
        CHECK(isle__clock_now() < end);
    isle__channel_bell_clear(channel);
}

/* A thread's function, too. */
static inline void channel_drive(void *argument)
{
    struct channel_driver *driver = argument;
    driver->body = malloc(driver->most + 1);
    CHECK(driver->body != NULL);
    while (driver->sent < driver->send || driver->received < driver->receive) {
        bool moved = channel_drive_in(driver);
        moved = channel_drive_out(driver) || moved;
        if (!moved)
            channel_drive_wait(driver);
    }
    isle__channel_flush(driver->channel);
    isle__channel_taken(driver->channel);
    free(driver->body);
}

/* Two drivers that meet: `a_sends` one way, `b_sends` the other. */
static inline void channel_drivers_init(struct channel_driver drivers[2], struct isle__channel *a,
                                        struct isle__channel *b, uint64_t a_sends, uint64_t b_sends,
                                        size_t most, bool sleeps)
{
    (void)channel_text();
    drivers[0] = (struct channel_driver){.channel = a,
                                         .send = a_sends,
                                         .receive = b_sends,
                                         .out_seed = 11,
                                         .in_seed = 22,
                                         .random = 3,
                                         .most = most,
                                         .sleeps = sleeps};
    drivers[1] = (struct channel_driver){.channel = b,
                                         .send = b_sends,
                                         .receive = a_sends,
                                         .out_seed = 22,
                                         .in_seed = 11,
                                         .random = 4,
                                         .most = most,
                                         .sleeps = sleeps};
}

static inline void channel_drive_threads(struct channel_driver drivers[2])
{
    struct isle__thread thread;
    start(&thread, channel_drive, &drivers[1]);
    channel_drive(&drivers[0]);
    isle__thread_join(&thread);
}

#endif
