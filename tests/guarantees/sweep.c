/* SPDX-License-Identifier: Apache-2.0 */
/* Out of memory at every place: the nth allocation of an operation fails, for n = 1, 2, 3 … until
 * it succeeds. Whatever fails, nothing is lost, doubled or torn, and nothing is left behind. The
 * failing thread is the root's; forced migration, below, needs the inside of the library as well.
 */
#include "guarantees.h"

#include <sys/syscall.h>

#include "platform/platform.h"
#include "sched/sched.h"

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

static void close_port(void *port)
{
    isle_port_close(port);
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
    {"control", op_control, true},
    {"kept", op_kept, true},
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
SWEEP(control, "control");
SWEEP(kept_values, "kept");

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
