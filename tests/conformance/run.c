/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: isle_run (row 39 of the table) and isolates that compute by running others (the
 * calls of section 5.3). */
#include "conformance.h"

/* A C global is one variable for all isolates on threads; what each isolate has for itself is
 * ISLE_LOCAL. That is what "the caller's global stays 0" means here. */
ISLE_LOCAL(int64_t, own_variable);

static isle_value run_sync_body(isle_value argument)
{
    *own_variable() += 1;
    return isle_int(isle_as_int(argument) + 1 + *own_variable());
}

TEST_ROOT(isolate_run_sync)
{
    CHECK_INT(isle_as_int(isle_await(run(run_sync_body, isle_int(40), NULL))), 42);
    CHECK_INT(*own_variable(), 0);
}

static isle_value run_async_body(isle_value argument)
{
    isle_future *later = isle_future_new();

    *own_variable() += 1;
    isle_future_complete(later, isle_int(isle_as_int(argument) + 1 + *own_variable()));
    isle_sleep(ISLE_MS(1));
    return isle_await(later);
}

TEST_ROOT(isolate_run_async)
{
    CHECK_INT(isle_as_int(isle_await(run(run_async_body, isle_int(40), NULL))), 42);
    CHECK_INT(*own_variable(), 0);
}

/* A typed error: what was thrown arrives, an object of its type with its fields. */
struct failure {
    int64_t number;
    const char *name;
};
ISLE_TYPE(failure_type, struct failure, ISLE_FIELD(struct failure, number),
          ISLE_FIELD(struct failure, name));
REGISTERED(failure_type);

ISLE_NORETURN static void throw_failure(void)
{
    static char name[] = "name";
    struct failure failure = {.number = 42, .name = name};

    isle_throw(isle_object(&failure_type, &failure));
}

static isle_value run_sync_throw_body(isle_value argument)
{
    (void)argument;
    throw_failure();
}

static isle_value run_async_throw_body(isle_value argument)
{
    (void)argument;
    isle_sleep(ISLE_MS(1));
    throw_failure();
}

static void check_failure(isle_computation *computation)
{
    isle_value result = isle_null(), error;
    const struct failure *failure;

    CHECK_ERR(isle_try_await(run(computation, isle_null(), NULL), ISLE_FOREVER, &result),
              ISLE_ETHROWN);
    CHECK(isle_is_null(result));
    error = isle_last_error();
    CHECK(isle_object_type(error) == &failure_type);
    failure = isle_as_object(error, &failure_type);
    CHECK_INT(failure->number, 42);
    CHECK_STRING(failure->name, "name");
}

TEST_ROOT(isolate_run_sync_throw)
{
    check_failure(run_sync_throw_body);
}

TEST_ROOT(isolate_run_async_throw)
{
    check_failure(run_async_throw_body);
}

static isle_value run_error_value_body(isle_value argument)
{
    isle_throw(isle_error(ISLE_ERANGE, isle_as_string(argument), "the stack"));
}

TEST_ROOT(isolate_run_throw_keeps_code_and_texts)
{
    isle_future *future = run(run_error_value_body, isle_string("too far"), NULL);
    isle_value result;

    CHECK_ERR(isle_try_await(future, ISLE_FOREVER, &result), ISLE_ERANGE);
    CHECK_STRING(isle_error_text(isle_last_error()), "too far");
    CHECK_STRING(isle_error_stack(isle_last_error()), "the stack");
}

/* An error that no part of the computation threw: of a timer's callback, meanwhile. */
static void run_background_task(void *context)
{
    (void)context;
    isle_throwf("in the background");
}

static isle_value run_background_body(isle_value argument)
{
    (void)argument;
    isle_timer_start(0, run_background_task, NULL);
    return isle_await(isle_future_new());
}

TEST_ROOT(isolate_run_background_error)
{
    isle_future *future = run(run_background_body, isle_null(), NULL);
    isle_value result;

    CHECK_ERR(isle_try_await(future, ISLE_FOREVER, &result), ISLE_EREMOTE);
    CHECK_STRING(isle_error_text(isle_last_error()), "in the background");
}

static void check_no_result(isle_computation *computation)
{
    isle_value result;

    CHECK_ERR(isle_try_await(run(computation, isle_null(), NULL), ISLE_FOREVER, &result),
              ISLE_ENORESULT);
    CHECK_STRING(isle_error_text(isle_last_error()), "Computation ended without result");
}

static isle_value run_hanging_body(isle_value argument)
{
    (void)argument;
    return isle_await(isle_future_new());
}

TEST_ROOT(isolate_run_hanging)
{
    check_no_result(run_hanging_body);
}

static void kill_self(void *context)
{
    (void)context;
    isle_kill(isle_current(), ISLE_BEFORE_NEXT_EVENT);
}

static isle_value run_killed_body(isle_value argument)
{
    isle_port_open();
    isle_timer_start(0, kill_self, NULL);
    (void)argument;
    return isle_await(isle_future_new());
}

TEST_ROOT(isolate_run_killed_while_waiting)
{
    check_no_result(run_killed_body);
}

static isle_value run_exit_body(isle_value argument)
{
    (void)argument;
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(isolate_run_exit_without_value)
{
    check_no_result(run_exit_body);
}

/* What cannot be sent fails the future and not the call. */
static isle_value run_identity_body(isle_value argument)
{
    return argument;
}

TEST_ROOT(isolate_run_unsendable_argument)
{
    int here = 0;
    isle_future *future = run(run_identity_body, isle_pointer(&here), NULL);
    isle_value result;

    CHECK_ERR(isle_try_await(future, ISLE_FOREVER, &result), ISLE_EUNSENDABLE);
}

static isle_value run_unsendable_result_body(isle_value argument)
{
    static int somewhere;

    (void)argument;
    return isle_pointer(&somewhere);
}

TEST_ROOT(isolate_run_unsendable_result)
{
    isle_future *future = run(run_unsendable_result_body, isle_null(), NULL);
    isle_value result;

    CHECK(isle_try_await(future, ISLE_FOREVER, &result) != ISLE_OK);
    CHECK(strstr(isle_error_text(isle_last_error()), isle_err_text(ISLE_EUNSENDABLE)));
}

/* One isolate per recursive call. */
static isle_value fibonacci(isle_value argument)
{
    int64_t n = isle_as_int(argument);
    isle_future *calls[2];
    isle_value both;

    if (n < 2)
        return isle_int(n);
    calls[0] = run(fibonacci, isle_int(n - 1), NULL);
    calls[1] = run(fibonacci, isle_int(n - 2), NULL);
    both = isle_await(isle_future_all(calls, 2));
    return isle_int(isle_as_int(isle_list_get(both, 0)) + isle_as_int(isle_list_get(both, 1)));
}

TEST_ROOT(fibonacci_call)
{
    CHECK_INT(isle_as_int(isle_await(run(fibonacci, isle_int(12), NULL))), 144);
}

static isle_value sum_recursive(isle_value argument)
{
    int64_t n = isle_as_int(argument);

    if (n == 0)
        return isle_int(0);
    return isle_int(n + isle_as_int(isle_await(run(sum_recursive, isle_int(n - 1), NULL))));
}

TEST_ROOT(sum_recursive_call)
{
    CHECK_INT(isle_as_int(isle_await(run(sum_recursive, isle_int(100), NULL))), 5050);
}

static void sum_tail(isle_value message)
{
    int64_t n, sum;
    isle_send_port to;

    isle_unpack(message, "[i,i,p!]", &n, &sum, &to);
    if (n == 0)
        isle_exit(to, isle_int(sum));
    spawn(sum_tail, isle_pack("[i,i,p]", n - 1, sum + n, to), NULL);
}

TEST_ROOT(sum_recursive_tail_call)
{
    needs_children_that_live_on();
    isle_receive_port *port = isle_port_open();

    spawn(sum_tail, isle_pack("[i,i,p]", 1000, 0, isle_port_send_port(port)), NULL);
    CHECK_INT(receive_int(port), 500500);
    isle_port_close(port);
}

TEST_MAIN()
