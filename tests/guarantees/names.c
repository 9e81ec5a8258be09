/* SPDX-License-Identifier: Apache-2.0 */
/* Names (name.h): they go with their port before its end is told, whoever waits or monitors is told
 * once, and what others do to a registry has bounds. Isolates that are spawned here are given a
 * registry of the root's: on threads they look into its table, behind a wall they ask. */
#include "guarantees.h"

static isle_names program_names(void)
{
    return (isle_names){0};
}

static isle_names names_of(isle_value list)
{
    return (isle_names){isle_as_port(isle_list_get(list, 0))};
}

/* [registry's port, where to tell] */
static isle_value told_of(isle_names names, isle_receive_port *port)
{
    return isle_pack("[o,o]", isle_port(names.port), isle_port_value(port));
}

static void tell(isle_value list, isle_value what)
{
    isle_send(isle_as_port(isle_list_get(list, 1)), what);
}

static isle_send_port own_port(void)
{
    return isle_current().default_port;
}

static bool is_free(isle_names names, const char *name)
{
    return isle_send_port_is_none(isle_name_lookup(names, name));
}

static isle_name_change receive_change(isle_receive_port *port)
{
    return isle_as_name_change(isle_port_receive(port));
}

/* --- who has a name */

static isle_value twice(isle_value number, void *context)
{
    (void)context;
    return isle_int(2 * isle_as_int(number));
}

static void serve_twice(isle_value list)
{
    isle_port_serve(isle_default_port(), twice, NULL);
    CHECK_ERR(isle_name_register(names_of(list), "twice", own_port()), ISLE_OK);
}

TEST_ROOT(who_waits_for_a_name_gets_its_port)
{
    isle_names names = isle_names_open();
    isle_future *early = isle_name_wait(names, "twice", ISLE_FOREVER);
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(serve_twice, told_of(names, port), NULL);
    isle_send_port found = isle_as_port(isle_await(early));

    CHECK(isle_send_port_equal(found, server.default_port));
    CHECK_INT(isle_as_int(isle_await(isle_call(found, isle_int(21), ISLE_FOREVER))), 42);
    CHECK(isle_send_port_equal(isle_name_lookup(names, "twice"), found));
    CHECK(isle_send_port_equal(isle_as_port(isle_await(isle_name_wait(names, "twice", 0))), found));
    CHECK(is_free(names, "thrice"));
    CHECK(is_free(program_names(), "twice"));
    isle_kill(server, ISLE_IMMEDIATE);
    isle_names_close(names);
    isle_port_close(port);
}

static void find_and_call(isle_value list)
{
    isle_names names = names_of(list);
    isle_send_port found = isle_as_port(isle_await(isle_name_wait(names, "twice", ISLE_FOREVER)));
    isle_value answer = isle_await(isle_call(found, isle_int(4), ISLE_FOREVER));

    CHECK(isle_send_port_equal(isle_name_lookup(names, "twice"), found));
    CHECK(is_free(names, "nobody's"));
    tell(list, answer);
}

TEST_ROOT(isolates_find_each_other)
{
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open();

    isle_spawn(find_and_call, told_of(names, port), NULL);
    isle_isolate server = isle_spawn(serve_twice, told_of(names, port), NULL);
    isle_spawn(find_and_call, told_of(names, port), NULL);
    CHECK_INT(receive_int(port), 8);
    CHECK_INT(receive_int(port), 8);
    isle_kill(server, ISLE_IMMEDIATE);
    isle_names_close(names);
    isle_port_close(port);
}

/* --- the order of an end */

static void be_named(isle_value list)
{
    isle_receive_port *another = isle_port_open();
    isle_names names = names_of(list);

    CHECK_ERR(isle_name_register(names, "default", own_port()), ISLE_OK);
    CHECK_ERR(isle_name_register(names, "port", isle_port_send_port(another)), ISLE_OK);
    tell(list, isle_bool(true));
    (void)isle_port_receive(another);
}

/* Whoever is told of an end finds the names free, and takes them at once. */
static void end_and_succeed(isle_names names, bool by_monitor)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = {0};

    if (by_monitor)
        options.monitor = isle_port_send_port(ends);
    else
        options.on_exit = isle_port_send_port(ends);
    isle_isolate isolate = isle_spawn(be_named, told_of(names, port), &options);
    (void)isle_port_receive(port);
    CHECK(!is_free(names, "default"));
    CHECK(!is_free(names, "port"));
    isle_kill(isolate, ISLE_IMMEDIATE);
    (void)isle_port_receive(ends);
    CHECK(is_free(names, "default"));
    CHECK(is_free(names, "port"));
    CHECK_ERR(isle_name_register(names, "port", isle_port_send_port(port)), ISLE_OK);
    isle_name_unregister(names, "port");
    isle_port_close(ends);
    isle_port_close(port);
}

TEST_ROOT(when_an_end_is_told_its_names_are_free)
{
    isle_names names = isle_names_open();

    for (int64_t i = 0; i < rounds(40, 400, 10000); i++) {
        ISLE_SCOPE;
        end_and_succeed(names, i % 2 == 0);
    }
    isle_names_close(names);
}

TEST_ROOT(when_a_name_is_told_as_free_its_isolate_has_it_no_more)
{
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open(), *changes = isle_port_open();

    for (int64_t i = 0; i < rounds(20, 200, 5000); i++) {
        ISLE_SCOPE;
        isle_isolate isolate = isle_spawn(be_named, told_of(names, port), NULL);

        (void)isle_port_receive(port);
        isle_send_port had = isle_name_monitor(names, "port", isle_port_send_port(changes));
        CHECK(!isle_send_port_is_none(had));
        isle_kill(isolate, ISLE_IMMEDIATE);
        CHECK(isle_send_port_is_none(receive_change(changes).port));
        CHECK_ERR(isle_name_register(names, "port", isle_port_send_port(port)), ISLE_OK);
        isle_name_unregister(names, "port");
    }
    isle_port_close(changes);
    isle_port_close(port);
    isle_names_close(names);
}

/* --- monitors of names */

TEST_ROOT(a_monitor_is_told_once_for_each_time_it_asks)
{
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open(), *changes = isle_port_open();
    isle_send_port to = isle_port_send_port(changes), named = isle_port_send_port(port);

    CHECK(isle_send_port_is_none(isle_name_monitor(names, "db", to)));
    CHECK(isle_send_port_is_none(isle_name_monitor(names, "db", to))); /* the same relation */
    CHECK_ERR(isle_name_register(names, "db", named), ISLE_OK);
    isle_name_unregister(names, "db");
    isle_name_change change = receive_change(changes);
    CHECK_STRING(change.name, "db");
    CHECK(isle_send_port_equal(change.port, named));
    CHECK(port_is_empty(changes));

    CHECK_ERR(isle_name_register(names, "db", named), ISLE_OK);
    CHECK(isle_send_port_equal(isle_name_monitor(names, "db", to), named));
    isle_port_close(port);
    change = receive_change(changes);
    CHECK_STRING(change.name, "db");
    CHECK(isle_send_port_is_none(change.port));
    CHECK(isle_send_port_is_none(isle_name_monitor(names, "db", to)));
    isle_name_unmonitor(names, "db", to);
    CHECK_ERR(isle_name_register(names, "db", to), ISLE_OK);
    CHECK(port_is_empty(changes));
    CHECK(isle_send_port_equal(isle_name_monitor(names, "db", to), to));
    isle_names_close(names);
    CHECK(isle_send_port_is_none(receive_change(changes).port));
    isle_port_close(changes);
}

static void monitor_afar(isle_value list)
{
    isle_names names = names_of(list);
    isle_receive_port *changes = isle_port_open();
    isle_send_port to = isle_port_send_port(changes);
    isle_send_port now = isle_name_monitor(names, "service", to);

    tell(list, isle_port(now));
    for (int i = 0; i < 2; i++) {
        isle_name_change change = receive_change(changes);

        CHECK_STRING(change.name, "service");
        tell(list, isle_port(change.port));
        now = isle_name_monitor(names, "service", to);
        CHECK(isle_send_port_equal(now, change.port));
        tell(list, isle_null());
    }
    isle_name_unmonitor(names, "service", to);
    tell(list, isle_port(isle_name_lookup(names, "service"))); /* behind it */
    isle_port_close(changes);
}

TEST_ROOT(who_asks_again_when_told_misses_nothing)
{
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open(), *service = isle_port_open();
    isle_send_port named = isle_port_send_port(service);

    isle_spawn(monitor_afar, told_of(names, port), NULL);
    CHECK(isle_send_port_is_none(isle_as_port(isle_port_receive(port))));
    CHECK_ERR(isle_name_register(names, "service", named), ISLE_OK);
    CHECK(isle_send_port_equal(isle_as_port(isle_port_receive(port)), named));
    check_null(isle_port_receive(port));
    isle_port_close(service);
    CHECK(isle_send_port_is_none(isle_as_port(isle_port_receive(port))));
    check_null(isle_port_receive(port));
    CHECK(isle_send_port_is_none(isle_as_port(isle_port_receive(port))));
    isle_names_close(names);
    isle_port_close(port);
}

static void monitor_and_receive(isle_value list)
{
    isle_receive_port *port = isle_port_open();

    CHECK(isle_send_port_is_none(
        isle_name_monitor(names_of(list), "late", isle_port_send_port(port))));
    tell(list, isle_port_value(port));
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 2);
    CHECK(!isle_send_port_is_none(receive_change(port).port));
    tell(list, isle_bool(true));
    isle_port_close(port);
}

TEST_ROOT(a_change_is_told_under_a_full_mailbox)
{
    needs_refusals_in_time();
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(monitor_and_receive, told_of(names, port),
                                      &(isle_options){.mailbox_max_messages = 2});
    isle_send_port narrow = isle_as_port(isle_port_receive(port));
    isle_capability key = isle_pause(isolate, isle_capability_new());

    isle_ping(isolate, isle_port_send_port(port), isle_null(), ISLE_BEFORE_NEXT_EVENT);
    check_null(isle_port_receive(port)); /* it is paused */
    isle_send(narrow, isle_int(1));
    isle_send(narrow, isle_int(2));
    CHECK_ERR(isle_try_send(narrow, isle_int(3)), ISLE_EFULL);
    CHECK_ERR(isle_name_register(names, "late", isle_port_send_port(port)), ISLE_OK);
    isle_resume(isolate, key);
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_names_close(names);
    isle_port_close(port);
}

/* --- waits */

TEST_ROOT(waits_end_with_their_time_their_registry_or_their_asker)
{
    isle_names names = isle_names_open();
    isle_future *canceled = isle_name_wait(names, "never", ISLE_FOREVER);
    isle_future *left = isle_name_wait(names, "never", ISLE_FOREVER);

    CHECK_ERR(isle_try_await(isle_name_wait(names, "never", ISLE_US(1)), ISLE_FOREVER, NULL),
              ISLE_ETIMEDOUT);
    isle_future_cancel(canceled);
    CHECK_ERR(isle_try_await(canceled, 0, NULL), ISLE_ECANCELED);
    uint64_t late = stats_now().dropped_late;
    isle_names_close(names);
    isle_names_close(names);
    CHECK_UINT(stats_now().dropped_late, late); /* who waits no longer is not told */
    CHECK_ERR(isle_try_await(left, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try_await(isle_name_wait(names, "never", ISLE_FOREVER), ISLE_FOREVER, NULL),
              ISLE_ECLOSED);
    CHECK_ERR(isle_name_register(names, "never", own_port()), ISLE_ECLOSED);
}

static void wait_and_end(isle_value list)
{
    isle_future *future = isle_name_wait(names_of(list), "never", ISLE_FOREVER);

    (void)isle_name_monitor(names_of(list), "never", own_port());
    tell(list, isle_bool(isle_future_is_complete(future)));
    isle_exit(isle_send_port_none(), isle_null());
}

static void wait_and_end_often(isle_receive_port *port)
{
    isle_names names = isle_names_open();

    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_spawn(wait_and_end, told_of(names, port), NULL);
        CHECK(!isle_as_bool(isle_port_receive(port)));
    }
    settle();
    CHECK_ERR(isle_name_register(names, "never", isle_port_send_port(port)), ISLE_OK);
    isle_names_close(names);
}

TEST_ROOT(who_ends_while_he_waits_leaves_nothing)
{
    needs_exact_memory();
    isle_receive_port *port = isle_port_open();

    wait_and_end_often(port); /* what the root needs for it is there from now on */
    uint64_t held = memory_held();
    wait_and_end_often(port);
    CHECK(memory_returns_to(held));
    isle_port_close(port);
}

/* --- what is refused */

static void take_and_leave(isle_value list)
{
    isle_names names = names_of(list);
    char longest[255 + 2];

    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    CHECK_ERR(isle_name_register(names, NULL, own_port()), ISLE_EINVAL);
    CHECK_ERR(isle_name_register(names, "", own_port()), ISLE_ERANGE);
    CHECK_ERR(isle_name_register(names, longest, own_port()), ISLE_ERANGE);
    longest[sizeof longest - 2] = '\0';
    CHECK_ERR(isle_name_register(names, longest, own_port()), ISLE_OK);
    CHECK_ERR(isle_name_register(names, "\xc3", own_port()), ISLE_EMALFORMED);
    CHECK_ERR(isle_name_register(names, "none", isle_send_port_none()), ISLE_EINVAL);
    CHECK_ERR(isle_name_register(names, "taken", own_port()), ISLE_EUSED);
    CHECK_STRING(isle_error_text(isle_last_error()), "isle_name_register: the name is taken");
    isle_name_unregister(names, "taken"); /* another's */
    isle_name_unregister(names, "nobody's");
    CHECK(!is_free(names, "taken"));
    CHECK_ERR(isle_name_register(names, "mine", own_port()), ISLE_OK);
    CHECK_ERR(isle_name_register(names, "mine", own_port()), ISLE_EUSED);
    isle_name_unregister(names, "mine");
    CHECK(is_free(names, "mine"));
    CHECK_ERR(isle_name_register(names, "mine", own_port()), ISLE_OK);
    tell(list, isle_bool(true));
    (void)isle_port_receive(isle_default_port());
}

TEST_ROOT(a_name_is_its_registrars_or_the_openers_to_free)
{
    isle_names names = isle_names_open();
    isle_receive_port *port = isle_port_open();

    CHECK_ERR(isle_name_register(names, "taken", isle_port_send_port(port)), ISLE_OK);
    isle_isolate isolate = isle_spawn(take_and_leave, told_of(names, port), NULL);
    CHECK(isle_as_bool(isle_port_receive(port)));
    CHECK(isle_send_port_equal(isle_name_lookup(names, "taken"), isle_port_send_port(port)));
    CHECK(!is_free(names, "mine"));
    isle_name_unregister(names, "mine"); /* the opener's right */
    CHECK(is_free(names, "mine"));
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_names_close(names);
    isle_port_close(port);
}

static void keep_quiet(isle_value message)
{
    (void)message;
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

TEST_ROOT(a_name_is_not_given_to_the_dead)
{
    isle_receive_port *ends = isle_port_open();
    isle_isolate isolate =
        isle_spawn(keep_quiet, isle_null(), &(isle_options){.monitor = isle_port_send_port(ends)});

    CHECK_ERR(isle_name_register(program_names(), "late", isolate.control_port), ISLE_ECLOSED);
    isle_send(isolate.default_port, isle_null());
    (void)isle_port_receive(ends);
    CHECK_ERR(isle_name_register(program_names(), "late", isolate.default_port), ISLE_ECLOSED);
    CHECK(is_free(program_names(), "late"));
    isle_port_close(ends);
}

TEST_ROOT(a_closed_port_has_no_name)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 3; i++) {
        char name[8];

        snprintf(name, sizeof name, "%d", i);
        CHECK_ERR(isle_name_register(program_names(), name, isle_port_send_port(port)), ISLE_OK);
    }
    isle_port_close(port);
    CHECK(is_free(program_names(), "0"));
    CHECK(is_free(program_names(), "2"));
    CHECK_INT(isle_count(isle_name_list(program_names())), 0);
    CHECK_ERR(isle_name_register(program_names(), "1", isle_port_send_port(isle_default_port())),
              ISLE_OK);
    isle_port_close(isle_default_port());
    CHECK(is_free(program_names(), "1"));
}

/* --- bounds and lists */

/* "0", "1" … */
static void register_numbers(isle_names names, int count, isle_receive_port *port)
{
    char name[16];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        CHECK_ERR(isle_name_register(names, name, isle_port_send_port(port)), ISLE_OK);
    }
}

TEST_ROOT(a_registry_has_a_bound)
{
    enum { MAX = 65536 };
    isle_receive_port *port = isle_port_open();
    isle_names names = isle_names_open();

    register_numbers(names, MAX, port);
    CHECK_ERR(isle_name_register(names, "full", isle_port_send_port(port)), ISLE_EFULL);
    isle_name_unregister(names, "100");
    CHECK_ERR(isle_name_register(names, "full", isle_port_send_port(port)), ISLE_OK);
    isle_port_close(port);
    CHECK(is_free(names, "full"));
    isle_names_close(names);
}
TEST_TIMEOUT(a_registry_has_a_bound, 120);

enum { LISTED = 1000 };

static void list_names(isle_value list)
{
    isle_value all = isle_name_list(names_of(list));

    CHECK_INT(isle_count(all), LISTED);
    size_t at = 0;
    const char *before = "";
    isle_value name, port;
    while (isle_next(all, &at, &name, &port)) {
        CHECK(strcmp(before, isle_as_string(name)) < 0);
        CHECK(isle_send_port_equal(isle_as_port(port), isle_as_port(isle_list_get(list, 1))));
        before = isle_as_string(name);
    }
    tell(list, isle_bool(true));
}

TEST_ROOT(a_list_has_all_names_in_order)
{
    isle_receive_port *port = isle_port_open();
    isle_names names = isle_names_open();

    register_numbers(names, LISTED, port);
    list_names(told_of(names, port));
    isle_spawn(list_names, told_of(names, port), NULL);
    CHECK(isle_as_bool(isle_port_receive(port)));
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_port_close(port);
    CHECK_INT(isle_count(isle_name_list(names)), 0);
    isle_names_close(names);
}

/* --- registries */

static void open_and_end(isle_value list)
{
    isle_names names = isle_names_open();

    CHECK_ERR(isle_name_register(names, "mine", own_port()), ISLE_OK);
    CHECK_ERR(isle_name_register(program_names(), "mine", own_port()), ISLE_OK);
    isle_name_unregister(program_names(), "mine");
    tell(list, isle_port(names.port));
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

TEST_ROOT(a_registry_ends_with_who_opened_it)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = isle_spawn(open_and_end, told_of(program_names(), port),
                                      &(isle_options){.monitor = isle_port_send_port(ends)});
    isle_names names = {isle_as_port(isle_port_receive(port))};
    isle_future *wait = isle_name_wait(names, "never", ISLE_FOREVER);

    CHECK(isle_send_port_equal(isle_name_lookup(names, "mine"), isolate.default_port));
    isle_names_close(names); /* not the root's */
    CHECK(!is_free(names, "mine"));
    isle_send(isolate.default_port, isle_null());
    (void)isle_port_receive(ends);
    CHECK_ERR(isle_try_await(wait, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_name_register(names, "mine", isle_port_send_port(port)), ISLE_ECLOSED);
    isle_port_close(ends);
    isle_port_close(port);
}

TEST_ROOT(a_registry_keeps_nobody_alive)
{
    isle_names names = isle_names_open();

    CHECK_ERR(isle_name_register(names, "it", own_port()), ISLE_OK);
    isle_loop(); /* returns */
    isle_names_close(names);
}

/* --- whoever has the port may send anything there */

static void send_nonsense(isle_value list)
{
    isle_send_port registry = names_of(list).port;
    isle_value token = isle_capability_value(isle_capability_new());

    for (int asked = -1; asked < 10; asked++) {
        ISLE_SCOPE;
        isle_value of[] = {
            isle_int(asked),
            isle_pack("[i]", asked),
            isle_pack("[i,o,s,n]", asked, token, "x"),
            isle_pack("[i,n,s,n]", asked, "x"),
            isle_pack("[i,o,n,n]", asked, token),
            isle_pack("[i,o,s,s]", asked, token, "", "x"),
            isle_pack("[i,o,o,i]", asked, token, isle_string_sized("a\0b", 3), 5),
            isle_pack("[i,o,s,o]", asked, token, "x", isle_port(registry)),
            isle_pack("[i,o,s,o]", asked, token, "x", isle_port(isle_send_port_none())),
        };

        for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
            isle_send(registry, of[i]);
            isle_send_with_reply(registry, of[i], own_port());
            isle_future_cancel(isle_call(registry, of[i], ISLE_FOREVER));
        }
    }
    tell(list, isle_bool(is_free(names_of(list), "x")));
}

TEST_ROOT(nonsense_does_a_registry_no_harm)
{
    isle_receive_port *port = isle_port_open();
    isle_names names = isle_names_open();

    isle_spawn(send_nonsense, told_of(names, port), NULL);
    CHECK(isle_as_bool(isle_port_receive(port)));
    CHECK_ERR(isle_name_register(names, "x", isle_port_send_port(port)), ISLE_OK);
    isle_names_close(names);
    isle_port_close(port);
}

/* --- registering, looking up and ending at once */

enum { RACERS = 8 };

static void race(isle_value list)
{
    isle_names names = names_of(list);
    int64_t seed = isle_as_int(isle_list_get(list, 2));
    isle_receive_port *port = isle_port_open();

    isle_port_set_keep_alive(port, false);
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        char name[16];

        snprintf(name, sizeof name, "racer %d", (int)((seed + i) % RACERS));
        (void)isle_name_monitor(names, name, isle_port_send_port(port));
        isle_err err =
            isle_name_register(names, name, i % 3 == 0 ? own_port() : isle_port_send_port(port));
        CHECK(err == ISLE_OK || err == ISLE_EUSED || err == ISLE_ECLOSED);
        isle_send_port found = isle_name_lookup(names, name);
        if (i % 5 == 0 && !isle_send_port_is_none(found) &&
            isle_try_send(found, isle_int(i)) == ISLE_EINVAL)
            fail("a name without a port");
        if (i % 7 == 0)
            isle_name_unregister(names, name);
    }
    tell(list, isle_null());
}

TEST_ROOT(names_go_while_others_take_them)
{
    isle_receive_port *port = isle_port_open();
    isle_names names = isle_names_open();

    for (int64_t round = 0; round < rounds(10, 60, 2000); round++) {
        ISLE_SCOPE;
        isle_isolate racers[RACERS];

        for (int i = 0; i < RACERS; i++)
            racers[i] = isle_spawn(
                race, isle_pack("[o,o,i]", isle_port(names.port), isle_port_value(port), i), NULL);
        for (int i = 0; i < RACERS / 2; i++) /* wherever they are by now */
            isle_kill(racers[i], ISLE_IMMEDIATE);
        settle();
        while (!port_is_empty(port)) /* and takes one if it is not */
            ;
        CHECK_INT(isle_count(isle_name_list(names)), 0);
    }
    isle_names_close(names);
    isle_port_close(port);
}

/* One registers the ports of another, which closes them. */
static void open_and_close(isle_value list)
{
    for (int i = 0; i < 50; i++) {
        ISLE_SCOPE;
        isle_receive_port *port = isle_port_open();

        tell(list, isle_port_value(port));
        isle_checkpoint();
        isle_port_close(port);
    }
}

TEST_ROOT(a_port_that_closes_while_it_is_named_keeps_no_name)
{
    left_out_behind_a_wall("the wall tells of a closed port later");
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();

    for (int64_t round = 0; round < rounds(20, 200, 5000); round++) {
        ISLE_SCOPE;
        isle_spawn(open_and_close, told_of(program_names(), port),
                   &(isle_options){.on_exit = isle_port_send_port(ends)});
        for (int i = 0; i < 50; i++) {
            ISLE_SCOPE;
            isle_send_port named = isle_as_port(isle_port_receive(port));
            isle_err err = isle_name_register(program_names(), "short", named);

            CHECK(err == ISLE_OK || err == ISLE_ECLOSED);
            isle_name_unregister(program_names(), "short");
            err = isle_name_register(program_names(), "left", named);
            CHECK(err == ISLE_OK || err == ISLE_ECLOSED || err == ISLE_EUSED);
        }
        (void)isle_port_receive(ends);
        CHECK_INT(isle_count(isle_name_list(program_names())), 0);
    }
    isle_port_close(ends);
    isle_port_close(port);
}

#ifdef GUARANTEES_PROCESS
/* --- what a wall adds */

static void reach_too_far(isle_value list)
{
    isle_names names = names_of(list);
    isle_send_port hosts = isle_as_port(isle_list_get(list, 1));
    isle_receive_port *port = isle_port_open();
    char name[16];

    CHECK_ERR(isle_name_register(program_names(), "own", own_port()), ISLE_OK);
    CHECK(!is_free(program_names(), "own"));
    CHECK(is_free(program_names(), "hosts"));
    CHECK_ERR(isle_name_register(names, "theirs", hosts), ISLE_EINVAL);
    for (int i = 0; i < 1024; i++) {
        ISLE_SCOPE;
        snprintf(name, sizeof name, "%d", i);
        CHECK_ERR(isle_name_register(names, name, isle_port_send_port(port)), ISLE_OK);
    }
    CHECK_ERR(isle_name_register(names, "more", isle_port_send_port(port)), ISLE_EFULL);
    CHECK_ERR(isle_try_await(isle_name_wait(names, "more", ISLE_FOREVER), ISLE_FOREVER, NULL),
              ISLE_EFULL);
    isle_name_unregister(names, "7");
    CHECK_ERR(isle_try_await(isle_name_wait(names, "never", ISLE_US(1)), ISLE_FOREVER, NULL),
              ISLE_ETIMEDOUT);
    isle_err err;
    do /* until nobody waits any more by the host's clock either */
        err = isle_name_register(names, "7", own_port());
    while (err == ISLE_EFULL);
    CHECK_ERR(err, ISLE_OK);
    tell(list, isle_bool(true));
    (void)isle_port_receive(isle_default_port());
}

TEST_ROOT(an_inside_names_itself_alone_and_not_without_end)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_names names = isle_names_open();

    CHECK_ERR(isle_name_register(program_names(), "hosts", isle_port_send_port(port)), ISLE_OK);
    isle_isolate inside = isle_spawn(reach_too_far, told_of(names, port),
                                     &(isle_options){.monitor = isle_port_send_port(ends)});
    CHECK(isle_as_bool(isle_port_receive(port)));
    CHECK(is_free(program_names(), "own"));
    CHECK_INT(isle_count(isle_name_list(names)), 1024);
    CHECK_ERR(isle_name_register(names, "more", isle_port_send_port(port)), ISLE_OK);
    isle_kill(inside, ISLE_IMMEDIATE);
    (void)isle_port_receive(ends);
    CHECK_INT(isle_count(isle_name_list(names)), 1);
    isle_names_close(names);
    isle_port_close(ends);
    isle_port_close(port);
}
#endif

TEST_MAIN()
