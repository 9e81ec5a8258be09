/* SPDX-License-Identifier: Apache-2.0 */
/* What comes through a wall for who does not take it: replies that nobody waits for any more, and
 * mail that finds no room, of which nothing is made, or which waits for it outside. Over a backend
 * of the tests (wall_fixture.h): the hostile ones put records of their own. */
#include "wall_help.h"

#include <sys/resource.h>

#include "core/activity.h"
#include "core/mail.h"
#include "core/slot.h"

/* --- replies that nobody waits for */

static void call_and_wait(isle_value to)
{
    isle_await(isle_call(isle_as_port(to), isle_null(), ISLE_FOREVER));
}

/* The inside's name for the call goes while a reply to it is on its way to the wall: here that is
 * done to a proxy whose turn rests, and which the reply wakes. */
static isle_value answer_what_is_released(isle_value request, void *context)
{
    uint64_t call = isle__isolate_need(__func__)->running->serving;
    struct isle__slot *slot = isle__slot_find(call);
    struct isle__isolate *proxy = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    struct isle__imports *imports = &isle__wall_of(proxy)->imports;
    struct isle__mail *mail = isle__mail_make(isle_int(1), ISLE__MAIL_REPLY, call);
    mail->room = ISLE__MAIL_RESERVED;
    CHECK_ERR(isle__mail_admit(mail, &proxy), ISLE_OK);
    isle__import_drop(imports, isle__import_of_port(imports, call));
    isle__mail_push(mail, proxy);
    isle_send(*(isle_send_port *)context, isle_null());
    return request; /* the second one, for an id that is nobody's */
}

TEST_ROOT(a_reply_to_a_call_whose_name_is_released_counts_as_late)
{
    isle_receive_port *port = isle_port_open(), *done = isle_port_open();
    isle_send_port tell = isle_port_send_port(done);
    isle_stats before = stats_now();
    isle_port_serve(port, answer_what_is_released, &tell);
    isle_isolate other = isle_spawn(call_and_wait, isle_port_value(port), &walled);
    receive(done);
    for (int64_t until = isle_now_ns() + ISLE_SECONDS(20);
         stats_now().dropped_late < before.dropped_late + 2 && isle_now_ns() < until;)
        isle_sleep(ISLE_US(100));
    CHECK_UINT(stats_now().dropped_late, before.dropped_late + 2);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(port);
    isle_port_close(done);
    settle();
}

static isle_value answer_it(isle_value request, void *context)
{
    (void)context;
    return request;
}

static void serve(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), answer_it, NULL);
}

/* There is no inside yet when it is given up. */
TEST_ROOT(a_call_that_is_over_when_its_request_crosses_is_answered_late)
{
    isle_isolate other = isle_spawn(serve, isle_null(), &walled);
    isle_stats before = stats_now();
    isle_future_cancel(isle_call(other.default_port, isle_int(1), ISLE_FOREVER));
    CHECK_INT(isle_as_int(awaited(isle_call(other.default_port, isle_int(2), ISLE_FOREVER))), 2);
    CHECK_UINT(stats_now().dropped_late, before.dropped_late + 1);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed);
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

/* --- mail that finds no room */

enum { LISTS = 800 * 1000, LARGE_TIMES = 8 };

/* Bytes that are no message, to ports that take none: the isolate returns, for nobody reads them.
 */
static void send_no_message(isle_value ports)
{
    static const uint8_t none = 0xff;
    const struct isle__wall *wall = isle__wall_of_inside();
    for (size_t i = 0; i < isle_count(ports); i++) {
        uint64_t port = isle_as_port(isle_list_get(ports, i)).id;
        uint64_t name = isle__import_of_port(&wall->imports, port)->name;
        put((struct isle__record_head){.kind = ISLE__RECORD_MAIL, .to = name}, &none, sizeof none);
    }
}

TEST_ROOT(a_message_that_nobody_would_take_is_not_read)
{
    isle_receive_port *ends = isle_port_open(), *closed = isle_port_open();
    isle_isolate full = isle_spawn(
        wait_for_ever, isle_null(),
        &(isle_options){.backend = ISLE_THREAD, .paused = true, .mailbox_max_messages = 1});
    isle_options options = walled;
    isle_stats before = stats_now();
    options.paused = true;
    options.monitor = isle_port_send_port(ends);
    isle_send(full.default_port, isle_null());
    isle_isolate other = isle_spawn(
        send_no_message, isle_pack("[o,o]", isle_port(full.default_port), isle_port_value(closed)),
        &options);
    isle_port_close(closed);
    isle_resume(other, other.pause_capability);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    CHECK_UINT(stats_now().refused_full, before.refused_full + 1);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed + 1);
    isle_kill(full, ISLE_IMMEDIATE);
    isle_port_close(ends);
    settle();
}

/* Small things of one kind, which are charged most for what they come to. */
static isle_value small_thing(int which)
{
    switch (which) {
    case 0:
        return isle_null();
    case 1:
        return isle_string("");
    case 2:
        return isle_string("four");
    case 3:
        return isle_list();
    case 4:
        return isle_list_fixed(0);
    case 5:
        return isle_map();
    case 6:
        return isle_set();
    case 7:
        return isle_bytes(NULL, 0);
    case 8:
        return isle_freeze(isle_list());
    case 9:
        return isle_freeze(isle_bytes("b", 1));
    case 10:
        return isle_transferable(1);
    case 11:
        return isle_error(ISLE_ERANGE, "e", NULL);
    case 12:
        return isle_pack("{s:i}", "a", 2);
    case 13:
        return isle_pack("[[[[[[i]]]]]]", 1);
    default:
        return isle_double(0.5);
    }
}
enum { SMALL_THINGS = 15 };

static isle_err read_with(const struct isle__buffer *bytes, size_t budget, size_t *ret_size)
{
    struct isle__wire wire = {0};
    struct isle__parcel parcel;
    isle_err err = isle__wire_decode_parcel(bytes->data, bytes->size, budget, &wire,
                                            sizeof(struct isle__mail), &parcel, NULL);
    if (err != ISLE_OK)
        return err;
    *ret_size = parcel.size;
    isle__parcel_drop(&parcel);
    return ISLE_OK;
}

/* Of what it comes to. */
static double least_budget(const struct isle__buffer *bytes, size_t size)
{
    size_t low = 0, high = 32 * size + 4096;
    while (high - low > 64) {
        size_t middle = low + (high - low) / 2, unused;
        if (read_with(bytes, middle, &unused) == ISLE_OK)
            high = middle;
        else
            low = middle;
    }
    return (double)high / (double)size;
}

TEST_ROOT(what_a_mailbox_has_room_for_can_be_read_with_it)
{
    struct isle__heap *heap = &isle__isolate_need(__func__)->heap;
    size_t large = (size_t)1 << 30, size;
    double most = 0;
    for (int which = 0; which < SMALL_THINGS; which++)
        for (int count = 1; count <= 10000; count *= 100) {
            ISLE_SCOPE;
            struct isle__wire wire = {0};
            struct isle__buffer bytes;
            isle_value list = isle_list();
            for (int i = 0; i < count; i++)
                isle_list_add(list, small_thing(which));
            isle__buffer_init(&bytes, NULL);
            CHECK_ERR(isle__wire_encode(heap, list, &wire, &bytes, NULL), ISLE_OK);
            CHECK_ERR(read_with(&bytes, large, &size), ISLE_OK);
            size_t budget = isle__wall_budget(large, size), again;
            if (read_with(&bytes, budget, &again) != ISLE_OK)
                fail("%d times number %d: of %zu bytes, not with %zu", count, which, size, budget);
            double least = count == 10000 ? least_budget(&bytes, size) : 0;
            most = least > most ? least : most;
            isle__buffer_fini(&bytes);
        }
    printf("measured: a message is charged for %.1f times what it comes to at most\n", most);
}

/* A byte of it takes fifty here. */
static void send_many_lists(isle_value to)
{
    static uint8_t bytes[5 + LISTS];
    uint64_t name =
        isle__import_of_port(&isle__wall_of_inside()->imports, isle_as_port(to).id)->name;
    bytes[0] = 0x9a;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)((unsigned)LISTS >> (24 - 8 * i));
    memset(bytes + 5, 0x80, LISTS);
    for (int i = 0; i < LARGE_TIMES; i++)
        put((struct isle__record_head){.kind = ISLE__RECORD_MAIL, .to = name}, bytes, sizeof bytes);
}

static uint64_t memory_peak(void)
{
    struct rusage usage;
    CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

TEST_ROOT(a_message_that_has_no_room_is_not_made)
{
    isle_receive_port *ends = isle_port_open();
    isle_isolate narrow = isle_spawn(
        wait_for_ever, isle_null(),
        &(isle_options){.backend = ISLE_THREAD, .paused = true, .mailbox_max_bytes = 65536});
    isle_options options = walled;
    isle_stats before = stats_now();
    uint64_t peak = memory_peak();
    options.monitor = isle_port_send_port(ends);
    isle_spawn(send_many_lists, isle_port(narrow.default_port), &options);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    CHECK_UINT(stats_now().refused_full, before.refused_full + LARGE_TIMES);
    printf("measured: %zu bytes took %.1f MiB\n", (size_t)LISTS,
           (double)(memory_peak() - peak) / 1048576);
    CHECK(memory_peak() - peak < (uint64_t)32 * 1048576); /* a sanitizer keeps some */
    isle_kill(narrow, ISLE_IMMEDIATE);
    isle_port_close(ends);
    settle();
}

/* --- mail that waits for room */

enum { WAITING = 100, WAITING_SIZE = 10000 };

static void send_many_that_wait(isle_value to)
{
    for (int i = 0; i < WAITING; i++)
        (void)isle_send_wait(isle_as_port(to), isle_bytes(NULL, WAITING_SIZE), ISLE_FOREVER);
    wait_for_ever(isle_null());
}

static void until_waiting(uint64_t count)
{
    for (int64_t until = isle_now_ns() + ISLE_SECONDS(30);
         stats_now().waiting != count && isle_now_ns() < until;)
        isle_sleep(ISLE_US(100));
    CHECK_UINT(stats_now().waiting, count);
}

/* Nobody takes anything from the port meanwhile, and one who lives is at the front of the line. */
TEST_ROOT(what_waits_ends_with_its_wall)
{
    isle_receive_port *ends = isle_port_open();
    isle_receive_port *full = isle_port_open_with(&(isle_port_options){.max_messages = 1});
    isle_send_port to = isle_port_send_port(full);
    isle_send(to, isle_int(1));
    isle_future *front = isle_send_wait(to, isle_int(2), ISLE_FOREVER);
    for (int i = 0; i < 3; i++) {
        isle_options options = walled;
        uint64_t dropped = stats_now().dropped_waiting;
        options.monitor = isle_port_send_port(ends);
        isle_isolate other = isle_spawn(send_many_that_wait, isle_port(to), &options);
        until_waiting(1 + WAITING);
        isle_kill(other, ISLE_IMMEDIATE);
        CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_KILLED);
        CHECK_UINT(stats_now().waiting, 1);
        CHECK_UINT(stats_now().dropped_waiting, dropped + WAITING);
    }
    CHECK_INT(isle_as_int(receive(full)), 1);
    (void)awaited(front);
    CHECK_INT(isle_as_int(receive(full)), 2);
    isle_port_close(full);
    isle_port_close(ends);
    settle();
}

/* What it has at the front of one line, and between others' in the next. */
static void send_two_that_wait(isle_value ports)
{
    for (size_t i = 0; i < 2; i++)
        (void)isle_send_wait(isle_as_port(isle_list_get(ports, i)), isle_bytes(NULL, WAITING_SIZE),
                             ISLE_FOREVER);
    wait_for_ever(isle_null());
}

TEST_ROOT(who_waits_behind_one_of_a_wall_that_ends_has_his_turn)
{
    isle_receive_port *ends = isle_port_open(), *full[2];
    isle_future *before, *after[2];
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    for (int i = 0; i < 2; i++) {
        full[i] = isle_port_open_with(&(isle_port_options){.max_bytes = WAITING_SIZE + 2000});
        isle_send(isle_port_send_port(full[i]), isle_bytes(NULL, WAITING_SIZE));
    }
    before = isle_send_wait(isle_port_send_port(full[1]), isle_bytes(NULL, 4000), ISLE_FOREVER);
    isle_isolate other = isle_spawn(
        send_two_that_wait, isle_pack("[o,o]", isle_port_value(full[0]), isle_port_value(full[1])),
        &options);
    until_waiting(3);
    for (int i = 0; i < 2; i++)
        after[i] = isle_send_wait(isle_port_send_port(full[i]), isle_int(i), ISLE_FOREVER);
    isle_kill(other, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_KILLED);
    (void)awaited(after[0]); /* there was room for it behind who has gone */
    CHECK_UINT(stats_now().waiting, 2);
    CHECK_INT(isle_count(receive(full[1])), WAITING_SIZE);
    (void)awaited(before);
    (void)awaited(after[1]);
    for (int i = 0; i < 2; i++)
        isle_port_close(full[i]);
    isle_port_close(ends);
    settle();
}

TEST_MAIN()
