/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded ports and sends that wait, under many seeds and with faults (seeds.h). Four senders send,
 * wait, give up and cancel at a port with bounds and a policy drawn by the seed. What must hold:
 * messages of one sender come in order and once; one of which the sender was told that it was not
 * delivered does not come; all that were taken come or are counted as dropped; the bounds are kept,
 * high and low water come in turn; and nobody waits for ever. */
#include "seeds.h"

enum { SENDERS = 4, MESSAGES = 12, PAYLOAD = 200, BYTES_MAX = 900 };
enum fate { NOT_TRIED, TRIED, TAKEN, REFUSED };

static enum fate fates[SENDERS][MESSAGES];
static int next_of[SENDERS]; /* the first that may come */
static bool has_come[SENDERS][MESSAGES];
static unsigned come;
static bool is_high, receiver_is_done;
static isle_port_options bounds;
static isle_port_stats at_end;

/* --- the receiver */

static void high(void *context)
{
    (void)context;
    CHECK(!is_high);
    is_high = true;
}

static void low(void *context)
{
    (void)context;
    CHECK(is_high);
    is_high = false;
}

static void draw_bounds(void)
{
    bounds = (isle_port_options){
        .max_messages = 1 + chance(4),
        .max_bytes = chance(2) == 0 ? BYTES_MAX : 0,
        .overflow = (isle_overflow)chance(4),
        .on_high = high,
        .on_low = low,
    };
    bounds.high_messages = bounds.max_messages;
}

static void check_bounds(const isle_receive_port *port)
{
    isle_port_stats stats;

    isle_port_stats_read(port, &stats);
    look_at_memory(4 << 20);
    if (bounds.overflow == ISLE_OVERFLOW_DROP_OLDEST) /* its mailbox is the bound */
        return;
    CHECK(stats.messages <= bounds.max_messages);
    CHECK(bounds.max_bytes == 0 || stats.bytes <= bounds.max_bytes);
}

static void came(isle_value message)
{
    int64_t number = isle_as_int(isle_list_get(message, 0));
    int64_t who = number / MESSAGES, at = number % MESSAGES;

    CHECK(fates[who][at] == TRIED || fates[who][at] == TAKEN);
    CHECK(at >= next_of[who]);
    next_of[who] = (int)at + 1;
    has_come[who][at] = true;
    come++;
}

/* Until the root says that all senders are over, and nothing is left. */
static void receive_all(isle_value told)
{
    isle_receive_port *port = isle_port_open_with(&bounds), *stop = isle_port_open();
    isle_receive_port *const both[] = {port, stop};
    isle_receive_port *from = port;
    isle_value message;

    isle_send(isle_as_port(told), isle_pack("[o,o]", isle_port_value(port), isle_port_value(stop)));
    while (from != stop) {
        ISLE_SCOPE;
        from = isle_port_receive_any(both, 2, ISLE_FOREVER, &message);
        if (from == port)
            came(message);
        check_bounds(port);
        if (chance(3) == 0)
            isle_sleep((int64_t)chance(100000));
    }
    while (isle_port_try_receive(port, 0, &message) == ISLE_OK)
        came(message);
    isle_sleep(0);
    isle_port_stats_read(port, &at_end);
    CHECK_UINT(at_end.messages, 0);
    CHECK_UINT(at_end.senders, 0);
    receiver_is_done = true;
    isle_port_close(port);
    isle_port_close(stop);
}

/* --- the senders */

static isle_value message_of(int64_t who, int at)
{
    isle_value message = isle_pack("[i]", who * MESSAGES + at);

    isle_list_add(message, isle_bytes(NULL, chance(PAYLOAD)));
    return message;
}

static void settle_fate(int64_t who, int at, isle_err err)
{
    if (err == ISLE_OK) {
        fates[who][at] = TAKEN;
        return;
    }
    if (err != ISLE_EFULL && err != ISLE_ETIMEDOUT && err != ISLE_ECANCELED &&
        err != ISLE_ECLOSED && (err != ISLE_ENOMEM || faults.alloc == 0))
        CHECK_ERR(err, ISLE_EFULL);
    CHECK(!has_come[who][at]);
    fates[who][at] = REFUSED;
}

struct waiting {
    isle_send_port to;
    int64_t who, most;
    int at;
    isle_future *sent; /* NULL: refused at once */
};

static isle_value begin_to_wait(isle_value pointer)
{
    struct waiting *waiting = isle_as_pointer(pointer);

    waiting->sent =
        isle_send_wait(waiting->to, message_of(waiting->who, waiting->at), waiting->most);
    isle_future_keep(waiting->sent);
    return isle_null();
}

static isle_future *wait_to_send(isle_send_port to, int64_t who, int at, int64_t most)
{
    struct waiting waiting = {.to = to, .who = who, .at = at, .most = most};
    isle_err err = isle_try(begin_to_wait, isle_pointer(&waiting), NULL);

    if (err != ISLE_OK)
        settle_fate(who, at, err);
    return waiting.sent;
}

static void finish_wait(int64_t who, int at, isle_future *sent)
{
    if (sent == NULL)
        return;
    settle_fate(who, at, isle_try_await(sent, ISLE_FOREVER, NULL));
    isle_future_release(sent);
}

static void send_waiting(isle_send_port to, int64_t who, int at, bool cancels)
{
    int64_t most = chance(2) == 0 ? ISLE_FOREVER : (int64_t)chance(200000);
    isle_future *sent = wait_to_send(to, who, at, most);

    if (cancels && sent != NULL) {
        isle_sleep((int64_t)chance(20000));
        isle_future_cancel(sent);
    }
    finish_wait(who, at, sent);
}

/* Several wait at once, one behind the other. */
static int send_hastily(isle_send_port to, int64_t who, int at)
{
    isle_future *sent[3];
    int count = at + 3 <= MESSAGES ? 3 : 1;

    for (int i = 0; i < count; i++) {
        fates[who][at + i] = TRIED;
        sent[i] = wait_to_send(to, who, at + i, ISLE_FOREVER);
    }
    for (int i = 0; i < count; i++)
        finish_wait(who, at + i, sent[i]);
    return at + count;
}

static int send_some(isle_send_port to, int64_t who, int at)
{
    fates[who][at] = TRIED;
    switch (chance(4)) {
    case 0:
        settle_fate(who, at, isle_try_send(to, message_of(who, at)));
        return at + 1;
    case 1:
        return send_hastily(to, who, at);
    default:
        send_waiting(to, who, at, chance(3) == 0);
        return at + 1;
    }
}

static void send_all(isle_value message)
{
    int64_t who = isle_as_int(isle_list_get(message, 0));
    isle_send_port to = isle_as_port(isle_list_get(message, 1));

    for (int at = 0; at < MESSAGES;) {
        ISLE_SCOPE;
        at = send_some(to, who, at);
        if (chance(4) == 0)
            isle_sleep((int64_t)chance(50000));
    }
}

/* --- the root */

static isle_receive_port *ends, *told;
static isle_options quiet;
static isle_isolate receiver;

static isle_end next_end(void)
{
    return isle_as_end(isle_port_receive(ends));
}

/* How many are there. */
static int spawn_senders(isle_send_port to)
{
    int count = 0;

    for (int i = 0; i < SENDERS; i++) {
        isle_value message = isle_pack("[i,p]", (int64_t)i, to);

        count += isle_try_spawn(send_all, message, &quiet, NULL) == ISLE_OK;
    }
    return count;
}

static void check_fates(void)
{
    unsigned taken = 0, open = 0;
    uint64_t gone = come + at_end.dropped_newest + at_end.dropped_oldest;

    for (int i = 0; i < SENDERS; i++)
        for (int k = 0; k < MESSAGES; k++) {
            taken += fates[i][k] == TAKEN;
            open += fates[i][k] == TRIED;
        }
    CHECK(gone >= taken);
    if (faults.kill == 0 && faults.alloc == 0)
        CHECK_UINT(open, 0);
    CHECK(gone <= taken + open);
    whole++;
}

static void play(isle_send_port to, isle_send_port stop)
{
    int senders = spawn_senders(to);
    bool receiver_is_over = false;

    while (senders > 0) {
        ISLE_SCOPE;
        isle_end end = next_end();
        bool is_receivers = isle_send_port_equal(end.isolate.control_port, receiver.control_port);

        receiver_is_over = receiver_is_over || is_receivers;
        senders -= !is_receivers;
        if (nothing_fails())
            CHECK(end.reason == ISLE_RETURNED || (is_receivers && end.reason == ISLE_OVERFLOWED &&
                                                  bounds.overflow == ISLE_OVERFLOW_END));
    }
    if (receiver_is_over)
        return;
    isle_err err =
        isle_try_await(isle_send_wait(stop, isle_null(), ISLE_FOREVER), ISLE_FOREVER, NULL);
    CHECK(err == ISLE_OK || err == ISLE_ECLOSED);
    (void)next_end();
    if (receiver_is_done)
        check_fates();
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();
    isle_send_port to, stop;
    isle_value message;

    (void)argc, (void)argv;
    memset(fates, 0, sizeof fates);
    memset(has_come, 0, sizeof has_come);
    memset(next_of, 0, sizeof next_of);
    come = 0;
    is_high = receiver_is_done = false;
    draw_bounds();
    ends = isle_port_open();
    told = isle_port_open();
    quiet = (isle_options){.on_error = isle_port_send_port(errors),
                           .monitor = isle_port_send_port(ends),
                           .mailbox_max_messages = 60};
    if (isle_try_spawn(receive_all, isle_port_value(told), &quiet, &receiver) == ISLE_OK) {
        isle_receive_port *const both[] = {told, ends};

        if (isle_port_receive_any(both, 2, ISLE_FOREVER, &message) == told) {
            isle_unpack(message, "[p,p!]", &to, &stop);
            play(to, stop);
        }
    }
    end_of_all();
    isle_port_close(ends);
    isle_port_close(told);
    isle_port_close(errors);
    return 0;
}

TEST(ports_with_bounds_and_sends_that_wait)
{
    under_seeds(app);
}
TEST_TIMEOUT(ports_with_bounds_and_sends_that_wait, 120);

TEST_MAIN()
