/* SPDX-License-Identifier: Apache-2.0 */
/* What an isolate behind a wall can have of the host is bounded, whatever it writes into its ring
 * (src/backend/wall). Over a backend of the tests, without a sandbox (wall_fixture.h): the hostile
 * ones put records of their own. */
#include "wall_help.h"

#include "core/activity.h"
#include "core/control.h"
#include "isle/object.h"

/* --- records that no isolate sends */

/* What is said of `to`: a name of the reader's that is right, or in which way it is not. */
enum to { TO_NOTHING, TO_PORT, TO_CONTROL, TO_FUTURE, TO_BEYOND, TO_SELF };

static const struct record {
    struct isle__record_head head;
    enum to to;
    uint8_t body[32];
    size_t size;
} records[] = {
    {{.kind = 0}, TO_PORT, {0}, 0},
    {{.kind = ISLE__RECORD_KINDS}, TO_PORT, {0}, 0},
    {{.kind = ISLE__RECORD_START}, TO_NOTHING, {0}, 0},
    {{.kind = ISLE__RECORD_NAMED, .to = 1}, TO_NOTHING, {0}, 16},
    {{.kind = ISLE__RECORD_STARTED}, TO_NOTHING, {0}, 0}, /* the second one */
    /* It was sent no mail that takes room. */
    {{.kind = ISLE__RECORD_TAKEN, .to = 1}, TO_NOTHING, {0}, 0},
    {{.kind = ISLE__RECORD_TAKEN}, TO_NOTHING, {0}, 0},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE}, TO_NOTHING, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE}, TO_FUTURE, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE}, TO_BEYOND, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE}, TO_PORT, {1}, 9},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE}, TO_PORT, {8, 1}, 8}, /* a cell */
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE, .descriptors = 1}, TO_PORT, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE | 128}, TO_PORT, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL, .flags = ISLE__RECORD_BARE, .reply = 1}, TO_PORT, {1}, 8},
    {{.kind = ISLE__RECORD_MAIL}, TO_PORT, {0xff}, 1},           /* no CBOR */
    {{.kind = ISLE__RECORD_MAIL}, TO_PORT, {0xc6, 0x18, 77}, 3}, /* its own, of generation 0 */
    {{.kind = ISLE__RECORD_REPLY, .flags = ISLE__RECORD_BARE}, TO_PORT, {1}, 8}, /* no call */
    {{.kind = ISLE__RECORD_ANSWER}, TO_PORT, {0}, 0},                            /* no ping */
    {{.kind = ISLE__RECORD_ANSWER}, TO_BEYOND, {0}, 0},
    {{.kind = ISLE__RECORD_CONTROL}, TO_PORT, {0}, 0}, /* to what is no control port */
    {{.kind = ISLE__RECORD_RELEASE}, TO_SELF, {0}, 8},
    {{.kind = ISLE__RECORD_RELEASE}, TO_NOTHING, {0}, 7},
    {{.kind = ISLE__RECORD_RELEASE}, TO_NOTHING, {0}, 0},
    {{.kind = ISLE__RECORD_SPAWN, .to = 1}, TO_NOTHING, {0}, 16},
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {0}, 0},
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {ISLE__LINK_JOIN}, 16}, /* a byte too short */
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {0}, 19},               /* it asks for nothing */
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {ISLE__LINK_OWN + 1}, 19},
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {ISLE__LINK_JOIN, 3}, 19}, /* nobody's name */
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {ISLE__LINK_PART}, 20},
    /* A control port that it was never given, and a port. */
    {{.kind = ISLE__RECORD_LINK}, TO_NOTHING, {ISLE__LINK_JOIN, ISLE__WHOSE_READER, 9, 9, 9}, 19},
    {{.kind = ISLE__RECORD_LINK, .to = 1}, TO_NOTHING, {ISLE__LINK_TRAP}, 19},
    /* What bodies here tell each other is no control message of a wall. */
    {{.kind = ISLE__RECORD_CONTROL}, TO_CONTROL, {ISLE__CONTROL_LINK}, 30},
    {{.kind = ISLE__RECORD_CONTROL}, TO_CONTROL, {ISLE__CONTROL_UNLINK}, 30},
    {{.kind = ISLE__RECORD_CONTROL}, TO_CONTROL, {ISLE__CONTROL_LINKED}, 30},
    {{.kind = ISLE__RECORD_END, .flags = ISLE_LINKED}, TO_NOTHING, {0}, 4},
    {{.kind = ISLE__RECORD_DUE}, TO_NOTHING, {1}, 1},
    {{.kind = ISLE__RECORD_ERROR}, TO_NOTHING, {0xff, 0xff, 0xff, 0xff}, 4},
    {{.kind = ISLE__RECORD_ERROR}, TO_NOTHING, {1, 0, 0, 0, 0xff}, 5}, /* no text */
    {{.kind = ISLE__RECORD_END, .flags = ISLE_VIOLATION}, TO_NOTHING, {0}, 4},
    {{.kind = ISLE__RECORD_END, .flags = ISLE_RETURNED}, TO_NOTHING, {0}, 5},
};
enum { RECORDS = sizeof records / sizeof *records };

static void send_a_record(isle_value message)
{
    const struct isle__wall *wall = isle__wall_of_inside();
    struct record record = records[isle_as_int(isle_list_get(message, 0))];
    isle_send_port port = isle_as_port(isle_list_get(message, 1));
    isle_isolate outside = isle_as_isolate(isle_list_get(message, 2));
    uint64_t name = isle__import_of_port(&wall->imports, port.id)->name;
    uint64_t self = isle__name_of(ISLE__SELF_DEFAULT, 1);
    if (record.to == TO_PORT)
        record.head.to = name;
    if (record.to == TO_CONTROL)
        record.head.to = isle__import_of_port(&wall->imports, outside.control_port.id)->name;
    if (record.to == TO_FUTURE)
        record.head.to = isle__name_of(isle__name_slot(name), isle__name_generation(name) + 1);
    if (record.to == TO_BEYOND)
        record.head.to = isle__name_of(isle__name_slot(name) + 100000, 1);
    if (record.to == TO_SELF)
        memcpy(record.body, &self, sizeof self);
    put(record.head, record.body, record.size);
    wait_for_ever(isle_null());
}

TEST_ROOT(a_record_that_no_isolate_sends_ends_its_isolate)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    for (int i = 0; i < RECORDS; i++) {
        isle_options options = walled;
        options.monitor = isle_port_send_port(ends);
        isle_spawn(
            send_a_record,
            isle_pack("[i,o,o]", i, isle_port_value(port), isle_isolate_value(isle_current())),
            &options);
        isle_end end = isle_as_end(receive(ends));
        if (end.reason != ISLE_PROTOCOL)
            fail("record %d: the end is %d, %s", i, (int)end.reason, end.text);
    }
    isle_port_close(ends);
    isle_port_close(port);
    settle();
}

/* --- the name of a call */

enum { ANSWERS = 1000 };

/* A call is answered once: by a reply, or by a mail to it as a port. */
static isle_value answer_by_mail(isle_value request, void *context)
{
    struct isle__wall *wall = isle__wall_of_inside();
    uint64_t call = isle__isolate_need(__func__)->running->serving;
    struct isle__record_head head = {
        .kind = ISLE__RECORD_MAIL,
        .flags = ISLE__RECORD_BARE,
        .to = isle__import_of_port(&wall->imports, call)->name,
    };
    isle_value seven = isle_int(7);
    (void)request, (void)context;
    for (int i = 0; i < ANSWERS; i++)
        put(head, &seven.bits, sizeof seven.bits);
    return isle_int(8);
}

static void serve_by_mail(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), answer_by_mail, NULL);
}

TEST_ROOT(a_call_is_answered_once_by_mail_too)
{
    isle_isolate other = isle_spawn(serve_by_mail, isle_null(), &walled);
    const struct isle__isolate *self = isle__isolate_need(__func__);
    uint64_t dropped = stats_now().dropped_closed, waits = 0;
    isle_future *called = isle_call(other.default_port, isle_null(), ISLE_FOREVER);
    int64_t until = isle_now_ns() + ISLE_SECONDS(20);
    /* This isolate takes nothing meanwhile: another thread runs the proxy. */
    do
        waits = isle__room_count(isle__room_taken(&self->heap.reserved));
    while (waits + stats_now().dropped_closed - dropped < ANSWERS && isle_now_ns() < until);
    CHECK_INT(waits, 1);
    (void)isle_await(called);
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

/* --- siblings */

enum { CHILDREN = 64, PLACES = 512, PARENTS = 10 };

/* How many stand of those that are asked for. */
static int spawn_waiters(int count)
{
    int stand = 0;
    for (int i = 0; i < count; i++) {
        isle_isolate child;
        stand += isle_try_spawn(wait_for_ever, isle_null(), NULL, &child) == ISLE_OK;
    }
    return stand;
}

static void spawn_more(isle_value to)
{
    isle_send(isle_as_port(to), isle_int(spawn_waiters(CHILDREN + 1)));
    wait_for_ever(isle_null());
}

/* One after the other: each takes what is left, no more than is one parent's. */
static void spawn_parents(isle_value to)
{
    isle_receive_port *port = isle_port_open();
    isle_value counts = isle_list();
    for (int i = 0; i < PARENTS; i++) {
        isle_isolate child;
        if (isle_try_spawn(spawn_more, isle_port_value(port), NULL, &child) != ISLE_OK)
            break;
        isle_list_add(counts, isle_port_receive(port));
    }
    isle_send(isle_as_port(to), counts);
    wait_for_ever(isle_null());
}

TEST_ROOT(a_tree_of_isolates_has_so_many_places)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(spawn_parents, isle_port_value(port), &walled);
    isle_value counts = isle_port_receive(port);
    int64_t all = (int64_t)isle_count(counts);
    CHECK_INT(isle_as_int(isle_list_get(counts, 0)), CHILDREN);
    for (size_t i = 0; i < isle_count(counts); i++)
        all += isle_as_int(isle_list_get(counts, i));
    CHECK_INT(all, PLACES);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}
TEST_TIMEOUT(a_tree_of_isolates_has_so_many_places, 120);

static void spawn_and_end(isle_value to)
{
    isle_value unused;
    for (int i = 0; i < PLACES + 1; i++) {
        isle_receive_port *ends = isle_port_open();
        isle_options options = {.on_exit = isle_port_send_port(ends)};
        isle_isolate child = isle_spawn(wait_for_ever, isle_null(), &options);
        isle_kill(child, ISLE_IMMEDIATE);
        if (isle_port_try_receive(ends, ISLE_SECONDS(20), &unused) != ISLE_OK)
            isle_throwf("number %d does not end", i);
        isle_port_close(ends);
    }
    isle_isolate last;
    isle_send(isle_as_port(to),
              isle_bool(isle_try_spawn(wait_for_ever, isle_null(), NULL, &last) == ISLE_OK));
}

TEST_ROOT(a_place_is_had_again_when_its_isolate_has_ended)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(spawn_and_end, isle_port_value(port), &walled);
    CHECK(isle_as_bool(receive(port)));
    isle_port_close(port);
    settle();
}

static void monitor_the_refused(isle_value to)
{
    isle_options options = {.monitor = isle_as_port(to)};
    (void)spawn_waiters(CHILDREN);
    isle_spawn(wait_for_ever, isle_null(), &options);
    wait_for_ever(isle_null());
}

TEST_ROOT(a_monitor_is_told_of_a_spawn_that_the_outside_refuses)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(monitor_the_refused, isle_port_value(port), &walled);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_UNSPAWNED);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

static void tell_of_child(isle_value to)
{
    isle_isolate child = isle_spawn(wait_for_ever, isle_null(), NULL);
    isle_send(isle_as_port(to), isle_isolate_value(child));
    wait_for_ever(isle_null());
}

TEST_ROOT(the_end_of_siblings_needs_no_memory)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(tell_of_child, isle_port_value(port), &walled);
    isle_isolate child = isle_as_isolate(receive(port));
    isle_monitor(child, isle_port_send_port(port));
    /* Its turn rests: it has nothing to do after what it told. */
    struct isle__slot *slot = isle__slot_find(other.default_port.id);
    struct isle__isolate *proxy = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    isle__memory_fail_at(1);
    isle__wall_children_end(isle__wall_of(proxy));
    isle__memory_fail_at(0);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

/* --- exit listeners */

TEST(a_long_response_of_an_exit_listener_is_no_record)
{
    static const uint8_t bytes[3 + 3 * 9 + ISLE__RECORD_RESPONSE_MAX + 1] = {
        ISLE__CONTROL_ADD_EXIT};
    struct isle__record_control read;
    CHECK(isle__read_control(bytes, sizeof bytes - 1, &read));
    CHECK_INT(read.response_size, ISLE__RECORD_RESPONSE_MAX);
    CHECK(!isle__read_control(bytes, sizeof bytes, &read));
}

enum { RESPONSE = 60000, RESPONSES = 1200 };

static void listen_often(isle_value message)
{
    isle_isolate other = isle_as_isolate(message);
    isle_send_port own = isle_port_send_port(isle_default_port());
    for (int i = 0; i < RESPONSES; i++) {
        ISLE_SCOPE;
        isle_add_exit_listener(other, own, isle_bytes(NULL, RESPONSE));
    }
}

TEST_ROOT(responses_of_exit_listeners_have_a_bound)
{
    isle_receive_port *ends = isle_port_open();
    isle_isolate other =
        isle_spawn(wait_for_ever, isle_null(), &(isle_options){.backend = ISLE_THREAD});
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(listen_often, isle_isolate_value(other), &options);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_PROTOCOL);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(ends);
    settle();
}

/* --- notices */

enum { NOTICES = ISLE__WALL_NOTICES + 5000 };

/* Monitors its child, which is dead, for somebody who reads nothing: each is told at once. */
static void monitor_often(isle_value to)
{
    const struct isle__imports *imports = &isle__wall_of_inside()->imports;
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    isle_isolate child = isle_spawn(do_nothing, isle_null(), &options);
    isle_port_receive(exits);
    struct isle__record_head head = {
        .kind = ISLE__RECORD_CONTROL,
        .to = isle__import_of_port(imports, child.control_port.id)->name,
    };
    struct isle__record_control control = {
        .control = ISLE__CONTROL_MONITOR,
        .port = {ISLE__WHOSE_READER, isle__import_of_port(imports, isle_as_port(to).id)->name},
    };
    struct isle__buffer body;
    isle__buffer_init(&body, NULL);
    isle__write_control(&body, &control);
    for (int i = 0; i < NOTICES; i++)
        put(head, body.data, body.size);
    isle__buffer_fini(&body);
    isle_port_close(exits);
}

TEST_ROOT(notices_pile_up_to_a_bound_with_who_takes_none)
{
    isle_receive_port *ends = isle_port_open();
    isle_options quiet = {.backend = ISLE_THREAD, .paused = true};
    isle_isolate other = isle_spawn(wait_for_ever, isle_null(), &quiet);
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(monitor_often, isle_port(other.default_port), &options);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    struct isle__slot *slot = isle__slot_find(other.default_port.id);
    struct isle__isolate *body = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    CHECK_INT(isle__room_count(isle__room_taken(&body->heap.reserved)), ISLE__WALL_NOTICES);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(ends);
    settle();
}

/* --- errors */

enum { ERRORS = 20000, LISTENER_ROOM = 100 };

static void fail_often(isle_value message)
{
    static const uint8_t body[] = {4, 0, 0, 0, 'o', 'u', 'c', 'h'};
    (void)message;
    for (int i = 0; i < ERRORS; i++)
        put((struct isle__record_head){.kind = ISLE__RECORD_ERROR}, body, sizeof body);
}

TEST_ROOT(errors_fill_no_mailbox_beyond_its_limits)
{
    isle_receive_port *ends = isle_port_open();
    isle_isolate listener = isle_spawn(wait_for_ever, isle_null(),
                                       &(isle_options){.backend = ISLE_THREAD,
                                                       .paused = true,
                                                       .mailbox_max_messages = LISTENER_ROOM});
    isle_options options = walled;
    options.on_error = listener.default_port;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(fail_often, isle_null(), &options);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    struct isle__slot *slot = isle__slot_find(listener.default_port.id);
    struct isle__isolate *body = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    CHECK_INT(isle__room_count(isle__room_taken(&body->heap.reserved)), 16);
    CHECK_INT(isle__room_count(isle__room_taken(&body->heap.data)), LISTENER_ROOM);
    isle_kill(listener, ISLE_IMMEDIATE);
    isle_port_close(ends);
    settle();
}

static int watch_fail_often(int argc, char **argv)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = walled;
    (void)argc, (void)argv;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(fail_often, isle_null(), &options);
    receive(ends);
    isle_port_close(ends);
    return 0;
}

TEST(errors_that_nobody_listens_to_are_so_many_lines_a_second)
{
    struct child child = child_program(__func__ + 6, watch_fail_often, 0); /* keeps 16 KiB */
    int lines = 0;
    for (const char *at = child.output; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK(lines >= 51);
    child_wrote(&child, "isle: uncaught error in walled: ouch");
    child_wrote(&child, "isle: walled: ");
    child_wrote(&child, " lines more were left out");
}

static void fail_with_commands(isle_value message)
{
    (void)message;
    isle_throwf("one\033]52;c;AA\007 two\302\2335m \303\251\nisle: forged\177\tend");
}

static void spawn_with_commands(isle_value message)
{
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.debug_name = "na\033me", .on_exit = isle_port_send_port(exits)};
    isle_spawn(fail_with_commands, message, &options);
    isle_port_receive(exits);
    isle_port_close(exits);
}

static int watch_commands(int argc, char **argv)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = walled;
    (void)argc, (void)argv;
    options.monitor = isle_port_send_port(ends);
    isle_spawn(spawn_with_commands, isle_null(), &options);
    receive(ends);
    isle_port_close(ends);
    return 0;
}

TEST(what_it_says_is_no_command_for_a_terminal)
{
    struct child child = child_program(__func__ + 6, watch_commands, 0);
    child_wrote(&child, "isle: uncaught error in na?me: one?]52;c;AA? two??5m \303\251?isle: "
                        "forged?\tend\n");
}

/* --- want of memory */

struct late {
    int number;
};
ISLE_TYPE(late_type, struct late, ISLE_FIELD(struct late, number));

/* The next thing that it has no memory for is what the outside tells it. */
static void lack_memory(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send(isle_as_port(to), isle_null());
    isle__memory_fail_at(1);
    isle_port_receive(port);
}

/* Nor, where freed memory is kept for such records, any of that (isle__memory_kept). */
static void lack_much_memory(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send(isle_as_port(to), isle_null());
    isle__memory_fail_at(strcmp(TEST_SANITIZER, "address") == 0 ? 1 : 2);
    isle_port_receive(port);
}

TEST_ROOT(an_inside_without_memory_for_a_type_ends_for_want_of_memory)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_isolate other = isle_spawn(lack_memory, isle_port_value(port), &options);
    (void)receive(port);
    CHECK_ERR(isle_type_register(&late_type), ISLE_OK);
    isle_send_object(other.default_port, &late_type, &(struct late){5});
    isle_end end = isle_as_end(receive(ends));
    CHECK_INT(end.reason, ISLE_MEMORY);
    CHECK_STRING(end.text, "Out of Memory");
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

TEST_ROOT(an_inside_without_memory_for_a_record_ends_for_want_of_memory)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_isolate other = isle_spawn(lack_much_memory, isle_port_value(port), &options);
    (void)receive(port);
    isle_send(other.default_port, isle_bytes(NULL, 100000)); /* in pieces */
    isle_end end = isle_as_end(receive(ends));
    CHECK_INT(end.reason, ISLE_MEMORY);
    CHECK_STRING(end.text, "Out of Memory");
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

/* --- an end */

/* Its memory has another owner after its death, who writes on for as long as somebody reads, faster
 * than anybody can. */
static void leave_a_writer(isle_value to)
{
    uint8_t bytes[ISLE__RECORD_HEAD];
    struct isle__wall *wall = isle__wall_of_inside();
    isle_value five = isle_int(5);
    struct isle__record_head head = {
        .kind = ISLE__RECORD_MAIL,
        .flags = ISLE__RECORD_BARE,
        .length = sizeof five.bits,
        .to = isle__import_of_port(&wall->imports, isle_as_port(to).id)->name,
    };
    int started[2];
    char one = 1;
    isle__record_head_write(&head, bytes);
    if (pipe(started) != 0)
        abort();
    if (fork() != 0)
        _exit(read(started[0], &one, 1) == 1 ? 0 : 1);
    alarm(30);
    for (int count = 0, in_vain = 0; in_vain < 100 * 1000 * 1000; in_vain++) {
        if (isle__channel_put(wall->channel, bytes, sizeof bytes, &five.bits, sizeof five.bits) ==
            ISLE__CHANNEL_OK) {
            in_vain = 0;
            if (++count == 1000 && write(started[1], &one, 1) != 1)
                abort();
        }
        if (in_vain > 0 || count % 64 == 0)
            isle__channel_flush(wall->channel);
    }
    _exit(0);
}

TEST_ROOT(who_writes_after_an_end_is_not_listened_to)
{
    isle_receive_port *port = isle_port_open(), *gone = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_spawn(leave_a_writer, isle_port_value(gone), &options);
    isle_port_close(gone);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_FAILED);
    isle_port_close(port);
    settle();
}

TEST_MAIN()
