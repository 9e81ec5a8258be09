/* SPDX-License-Identifier: Apache-2.0 */
/* Isle for C++17, header only. An isle_throw, a kill and an isle_exit leave by a jump that runs no
 * destructors, and no C++ exception may enter the library. So C++ code with destructors to run
 * calls Isle through isle::insist, which turns what would jump into an exception, and is entered
 * through an adapter, which turns an exception back once it is destroyed:
 *
 *     static void greet(isle_value reply_to)
 *     {
 *         std::string text = "hello";
 *         isle::insist([&] { isle_send(isle_as_port(reply_to), isle_string(text.c_str())); });
 *     }
 *     isle_spawn(isle::entry<greet>, isle_port_value(port), nullptr);
 *
 * The laws:
 *   1. What insist runs has no frame that needs a destructor (or is in a catch block) while it
 *      calls Isle. It may throw C++ exceptions. An ISLE_SCOPE stands inside of it, whole.
 *   2. Outside of insist, call directly only what is plain (base.h), or anything where no frame
 *      between here and the adapter has a destructor to run.
 *   3. A destructor calls no insist: the call may be a kill point. Plain calls are fine.
 *   4. No insist that suspends inside a catch block: the activity may go on on another thread, and
 *      exceptions in flight belong to a thread.
 * Values keep to their scopes as in C; a value in a C++ object is not kept by it. */
#ifndef ISLE_HPP
#define ISLE_HPP

#include "isle.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>

namespace isle
{

/* An error that insist caught. Holds copies of the texts, no value, so it may outlive scope and
 * isolate; uncaught, it goes on as an error value of the same code and texts. What was thrown as a
 * plain value (isle_throw of a string, a map) has code ISLE_ETHROWN and the value's text. */
class error : public std::runtime_error
{
  public:
    explicit error(isle_err code, const char *text, const char *stack = nullptr)
        : std::runtime_error(text), code_(code), has_stack_(stack != nullptr),
          stack_(stack != nullptr ? stack : "")
    {
    }
    isle_err code() const noexcept
    {
        return code_;
    }
    /* NULL when there is none. */
    const char *stack() const noexcept
    {
        return has_stack_ ? stack_.what() : nullptr;
    }

  private:
    isle_err code_;
    bool has_stack_;
    std::runtime_error stack_; /* a string whose copy cannot fail */
};

/* The isolate is ending (kill, isle_exit). Passes through to run destructors; no std::exception, so
 * that who catches those does not stop it. If it is caught nevertheless, the end goes on at the
 * next kill point. */
class ended
{
};

namespace detail
{

enum class way { returned, failed, ended };

/* How a piece of code ended. Needs no destructor: it is what a frame holds while it jumps. */
struct outcome {
    way how;
    isle_value error;
};

template <class F> void call(void *body) noexcept
{
    (*static_cast<F *>(body))();
}

/* Runs body(), which lets no exception out. */
template <class F> outcome protect(F &body, isle_err *ret_code) noexcept
{
    isle_value caught = isle_null();
    *ret_code = isle_protect(call<F>, &body, &caught);
    if (*ret_code == ISLE_OK)
        return {way::returned, isle_null()};
    if (*ret_code == ISLE_ECANCELED && isle_is_null(caught))
        return {way::ended, isle_null()};
    return {way::failed, caught};
}

[[noreturn]] inline void raise(isle_err code, isle_value value)
{
    const char *text = nullptr, *stack = nullptr;
    auto read = [&] {
        if (isle_kind_of(value) == ISLE_ERROR) {
            text = isle_error_text(value);
            stack = isle_error_stack(value);
        } else {
            text = isle_as_string(isle_kind_of(value) == ISLE_STRING ? value : isle_json(value));
        }
    };
    isle_err ignored;
    protect(read, &ignored);
    throw error(code, text != nullptr ? text : isle_err_text(code), stack);
}

/* An error value for the adapter to throw, or the error that making it met. */
inline outcome failure(isle_err code, const char *text, const char *stack) noexcept
{
    isle_value value = isle_null();
    auto make = [&] { value = isle_error(code, text, stack); };
    isle_err ignored;
    outcome made = protect(make, &ignored);
    return made.how == way::returned ? outcome{way::failed, value} : made;
}

/* Runs body() to its end or to the end of its exception, which is destroyed when this returns. */
template <class F> outcome attempt(F &&body) noexcept
{
    try {
        body();
        return {way::returned, isle_null()};
    } catch (const ended &) {
        return {way::ended, isle_null()};
    } catch (const error &caught) {
        return failure(caught.code(), caught.what(), caught.stack());
    } catch (const std::bad_alloc &) {
        return failure(ISLE_ENOMEM, isle_err_text(ISLE_ENOMEM), nullptr);
    } catch (const std::exception &caught) {
        return failure(ISLE_ETHROWN, caught.what(), nullptr);
    } catch (...) {
        return failure(ISLE_ETHROWN, "unknown C++ exception", nullptr);
    }
}

/* May jump: its callers' frames hold nothing that needs a destructor. */
inline void finish(outcome end)
{
    if (end.how == way::ended)
        isle_unwind_continue();
    if (end.how == way::failed)
        isle_throw(end.error);
}

} // namespace detail

/* Runs calls() and returns its result, a plain one (a value, a number, a pointer, a handle). What
 * the calls would throw becomes isle::error, a kill or exit isle::ended; a C++ exception comes out
 * as it is. Suspends if the calls do. */
template <class F> auto insist(F &&calls) -> decltype(calls())
{
    using result = decltype(calls());
    constexpr bool is_void = std::is_void_v<result>;
    static_assert(is_void || std::is_trivial_v<result>, "insist hands on plain data alone");
    std::conditional_t<is_void, char, result> value{};
    std::exception_ptr thrown;
    auto body = [&] {
        try {
            if constexpr (is_void)
                calls();
            else
                value = calls();
        } catch (...) {
            thrown = std::current_exception();
        }
    };
    isle_err code;
    detail::outcome end = detail::protect(body, &code);
    if (end.how == detail::way::ended)
        throw ended();
    if (end.how == detail::way::failed)
        detail::raise(code, end.error);
    if (thrown)
        std::rethrow_exception(thrown);
    if constexpr (!is_void)
        return value;
}

/* Adapters: isle::entry<fn> is a function to give where C wants an isle_entry, and so on. fn may
 * throw whatever it likes. */
template <isle_entry *fn> void entry(isle_value message)
{
    detail::finish(detail::attempt([&] { fn(message); }));
}

template <isle_handler *fn> void handler(isle_value value, void *context)
{
    detail::finish(detail::attempt([&] { fn(value, context); }));
}

template <isle_task *fn> void task(void *context)
{
    detail::finish(detail::attempt([&] { fn(context); }));
}

template <isle_computation *fn> isle_value computation(isle_value argument)
{
    isle_value result = isle_null();
    detail::finish(detail::attempt([&] { result = fn(argument); }));
    return result;
}

template <isle_answer *fn> isle_value answer(isle_value request, void *context)
{
    isle_value result = isle_null();
    detail::finish(detail::attempt([&] { result = fn(request, context); }));
    return result;
}

/* For ISLE_MAIN: ISLE_MAIN(isle::app<run>). */
template <int (*fn)(int argc, char **argv)> int app(int argc, char **argv)
{
    int status = 0;
    detail::finish(detail::attempt([&] { status = fn(argc, argv); }));
    return status;
}

} // namespace isle

#endif
