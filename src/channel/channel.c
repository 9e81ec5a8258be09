/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of a channel: how they are made, and how they wait for each other.
 *
 * To rest, a side stores a new word of rest, and then looks once more. To show something, a side
 * stores how far it is, and then looks at the other's word of rest. All four are seq_cst, so one of
 * the two looks sees the other's store: no wake-up is lost. Each word of rest is rung for once: it
 * is never the same twice, and only its owner writes it. A bell that is rung late, for a rest that
 * is over, wakes somebody for nothing. That a bell counts and is cleared before the look, never
 * between the look and the wait, is what keeps one that comes early.
 * (docs/design/models/channel.pml has all of it, and what fails without each part.) */
#include "channel/channel.h"

#include "channel/record.h"

enum { LOOKS = 16, LOOK_SKIP_MAX = 1023, LOOK_CUTS = 16 };
#define LOOK_NS ISLE_US(30) /* about what a wake-up on another core costs */

static bool channel_size_is_good(size_t size)
{
    return size >= ISLE__CHANNEL_RING_MIN && size <= ISLE__CHANNEL_RING_MAX &&
           (size & (size - 1)) == 0;
}

/* One without memory and bells, which may be closed as it is. */
static isle_err channel_new(size_t out_size, size_t in_size, size_t record_max,
                            struct isle__channel **ret_channel)
{
    if (!channel_size_is_good(out_size) || !channel_size_is_good(in_size) ||
        record_max > ISLE__CHANNEL_RECORD_MAX)
        return ISLE_EINVAL;
    struct isle__channel *channel = isle__memory_alloc(sizeof *channel);
    if (channel == NULL)
        return ISLE_ENOMEM;
    *channel = (struct isle__channel){.record_max = record_max,
                                      .bell_in = -1,
                                      .bell_out = -1,
                                      .looks = {{.skip = 1, .skips = 1}, {.skip = 1, .skips = 1}}};
    *ret_channel = channel;
    return ISLE_OK;
}

static void channel_fds_close(const struct isle__channel_fds *fds)
{
    isle__fd_close(fds->memory_in);
    isle__fd_close(fds->memory_out);
    isle__fd_close(fds->bell_in);
    isle__fd_close(fds->bell_out);
}

/* What this side rings is what rings for the other. */
static bool channel_open_bells(struct isle__channel *channel, struct isle__channel_fds *fds)
{
    channel->bell_in = isle__notifier_open();
    channel->bell_out = isle__notifier_open();
    if (channel->bell_in < 0 || channel->bell_out < 0)
        return false;
    fds->bell_in = isle__fd_duplicate(channel->bell_out);
    fds->bell_out = isle__fd_duplicate(channel->bell_in);
    return fds->bell_in >= 0 && fds->bell_out >= 0;
}

isle_err isle__channel_make(size_t out_size, size_t in_size, size_t record_max,
                            struct isle__channel **ret_channel, struct isle__channel_fds *ret_fds)
{
    struct isle__channel_fds fds = {-1, -1, -1, -1};
    void *mine = NULL, *theirs = NULL;
    struct isle__channel *channel;
    isle_err err = channel_new(out_size, in_size, record_max, &channel);
    if (err != ISLE_OK)
        return err;
    err = isle__shared_make(ISLE__RING_PAGE + out_size, false, &mine, &fds.memory_in);
    if (err == ISLE_OK)
        err = isle__shared_make(ISLE__RING_PAGE + in_size, true, &theirs, &fds.memory_out);
    isle__ring_init(&channel->out, &channel->in, mine, out_size, theirs, in_size);
    if (err == ISLE_OK && !channel_open_bells(channel, &fds))
        err = ISLE_ESYSTEM;
    if (err != ISLE_OK) {
        channel_fds_close(&fds);
        isle__channel_close(channel);
        return err;
    }
    *ret_fds = fds;
    *ret_channel = channel;
    return ISLE_OK;
}

isle_err isle__channel_attach(const struct isle__channel_fds *fds, size_t out_size, size_t in_size,
                              size_t record_max, struct isle__channel **ret_channel)
{
    void *mine = NULL, *theirs = NULL;
    struct isle__channel *channel;
    isle_err err = channel_new(out_size, in_size, record_max, &channel);
    if (err != ISLE_OK)
        return err;
    err = isle__shared_map(fds->memory_out, ISLE__RING_PAGE + out_size, true, &mine);
    if (err == ISLE_OK)
        err = isle__shared_map(fds->memory_in, ISLE__RING_PAGE + in_size, false, &theirs);
    isle__ring_init(&channel->out, &channel->in, mine, out_size, theirs, in_size);
    if (err != ISLE_OK) {
        isle__channel_close(channel);
        return err;
    }
    isle__fd_close(fds->memory_in);
    isle__fd_close(fds->memory_out);
    channel->bell_in = fds->bell_in;
    channel->bell_out = fds->bell_out;
    *ret_channel = channel;
    return ISLE_OK;
}

void isle__channel_close(struct isle__channel *channel)
{
    if (channel == NULL)
        return;
    isle__record_pieces_fini(&channel->pieces);
    isle__shared_unmap(channel->out.mine, ISLE__RING_PAGE + (size_t)channel->out.size);
    isle__shared_unmap(channel->in.theirs, ISLE__RING_PAGE + (size_t)channel->in.size);
    isle__fd_close(channel->bell_in);
    isle__fd_close(channel->bell_out);
    isle__memory_free(channel, sizeof *channel);
}

void isle__channel_ready(struct isle__channel *channel)
{
    isle__ring_ready(&channel->out, &channel->in);
}

enum isle__channel_state isle__channel_break(struct isle__channel *channel, const char *text)
{
    /* Only the owner writes it; nothing but the text itself, a constant, is read by it. */
    atomic_store_explicit(&channel->fault, text, memory_order_relaxed);
    return ISLE__CHANNEL_BROKEN;
}

size_t isle__channel_in_size(const struct isle__channel *channel)
{
    return (size_t)channel->in.size;
}

bool isle__channel_is_broken(const struct isle__channel *channel)
{
    return !isle__channel_is_whole(channel);
}

const char *isle__channel_broken_by(const struct isle__channel *channel)
{
    return atomic_load_explicit(&channel->fault, memory_order_relaxed);
}

/* Rings if the peer rests, waits for `what`, and was not rung in this rest of its. After a store
 * with seq_cst of what it may wait for. */
static void channel_wake(struct isle__channel *channel, uint64_t what)
{
    uint64_t word = atomic_load_explicit(&channel->out.theirs->rest, memory_order_seq_cst);
    if ((word & what) == 0 || word == channel->rung)
        return;
    channel->rung = word;
    isle__notifier_raise(channel->bell_out);
}

/* Where looking was in vain it is tried again after 1, 3, 7, ... waits, so that two sides that can
 * meet so find out, and others pay one look in a thousand waits. It begins with one in vain: most
 * that are born say little, or nothing for long. Waits for an answer and waits for
 * whatever may come are told apart: who asks now and then meets the one and not the other. */
static void channel_looked_in_vain(struct isle__channel *channel)
{
    struct isle__channel_looks *looks = &channel->looks[channel->awaits];
    channel->look_until = 0;
    channel->look_cuts = 0;
    looks->skips = looks->skips < LOOK_SKIP_MAX ? 2 * looks->skips + 1 : LOOK_SKIP_MAX;
    looks->skip = looks->skips;
}

/* A new record may have an answer, for which the looking begins anew: unless that goes on for long
 * and none comes. */
static void channel_look_anew(struct isle__channel *channel)
{
    if (channel->look_until != 0 && channel->awaits && ++channel->look_cuts > LOOK_CUTS)
        channel_looked_in_vain(channel);
    channel->look_until = 0;
    channel->awaits = true;
}

void isle__channel_flush(struct isle__channel *channel)
{
    if (!isle__ring_show(&channel->out))
        return;
    channel_look_anew(channel);
    channel_wake(channel, ISLE__RING_RESTS);
}

/* Half of the ring is room for whatever the peer waits to put; before there is that much, it would
 * be woken for a few records at a time. This side gets there, for it takes until nothing is left.
 */
void isle__channel_taken(struct isle__channel *channel)
{
    struct isle__ring_in *in = &channel->in;
    if (isle__ring_show_taken(in) && in->come - in->shown <= in->size / 2)
        channel_wake(channel, ISLE__RING_WANTS_ROOM);
}

void isle__channel_keep_up(struct isle__channel *channel)
{
    const struct isle__ring_out *out = &channel->out;
    const struct isle__ring_in *in = &channel->in;
    uint64_t taken = atomic_load_explicit(&in->taken, memory_order_relaxed);
    if (ISLE__UNLIKELY(out->put - out->shown >= out->size / 4))
        isle__channel_flush(channel);
    if (ISLE__UNLIKELY(taken - in->shown >= in->size / 4))
        isle__channel_taken(channel);
}

bool isle__channel_rest(struct isle__channel *channel)
{
    struct isle__ring_out *out = &channel->out;
    isle__channel_flush(channel);
    isle__channel_taken(channel);
    bool wants_room = atomic_load_explicit(&out->want, memory_order_relaxed) != 0;
    channel->rests += ISLE__RING_ONE_REST;
    /* seq_cst: before the looks of isle__channel_stirs; pairs with channel_wake. */
    atomic_store_explicit(&out->mine->rest,
                          channel->rests | ISLE__RING_RESTS |
                              (wants_room ? ISLE__RING_WANTS_ROOM : 0),
                          memory_order_seq_cst);
    if (!isle__channel_stirs(channel))
        return true;
    if (isle__ring_has_room(out))
        atomic_store_explicit(&out->want, 0, memory_order_relaxed);
    /* Withdrawn, so that nobody rings for it; who does so nevertheless has done it in vain. */
    atomic_store_explicit(&out->mine->rest, channel->rests, memory_order_relaxed);
    return false;
}

int isle__channel_bell(const struct isle__channel *channel)
{
    return channel->bell_in;
}

void isle__channel_bell_clear(struct isle__channel *channel)
{
    isle__notifier_clear(channel->bell_in);
}

bool isle__channel_stirs(const struct isle__channel *channel)
{
    return isle__ring_has_come(&channel->in) || isle__ring_has_room(&channel->out) ||
           !isle__channel_is_whole(channel);
}

bool isle__channel_looks(struct isle__channel *channel)
{
    if (channel->look_until == 0) {
        struct isle__channel_looks *looks = &channel->looks[channel->awaits];
        if (looks->skip > 0) {
            looks->skip--;
            return false;
        }
        channel->look_until = isle__clock_now() + LOOK_NS;
        return true;
    }
    if (isle__clock_now() < channel->look_until)
        return true;
    channel_looked_in_vain(channel);
    return false;
}

static uint32_t channel_say_core(struct isle__channel *channel)
{
    _Atomic uint32_t *mine = &channel->out.mine->core;
    uint32_t here = isle__cpu_here();
    if (atomic_load_explicit(mine, memory_order_relaxed) != here)
        atomic_store_explicit(mine, here, memory_order_relaxed);
    return here;
}

void isle__channel_runs(struct isle__channel *channel)
{
    (void)channel_say_core(channel);
}

/* Each side says from where it looks. A peer that lies, or has gone elsewhere since, has this side
 * look in a way that is worth less, for as long as ever. */
static bool channel_find_near(struct isle__channel *channel)
{
    uint32_t here = channel_say_core(channel);
    uint32_t there = atomic_load_explicit(&channel->in.theirs->core, memory_order_relaxed);
    return channel->is_near = here != 0 && there == here;
}

/* On one core, what comes too late was waited for behind somebody else: a rest would have been
 * ended sooner. */
void isle__channel_met(struct isle__channel *channel)
{
    if (channel->is_near && channel->look_until != 0 && isle__clock_now() >= channel->look_until)
        channel_looked_in_vain(channel);
    else if (channel->look_until != 0)
        channel->looks[channel->awaits].skips = 0;
    channel->look_until = 0;
    channel->look_cuts = 0;
    channel->awaits = false;
}

bool isle__channel_look(struct isle__channel *channel)
{
    if (channel_find_near(channel))
        isle__thread_yield();
    for (int i = 0; i < LOOKS && !channel->is_near; i++) {
        if (isle__channel_stirs(channel))
            return true;
        isle__cpu_relax();
    }
    return isle__channel_stirs(channel);
}

bool isle__channel_look_first(struct isle__channel *channel)
{
    if (atomic_load_explicit(&channel->in.theirs->core, memory_order_relaxed) != 0)
        return isle__channel_look(channel);
    isle__thread_yield();
    return isle__channel_stirs(channel);
}

bool isle__channel_spin(struct isle__channel *channel, int64_t most_ns)
{
    bool stirs = isle__channel_stirs(channel);
    if (!stirs && most_ns < LOOK_NS)
        return false;
    while (!stirs && isle__channel_looks(channel))
        stirs = isle__channel_look(channel);
    if (stirs)
        isle__channel_met(channel);
    return stirs;
}

void isle__channel_mark(struct isle__channel *channel, uint32_t mark)
{
    /* Pairs with isle__channel_marked, if who reads it did not wait for the writer's end. */
    atomic_store_explicit(&channel->out.mine->mark, mark, memory_order_release);
}

uint32_t isle__channel_marked(const struct isle__channel *channel)
{
    return atomic_load_explicit(&channel->in.theirs->mark, memory_order_acquire);
}

void isle__channel_wait(struct isle__channel *channel, int64_t timeout_ns)
{
    isle__channel_flush(channel);
    isle__channel_taken(channel);
    if (isle__channel_spin(channel, timeout_ns) || !isle__channel_rest(channel))
        return;
    if (isle__notifier_wait(channel->bell_in, timeout_ns))
        isle__channel_bell_clear(channel);
}

void isle__channel_sleep(struct isle__channel *channel)
{
    if (isle__notifier_wait(channel->bell_in, ISLE_FOREVER))
        isle__channel_bell_clear(channel);
}
