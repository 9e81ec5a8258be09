/* SPDX-License-Identifier: Apache-2.0 */
/* Out of memory at every place: the nth allocation of an operation fails, for n = 1, 2, 3 … until
 * it succeeds. Whatever fails, nothing is lost, doubled or torn, and nothing is left behind. The
 * failing thread is the root's; forced migration, below, needs the inside of the library as well.
 */
#include "guarantees.h"

#include <sys/syscall.h>

#include "platform/platform.h"
#include "sched/sched.h"
#include "value/failure.h"

static isle_receive_port *sweep_port;
static isle_isolate sweep_server;

static void idle_entry(isle_value message)
{
    (void)message;
}

static isle_value compute(isle_value argument)
{
    return argument;
}

static void no_task(void *context)
{
    (void)context;
}

static void no_handler(isle_value value, void *context)
{
    (void)value, (void)context;
}

static isle_value message_of_many_kinds(void)
{
    isle_value message = isle_pack("{s:i,s:[f,s],s:o}", "number", 5, "list", 1.5, "text", "bytes",
                                   isle_bytes(NULL, 3000));

    isle_put(message, "self", message);
    isle_put(message, "shared", isle_freeze(isle_string("frozen")));
    isle_put(message, "moves", isle_transferable(100));
    return message;
}

/* Its error is the last one, as after any attempt that fails. */
static isle_value op_too_much(isle_value ignored)
{
    isle__memory_fail_at(1);
    isle_alloc(100);
    return ignored;
}

static isle_value op_values(isle_value ignored)
{
    return (void)ignored, message_of_many_kinds();
}

static isle_value op_send(isle_value ignored)
{
    (void)ignored;
    isle_send(isle_port_send_port(sweep_port), message_of_many_kinds());
    return isle_null();
}

static isle_value op_receive(isle_value ignored)
{
    (void)ignored;
    isle_send(isle_port_send_port(sweep_port), message_of_many_kinds());
    return isle_get(isle_port_receive(sweep_port), "number");
}

static isle_value op_spawn(isle_value ignored)
{
    (void)ignored;
    isle_spawn(idle_entry, message_of_many_kinds(),
               &(isle_options){.debug_name = "swept",
                               .on_exit = isle_port_send_port(sweep_port),
                               .on_error = isle_port_send_port(sweep_port),
                               .paused = true,
                               .deadline_ns = 1});
    return isle_null();
}

static isle_value op_spawn_own_thread(isle_value ignored)
{
    (void)ignored;
    isle_spawn(idle_entry, isle_null(), &(isle_options){.thread = ISLE_THREAD_OWN});
    return isle_null();
}

static isle_value op_run(isle_value ignored)
{
    (void)ignored;
    return isle_get(isle_await(isle_run(compute, message_of_many_kinds(), NULL)), "number");
}

static isle_value op_call(isle_value ignored)
{
    (void)ignored;
    return isle_await(
        isle_call(sweep_server.default_port, isle_string("request"), ISLE_SECONDS(9)));
}

static isle_value op_then(isle_value ignored)
{
    isle_future *futures[] = {isle_future_new(), isle_future_new()};

    (void)ignored;
    isle_then(isle_future_all(futures, 2), no_handler, no_handler, NULL);
    isle_then(isle_future_any(futures, 2), no_handler, no_handler, NULL);
    isle_future_complete(futures[0], isle_string("first"));
    isle_future_complete(futures[1], isle_string("second"));
    return isle_await(futures[1]);
}

static void cancel_timers(void *context)
{
    isle_timer **timers = context;

    for (int i = 0; i < 20; i++)
        isle_timer_cancel(timers[i]);
}

static isle_value op_timers(isle_value ignored)
{
    static isle_timer *timers[20];

    (void)ignored;
    memset(timers, 0, sizeof timers);
    isle_defer(cancel_timers, timers);
    for (int i = 0; i < 20; i++)
        timers[i] = isle_timer_start(ISLE_SECONDS(1000 - i), no_task, NULL);
    isle_schedule_microtask(no_task, NULL);
    isle_sleep(1);
    return isle_null();
}

static isle_value op_ports(isle_value ignored)
{
    isle_receive_port *port = isle_port_open();

    (void)ignored;
    isle_defer(close_port, port);
    isle_port_listen(port, no_handler, NULL);
    isle_send(isle_port_send_port(port), isle_string("handled"));
    isle_sleep(0);
    isle_port_close(port);
    return isle_null();
}

static isle_future *swept_wait;

static void give_up_wait(void *unused)
{
    (void)unused;
    if (swept_wait != NULL)
        isle_future_cancel(swept_wait);
    swept_wait = NULL;
}

/* Bounds, the tide, sends that wait; one is given up, one is let in. */
static isle_value op_bounds(isle_value ignored)
{
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){
        .max_messages = 2, .high_messages = 2, .on_high = no_task, .on_low = no_task});
    isle_send_port to = isle_port_send_port(port);

    isle_defer(close_port, port);
    isle_defer(give_up_wait, NULL);
    isle_send(to, isle_int(1));
    isle_send(to, message_of_many_kinds());
    swept_wait = isle_send_wait(to, message_of_many_kinds(), ISLE_FOREVER);
    isle_future_cancel(isle_send_wait(to, isle_int(4), ISLE_SECONDS(60)));
    (void)isle_port_receive(port);
    (void)isle_await(swept_wait);
    isle_port_set_bounds(
        port, &(isle_port_options){.max_messages = 1, .overflow = ISLE_OVERFLOW_DROP_OLDEST});
    (void)isle_port_receive(port);
    return (void)ignored, isle_null();
}

static isle_value op_control(isle_value ignored)
{
    isle_send_port port = isle_port_send_port(sweep_port);

    (void)ignored;
    isle_ping(sweep_server, port, isle_string("pong"), ISLE_IMMEDIATE);
    isle_add_error_listener(sweep_server, port);
    isle_remove_error_listener(sweep_server, port);
    isle_resume(sweep_server, isle_pause(sweep_server, (isle_capability){0}));
    isle_await(isle_spawn_wait(sweep_server));
    return isle_null();
}

static isle_value op_kept(isle_value ignored)
{
    isle_value kept = isle_keep(isle_map());
    isle_value cell = isle_null();

    (void)ignored;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_cell_set(&cell, isle_stringf("cell %d", i));
        isle_cell_set(&cell, isle_null());
    }
    isle_release(kept);
    return isle_null();
}

static isle_names swept_names;

static void close_names(void *unused)
{
    (void)unused;
    isle_names_close(swept_names);
}

static void names_need(isle_err err)
{
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
}

static isle_value op_names(isle_value ignored)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    (void)ignored;
    isle_defer(close_port, port);
    swept_names = isle_names_open();
    isle_defer(close_names, NULL);
    isle_names names = swept_names;
    (void)isle_name_monitor(names, "swept", to);
    isle_future *wait = isle_name_wait(names, "swept", ISLE_SECONDS(9));
    names_need(isle_name_register(names, "swept", to));
    (void)isle_await(wait);
    names_need(isle_name_register(names, "swept too", to));
    CHECK_INT(isle_count(isle_name_list(names)), 2);
    (void)isle_name_monitor(names, "swept", to);
    isle_name_unregister(names, "swept");
    CHECK(isle_send_port_equal(isle_as_name_change(isle_port_receive(port)).port, to));
    CHECK(isle_send_port_is_none(isle_as_name_change(isle_port_receive(port)).port));
    return isle_null();
}

static void wait_for_ever(isle_value message)
{
    (void)message;
    (void)isle_port_receive(isle_default_port());
}

static isle_value op_group(isle_value ignored)
{
    isle_group *group = isle_group_open(&(isle_group_options){.deadline_ns = ISLE_SECONDS(1000)});
    isle_group *inner = isle_group_open(&(isle_group_options){.parent = group});

    (void)ignored;
    isle_group_spawn(group, wait_for_ever, isle_null(), NULL);
    isle_group_spawn(inner, wait_for_ever, isle_null(), NULL);
    isle_group_timer(inner, ISLE_SECONDS(1000), no_task, NULL);
    isle_group_own(group, isle_future_new());
    isle_group_add(group, isle_spawn(idle_entry, isle_null(), NULL));
    if (isle_group_close(group) != ISLE_OK)
        isle_throw(isle_last_error());
    return isle_null();
}

static void close_stream(void *stream)
{
    isle_stream_close(stream);
}

static void end_writer(void *writer)
{
    isle_stream_end(writer);
}

/* Both ends here: they learn of each other, items are gathered and travel alone, credit is used up
 * and comes back. */
static isle_value op_stream(isle_value ignored)
{
    (void)ignored;
    isle_value item;
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 8});
    isle_defer(close_stream, stream);
    isle_writer *writer = isle_stream_writer(isle_stream_sink(stream));
    isle_defer(end_writer, writer);
    isle_stream_write(writer, isle_int(0));
    CHECK(isle_stream_read(stream, &item));
    isle_sleep(0);
    for (int i = 1; i < 30; i++) {
        isle_stream_put(writer, i % 5 ? isle_int(i) : isle_pack("[i]", i));
        isle_stream_flush(writer);
        CHECK(isle_stream_read(stream, &item));
        CHECK_VALUE(item, i % 5 ? isle_int(i) : isle_pack("[i]", i));
        isle_sleep(0);
    }
    isle_stream_end(writer);
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    return isle_null();
}

static isle_topic swept_topic;
static isle_subscription *swept_subscription;

static void close_topic(void *unused)
{
    (void)unused;
    isle_subscription_close(swept_subscription);
    isle_topic_close(swept_topic);
}

/* A failure may end the subscription, or lose what is published: each is told. */
static isle_value op_topics(isle_value ignored)
{
    isle_value message;

    (void)ignored;
    isle_set_errors_fatal(isle_current(), false); /* its events fail as well */
    isle_add_error_listener(isle_current(), isle_port_send_port(sweep_port));
    swept_topic = (isle_topic){{0}, {0}};
    swept_subscription = NULL;
    isle_defer(close_topic, NULL); /* before there is one: who keeps a topic lives on */
    swept_topic = isle_topic_open(NULL);
    swept_subscription = isle_topic_subscribe(swept_topic, NULL);
    for (int i = 0; i < 3; i++)
        isle_topic_publish(swept_topic, isle_string("swept"));
    isle_topic_counts counts;
    do {
        isle_sleep(0);
        counts = isle_topic_read_counts(swept_topic);
    } while (counts.published + counts.refused < 3);
    for (uint64_t i = 0; i < counts.published; i++)
        names_need(isle_subscription_receive(swept_subscription, ISLE_FOREVER, &message));
    if (counts.refused > 0)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    return isle_null();
}

static const struct {
    const char *name;
    isle_computation *op;
    bool leaves; /* a failure in the middle may leave what it had made: only crashes are looked for
                  */
} ops[] = {
    {"values", op_values, false},
    {"send", op_send, false},
    {"receive", op_receive, false},
    {"spawn", op_spawn, false},
    {"own thread", op_spawn_own_thread, false},
    {"run", op_run, false},
    {"call", op_call, false},
    {"then", op_then, true},
    {"timers", op_timers, true},
    {"ports", op_ports, false},
    {"bounds", op_bounds, false},
    {"control", op_control, true},
    {"kept", op_kept, true},
    {"names", op_names, true},
    {"group", op_group, true},
    {"stream", op_stream, true},
    {"topics", op_topics, true},
};

/* Drops what has arrived and lets everybody end but the server. */
static void sweep_settle(void)
{
    isle_value message;

    do
        isle_sleep(0);
    while (stats_now().isolates > 2);
    isle_sleep(ISLE_US(1));
    for (;;) {
        ISLE_SCOPE;
        if (isle_port_try_receive(sweep_port, 0, &message) != ISLE_OK)
            break;
    }
}

static isle_value answer(isle_value request, void *context)
{
    return (void)context, request;
}

static void echo_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), answer, NULL);
}

static isle_err sweep_try(isle_computation *op, uint64_t nth, uint64_t *ret_made)
{
    ISLE_SCOPE;
    isle_err err;

    isle__memory_fail_at(nth);
    err = isle_try(op, isle_null(), NULL);
    *ret_made = isle__memory_fail_at(0);
    sweep_settle();
    return err;
}

/* Until an attempt succeeds in which nothing failed. A step beyond the first dozen samples the
 * rest. */
static void sweep(const char *name, isle_computation *op, bool leaves)
{
    uint64_t made, memory, nth = 1, step = test_tier() == TEST_QUICK ? 7 : 1, sure = 40;
    isle_err err;

    for (int i = 0; i < 3; i++)
        CHECK_ERR(sweep_try(op, 0, &made), ISLE_OK);
    CHECK_ERR(isle_try(op_too_much, isle_null(), NULL), ISLE_ENOMEM);
    memory = memory_held();
    do {
        err = sweep_try(op, nth, &made);
        if (err != ISLE_OK && err != ISLE_ENOMEM)
            fail("%s, allocation %d failed: %s", name, (int)nth, test_err_name(err));
        if (!leaves && err == ISLE_ENOMEM && !memory_returns_to(memory))
            fail("%s, allocation %d failed: %d bytes are left", name, (int)nth,
                 (int)(stats_now().memory - memory));
        test_count_check();
        nth += nth < sure ? 1 : step;
    } while (made >= nth - (nth <= sure ? 1 : step));
    CHECK_ERR(sweep_try(op, 0, &made), ISLE_OK);
}

static void sweep_named(const char *name)
{
    sweep_port = isle_port_open();
    sweep_server = isle_spawn(echo_server, isle_null(), NULL);
    (void)isle_await(isle_call(sweep_server.default_port, isle_null(), ISLE_FOREVER));
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i].name, name))
            sweep(name, ops[i].op, ops[i].leaves);
    isle_kill(sweep_server, ISLE_IMMEDIATE);
    isle_port_close(sweep_port);
}

#define SWEEP(ident, name)                                                                         \
    TEST_ROOT(out_of_memory_in_##ident)                                                            \
    {                                                                                              \
        sweep_named(name);                                                                         \
    }                                                                                              \
    TEST_TIMEOUT(out_of_memory_in_##ident, 300)

SWEEP(values, "values");
SWEEP(send, "send");
SWEEP(receive, "receive");
SWEEP(spawn, "spawn");
SWEEP(spawn_with_a_thread, "own thread");
SWEEP(run_and_await, "run");
SWEEP(call, "call");
SWEEP(then_all_and_any, "then");
SWEEP(timers, "timers");
SWEEP(ports, "ports");
SWEEP(bounds, "bounds");
SWEEP(control, "control");
SWEEP(kept_values, "kept");
SWEEP(names, "names");
SWEEP(groups, "group");
SWEEP(stream, "stream");
SWEEP(topics, "topics");

TEST(out_of_memory_at_the_start)
{
    uint64_t before, made, nth = 1;
    isle_err err;

    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    isle_stop();
    before = isle__memory_live();
    do {
        isle__memory_fail_at(nth++);
        err = isle_start(0, NULL, NULL);
        made = isle__memory_fail_at(0);
        if (err == ISLE_OK)
            isle_stop();
        else
            CHECK_ERR(err, ISLE_ENOMEM);
        CHECK_UINT(isle__memory_live(), before);
    } while (made >= nth - 1);
    CHECK_ERR(err, ISLE_OK);
}

/* --- forced migration: every suspension may go on on another thread */

__attribute__((noinline)) static int errno_read(void)
{
    __asm__ volatile("" ::: "memory");
    return errno;
}

__attribute__((noinline)) static void errno_write(int value)
{
    errno = value;
    __asm__ volatile("" ::: "memory");
}

/* Not pthread_self: the compiler may know its result from before the suspension. */
static pid_t thread_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static _Atomic int migrations;

static isle_value wanderer(isle_value number)
{
    isle_receive_port *port = isle_port_open();
    int mine = (int)isle_as_int(number);
    int64_t sum = 0;

    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        pid_t before = thread_id();
        isle_value text = isle_stringf("%d %d", mine, i);

        errno_write(1000 + mine);
        if (i % 3 == 0)
            isle_sleep(0);
        else if (i % 3 == 1)
            sum += isle_as_int(isle_await(isle_run(compute, isle_int(i), NULL)));
        else
            isle_sleep(ISLE_US(1));
        CHECK_INT(errno_read(), 1000 + mine);
        isle_send(isle_port_send_port(port), text);
        CHECK_STRING(isle_as_string(isle_port_receive(port)), isle_as_string(text));
        if (before != thread_id())
            atomic_fetch_add(&migrations, 1);
    }
    isle_port_close(port);
    return isle_int(sum);
}

/* On workers of its own number: a machine of one core has one. One that gives its core to a single
 * worker throughout is asked again, until the test's time is over. */
TEST(activities_that_migrate_at_every_suspension_keep_errno_and_values)
{
    enum { COUNT = 16 };
    isle_future *futures[COUNT];

    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 4}), ISLE_OK);
    atomic_store(&isle__sched_scatter, true);
    do {
        for (int i = 0; i < COUNT; i++)
            futures[i] = isle_run(wanderer, isle_int(i), NULL);
        for (int i = 0; i < COUNT; i++)
            CHECK_INT(isle_as_int(isle_await(futures[i])), 6700);
    } while (atomic_load(&migrations) == 0);
    atomic_store(&isle__sched_scatter, false);
    isle_stop();
}
TEST_TIMEOUT(activities_that_migrate_at_every_suspension_keep_errno_and_values, 120);

TEST_MAIN()
