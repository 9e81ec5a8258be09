/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: ports and capabilities (rows 3, 84, 85 of the table) and timers (104, 105). */
#include "conformance.h"

/* capability: `mine` through a port is still mine, and is not `other`. */
static void check_token(isle_value mine, isle_value other)
{
    isle_value there_and_back = echo_once(mine);

    CHECK(!isle_equal(mine, other));
    CHECK_VALUE(self_send(mine), mine);
    CHECK_VALUE(there_and_back, mine);
    CHECK_INT(isle_kind_of(there_and_back), isle_kind_of(mine));
    CHECK(!isle_equal(there_and_back, other));
}

static isle_value capability_make(void)
{
    return isle_capability_value(isle_capability_new());
}

/* The send end of a port that is closed already. */
static isle_value closed_port_make(void)
{
    isle_receive_port *port = isle_port_open();
    isle_value end = isle_port_value(port);

    isle_port_close(port);
    return end;
}

TEST_ROOT(capability)
{
    check_token(capability_make(), capability_make());
}

TEST_ROOT(capability_of_closed_ports)
{
    check_token(closed_port_make(), closed_port_make());
}

TEST_ROOT(capability_and_closed_port)
{
    check_token(capability_make(), closed_port_make());
    check_token(closed_port_make(), capability_make());
}

/* port. */
TEST_ROOT(port)
{
    isle_receive_port *first = isle_port_open(), *second = isle_port_open();
    isle_send_port end = isle_port_send_port(first), other = isle_port_send_port(second);

    CHECK(isle_send_port_equal(end, isle_port_send_port(first)));
    CHECK_UINT(isle_send_port_hash(end), isle_send_port_hash(isle_port_send_port(first)));
    CHECK_UINT(isle_send_port_hash(end), isle_send_port_hash(isle_as_port(isle_port(end))));
    CHECK(!isle_send_port_equal(end, other));
    CHECK_VALUE(isle_port_value(first), isle_port(end));
    CHECK(!isle_equal(isle_port(end), isle_port(other)));
    isle_port_close(first);
    isle_port_close(second);
}

TEST_ROOT(port_as_map_key)
{
    isle_receive_port *first = isle_port_open(), *second = isle_port_open();
    isle_value map = isle_map();

    isle_map_put(map, isle_port_value(first), isle_int(42));
    isle_map_put(map, isle_port_value(second), isle_int(87));
    CHECK_INT(isle_as_int(isle_map_get(map, isle_port_value(first))), 42);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_port_value(second))), 87);
    isle_map_put(map, isle_port_value(first), isle_int(99));
    CHECK_INT(isle_as_int(isle_map_get(map, isle_port_value(first))), 99);
    CHECK_INT(isle_count(map), 2);
    CHECK(isle_map_remove(map, isle_port_value(first)));
    CHECK(!isle_map_has(map, isle_port_value(first)));
    CHECK_INT(isle_as_int(isle_map_get(map, isle_port_value(second))), 87);
    isle_port_close(first);
    isle_port_close(second);
}

/* raw_port: callback style. A handler ends its test by completing a future that the test awaits. */
static void complete_with_message(isle_value message, void *context)
{
    isle_future_complete(context, message);
}

static void replier(isle_value message)
{
    int64_t count;
    isle_send_port to;

    isle_unpack(message, "[i,p!]", &count, &to);
    for (int64_t i = 1; i <= count; i++)
        isle_send(to, isle_stringf("reply %" PRId64, i));
}

TEST_ROOT(raw_port_handler_set_after_spawn)
{
    isle_receive_port *port = isle_port_open();
    isle_future *arrived = isle_future_new();

    spawn(replier, isle_pack("[i,p]", 1, isle_port_send_port(port)), NULL);
    isle_port_listen(port, complete_with_message, arrived);
    CHECK_STRING(isle_as_string(isle_await(arrived)), "reply 1");
    isle_port_close(port);
}

struct two_handlers {
    isle_receive_port *port;
    isle_future *first;
    isle_future *second;
};

static void first_handler(isle_value message, void *context)
{
    struct two_handlers *handlers = context;

    isle_future_complete(handlers->first, message);
    isle_port_listen(handlers->port, complete_with_message, handlers->second);
}

TEST_ROOT(raw_port_handler_replaced_in_handler)
{
    struct two_handlers handlers = {isle_port_open(), isle_future_new(), isle_future_new()};

    isle_port_listen(handlers.port, first_handler, &handlers);
    spawn(replier, isle_pack("[i,p]", 2, isle_port_send_port(handlers.port)), NULL);
    CHECK_STRING(isle_as_string(isle_await(handlers.first)), "reply 1");
    CHECK_STRING(isle_as_string(isle_await(handlers.second)), "reply 2");
    isle_port_close(handlers.port);
}

/* Dart makes a stream port from a raw one. Isle has one kind of port and two styles: the port that
 * was listened to is received from when the handler is taken off, through send ends made before
 * and after; and when it is closed, a receive says so. */
TEST_ROOT(raw_port_style_changed)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port before = isle_port_send_port(port), after;
    isle_future *arrived = isle_future_new();
    isle_value message;

    isle_port_listen(port, complete_with_message, arrived);
    isle_send(before, isle_int(1));
    CHECK_INT(isle_as_int(isle_await(arrived)), 1);
    isle_port_listen(port, NULL, NULL);
    after = isle_port_send_port(port);
    isle_send(before, isle_int(2));
    isle_send(after, isle_int(3));
    CHECK_INT(receive_int(port), 2);
    CHECK_INT(receive_int(port), 3);
    isle_port_close(port);
    CHECK_ERR(isle_port_try_receive(port, ISLE_FOREVER, &message), ISLE_ECLOSED);
}

/* keep_alive: the child's only port stays open, and yet the child ends. */
static void add_thousand(isle_value message, void *context)
{
    const isle_send_port *to = context;

    isle_send(*to, isle_int(isle_as_int(message) + 1000));
    isle_port_set_keep_alive(isle_default_port(), false);
}

static void not_kept_alive(isle_value root)
{
    isle_send_port *to = isle_new(isle_send_port);

    *to = isle_as_port(root);
    isle_port_listen(isle_default_port(), add_thousand, to);
}

TEST_ROOT(raw_port_keep_alive_cleared_in_handler)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};
    isle_isolate child = spawn(not_kept_alive, isle_port_value(port), &options);

    isle_send(child.default_port, isle_int(234));
    CHECK_INT(receive_int(port), 1234);
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

TEST_ROOT(raw_port_keep_alive_flag)
{
    isle_receive_port *port = isle_port_open();

    CHECK(isle_port_keep_alive(port));
    isle_port_set_keep_alive(port, false);
    CHECK(!isle_port_keep_alive(port));
    isle_port_set_keep_alive(port, false);
    CHECK(!isle_port_keep_alive(port));
    isle_port_set_keep_alive(port, true);
    CHECK(isle_port_keep_alive(port));
    isle_port_close(port);
}

/* A message to a port that was closed is dropped, also when it waited there; the next one shows
 * that it would have come. */
TEST_ROOT(port_closed_drops_what_waits)
{
    isle_receive_port *closed = isle_port_open(), *open = isle_port_open();
    isle_send_port end = isle_port_send_port(closed);

    isle_send(end, isle_int(1));
    isle_port_close(closed);
    isle_port_close(closed);
    isle_send(end, isle_int(2));
    isle_send(isle_port_send_port(open), isle_int(3));
    CHECK_INT(receive_int(open), 3);
    CHECK(port_is_empty(open));
    isle_port_close(open);
}

/* Order per sender and receiver, over two ports of the receiver as well. */
static void sender_to_two(isle_value ports)
{
    for (int64_t i = 0; i < 1000; i++)
        isle_send(isle_as_port(isle_list_get(ports, (size_t)(i % 2))), isle_int(i));
}

TEST_ROOT(port_order_across_ports)
{
    isle_receive_port *ports[] = {isle_port_open(), isle_port_open()};
    isle_value message;

    spawn(sender_to_two,
          isle_pack("[p,p]", isle_port_send_port(ports[0]), isle_port_send_port(ports[1])), NULL);
    for (int64_t i = 0; i < 1000; i++) {
        ISLE_SCOPE;

        CHECK(isle_port_receive_any(ports, 2, ISLE_FOREVER, &message) == ports[i % 2]);
        CHECK_INT(isle_as_int(message), i);
    }
    isle_port_close(ports[0]);
    isle_port_close(ports[1]);
}

/* timer_isolate: time is what is tested, so the test takes it. */
static void timer_expired(void *context)
{
    const isle_send_port *to = context;

    isle_send(*to, isle_string("expired"));
}

static void timer_child(isle_value message)
{
    isle_send_port *to = isle_new(isle_send_port);
    int64_t delay_ms;

    isle_unpack(message, "[i,p!]", &delay_ms, to);
    isle_timer_start(ISLE_MS(delay_ms), timer_expired, to);
}

TEST_ROOT(timer_isolate)
{
    isle_receive_port *port = isle_port_open();
    int64_t started = isle_now_ns();

    spawn(timer_child, isle_pack("[i,p]", 100, isle_port_send_port(port)), NULL);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "expired");
    CHECK(isle_now_ns() - started >= ISLE_MS(100));
    isle_port_close(port);
}

/* timer_multiple_isolates: each child also holds a port open for ever, so it lives when the root
 * ends; that the program ends nevertheless is seen by the test's process ending well. */
static void timer_child_that_stays(isle_value message)
{
    isle_port_open();
    timer_child(message);
}

TEST_ROOT(timer_multiple_isolates)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate children[3];

    for (int i = 0; i < 3; i++)
        children[i] = spawn(timer_child_that_stays,
                            isle_pack("[i,p]", 100 * (i + 1), isle_port_send_port(port)), NULL);
    for (int i = 0; i < 3; i++)
        CHECK_STRING(isle_as_string(isle_port_receive(port)), "expired");
    for (int i = 0; i < 3; i++)
        ping_rounds(children[i], 1);
    isle_port_close(port);
}

TEST_MAIN()
