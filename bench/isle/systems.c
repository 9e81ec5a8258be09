/* SPDX-License-Identifier: Apache-2.0 */
/* What systems are made of that heal: a call to a child of a supervisor, and a life whose end is
 * told to who began it. */
#include "bench.h"

/* --- a call under supervision */

/* Who asks with null ends the server, as a failure would. */
static isle_value server_answer(isle_value number, void *context)
{
    (void)context;
    if (isle_is_null(number))
        isle_kill(isle_current(), ISLE_IMMEDIATE);
    return isle_int(isle_as_int(number) + 1);
}

static void server_main(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), server_answer, NULL);
}

static const isle_supervision supervision = {
    .children =
        (const isle_child[]){
            {.name = "server", .entry = server_main},
            {0},
        },
};

static isle_send_port server_of(isle_isolate supervisor)
{
    isle_value children = isle_await(isle_supervisor_children(supervisor));
    return isle_as_child_info(isle_list_get(children, 0)).isolate.default_port;
}

static int64_t calls(isle_send_port server, int64_t count)
{
    int64_t number = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        number = isle_as_int(isle_await(isle_call(server, isle_int(number), ISLE_FOREVER)));
    }
    return number;
}

/* A server that ends is there again. */
static void require_restarted(isle_isolate supervisor, isle_send_port server)
{
    isle_receive_port *changes = isle_port_open();
    isle_await(isle_supervisor_watch(supervisor, isle_port_send_port(changes)));
    bench_require(isle_try_await(isle_call(server, isle_null(), ISLE_FOREVER), ISLE_FOREVER,
                                 NULL) == ISLE_ECLOSED,
                  "the call that ends the server");
    isle_child_info info;
    do
        info = isle_as_child_info(isle_port_receive(changes));
    while (info.state != ISLE_CHILD_RUNNING);
    bench_require(info.restarts == 1, "restarts");
    bench_require(calls(server_of(supervisor), 10) == 10, "answers of the server's successor");
    isle_port_close(changes);
}

static isle_value supervised_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(500000, 1000);
    isle_isolate supervisor = isle_supervise(&supervision, "systems");
    isle_send_port server = server_of(supervisor);
    int64_t before = bench_now_ns();
    calls(server, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    int64_t last = calls(server, count);
    int64_t time = bench_now_ns() - start;
    bench_require(last == count, "the last answer");
    require_restarted(supervisor, server);
    bench_figure((double)time / (double)count);
    isle_shutdown(supervisor);
    return isle_null();
}

/* --- a life that is monitored */

static void life(isle_value unused)
{
    (void)unused;
}

static void lives(isle_receive_port *ends, int64_t count)
{
    isle_options options = {.monitor = isle_port_send_port(ends)};
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_isolate one = isle_spawn(life, isle_null(), &options);
        isle_end end = isle_as_end(isle_port_receive(ends));
        bench_require(end.reason == ISLE_RETURNED, "the reason of an end");
        bench_require(isle_send_port_equal(end.isolate.control_port, one.control_port),
                      "whose end was told");
    }
}

static isle_value monitor_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200000, 1000);
    isle_receive_port *ends = isle_port_open();
    int64_t before = bench_now_ns();
    lives(ends, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    lives(ends, count);
    bench_figure((double)(bench_now_ns() - start) / (double)count);
    isle_port_close(ends);
    return isle_null();
}

const struct workload systems_workloads[] = {
    {"supervised-call", supervised_drive, 0, false},
    {"monitor-down", monitor_drive, 0, false},
    {NULL, NULL, 0, false},
};
