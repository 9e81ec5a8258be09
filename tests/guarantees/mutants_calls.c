/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken core would get wrong with requests and futures: each test here is the one that
 * notices entries of tools/mutations.txt which no other test does. */
#include "guarantees.h"

static isle_value echo(isle_value argument)
{
    return argument;
}

static isle_send_port port_of(isle_receive_port *port)
{
    return isle_port_send_port(port);
}

/* --- requests */

static isle_value answers(isle_value request, void *context)
{
    (void)context;
    if (isle_kind_of(request) == ISLE_NULL)
        isle_exit(isle_send_port_none(), isle_null());
    if (isle_kind_of(request) == ISLE_BOOL)
        isle_sleep(ISLE_SECONDS(1000));
    return request;
}

static void serves(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), answers, NULL);
}

static isle_err call(isle_isolate isolate, isle_value request, int64_t timeout_ns)
{
    ISLE_SCOPE;
    return isle_try_await(isle_call(isolate.default_port, request, timeout_ns), ISLE_FOREVER, NULL);
}

/* ISLE_ECLOSED for: the one that is served, one that waits in the mailbox, one that comes later. */
TEST_ROOT(a_service_that_ends_answers_all_who_call)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), NULL);
    isle_future *slept = isle_call(isolate.default_port, isle_bool(true), ISLE_FOREVER);
    isle_future *last = isle_call(isolate.default_port, isle_null(), ISLE_FOREVER);

    CHECK_ERR(isle_try_await(last, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try_await(slept, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(call(isolate, isle_int(1), ISLE_FOREVER), ISLE_ECLOSED);
    isolate = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    last = isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER);
    isle_kill(isolate, ISLE_IMMEDIATE);
    CHECK_ERR(isle_try_await(last, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    settle();
}

enum reading { RECEIVES, TRIES, CHOOSES, RECEIVES_ANY, LISTENS, READINGS };

static bool is_anything(isle_value message, void *context)
{
    (void)message, (void)context;
    return true;
}

struct reader {
    isle_send_port to;
    bool returns;
};
ISLE_LOCAL(struct reader, reader);

/* Says that it has read a request, and ends if it is to. */
static void has_read(void)
{
    isle_send(reader()->to, isle_null());
    if (!reader()->returns)
        isle_sleep(ISLE_SECONDS(1000));
    isle_port_close(isle_default_port());
}

static void listens(isle_value message, void *context)
{
    (void)message, (void)context;
    isle_port_listen(isle_default_port(), NULL, NULL);
    has_read();
}

static void reads_one(isle_receive_port *port, enum reading how)
{
    isle_value message;

    if (how == RECEIVES)
        (void)isle_port_receive(port);
    else if (how == TRIES)
        CHECK_ERR(isle_port_try_receive(port, ISLE_FOREVER, NULL), ISLE_OK);
    else if (how == CHOOSES)
        (void)isle_port_receive_if(port, is_anything, NULL);
    else
        CHECK(isle_port_receive_any(&port, 1, ISLE_FOREVER, &message) == port);
}

static void reads(isle_value arguments)
{
    isle_receive_port *port = isle_default_port();
    int64_t how;

    isle_unpack(arguments, "[p,i,b]", &reader()->to, &how, &reader()->returns);
    if (how == LISTENS) {
        isle_port_listen(port, listens, NULL);
        return;
    }
    reads_one(port, (enum reading)how);
    has_read();
}

/* Nobody can answer it, but while its reader lives the call waits. The second one is still in the
 * mailbox. */
TEST_ROOT(a_call_that_was_only_read_ends_with_its_reader)
{
    isle_receive_port *port = isle_port_open();

    for (int64_t how = 0; how < READINGS * 2; how++) {
        ISLE_SCOPE;
        bool returns = how >= READINGS;
        isle_isolate isolate =
            isle_spawn(reads, isle_pack("[p,i,b]", port_of(port), how % READINGS, returns), NULL);
        isle_future *first = isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER);
        isle_future *second = isle_call(isolate.default_port, isle_string("two"), ISLE_FOREVER);

        check_null(isle_port_receive(port));
        if (!returns) {
            CHECK_ERR(isle_try_await(first, ISLE_MS(1), NULL), ISLE_ETIMEDOUT);
            isle_kill(isolate, ISLE_IMMEDIATE);
        }
        CHECK_ERR(isle_try_await(first, ISLE_FOREVER, NULL), ISLE_ECLOSED);
        CHECK_ERR(isle_try_await(second, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    }
    isle_port_close(port);
    settle();
}

static void reads_all(isle_value to)
{
    for (;;) {
        ISLE_SCOPE;
        if (isle_is_null(isle_port_receive(isle_default_port())))
            isle_send(isle_as_port(to), isle_null());
    }
}

/* A few wait, ever the same, among very many that nobody waits for any more. */
TEST_ROOT(calls_that_are_over_take_nothing_of_who_read_them)
{
    enum { WAIT = 5, ROUNDS = 20000 };
    needs_exact_memory();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(reads_all, isle_port_value(port), NULL);
    isle_future *waits[WAIT];

    for (int i = 0; i < WAIT; i++)
        waits[i] = isle_call(isolate.default_port, isle_int(i), ISLE_FOREVER);
    isle_send(isolate.default_port, isle_null());
    check_null(isle_port_receive(port));
    uint64_t before = memory_held();
    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        isle_future_cancel(isle_call(isolate.default_port, isle_int(i), ISLE_FOREVER));
        if (i % 100 == 0) {
            isle_send(isolate.default_port, isle_null());
            check_null(isle_port_receive(port));
        }
    }
    CHECK(memory_held() < before + (size_t)ROUNDS);
    isle_kill(isolate, ISLE_IMMEDIATE);
    for (int i = 0; i < WAIT; i++)
        CHECK_ERR(isle_try_await(waits[i], ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_reply_after_the_timeout_is_late)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    isle_stats before = stats_now(), after;

    CHECK_ERR(call(isolate, isle_int(1), ISLE_MS(1)), ISLE_ETIMEDOUT);
    isle_resume(isolate, isolate.pause_capability);
    CHECK_ERR(call(isolate, isle_int(2), ISLE_FOREVER), ISLE_OK);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    after = stats_now();
    CHECK_UINT(after.dropped_late, before.dropped_late + 1);
    CHECK_UINT(after.dropped_closed, before.dropped_closed);
    CHECK_UINT(after.dropped_dead, before.dropped_dead);
}

/* --- futures */

TEST_ROOT(all_has_every_value_in_its_place)
{
    isle_future *futures[] = {isle_future_new(), isle_future_new(), isle_future_new()};
    isle_future *all = isle_future_all(futures, 3);
    isle_value values;

    for (int i = 2; i >= 0; i--) {
        CHECK_ERR(isle_try_await(all, ISLE_MS(1), NULL), ISLE_ETIMEDOUT);
        isle_future_complete(futures[i], isle_int(i));
    }
    values = isle_await(all);
    for (int i = 0; i < 3; i++)
        CHECK_INT(isle_as_int(isle_list_get(values, (size_t)i)), i);
}

/* It was complete when somebody asked: taken all the same, and nobody's to report. */
static isle_value awaits_a_failed_one(isle_value unused)
{
    isle_future *future = isle_future_new();

    isle_future_complete_error(future, isle_error(ISLE_ERANGE, "taken", NULL));
    isle_await(future);
    return unused;
}

static void takes_an_error(isle_value message)
{
    (void)message;
    CHECK_ERR(isle_try(awaits_a_failed_one, isle_null(), NULL), ISLE_ERANGE);
}

TEST_ROOT(an_error_that_was_awaited_late_is_taken)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = port_of(port);

    isle_spawn(takes_an_error, isle_null(), &(isle_options){.on_error = to, .on_exit = to});
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

static isle_value complete_twice(isle_value pointer)
{
    isle_future_complete(isle_as_pointer(pointer), isle_int(2));
    return isle_null();
}

static isle_value never(isle_value argument)
{
    do
        isle_sleep(ISLE_MS(1));
    while (isle_is_null(argument));
    return argument;
}

TEST_ROOT(cancel_ends_what_it_stood_for)
{
    isle_future *run = isle_run(never, isle_null(), NULL), *own = isle_future_new();

    isle_future_cancel(run);
    CHECK_ERR(isle_try_await(run, 0, NULL), ISLE_ECANCELED);
    settle();
    isle_future_cancel(own);
    isle_future_complete(own, isle_int(1));
    CHECK_ERR(isle_try_await(own, 0, NULL), ISLE_ECANCELED);
    own = isle_future_new();
    isle_future_complete(own, isle_int(1));
    CHECK_ERR(isle_try(complete_twice, isle_pointer(own), NULL), ISLE_ECLOSED);
    isle_future_cancel(own);
    CHECK_INT(isle_as_int(isle_await(own)), 1);
}

/* A result leaves its isolate as it lies: where it was built is where it is read. */
static const void *built_at;

static isle_value builds(isle_value argument)
{
    isle_value bytes = isle_bytes(NULL, 1 << 20);

    built_at = isle_as_bytes(bytes, NULL);
    return isle_is_null(argument) ? bytes : (isle_exit(isle_as_port(argument), bytes), bytes);
}

static void builds_and_exits(isle_value root)
{
    (void)builds(root);
}

TEST_ROOT(results_are_moved)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();

    CHECK(isle_as_bytes(isle_await(isle_run(builds, isle_null(), NULL)), NULL) == built_at);
    isle_spawn(builds_and_exits, isle_port_value(port), NULL);
    CHECK(isle_as_bytes(isle_port_receive(port), NULL) == built_at);
    isle_port_close(port);
}

/* Awaiting again and again leaves nothing behind, nor does giving way in one long event. */
static void wait_often(void)
{
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_future *run = isle_run(echo, isle_int(i), NULL);

        CHECK_INT(isle_as_int(isle_await(isle_future_timeout(run, ISLE_SECONDS(1000)))), i);
    }
    for (int i = 0; i < 500; i++)
        isle_sleep(0);
}

TEST_ROOT(waiting_leaves_no_trace)
{
    size_t used;

    wait_often();
    used = isle_memory_used();
    wait_often();
    CHECK_UINT(isle_memory_used(), used);
}

/* Nothing is left of it but a callback that waits for a reply. */
static void tells_root(isle_value value, void *context)
{
    isle_send((isle_send_port){(uint64_t)(uintptr_t)context}, value);
}

static void calls_and_leaves(isle_value message)
{
    isle_send_port service, root;

    isle_unpack(message, "[p,p!]", &service, &root);
    isle_then(isle_call(service, isle_int(5), ISLE_FOREVER), tells_root, NULL,
              (void *)(uintptr_t)root.id);
}

TEST_ROOT(a_call_keeps_its_isolate_alive)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate service = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    isle_isolate caller =
        isle_spawn(calls_and_leaves, isle_pack("[p,p]", service.default_port, port_of(port)), NULL);

    for (int i = 0; i < 20; i++) {
        isle_ping(caller, port_of(over), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_int(over), i);
    }
    isle_resume(service, service.pause_capability);
    CHECK_INT(receive_int(port), 5);
    isle_kill(service, ISLE_IMMEDIATE);
    settle();
    isle_port_close(port);
    isle_port_close(over);
}

TEST_MAIN()
