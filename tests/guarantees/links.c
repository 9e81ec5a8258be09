/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee 5 for links: who is linked ends with the other, once, whatever races with it, after all
 * that the other had was released; who traps is told instead, in the order of data, past a full
 * mailbox. The same with isolates behind a wall. */
#include "guarantees.h"

/* --- members: isolates that do what they are told */

enum { JOIN, PART, TRAP, BEAR, ECHO, FAIL, LEAVE };

static void member(isle_value message);

static isle_value obey(isle_value order, void *unused)
{
    int64_t what = isle_as_int(isle_list_get(order, 0));
    isle_value with = isle_list_get(order, 1);

    (void)unused;
    if (what == JOIN)
        isle_link(isle_as_isolate(with));
    else if (what == PART)
        isle_unlink(isle_as_isolate(with));
    else if (what == TRAP)
        isle_trap_links(isle_is_null(with) ? (isle_send_port){0} : isle_as_port(with));
    else if (what == BEAR) /* the list that a member is born with */
        return isle_isolate_value(
            isle_spawn(member, with, &(isle_options){.debug_name = "child", .link = true}));
    else if (what == FAIL)
        isle_throwf("%s", isle_as_string(with));
    else if (what == LEAVE)
        isle_exit((isle_send_port){0}, isle_null());
    return isle_null();
}

/* A port that is told of its end, or null. */
static void member(isle_value monitor)
{
    if (!isle_is_null(monitor))
        isle_monitor(isle_current(), isle_as_port(monitor));
    isle_port_serve(isle_default_port(), obey, NULL);
}

static isle_isolate born(const char *name, isle_receive_port *ends)
{
    return isle_spawn(member, isle_null(),
                      &(isle_options){.debug_name = name, .monitor = isle_port_send_port(ends)});
}

static isle_value order(int what, isle_value with)
{
    isle_value list = isle_list();

    isle_list_add(list, isle_int(what));
    isle_list_add(list, with);
    return list;
}

/* Returns when it is done. */
static isle_value let(isle_isolate isolate, int what, isle_value with)
{
    return isle_await(isle_call(isolate.default_port, order(what, with), ISLE_FOREVER));
}

static void let_link(isle_isolate one, isle_isolate other)
{
    let(one, JOIN, isle_isolate_value(other));
}

/* Nobody waits for an answer, so what it throws is its own. */
static void make_fail(isle_isolate isolate, const char *text)
{
    isle_send(isolate.default_port, order(FAIL, isle_string(text)));
}

static isle_end receive_end(isle_receive_port *port)
{
    return isle_as_end(isle_port_receive(port));
}

static void check_linked(isle_receive_port *ends, const char *text)
{
    isle_end end = receive_end(ends);

    CHECK_INT(end.reason, ISLE_LINKED);
    CHECK_STRING(end.text, text);
}

/* It lives, and has heard all that was posted before. */
static void check_lives(isle_isolate isolate)
{
    let(isolate, ECHO, isle_null());
}

/* A listener that is told nothing, so that an error writes no line. */
static isle_send_port nobody(void)
{
    return isle_port_send_port(scoped_port());
}

static void quietly(isle_isolate isolate)
{
    isle_add_error_listener(isolate, nobody());
}

/* --- the relation */

static void one_fails(bool asker)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    isle_isolate a = born("a", a_ends), b = born("b", b_ends);

    let_link(a, b);
    quietly(a);
    quietly(b);
    make_fail(asker ? a : b, "boom");
    isle_end end = receive_end(asker ? a_ends : b_ends);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "boom");
    check_linked(asker ? b_ends : a_ends, asker ? "a: failed: boom" : "b: failed: boom");
    settle();
    CHECK(port_is_empty(a_ends));
    CHECK(port_is_empty(b_ends));
}

TEST_ROOT(who_fails_takes_whom_it_is_linked_to_along)
{
    one_fails(true);
}

TEST_ROOT(who_fails_takes_whoever_linked_to_it_along)
{
    one_fails(false);
}

TEST_ROOT(a_kill_takes_along_and_a_good_end_does_not)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    isle_isolate a = born("a", a_ends), b = born("b", b_ends);

    let_link(a, b);
    let_link(b, a); /* is no more than once */
    isle_send(a.default_port, order(LEAVE, isle_null()));
    CHECK_INT(receive_end(a_ends).reason, ISLE_RETURNED);
    check_lives(b);
    a = born("a", a_ends);
    let_link(a, b);
    isle_kill(a, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(a_ends).reason, ISLE_KILLED);
    check_linked(b_ends, "a: killed");
    settle();
}

TEST_ROOT(a_link_to_the_dead_is_as_if_it_ended_now)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    isle_isolate a = born("a", a_ends), b = born("b", b_ends);

    isle_kill(b, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(b_ends).reason, ISLE_KILLED);
    isle_send(a.default_port, order(JOIN, isle_isolate_value(b)));
    isle_end end = receive_end(a_ends);
    CHECK_INT(end.reason, ISLE_LINKED);
    CHECK(strstr(end.text, ": lost") != NULL);
    settle();
}

TEST_ROOT(a_link_to_oneself_is_none)
{
    isle_receive_port *ends = scoped_port();
    isle_isolate a = born("a", ends);

    let_link(a, a);
    isle_send(a.default_port, order(LEAVE, isle_null()));
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    settle();
}

TEST_ROOT(who_may_not_end_it_is_not_linked)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    isle_isolate a = born("a", a_ends), b = born("b", b_ends), restricted = b;

    restricted.terminate_capability = (isle_capability){0};
    let_link(a, restricted);
    restricted.terminate_capability = b.pause_capability;
    let_link(a, restricted);
    check_lives(b);
    check_lives(a);
    isle_kill(a, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(a_ends).reason, ISLE_KILLED);
    check_lives(b);
    isle_kill(b, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(b_ends).reason, ISLE_KILLED);
    settle();
}

TEST_ROOT(who_has_parted_goes_on_whoever_asked_for_it)
{
    for (int turn = 0; turn < 4; turn++) {
        isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
        isle_isolate a = born("a", a_ends), b = born("b", b_ends);

        let_link(a, b);
        check_lives(b);
        if (turn % 2 == 0)
            let(a, PART, isle_isolate_value(b));
        else
            let(b, PART, isle_isolate_value(a));
        isle_kill(turn < 2 ? a : b, ISLE_IMMEDIATE);
        CHECK_INT(receive_end(turn < 2 ? a_ends : b_ends).reason, ISLE_KILLED);
        check_lives(turn < 2 ? b : a);
        isle_kill(turn < 2 ? b : a, ISLE_IMMEDIATE);
        CHECK_INT(receive_end(turn < 2 ? b_ends : a_ends).reason, ISLE_KILLED);
        settle();
    }
}

TEST_ROOT(who_parts_and_links_again_is_linked)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    isle_isolate a = born("a", a_ends), b = born("b", b_ends);

    for (int i = 0; i < 20; i++) {
        let_link(i % 2 == 0 ? a : b, i % 2 == 0 ? b : a);
        let(i % 3 == 0 ? a : b, PART, isle_isolate_value(i % 3 == 0 ? b : a));
    }
    let_link(b, a);
    isle_kill(a, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(a_ends).reason, ISLE_KILLED);
    check_linked(b_ends, "a: killed");
    settle();
}

/* --- from the begin */

TEST_ROOT(a_child_that_fails_takes_its_spawner_along)
{
    isle_receive_port *ends = scoped_port(), *child_ends = scoped_port();
    isle_isolate a = born("a", ends);
    isle_isolate child = isle_as_isolate(let(a, BEAR, isle_port_value(child_ends)));

    quietly(child);
    make_fail(child, "young");
    CHECK_INT(receive_end(child_ends).reason, ISLE_FAILED);
    check_linked(ends, "child: failed: young");
    settle();
}

TEST_ROOT(a_spawner_that_fails_takes_its_child_along)
{
    isle_receive_port *ends = scoped_port(), *child_ends = scoped_port();
    isle_isolate a = born("a", ends);
    isle_isolate child = isle_as_isolate(let(a, BEAR, isle_null()));

    isle_monitor(child, isle_port_send_port(child_ends));
    check_lives(child);
    quietly(a);
    make_fail(a, "old");
    CHECK_INT(receive_end(ends).reason, ISLE_FAILED);
    isle_reason reason = receive_end(child_ends).reason;
#ifdef GUARANTEES_PROCESS
    CHECK(reason == ISLE_LINKED || reason == ISLE_KILLED); /* siblings end with their parent */
#else
    CHECK_INT(reason, ISLE_LINKED);
#endif
    settle();
}

static void fail_at_once(isle_value text)
{
    isle_throwf("%s", isle_as_string(text));
}

static isle_value spawn_a_failure(isle_value unused)
{
    (void)unused;
    isle_spawn(fail_at_once, isle_string("never"),
               &(isle_options){.debug_name = "unlucky", .link = true, .on_error = nobody()});
    return isle_port_receive(isle_default_port());
}

/* However early it fails. */
TEST_ROOT(a_link_is_there_before_the_child_begins)
{
    for (int64_t round = rounds(10, 100, 1000); round > 0; round--) {
        ISLE_SCOPE;
        isle_receive_port *ends = scoped_port();
        isle_future *none = isle_run(
            spawn_a_failure, isle_null(),
            &(isle_options){.debug_name = "spawner", .monitor = isle_port_send_port(ends)});

        CHECK_ERR(isle_try_await(none, ISLE_FOREVER, NULL), ISLE_ENORESULT);
        check_linked(ends, "unlucky: failed: never");
    }
    settle();
}

/* --- who traps */

TEST_ROOT(who_traps_is_told_of_every_end)
{
    isle_receive_port *told = scoped_port(), *ends = scoped_port();
    isle_isolate a = born("a", ends);

    let(a, TRAP, isle_port_value(told));
    for (int turn = 0; turn < 3; turn++) {
        isle_receive_port *b_ends = scoped_port();
        isle_isolate b = born("b", b_ends);

        let_link(turn == 0 ? b : a, turn == 0 ? a : b);
        quietly(b);
        if (turn == 0)
            make_fail(b, "boom");
        else if (turn == 1)
            isle_kill(b, ISLE_IMMEDIATE);
        else
            isle_send(b.default_port, order(LEAVE, isle_null()));
        isle_end end = receive_end(told);
        CHECK_INT(end.reason, turn == 0 ? ISLE_FAILED : turn == 1 ? ISLE_KILLED : ISLE_RETURNED);
        CHECK_STRING(end.text, turn == 0 ? "boom" : "");
        CHECK_STRING(end.debug_name, "b");
        CHECK(isle_send_port_equal(end.isolate.control_port, b.control_port));
        CHECK_INT(receive_end(b_ends).reason, end.reason);
        if (turn == 2)
            let_link(a, b); /* of the dead as well */
    }
    CHECK_INT(receive_end(told).reason, ISLE_LOST);
    check_lives(a);
    CHECK(port_is_empty(told));

    let(a, TRAP, isle_null());
    isle_receive_port *b_ends = scoped_port();
    isle_isolate b = born("b", b_ends);
    let_link(a, b);
    isle_kill(b, ISLE_IMMEDIATE);
    check_linked(ends, "b: killed");
    settle();
    CHECK(port_is_empty(told));
}

static void say_and_end(isle_value to)
{
    isle_send(isle_as_port(to), isle_port_value(isle_port_open()));
    for (int i = 1; i <= 2; i++)
        isle_send(isle_as_port(to), isle_int(i));
    isle_throwf("enough");
}

/* Its mailbox has room for two more when the end comes; the port of the dead takes nothing. */
static void trap_with_little_room(isle_value to)
{
    isle_receive_port *port = scoped_port(), *told = scoped_port();

    isle_trap_links(isle_port_send_port(told));
    isle_spawn(say_and_end, isle_port_value(port),
               &(isle_options){.link = true, .on_error = nobody()});
    isle_end end = receive_end(told);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "enough");
    isle_send_port gone = isle_as_port(isle_port_receive(port));
    isle_value message;
    CHECK_INT(receive_int(port), 1); /* they were before it: there now */
    CHECK_ERR(isle_port_try_receive(port, 0, &message), ISLE_OK);
    CHECK_INT(isle_as_int(message), 2);
    CHECK_ERR(isle_try_await(isle_call(gone, isle_null(), ISLE_FOREVER), ISLE_FOREVER, NULL),
              ISLE_ECLOSED);
    isle_send(isle_as_port(to), isle_string("well"));
}

TEST_ROOT(an_end_is_told_after_all_that_was_sent_and_released_past_a_full_mailbox)
{
    isle_receive_port *port = scoped_port(), *ends = scoped_port();

    isle_spawn(trap_with_little_room, isle_port_value(port),
               &(isle_options){.mailbox_max_messages = 4, .monitor = isle_port_send_port(ends)});
    isle_end end = receive_end(ends);
    CHECK_STRING(end.text, "");
    CHECK_INT(end.reason, ISLE_RETURNED);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "well");
    settle();
}

/* --- races */

TEST_ROOT(both_are_killed_at_once)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();

    for (int64_t round = rounds(20, 300, 3000); round > 0; round--) {
        ISLE_SCOPE;
        isle_isolate a = born("a", a_ends), b = born("b", b_ends);

        let_link(a, b);
        isle_kill(a, ISLE_IMMEDIATE);
        isle_kill(b, ISLE_IMMEDIATE);
        isle_reason one = receive_end(a_ends).reason, other = receive_end(b_ends).reason;
        CHECK(one == ISLE_KILLED || one == ISLE_LINKED);
        CHECK(other == ISLE_KILLED || other == ISLE_LINKED);
        CHECK(one == ISLE_KILLED || other == ISLE_KILLED);
    }
    settle();
    CHECK(port_is_empty(a_ends));
    CHECK(port_is_empty(b_ends));
}

/* Both ask at once, one is killed, the other ends with it in any case. */
TEST_ROOT(both_ask_while_one_of_them_ends)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();

    for (int64_t round = rounds(20, 300, 3000); round > 0; round--) {
        ISLE_SCOPE;
        isle_isolate a = born("a", a_ends), b = born("b", b_ends);

        isle_send(a.default_port, order(JOIN, isle_isolate_value(b)));
        isle_send(b.default_port, order(JOIN, isle_isolate_value(a)));
        if (round % 2 == 0)
            check_lives(a);
        isle_kill(b, ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_end(b_ends).reason, ISLE_KILLED);
        isle_end end = receive_end(a_ends);
        CHECK_INT(end.reason, ISLE_LINKED);
        CHECK(!strcmp(end.text, "b: killed") || strstr(end.text, ": lost") != NULL);
    }
    settle();
    CHECK(port_is_empty(a_ends));
    CHECK(port_is_empty(b_ends));
}

/* Who has parted when it answers lives, whatever was on its way. */
TEST_ROOT(who_parts_while_the_other_ends_lives_or_has_ended_before)
{
    isle_receive_port *a_ends = scoped_port(), *b_ends = scoped_port();
    int lived = 0;

    for (int64_t round = rounds(20, 300, 3000); round > 0; round--) {
        ISLE_SCOPE;
        isle_isolate a = born("a", a_ends), b = born("b", b_ends);

        let_link(b, a);
        isle_kill(b, ISLE_IMMEDIATE);
        isle_future *parted =
            isle_call(a.default_port, order(PART, isle_isolate_value(b)), ISLE_FOREVER);
        bool lives = isle_try_await(parted, ISLE_FOREVER, NULL) == ISLE_OK;
#ifdef GUARANTEES_PROCESS /* its end may have been on its way when the outside heard of it */
        lives = lives &&
                isle_try_await(isle_call(a.default_port, order(ECHO, isle_null()), ISLE_FOREVER),
                               ISLE_FOREVER, NULL) == ISLE_OK;
#endif
        CHECK_INT(receive_end(b_ends).reason, ISLE_KILLED);
        if (lives) {
            check_lives(a);
            isle_kill(a, ISLE_IMMEDIATE);
            CHECK_INT(receive_end(a_ends).reason, ISLE_KILLED);
        } else {
            check_linked(a_ends, "b: killed");
        }
        lived += lives;
    }
    settle();
    CHECK(lived >= 0);
    CHECK(port_is_empty(a_ends));
    CHECK(port_is_empty(b_ends));
}

/* --- many */

#ifdef GUARANTEES_PROCESS
enum { MANY = 8 };
#else
enum { MANY = 1000 };
#endif

/* In a chain, or a ring, all end, once each, with the reason of the first. */
static void many_end(bool is_ring)
{
    static isle_isolate members[MANY];
    isle_receive_port *ends = scoped_port();
    const int first = MANY / 3;

    for (int i = 0; i < MANY; i++) {
        ISLE_SCOPE;
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        members[i] = born(name, ends);
        if (i > 0)
            let_link(members[i], members[i - 1]);
    }
    if (is_ring)
        let_link(members[0], members[MANY - 1]);
    quietly(members[first]);
    make_fail(members[first], "first");
    for (int i = 0; i < MANY; i++) {
        ISLE_SCOPE;
        char text[48];
        isle_end end = receive_end(ends);
        snprintf(text, sizeof text, "m%d: failed: first", first);
        bool is_first = isle_send_port_equal(end.isolate.control_port, members[first].control_port);
        CHECK_INT(end.reason, is_first ? ISLE_FAILED : ISLE_LINKED);
        CHECK_STRING(end.text, is_first ? "first" : text);
    }
    settle();
    CHECK(port_is_empty(ends));
}

TEST_ROOT(a_chain_ends_from_one_to_the_next)
{
    many_end(false);
}

TEST_ROOT(a_ring_ends_once_each)
{
    many_end(true);
}

/* One that is linked to many has an index of them. */
TEST_ROOT(many_are_linked_to_one_and_some_part)
{
    isle_receive_port *ends = scoped_port(), *center_ends = scoped_port();
    isle_isolate center = born("center", center_ends), members[MANY];
    int parted = 0;

    for (int i = 0; i < MANY; i++) {
        ISLE_SCOPE;
        members[i] = born("m", ends);
        let_link(i % 2 == 0 ? members[i] : center, i % 2 == 0 ? center : members[i]);
    }
    for (int i = 0; i < MANY; i += 3, parted++) {
        ISLE_SCOPE;
        let(i % 2 == 0 ? members[i] : center, PART,
            isle_isolate_value(i % 2 == 0 ? center : members[i]));
    }
    isle_kill(center, ISLE_IMMEDIATE);
    CHECK_INT(receive_end(center_ends).reason, ISLE_KILLED);
    for (int i = 0; i < MANY - parted; i++) {
        ISLE_SCOPE;
        check_linked(ends, "center: killed");
    }
    for (int i = 0; i < MANY; i += 3) {
        ISLE_SCOPE;
        check_lives(members[i]);
        isle_kill(members[i], ISLE_IMMEDIATE);
        CHECK_INT(receive_end(ends).reason, ISLE_KILLED);
    }
    settle();
}

/* --- the root */

static int end_with_a_child(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(fail_at_once, isle_string("by itself"),
               &(isle_options){.debug_name = "child", .link = true, .on_error = nobody()});
    isle_port_receive(isle_port_open());
    return 0;
}

TEST(the_root_ends_with_a_child_and_says_so)
{
    if (child_label() != NULL)
        exit(isle_main(0, NULL, end_with_a_child));
    struct child child = child_run("the_root_ends_with_a_child_and_says_so", "root");
    child_exited(&child, 255);
    child_wrote(&child,
                "isle: the root ends with an isolate it is linked to: child: failed: by itself");
}

TEST_MAIN()
