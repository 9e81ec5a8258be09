/* SPDX-License-Identifier: Apache-2.0 */
/* isle.hpp: errors, kill and exit become exceptions, destructors run, and exceptions become errors
 * again where C++ was entered. */
#include "isle.hpp"

#include <atomic>
#include <cstring>
#include <string>

#include "test.h"

namespace
{

/* Guards that have been left, of all isolates: a destructor must have run when it is read. */
std::atomic<int> guards_left;

struct guard {
    guard() = default;
    guard(const guard &) = delete;
    guard &operator=(const guard &) = delete;
    ~guard()
    {
        guards_left.fetch_add(1);
    }
};

void defer_mark(void *context)
{
    ++*static_cast<int *>(context);
}

void need_int(isle_value value)
{
    guard left;
    isle::insist([&] { isle_as_int(value); });
}

isle_value throw_cpp(isle_value)
{
    guard left;
    throw std::runtime_error("from C++");
}

isle_value throw_bad_alloc(isle_value)
{
    guard left;
    throw std::bad_alloc();
}

isle_value throw_number(isle_value)
{
    guard left;
    throw 42;
}

isle_value throw_isle(isle_value)
{
    guard left;
    return isle::insist([] { return isle_int(isle_as_int(isle_string("text"))); });
}

isle_value add_one(isle_value value)
{
    guard left;
    return isle::insist([&] { return isle_int(isle_as_int(value) + 1); });
}

/* Says that it stands, then waits for a message that never comes. */
void wait_forever(isle_value ready)
{
    guard outer;
    try {
        guard inner;
        isle_receive_port *port = isle::insist([] { return isle_port_open(); });
        isle::insist([&] { isle_send(isle_as_port(ready), isle_null()); });
        isle::insist([&] { return isle_port_receive(port); });
    } catch (const std::exception &) {
        fail("an end is no std::exception");
    }
}

void leave_by_exit(isle_value final_port)
{
    guard outer;
    std::string text = "last words";
    isle::insist([&] { isle_exit(isle_as_port(final_port), isle_string(text.c_str())); });
    fail("isle_exit returned");
}

void swallow_end(isle_value ready)
{
    guard left;
    isle_receive_port *port = isle::insist([] { return isle_port_open(); });
    isle::insist([&] { isle_send(isle_as_port(ready), isle_null()); });
    for (int turn = 0; turn < 2; turn++) {
        try {
            isle::insist([&] { return isle_port_receive(port); });
        } catch (const isle::ended &) {
            guards_left.fetch_add(10);
        }
    }
}

void handle_and_throw(isle_value value, void *context)
{
    guard left;
    std::string text = "handled ";
    text += isle_as_string(value);
    isle_port_close(static_cast<isle_receive_port *>(context));
    throw std::runtime_error(text);
}

void listen_and_throw(isle_value message)
{
    isle_receive_port *port = isle_port_open();
    isle_port_listen(port, isle::handler<handle_and_throw>, port);
    isle_send(isle_port_send_port(port), message);
}

isle_value answer_or_throw(isle_value request, void *)
{
    guard left;
    return isle::insist([&] { return isle_int(isle_as_int(request) * 2); });
}

void serve(isle_value)
{
    isle_port_serve(isle_default_port(), isle::answer<answer_or_throw>, nullptr);
}

/* What the future of such a run fails with. */
void check_run_fails(isle_computation *computation, isle_err code, const char *text)
{
    guards_left.store(0);
    isle_value result;
    isle_err got =
        isle_try_await(isle_run(computation, isle_null(), nullptr), ISLE_SECONDS(20), &result);
    CHECK_ERR(got, code);
    if (text)
        CHECK_STRING(isle_error_text(isle_last_error()), text);
    CHECK_INT(guards_left.load(), 1);
}

} // namespace

TEST_ROOT(insist_returns_what_the_calls_return)
{
    CHECK_INT(isle::insist([] { return isle_as_int(isle_int(7)); }), 7);
    const char *text = isle::insist([] { return isle_as_string(isle_string("text")); });
    CHECK_STRING(text, "text");
    int calls = 0;
    isle::insist([&] { calls++; });
    CHECK_INT(calls, 1);
}

TEST_ROOT(insist_turns_an_error_into_an_exception)
{
    guards_left.store(0);
    try {
        need_int(isle_string("text"));
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        CHECK_ERR(caught.code(), ISLE_ETYPE);
        CHECK(std::strlen(caught.what()) > 0);
    }
    CHECK_INT(guards_left.load(), 1);
}

TEST_ROOT(error_has_text_and_stack_of_the_error)
{
    try {
        isle::insist([] { isle_throw(isle_error(ISLE_ERANGE, "too far", "here\nthere")); });
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        isle::error copy = caught;
        CHECK_ERR(copy.code(), ISLE_ERANGE);
        CHECK_STRING(copy.what(), "too far");
        CHECK_STRING(copy.stack(), "here\nthere");
    }
    try {
        isle::insist([] { isle_throw(isle_error(ISLE_ERANGE, "too far", NULL)); });
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        CHECK_STRING(caught.stack(), nullptr);
    }
}

TEST_ROOT(error_has_the_text_of_a_thrown_value)
{
    try {
        isle::insist([] { isle_throw(isle_string("boom")); });
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        CHECK_ERR(caught.code(), ISLE_ETHROWN);
        CHECK_STRING(caught.what(), "boom");
    }
    try {
        isle::insist([] {
            isle_value list = isle_list();
            isle_list_add(list, isle_int(1));
            isle_throw(list);
        });
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        CHECK_STRING(caught.what(), "[1]");
    }
}

TEST_ROOT(canceled_is_an_error_and_no_end)
{
    try {
        isle::insist([] { isle_throw(isle_error(ISLE_ECANCELED, "canceled", NULL)); });
        fail("nothing was thrown");
    } catch (const isle::error &caught) {
        CHECK_ERR(caught.code(), ISLE_ECANCELED);
    }
}

TEST_ROOT(error_outlives_its_scope)
{
    std::exception_ptr kept;
    int deferred = 0;
    try {
        isle::insist([&] {
            ISLE_SCOPE;
            isle_defer(defer_mark, &deferred);
            isle_throw(isle_error(ISLE_ERANGE, "too far", NULL));
        });
    } catch (const isle::error &) {
        kept = std::current_exception();
    }
    CHECK_INT(deferred, 1);
    try {
        std::rethrow_exception(kept);
    } catch (const isle::error &caught) {
        CHECK_STRING(caught.what(), "too far");
    }
}

TEST_ROOT(insist_lets_other_exceptions_out)
{
    guards_left.store(0);
    try {
        isle::insist([] {
            isle_value text = isle_string("mine");
            std::string copy = isle_as_string(text);
            guard left;
            throw std::runtime_error(copy);
        });
        fail("nothing was thrown");
    } catch (const std::runtime_error &caught) {
        CHECK_STRING(caught.what(), "mine");
    }
    CHECK_INT(guards_left.load(), 1);
}

TEST_ROOT(computation_gives_its_result)
{
    guards_left.store(0);
    isle_future *future = isle_run(isle::computation<add_one>, isle_int(1), nullptr);
    CHECK_INT(isle_as_int(isle_await(future)), 2);
    CHECK_INT(guards_left.load(), 1);
}

TEST_ROOT(computation_turns_exceptions_into_errors)
{
    check_run_fails(isle::computation<throw_cpp>, ISLE_ETHROWN, "from C++");
    check_run_fails(isle::computation<throw_number>, ISLE_ETHROWN, "unknown C++ exception");
    check_run_fails(isle::computation<throw_bad_alloc>, ISLE_ENOMEM, "Out of Memory");
    check_run_fails(isle::computation<throw_isle>, ISLE_ETYPE, nullptr);
}

TEST_ROOT(kill_runs_destructors)
{
    guards_left.store(0);
    isle_receive_port *ready = isle_port_open(), *gone = isle_port_open();
    isle_options options = {};
    options.on_exit = isle_port_send_port(gone);
    isle_isolate isolate = isle_spawn(isle::entry<wait_forever>, isle_port_value(ready), &options);
    isle_port_receive(ready);
    CHECK_INT(guards_left.load(), 0);
    isle_kill(isolate, ISLE_IMMEDIATE);
    CHECK(isle_is_null(isle_port_receive(gone)));
    CHECK_INT(guards_left.load(), 2);
    isle_port_close(ready);
    isle_port_close(gone);
}

TEST_ROOT(exit_runs_destructors_and_sends_its_message)
{
    guards_left.store(0);
    isle_receive_port *last = isle_port_open();
    isle_spawn(isle::entry<leave_by_exit>, isle_port_value(last), nullptr);
    CHECK_STRING(isle_as_string(isle_port_receive(last)), "last words");
    CHECK_INT(guards_left.load(), 1);
    isle_port_close(last);
}

TEST_ROOT(end_that_is_caught_goes_on_at_the_next_kill_point)
{
    guards_left.store(0);
    isle_receive_port *ready = isle_port_open(), *gone = isle_port_open();
    isle_options options = {};
    options.on_exit = isle_port_send_port(gone);
    isle_isolate isolate = isle_spawn(isle::entry<swallow_end>, isle_port_value(ready), &options);
    isle_port_receive(ready);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_receive(gone);
    CHECK_INT(guards_left.load(), 21);
    isle_port_close(ready);
    isle_port_close(gone);
}

TEST_ROOT(handler_turns_exceptions_into_errors)
{
    guards_left.store(0);
    isle_receive_port *errors = isle_port_open();
    isle_options options = {};
    options.on_error = isle_port_send_port(errors);
    isle_spawn(listen_and_throw, isle_string("this"), &options);
    isle_value error = isle_port_receive(errors);
    CHECK_STRING(isle_as_string(isle_list_get(error, 0)), "handled this");
    CHECK_INT(guards_left.load(), 1);
    isle_port_close(errors);
}

TEST_ROOT(answer_replies_or_fails_the_call)
{
    isle_isolate isolate = isle_spawn(serve, isle_null(), nullptr);
    isle_value reply;
    isle_err err = isle_try_await(isle_call(isolate.default_port, isle_int(21), ISLE_SECONDS(20)),
                                  ISLE_SECONDS(20), &reply);
    CHECK_ERR(err, ISLE_OK);
    CHECK_INT(isle_as_int(reply), 42);
    err = isle_try_await(isle_call(isolate.default_port, isle_string("x"), ISLE_SECONDS(20)),
                         ISLE_SECONDS(20), &reply);
    CHECK_ERR(err, ISLE_ETYPE);
    isle_kill(isolate, ISLE_IMMEDIATE);
}

TEST_MAIN()
