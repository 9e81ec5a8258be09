/* SPDX-License-Identifier: Apache-2.0 */
/* The core in callback style: isolates, ports, timers and futures with nothing that suspends, so
 * that the same tests run where there are no threads and no stacks (WebAssembly). What cannot
 * suspend there says so and names the callback form. */
#include <string.h>

#include <isle.h>

#include "platform/platform.h"
#include "test.h"

/* --- a ring of isolates hands a token round */

enum { RING_SIZE = 50, RING_LAPS = 20, RING_HOPS = RING_SIZE * RING_LAPS };

struct node {
    int64_t place, hops;
    isle_send_port next, done;
};
ISLE_LOCAL(struct node, node);

/* The token counts hops, so a node knows how often it must have had it: that it was here before
 * shows in its place alone. A port closes the ring. */
static void ring_token(isle_value token, void *context)
{
    (void)context;
    if (isle_get_port(token, &node()->next))
        return;
    int64_t hops = isle_as_int(token);
    CHECK_INT(hops, node()->place + RING_SIZE * node()->hops);
    node()->hops++;
    if (hops == RING_HOPS)
        isle_send(node()->done, token);
    else
        isle_send(node()->next, isle_int(hops + 1));
}

static void ring_node(isle_value message)
{
    isle_unpack(message, "[i,p,p]", &node()->place, &node()->next, &node()->done);
    isle_port_listen(isle_default_port(), ring_token, NULL);
}

static int64_t ring_hops;

static void ring_done(isle_value hops, void *context)
{
    ring_hops = isle_as_int(hops);
    isle_port_close(context);
}

TEST_ROOT(a_ring_of_isolates_passes_a_token)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port done = isle_port_send_port(port), first = {0}, next = {0};
    isle_port_listen(port, ring_done, port);
    for (int i = RING_SIZE - 1; i >= 0; i--) {
        next = isle_spawn(ring_node, isle_pack("[i,p,p]", i, next, done), NULL).default_port;
        if (i == RING_SIZE - 1)
            first = next;
    }
    isle_send(first, isle_port(next)); /* the last leads back to the node at place 0 */
    isle_send(next, isle_int(0));
    isle_loop();
    CHECK_INT(ring_hops, RING_HOPS);
}

/* --- what the main activity looks at outlives what its loop's events do */

enum { GARBAGE = 4096 };

static void replaces(void *context)
{
    isle_value list = *(isle_value *)context;
    for (int i = 0; i < GARBAGE; i++) {
        ISLE_SCOPE;
        isle_list_set(list, 0, isle_stringf("%0200d", i));
    }
}

TEST_ROOT(a_value_that_the_root_reads_before_its_loop_is_there_after_it)
{
    isle_value list = isle_list();
    isle_list_add(list, isle_stringf("%0200d", -1));
    list = isle_keep(list);
    isle_value first = isle_list_get(list, 0); /* in the list's memory, and soon not in the list */
    isle_schedule_microtask(replaces, &list);
    isle_loop();
    CHECK_STRING(isle_as_string(first), isle_as_string(isle_stringf("%0200d", -1)));
    CHECK_STRING(isle_as_string(isle_list_get(list, 0)),
                 isle_as_string(isle_stringf("%0200d", GARBAGE - 1)));
    isle_release(list);
}

/* --- a counter that serves */

ISLE_LOCAL(int64_t, count);

static isle_value counter_add(isle_value request, void *context)
{
    (void)context;
    *count() += isle_as_int(request);
    return isle_int(*count());
}

static void counter(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), counter_add, NULL);
}

static void counter_reply(isle_value reply, void *context)
{
    int64_t *last = context;
    CHECK_INT(isle_as_int(reply), *last + 5);
    *last = isle_as_int(reply);
}

static void counter_error(isle_value error, void *context)
{
    CHECK_ERR(isle_error_code(error), ISLE_ETYPE);
    *(bool *)context = true;
}

static int64_t counter_last;
static bool counter_refused;

TEST_ROOT(a_counter_answers_calls_in_order)
{
    isle_isolate server = isle_spawn(counter, isle_null(), NULL);
    counter_last = 0;
    for (int i = 0; i < 100; i++)
        isle_then(isle_call(server.default_port, isle_int(5), ISLE_SECONDS(10)), counter_reply,
                  NULL, &counter_last);
    isle_then(isle_call(server.default_port, isle_string("five"), ISLE_SECONDS(10)), NULL,
              counter_error, &counter_refused);
    isle_loop();
    CHECK_INT(counter_last, 500);
    CHECK(counter_refused);
}

/* --- runs */

static isle_value square(isle_value argument)
{
    return isle_int(isle_as_int(argument) * isle_as_int(argument));
}

static isle_value fail_here(isle_value argument)
{
    isle_throwf("not %s", isle_as_string(argument));
}

static void got_squares(isle_value list, void *context)
{
    CHECK_INT(isle_count(list), 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(isle_as_int(isle_list_get(list, i)), (int64_t)(i * i));
    ++*(int *)context;
}

static void got_failure(isle_value error, void *context)
{
    CHECK_STRING(isle_error_text(error), "not today");
    ++*(int *)context;
}

TEST_ROOT(runs_give_values_and_errors)
{
    static int done;
    isle_future *squares[4];
    for (int i = 0; i < 4; i++)
        squares[i] = isle_run(square, isle_int(i), NULL);
    isle_then(isle_future_all(squares, 4), got_squares, NULL, &done);
    isle_then(isle_run(fail_here, isle_string("today"), NULL), NULL, got_failure, &done);
    isle_loop();
    CHECK_INT(done, 2);
}

/* --- time */

struct tick {
    int count;
    int64_t began;
    isle_timer *timer;
};

static void on_tick(void *context)
{
    struct tick *tick = context;
    tick->count++;
    CHECK(isle_now_ns() - tick->began >= ISLE_MS(2) * tick->count);
    if (tick->count == 3)
        isle_timer_cancel(tick->timer);
}

static void on_once(void *context)
{
    int64_t *began = context;
    CHECK(isle_now_ns() - *began >= ISLE_MS(5));
    *began = 0;
}

TEST_ROOT(timers_are_never_early_and_keep_the_isolate_alive)
{
    static struct tick tick;
    static int64_t began;
    tick.began = began = isle_now_ns();
    tick.timer = isle_timer_periodic(ISLE_MS(2), on_tick, &tick);
    isle_timer_start(ISLE_MS(5), on_once, &began);
    isle_timer_cancel(isle_timer_start(ISLE_SECONDS(100), on_once, &began));
    isle_loop();
    CHECK_INT(tick.count, 3);
    CHECK_INT(began, 0);
}

/* Whenever it becomes due: also between the last look at the clock and the wait. */
TEST_ROOT(a_timer_that_is_due_while_the_loop_goes_idle_fires)
{
    for (int64_t delay = 0; delay < ISLE_US(20); delay += 10) {
        int64_t pending = isle_now_ns() - ISLE_MS(5); /* on_once makes it 0 */
        isle_timer_start(delay, on_once, &pending);
        isle_loop();
        CHECK_INT(pending, 0);
    }
}

static char order[8];

static void note(void *context)
{
    strcat(order, context);
}

static void note_micro(void *context)
{
    (void)context;
    strcat(order, "a");
    isle_schedule_microtask(note, "m");
    strcat(order, "b");
}

TEST_ROOT(microtasks_run_before_the_next_event)
{
    isle_timer_start(0, note_micro, NULL);
    isle_timer_start(0, note, "t");
    isle_loop();
    CHECK_STRING(order, "abmt");
}

/* --- an isolate that fails tells its listeners */

static void fails(isle_value text)
{
    isle_throw(text);
}

static char told[64];

static void on_error(isle_value pair, void *context)
{
    strcat(told, isle_as_string(isle_list_get(pair, 0)));
    isle_port_close(context);
}

static void on_exit_message(isle_value response, void *context)
{
    CHECK(isle_is_null(response));
    strcat(told, ", exit");
    isle_port_close(context);
}

TEST_ROOT(an_error_is_told_before_the_exit)
{
    isle_receive_port *errors = isle_port_open(), *exits = isle_port_open();
    isle_port_listen(errors, on_error, errors);
    isle_port_listen(exits, on_exit_message, exits);
    isle_spawn(fails, isle_string("whoops"),
               &(isle_options){.on_error = isle_port_send_port(errors),
                               .on_exit = isle_port_send_port(exits)});
    isle_loop();
    CHECK_STRING(told, "whoops, exit");
}

/* --- what would suspend */

static isle_value try_to_await(isle_value argument)
{
    (void)argument;
    return isle_await(isle_run(square, isle_int(3), NULL));
}

static isle_value try_to_receive(isle_value argument)
{
    (void)argument;
    return isle_port_receive(isle_port_open());
}

static isle_value try_to_sleep(isle_value argument)
{
    isle_sleep(ISLE_MS(1));
    return argument;
}

TEST_ROOT(what_cannot_suspend_names_the_callback_form)
{
    if (isle__platform_has(ISLE__HAS_STACKS))
        skip("everything suspends here");
    CHECK_ERR(isle_try(try_to_await, isle_null(), NULL), ISLE_ENOSUSPEND);
    CHECK(strstr(isle_error_text(isle_last_error()), "isle_then") != NULL);
    CHECK_ERR(isle_try(try_to_receive, isle_null(), NULL), ISLE_ENOSUSPEND);
    CHECK(strstr(isle_error_text(isle_last_error()), "isle_port_listen") != NULL);
    CHECK_ERR(isle_try(try_to_sleep, isle_null(), NULL), ISLE_ENOSUSPEND);
    CHECK(strstr(isle_error_text(isle_last_error()), "isle_timer_start") != NULL);
}

static int64_t work(void *context)
{
    (void)context;
    return 0;
}

static isle_value try_to_block(isle_value argument)
{
    (void)isle_blocking(work, NULL, NULL);
    return argument;
}

static void idle(isle_value message)
{
    (void)message;
}

static isle_value try_own_thread(isle_value argument)
{
    isle_spawn(idle, argument, &(isle_options){.thread = ISLE_THREAD_OWN});
    return argument;
}

TEST_ROOT(what_needs_a_thread_says_so)
{
    if (isle__platform_has(ISLE__HAS_THREADS))
        skip("threads are here");
    CHECK_ERR(isle_try(try_to_block, isle_null(), NULL), ISLE_EUNSUPPORTED);
    CHECK_ERR(isle_try(try_own_thread, isle_null(), NULL), ISLE_EUNSUPPORTED);
}

TEST_MAIN()
