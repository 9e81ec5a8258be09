/* SPDX-License-Identifier: Apache-2.0 */
/* The channel against a peer that keeps to no rule: every word that it can write holds anything, at
 * any time. This side finds its channel broken, or goes on; it reads and writes nothing outside,
 * does bounded work, and never hangs. */
#include "channel_help.h"

#include <sys/stat.h>

enum { RING = 4096, PIECE = RING / 4 - 8, RECORD_MAX = 3 * RING };

/* Side a in its right mind, and all that its peer can write. */
struct victim {
    struct isle__channel *channel;
    struct isle__ring_words *words;
    unsigned char *bytes;
    size_t pending; /* size of a record on its way, plus one; 0: none */
    uint64_t random, broken, taken, put;
};

static uint64_t pick(struct victim *victim, uint64_t count)
{
    return channel_random(&victim->random) % count;
}

static void lay_cell(struct victim *victim, uint64_t at, uint64_t size, uint64_t left)
{
    uint64_t cell = left << 32 | (size & UINT32_MAX);
    __atomic_store_n((uint64_t *)(void *)(victim->bytes + (at & (RING - 8))), cell,
                     __ATOMIC_RELAXED);
}

static void lay_tail(struct victim *victim, uint64_t tail)
{
    atomic_store_explicit(&victim->words->tail, tail, memory_order_release);
}

static void lay_head(struct victim *victim, uint64_t head)
{
    atomic_store_explicit(&victim->words->head, head, memory_order_release);
}

static uint64_t taken_of(const struct isle__channel *channel)
{
    return atomic_load_explicit(&channel->in.taken, memory_order_relaxed);
}

/* --- what cannot be, one by one */

static struct victim victim_new(struct channel_pair pair)
{
    return (struct victim){
        .channel = pair.a, .words = pair.b->out.mine, .bytes = pair.b->out.bytes, .random = 7};
}

/* A pair whose peer has sent `sent` numbers, of which half were taken, and has got as many. */
static struct channel_pair pair_in_use(uint64_t sent)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RECORD_MAX);
    size_t size;
    for (uint64_t i = 0; i < sent; i++) {
        CHECK_INT(isle__channel_put(pair.b, &i, sizeof i, NULL, 0), ISLE__CHANNEL_OK);
        CHECK_INT(isle__channel_put(pair.a, &i, sizeof i, NULL, 0), ISLE__CHANNEL_OK);
    }
    isle__channel_flush(pair.b);
    isle__channel_flush(pair.a);
    for (uint64_t i = 0; i < sent / 2; i++) {
        uint64_t got;
        CHECK_INT(isle__channel_next(pair.a, &size), ISLE__CHANNEL_OK);
        isle__channel_take(pair.a, &got, sizeof got, NULL);
        CHECK_UINT(got, i);
    }
    isle__channel_taken(pair.a);
    return pair;
}

/* Takes until nothing more comes of it; the state that ends it. */
static enum isle__channel_state take_all(struct isle__channel *channel)
{
    enum isle__channel_state state;
    unsigned char bytes[RECORD_MAX];
    size_t size, count = 0;
    while ((state = isle__channel_next(channel, &size)) == ISLE__CHANNEL_OK) {
        CHECK(size <= RECORD_MAX && ++count <= RING / 8);
        isle__channel_take(channel, NULL, 0, bytes);
    }
    return state;
}

static void check_broken(struct isle__channel *channel)
{
    size_t size;
    CHECK(isle__channel_is_broken(channel));
    CHECK(isle__channel_broken_by(channel) != NULL);
    CHECK_INT(isle__channel_next(channel, &size), ISLE__CHANNEL_BROKEN);
    CHECK_INT(isle__channel_put(channel, "x", 1, NULL, 0), ISLE__CHANNEL_BROKEN);
    CHECK(isle__channel_stirs(channel));
    CHECK(!isle__channel_rest(channel));
    int64_t began = isle__clock_now();
    isle__channel_wait(channel, CHANNEL_PATIENCE);
    CHECK(isle__clock_now() - began < CHANNEL_PATIENCE / 2);
    isle__channel_flush(channel);
    isle__channel_taken(channel);
}

static void check_tail_breaks(uint64_t offset)
{
    struct channel_pair pair = pair_in_use(20);
    struct victim victim = victim_new(pair);
    CHECK_INT(take_all(pair.a), ISLE__CHANNEL_EMPTY);
    lay_tail(&victim, taken_of(pair.a) + offset);
    CHECK(isle__channel_stirs(pair.a));
    CHECK(!isle__channel_rest(pair.a));
    CHECK_INT(take_all(pair.a), ISLE__CHANNEL_BROKEN);
    check_broken(pair.a);
    CHECK(!isle__channel_is_broken(pair.b));
    channel_pair_close(pair);
}

TEST(a_tail_that_cannot_be_breaks_the_channel)
{
    static const uint64_t offsets[] = {
        RING + 8, 2 * RING,          (uint64_t)-8,      (uint64_t)-RING,   1,           7,
        12,       UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63, (uint64_t)-1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        check_tail_breaks(offsets[i]);
}

static void check_head_breaks(uint64_t offset)
{
    struct channel_pair pair = pair_in_use(20);
    struct victim victim = victim_new(pair);
    enum isle__channel_state state = ISLE__CHANNEL_OK;
    uint64_t freed, number = 1;
    while ((state = isle__channel_put(pair.a, &number, sizeof number, NULL, 0)) == ISLE__CHANNEL_OK)
        continue;
    CHECK_INT(state, ISLE__CHANNEL_FULL);
    CHECK_INT(take_all(pair.b), ISLE__CHANNEL_EMPTY);
    isle__channel_taken(pair.b);
    freed = pair.a->out.freed;
    lay_head(&victim, freed + offset);
    CHECK_INT(isle__channel_put(pair.a, &number, sizeof number, NULL, 0), ISLE__CHANNEL_BROKEN);
    check_broken(pair.a);
    channel_pair_close(pair);
}

TEST(a_head_that_cannot_be_breaks_the_channel)
{
    static const uint64_t offsets[] = {RING + 8,          (uint64_t)-8,      4,
                                       UINT64_C(1) << 31, UINT64_C(1) << 63, (uint64_t)-1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        check_head_breaks(offsets[i]);
}

static void check_cell_breaks(uint64_t size, uint64_t left, uint64_t come)
{
    struct channel_pair pair = pair_in_use(20);
    struct victim victim = victim_new(pair);
    CHECK_INT(take_all(pair.a), ISLE__CHANNEL_EMPTY);
    lay_cell(&victim, taken_of(pair.a), size, left);
    lay_tail(&victim, taken_of(pair.a) + come);
    CHECK_INT(take_all(pair.a), ISLE__CHANNEL_BROKEN);
    check_broken(pair.a);
    channel_pair_close(pair);
}

TEST(a_length_that_cannot_be_breaks_the_channel)
{
    check_cell_breaks(RECORD_MAX + 1, 0, RING);
    check_cell_breaks(RING, 0, RING);     /* longer than what has come */
    check_cell_breaks(9, 0, 16);          /* the same, by a byte */
    check_cell_breaks(RING / 2, 0, RING); /* it had to come in pieces */
    check_cell_breaks(UINT32_MAX, 0, RING);
    check_cell_breaks(UINT32_MAX - 6, 0, RING);
    check_cell_breaks(0x80000000, 0, RING);
    check_cell_breaks(PIECE, RECORD_MAX - PIECE + 1, PIECE + 8);
    check_cell_breaks(PIECE, UINT32_MAX, PIECE + 8);
    check_cell_breaks(PIECE - 1, 100, PIECE + 8);  /* no piece but the last is smaller */
    check_cell_breaks(PIECE + 8, 100, PIECE + 16); /* and none is larger */
    check_cell_breaks(0, 100, 8);
}

/* The second piece: it has to go on where the first ended. */
static void check_second_breaks(uint64_t size, uint64_t left)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RECORD_MAX);
    struct victim victim = victim_new(pair);
    lay_cell(&victim, 0, PIECE, 2 * PIECE);
    lay_cell(&victim, PIECE + 8, size, left);
    lay_tail(&victim, RING);
    CHECK_INT(take_all(pair.a), ISLE__CHANNEL_BROKEN);
    CHECK_STRING(isle__channel_broken_by(pair.a), "it sent a piece that fits to no record");
    check_broken(pair.a);
    channel_pair_close(pair);
}

TEST(a_piece_that_fits_to_no_record_breaks_the_channel)
{
    check_second_breaks(8, 0); /* a whole record in between */
    check_second_breaks(PIECE, 2 * PIECE);
    check_second_breaks(PIECE, PIECE - 1);
    check_second_breaks(PIECE, 0);
    check_second_breaks(0, 2 * PIECE);
    check_second_breaks(0, 0);
    check_second_breaks(8, 2 * PIECE - 8);
}

TEST(a_length_that_changes_after_it_was_read_changes_nothing)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RECORD_MAX);
    struct victim victim = victim_new(pair);
    char *body = malloc(10);
    size_t size;
    CHECK_INT(isle__channel_put(pair.b, "0123456789", 10, NULL, 0), ISLE__CHANNEL_OK);
    CHECK_INT(isle__channel_put(pair.b, "abc", 3, NULL, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(pair.b);
    CHECK_INT(isle__channel_next(pair.a, &size), ISLE__CHANNEL_OK);
    CHECK_UINT(size, 10);
    lay_cell(&victim, 0, RING / 2, 0);
    CHECK_INT(isle__channel_next(pair.a, &size), ISLE__CHANNEL_OK);
    CHECK_UINT(size, 10);
    isle__channel_take(pair.a, NULL, 0, body);
    CHECK_BYTES(body, 10, "0123456789", 10);
    CHECK_INT(isle__channel_next(pair.a, &size), ISLE__CHANNEL_OK);
    CHECK_UINT(size, 3);
    free(body);
    channel_pair_close(pair);
}

TEST(a_call_takes_no_more_than_a_ring)
{
    struct channel_pair pair = channel_pair_new(RING, RING, (size_t)1 << 30);
    struct victim victim = victim_new(pair);
    uint64_t left = 1 << 20, place = 0;
    size_t size;
    for (int i = 0; i < 8; i++) {
        for (uint64_t at = 0; at < RING; at += PIECE + 8)
            lay_cell(&victim, place + at, PIECE, left -= PIECE);
        place += RING;
        lay_tail(&victim, place);
        size_t before = pair.a->pieces.size;
        CHECK_INT(isle__channel_next(pair.a, &size), ISLE__CHANNEL_EMPTY);
        CHECK_UINT(pair.a->pieces.size - before, 4 * PIECE);
    }
    channel_pair_close(pair);
}

/* --- games with rests and bells */

TEST(a_peer_that_always_rests_costs_a_ring_a_flush)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    struct victim victim = victim_new(pair);
    uint64_t word = 1, count;
    for (int i = 0; i < 100; i++) {
        atomic_store_explicit(&victim.words->rest, word += 3, memory_order_release);
        CHECK_INT(isle__channel_put(pair.a, "x", 1, NULL, 0), ISLE__CHANNEL_OK);
        isle__channel_flush(pair.a);
        isle__channel_flush(pair.a);
        isle__channel_wait(pair.a, ISLE_US(10));
    }
    CHECK(!isle__channel_is_broken(pair.a));
    CHECK_INT(read(isle__channel_bell(pair.b), &count, sizeof count), (ssize_t)sizeof count);
    CHECK(count <= 100);
    channel_pair_close(pair);
}

TEST(a_bell_that_nobody_clears_blocks_nobody)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    struct victim victim = victim_new(pair);
    uint64_t most = UINT64_MAX - 1;
    CHECK_INT(write(isle__channel_bell(pair.b), &most, sizeof most), (ssize_t)sizeof most);
    for (uint64_t i = 0; i < 10; i++) {
        atomic_store_explicit(&victim.words->rest, 4 * i + 1, memory_order_release);
        CHECK_INT(isle__channel_put(pair.a, "x", 1, NULL, 0), ISLE__CHANNEL_OK);
        isle__channel_flush(pair.a);
    }
    channel_pair_close(pair);
}

TEST(a_bell_that_always_rings_lets_waits_end_and_no_more)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t most = UINT64_MAX - 1;
    for (int i = 0; i < 100; i++) {
        CHECK_INT(write(isle__channel_bell(pair.a), &most, sizeof most), (ssize_t)sizeof most);
        isle__channel_wait(pair.a, ISLE_SECONDS(10));
        CHECK_INT(take_all(pair.a), ISLE__CHANNEL_EMPTY);
    }
    channel_pair_close(pair);
}

TEST(a_peer_that_never_reads_stops_its_sender_and_takes_no_memory)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    uint64_t live = isle__memory_live(), full = 0;
    for (int i = 0; i < 1000000; i++)
        full += isle__channel_put(pair.a, &i, sizeof i, NULL, 0) == ISLE__CHANNEL_FULL;
    CHECK_UINT(full, 1000000 - RING / 16);
    CHECK_UINT(isle__memory_live(), live);
    CHECK(isle__channel_rest(pair.a));
    isle__channel_wait(pair.a, ISLE_MS(2));
    channel_pair_close(pair);
}

/* --- what the memory is */

static void check_sealed(int fd, int more)
{
    int seals = fcntl(fd, F_GET_SEALS), wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | more;
    CHECK(seals >= 0 && (seals & wanted) == wanted);
    CHECK_INT(ftruncate(fd, 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(ftruncate(fd, 64 * RING), -1);
    CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(nobody_can_shrink_the_memory_or_write_what_is_the_makers)
{
    struct isle__channel *channel;
    struct isle__channel_fds fds;
    CHECK_ERR(isle__channel_make(RING, 2 * RING, RING, &channel, &fds), ISLE_OK);
    check_sealed(fds.memory_in, F_SEAL_FUTURE_WRITE);
    check_sealed(fds.memory_out, 0);
    CHECK(mmap(NULL, 2 * RING, PROT_READ | PROT_WRITE, MAP_SHARED, fds.memory_in, 0) == MAP_FAILED);
    void *view = mmap(NULL, 2 * RING, PROT_READ, MAP_SHARED, fds.memory_in, 0);
    CHECK(view != MAP_FAILED);
    CHECK_INT(mprotect(view, 2 * RING, PROT_READ | PROT_WRITE), -1);
    CHECK_INT(errno, EACCES);
    CHECK_INT(write(fds.memory_in, "x", 1), -1);
    CHECK_INT(fallocate(fds.memory_in, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, RING), -1);
    CHECK_INT(errno, EPERM);
    munmap(view, 2 * RING);
    isle__fd_close(fds.memory_in);
    isle__fd_close(fds.memory_out);
    isle__fd_close(fds.bell_in);
    isle__fd_close(fds.bell_out);
    isle__channel_close(channel);
}

static void read_theirs_in_child(void)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RING);
    signal(SIGSEGV, SIG_DFL);
    *(volatile unsigned char *)(uintptr_t)pair.b->in.bytes = 1;
}

TEST(who_attaches_cannot_write_what_it_reads)
{
    int status = in_child(read_theirs_in_child);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

TEST(memory_that_is_not_sealed_is_refused)
{
    struct isle__channel *channel, *other;
    struct isle__channel_fds fds, bad;
    CHECK_ERR(isle__channel_make(RING, RING, RING, &channel, &fds), ISLE_OK);
    bad = fds;
    bad.memory_out = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK_INT(ftruncate(bad.memory_out, 2 * RING), 0);
    CHECK_ERR(isle__channel_attach(&bad, RING, RING, RING, &other), ISLE_EINVAL);
    CHECK_INT(fcntl(bad.memory_out, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    CHECK_ERR(isle__channel_attach(&bad, RING, RING, RING, &other), ISLE_EINVAL);
    isle__fd_close(bad.memory_out);
    bad.memory_out = -1;
    CHECK_ERR(isle__channel_attach(&bad, RING, RING, RING, &other), ISLE_EINVAL);
    bad = fds;
    bad.memory_out = fds.memory_in; /* sealed against who wants to write it */
    CHECK_ERR(isle__channel_attach(&bad, RING, RING, RING, &other), ISLE_ESYSTEM);
    CHECK_ERR(isle__channel_attach(&fds, RING, RING, RING, &other), ISLE_OK);
    channel_pair_close((struct channel_pair){channel, other});
}

/* --- anything at all */

/* A place near where this side is, or nowhere near. */
static uint64_t any_place(struct victim *victim, uint64_t from)
{
    switch (pick(victim, 8)) {
    case 0:
        return channel_random(&victim->random);
    case 1:
        return from + pick(victim, RING);
    case 2:
        return from - 8 * pick(victim, RING / 8);
    case 3:
        return from + (UINT64_C(1) << pick(victim, 64));
    case 4:
        return from + RING;
    default:
        return from + 8 * pick(victim, RING / 8 + 2);
    }
}

static void any_cell(struct victim *victim, uint64_t at)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     8,
                                     PIECE,
                                     PIECE - 1,
                                     PIECE + 1,
                                     RING / 2 - 8,
                                     RING / 2 - 7,
                                     RING,
                                     RECORD_MAX,
                                     RECORD_MAX + 1,
                                     UINT32_MAX,
                                     UINT32_MAX - 7,
                                     0x7fffffff};
    const size_t count = sizeof sizes / sizeof sizes[0];
    uint64_t size = pick(victim, 2) ? pick(victim, 200) : sizes[pick(victim, count)];
    uint64_t left = pick(victim, 4) ? 0 : sizes[pick(victim, count)];
    if (pick(victim, 4) == 0)
        left = (uint64_t)pick(victim, 12) * PIECE;
    if (pick(victim, 4) == 0 && victim->channel->pieces.left > 0) { /* one that fits */
        size = victim->channel->pieces.left < PIECE ? victim->channel->pieces.left : PIECE;
        left = victim->channel->pieces.left - size;
    }
    lay_cell(victim, at, size, left);
}

static void scribble(struct victim *victim, uint64_t taken, uint64_t put)
{
    switch (pick(victim, 6)) {
    case 0:
        lay_tail(victim, any_place(victim, taken));
        break;
    case 1:
        lay_head(victim, any_place(victim, put - RING));
        break;
    case 2:
        atomic_store_explicit(&victim->words->rest, channel_random(&victim->random),
                              memory_order_release);
        break;
    case 3:
        any_cell(victim, 8 * pick(victim, RING / 8));
        break;
    default:
        any_cell(victim, taken);
        lay_tail(victim, taken + 8 * pick(victim, RING / 8 + 1));
        break;
    }
}

static void check_sound(const struct isle__channel *channel)
{
    const struct isle__record_pieces *pieces = &channel->pieces;
    CHECK(channel->in.come - taken_of(channel) <= channel->in.size);
    CHECK(channel->out.put - channel->out.freed <= channel->out.size);
    CHECK(channel->out.shown - channel->out.freed <= channel->out.put - channel->out.freed);
    CHECK(pieces->size + pieces->left <= channel->record_max);
    CHECK(pieces->capacity <= RING || pieces->capacity <= 2 * pieces->size);
    CHECK(pieces->size <= pieces->capacity);
}

/* Into memory of exactly the size, so that the address sanitizer sees every byte too much. */
static void victim_takes(struct victim *victim)
{
    size_t size = 0, capacity;
    if (isle__channel_next(victim->channel, &size) != ISLE__CHANNEL_OK)
        return;
    CHECK(size <= RECORD_MAX);
    victim->taken++;
    if (pick(victim, 4) == 0) {
        void *memory = isle__channel_take_memory(victim->channel, &capacity);
        if (memory != NULL) {
            CHECK(capacity >= size);
            isle__memory_free(memory, capacity);
            return;
        }
    }
    size_t head = pick(victim, 40);
    size_t first = head < size ? head : size;
    unsigned char *body = malloc(size - first + 1), bytes[40];
    CHECK(body != NULL);
    isle__channel_take(victim->channel, bytes, head, body);
    free(body);
}

static void victim_puts(struct victim *victim)
{
    size_t size = pick(victim, 16) == 0 ? pick(victim, RECORD_MAX) : pick(victim, 200);
    if (victim->pending != 0)
        size = victim->pending - 1;
    enum isle__channel_state state = isle__channel_put(victim->channel, channel_text(), size / 2,
                                                       channel_text(), size - size / 2);
    victim->pending = victim->channel->put_size != 0 ? size + 1 : 0;
    victim->put += state == ISLE__CHANNEL_OK;
}

static void victim_acts(struct victim *victim)
{
    switch (pick(victim, 12)) {
    case 0:
        isle__channel_flush(victim->channel);
        break;
    case 1:
        isle__channel_taken(victim->channel);
        break;
    case 2:
        (void)isle__channel_rest(victim->channel);
        break;
    case 3:
        (void)isle__channel_stirs(victim->channel);
        break;
    case 4:
    case 5:
    case 6:
        victim_puts(victim);
        break;
    default:
        victim_takes(victim);
        break;
    }
}

/* As it was at its beginning, but at that place; what lies in the ring stays. */
static void victim_reset(struct victim *victim, uint64_t place)
{
    struct isle__channel *channel = victim->channel;
    struct isle__ring_out out = channel->out;
    struct isle__ring_in in = channel->in;
    isle__record_pieces_fini(&channel->pieces);
    *channel = (struct isle__channel){.record_max = channel->record_max,
                                      .bell_in = channel->bell_in,
                                      .bell_out = channel->bell_out};
    isle__ring_init(&channel->out, &channel->in, out.mine, out.size, in.theirs, in.size);
    channel->out.put = channel->out.shown = channel->out.freed = place;
    channel->in.shown = channel->in.come = place;
    atomic_store_explicit(&channel->in.taken, place, memory_order_relaxed);
    atomic_store_explicit(&out.mine->tail, place, memory_order_release);
    atomic_store_explicit(&out.mine->head, place, memory_order_release);
    lay_head(victim, place);
    lay_tail(victim, place);
    victim->pending = 0;
}

TEST(a_million_states_of_the_shared_memory)
{
    struct channel_heap_pair pair;
    channel_heap_pair_init(&pair, RING, RING, RECORD_MAX, false);
    struct victim victim = {
        .channel = &pair.a, .words = pair.b.out.mine, .bytes = pair.b.out.bytes, .random = 99};
    uint64_t live = isle__memory_live(), states = 1000000, acts = 0;
    if (test_tier() == TEST_SOAK)
        states *= 100;
    for (uint64_t i = 0; i < states; i++) {
        scribble(&victim, taken_of(&pair.a), pair.a.out.put);
        victim_acts(&victim);
        check_sound(&pair.a);
        if (isle__channel_is_broken(&pair.a)) {
            size_t size;
            CHECK_INT(isle__channel_next(&pair.a, &size), ISLE__CHANNEL_BROKEN);
            CHECK(!isle__channel_rest(&pair.a));
            victim.broken++;
        }
        if (isle__channel_is_broken(&pair.a) || ++acts == 100) {
            victim_reset(&victim, channel_random(&victim.random) & ~UINT64_C(7));
            acts = 0;
        }
    }
    printf("%" PRIu64 " states: broken %" PRIu64 ", taken %" PRIu64 ", put %" PRIu64 "\n", states,
           victim.broken, victim.taken, victim.put);
    CHECK(victim.broken > states / 100 && victim.taken > states / 100 && victim.put > states / 100);
    channel_heap_pair_fini(&pair);
    CHECK_UINT(isle__memory_live(), live);
}
TEST_TIMEOUT(a_million_states_of_the_shared_memory, 120);

/* --- a peer that writes while this side reads */

static _Atomic bool scribbler_ends;

/* What the peer sees: both memories, its own to write. */
struct scribbler {
    struct victim seen; /* only what the scribbling needs */
    struct isle__channel channel;
    struct isle__ring_words *theirs;
};

static void scribble_on(void *argument)
{
    struct scribbler *scribbler = argument;
    while (!atomic_load_explicit(&scribbler_ends, memory_order_relaxed)) {
        uint64_t taken = atomic_load_explicit(&scribbler->theirs->head, memory_order_relaxed);
        uint64_t put = atomic_load_explicit(&scribbler->theirs->tail, memory_order_relaxed);
        scribbler->channel.pieces.left = (size_t)pick(&scribbler->seen, 4 * PIECE);
        if (pick(&scribbler->seen, 2) == 0)
            lay_head(&scribbler->seen, put);
        scribble(&scribbler->seen, taken, put);
    }
}

/* This side works for some seconds; a call that hangs meets the test's own limit. */
static void work_against(struct isle__channel *channel, struct isle__channel *peer)
{
    struct victim victim = victim_new((struct channel_pair){channel, peer});
    int64_t end = isle__clock_now() + (test_tier() == TEST_QUICK  ? ISLE_SECONDS(2)
                                       : test_tier() == TEST_FULL ? ISLE_SECONDS(10)
                                                                  : ISLE_SECONDS(600));
    uint64_t rounds = 0, longest = 0;
    for (int64_t now = isle__clock_now(); now < end; rounds++) {
        victim_acts(&victim);
        if (rounds % 64 == 0)
            isle__channel_wait(channel, ISLE_US(50));
        check_sound(channel);
        if (isle__channel_is_broken(channel)) {
            victim.broken++;
            victim_reset(&victim, 0);
        }
        uint64_t took = (uint64_t)(isle__clock_now() - now);
        longest = took > longest ? took : longest;
        now = isle__clock_now();
    }
    printf("%" PRIu64 " acts, longest %" PRIu64 " us: broken %" PRIu64 ", taken %" PRIu64
           ", put %" PRIu64 "\n",
           rounds, longest / 1000, victim.broken, victim.taken, victim.put);
    CHECK(victim.broken > 100 && victim.taken > 100 && victim.put > 100);
}

static void scribbler_init(struct scribbler *scribbler, struct channel_pair pair)
{
    *scribbler = (struct scribbler){.seen = victim_new(pair), .theirs = pair.b->in.theirs};
    scribbler->seen.channel = &scribbler->channel;
    scribbler->seen.random = 12345;
    atomic_store_explicit(&scribbler_ends, false, memory_order_relaxed);
}

TEST(a_thread_scribbles_while_this_side_works)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RECORD_MAX);
    struct scribbler scribbler;
    struct isle__thread thread;
    scribbler_init(&scribbler, pair);
    start(&thread, scribble_on, &scribbler);
    work_against(pair.a, pair.b);
    atomic_store_explicit(&scribbler_ends, true, memory_order_relaxed);
    isle__thread_join(&thread);
    channel_pair_close(pair);
}
TEST_TIMEOUT(a_thread_scribbles_while_this_side_works, 700);

TEST(a_process_scribbles_while_this_side_works)
{
    struct channel_pair pair = channel_pair_new(RING, RING, RECORD_MAX);
    struct scribbler scribbler;
    scribbler_init(&scribbler, pair);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        scribble_on(&scribbler);
        _exit(0);
    }
    work_against(pair.a, pair.b);
    int status = 0;
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    channel_pair_close(pair);
}
TEST_TIMEOUT(a_process_scribbles_while_this_side_works, 700);

TEST_MAIN()
