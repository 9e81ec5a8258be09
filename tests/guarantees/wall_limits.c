/* SPDX-License-Identifier: Apache-2.0 */
/* Limits hold through a wall: of memory, of mailboxes, of what is asked for. Over a backend of
 * the tests and, with WALL_OF_PROCESSES, around sandboxed processes (wall_help.h). */
#include "wall_help.h"

/* --- limits */

TEST_ROOT(a_mailbox_that_nobody_takes_from_is_full_outside)
{
    enum { MOST = 10 };
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.paused = true;
    options.mailbox_max_messages = MOST;
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &options);
    for (int i = 0; i < MOST; i++)
        isle_send(other.default_port, isle_int(i));
    CHECK_ERR(isle_try_send(other.default_port, isle_int(MOST)), ISLE_EFULL);
    isle_ping(other, isle_port_send_port(port), isle_string("pong"), ISLE_IMMEDIATE);
    CHECK_STRING(isle_as_string(receive(port)), "pong");
    CHECK_ERR(isle_try_send(other.default_port, isle_int(MOST)), ISLE_EFULL);
    isle_resume(other, other.pause_capability);
    for (int i = 0; i < MOST; i++)
        CHECK_INT(isle_as_int(receive(port)), i);
    for (int i = 0; i < MOST; i++)
        isle_send(other.default_port, isle_int(i));
    for (int i = 0; i < MOST; i++)
        CHECK_INT(isle_as_int(receive(port)), i);
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

static void add_up(isle_value to)
{
    int64_t bytes = 0;
    for (bool more = true; more;) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(isle_default_port());
        more = !isle_is_null(message);
        bytes += more ? (int64_t)isle_count(isle_materialize(message)) : 0;
    }
    isle_send(isle_as_port(to), isle_int(bytes));
    isle_port_close(isle_default_port());
}

/* The pong comes when all that was sent before is inside. */
TEST_ROOT(what_a_mailbox_holds_by_default_finds_memory_inside)
{
    enum { COUNT = 4, MOST = 255 };
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.paused = true;
    isle_isolate other = isle_spawn(add_up, isle_port_value(port), &options);
    for (int i = 0; i < COUNT; i++) {
        ISLE_SCOPE;
        isle_send(other.default_port, isle_transferable((size_t)(MOST + i) / COUNT << 20));
    }
    isle_ping(other, isle_port_send_port(port), isle_string("pong"), ISLE_BEFORE_NEXT_EVENT);
    CHECK_STRING(isle_as_string(receive(port)), "pong");
    isle_resume(other, other.pause_capability);
    isle_send(other.default_port, isle_null());
    CHECK_INT(isle_as_int(receive(port)), (int64_t)MOST << 20);
    isle_port_close(port);
    settle();
}
TEST_MEMORY(what_a_mailbox_holds_by_default_finds_memory_inside, 900);

static void send_too_much(isle_value ports)
{
    isle_send_port full = isle_as_port(isle_list_get(ports, 0));
    isle_send_port to = isle_as_port(isle_list_get(ports, 1));
    isle_stats stats;
    for (int i = 0; i < 100; i++)
        isle_send(full, isle_int(i));
    CHECK_ERR(isle_try_await(isle_call(full, isle_null(), ISLE_FOREVER), ISLE_FOREVER, NULL),
              ISLE_EFULL);
    isle_stats_read(&stats);
    isle_send(to, isle_int((int64_t)stats.refused_full));
}

TEST_ROOT(an_inside_is_told_how_much_of_its_mail_found_no_room)
{
    enum { MOST = 10 };
    isle_receive_port *port = isle_port_open();
    isle_options options = {.backend = ISLE_THREAD, .paused = true, .mailbox_max_messages = MOST};
    isle_isolate full = isle_spawn(wait_for_ever, isle_null(), &options);
    isle_spawn(send_too_much,
               isle_pack("[o,o]", isle_port(full.default_port), isle_port_value(port)), &walled);
    CHECK_INT(isle_as_int(receive(port)), 100 - MOST);
    isle_kill(full, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

static isle_value ping_much(isle_value message)
{
    enum { MOST = 200000 };
    isle_isolate other = isle_as_isolate(isle_list_get(message, 0));
    isle_send_port port = isle_as_port(isle_list_get(message, 1));
    for (int i = 0; i < MOST; i++) {
        isle_ping(other, port, isle_null(), ISLE_IMMEDIATE);
        if (i % 1000 == 0)
            isle_sleep(ISLE_MS(1)); /* for the wall to take them */
    }
    return isle_null();
}

TEST_ROOT(control_that_nobody_takes_is_full_outside)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_isolate other = isle_spawn(spin, isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(receive(port)), "spinning");
    isle_value what = isle_pack("[o,o]", isle_isolate_value(other), isle_port_value(port)), value;
    CHECK_ERR(isle_try_await(isle_run(ping_much, what, NULL), ISLE_SECONDS(20), &value),
              ISLE_EFULL);
    isle_kill(other, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    isle_port_close(port);
    settle();
}

#ifndef WALL_OF_PROCESSES
/* As an isolate does that has no memory for the text of its error. */
static void tell_error_without_text(isle_value message)
{
    struct isle__channel *channel = isle__wall_of_inside()->channel;
    struct isle__record_head head = {.kind = ISLE__RECORD_ERROR};
    uint8_t bytes[ISLE__RECORD_HEAD];
    (void)message;
    isle__record_head_write(&head, bytes);
    while (isle__channel_put(channel, bytes, sizeof bytes, NULL, 0) != ISLE__CHANNEL_OK)
        isle__channel_flush(channel);
    isle__channel_flush(channel);
}

TEST_ROOT(an_error_without_memory_for_its_text_is_out_of_memory)
{
    isle_receive_port *errors = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.on_error = isle_port_send_port(errors);
    options.monitor = isle_port_send_port(ends);
    isle_spawn(tell_error_without_text, isle_null(), &options);
    CHECK_STRING(isle_as_string(isle_list_get(receive(errors), 0)), "Out of Memory");
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    isle_port_close(errors);
    isle_port_close(ends);
    settle();
}

/* Spawns that are refused, with notices for a port of its own, which it never takes. */
static void ask_for_ever(isle_value message)
{
    struct isle__channel *channel = isle__wall_of_inside()->channel;
    struct isle__record_spawn spawn = {
        .on_exit = {ISLE__WHOSE_WRITER, isle__name_of(900, 1)},
        .on_error = {ISLE__WHOSE_WRITER, isle__name_of(900, 1)},
        .start = {.memory_max = 1, .message = (const uint8_t *)"aa", .message_size = 2}};
    struct isle__buffer body;
    uint8_t bytes[ISLE__RECORD_HEAD];
    (void)message;
    if (isle__wall_place_of((isle_function *)do_nothing, &spawn.start.entry) != ISLE_OK)
        abort();
    isle__buffer_init(&body, NULL);
    isle__write_spawn(&body, &spawn);
    for (uint64_t number = 1;; number++) {
        struct isle__record_head head = {
            .length = (uint32_t)body.size, .kind = ISLE__RECORD_SPAWN, .to = number};
        isle__record_head_write(&head, bytes);
        while (isle__channel_put(channel, bytes, sizeof bytes, body.data, body.size) !=
               ISLE__CHANNEL_OK)
            isle__channel_flush(channel);
    }
}

TEST_ROOT(who_asks_and_takes_no_answer_piles_up_nothing)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(ask_for_ever, isle_null(), &options);
    CHECK_INT(isle_as_end(isle_port_receive(ends)).reason, ISLE_PROTOCOL);
    isle_port_close(ends);
    settle();
}
TEST_TIMEOUT(who_asks_and_takes_no_answer_piles_up_nothing, 120);
#endif
#ifdef WALL_OF_PROCESSES
/* --- memory */

enum { BLOCKS_MOST = 300 };
static int blocks; /* the inside's own */

static isle_value take_blocks(isle_value unused)
{
    while (blocks < BLOCKS_MOST) {
        isle_alloc(1 << 20);
        blocks++;
    }
    return unused;
}

static void tell_blocks(isle_value to)
{
    isle_value unused;
    if (isle_try(take_blocks, isle_null(), &unused) == ISLE_OK)
        fprintf(stderr, "nothing was refused\n");
    isle_send(isle_as_port(to), isle_int(blocks));
}

/* Where the kernel counts less than this, or nothing, as under a sanitizer, the heap counts. */
TEST_ROOT(a_heap_has_a_limit_that_nobody_asked_for)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(tell_blocks, isle_port_value(port), &walled);
    int64_t taken = isle_as_int(receive(port));
    CHECK(taken > 200);
    CHECK(taken < 256);
    isle_port_close(port);
    settle();
}
#endif

TEST_MAIN()
