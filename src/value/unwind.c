/* SPDX-License-Identifier: Apache-2.0 */
/* Unwinding: boundaries, throws, and the end of an isolate.
 *
 * Law: the error goes to the boundary's scope before any scope is closed; then all scopes inside
 * the boundary close on the stack of the thrower, which still stands, and their deferred tasks run;
 * the jump is the last act. While they run, the boundary that will take the error is the frame's
 * own, so whatever they throw meets theirs first. The code between a boundary and a throw is C of
 * the program: no cleanup but scopes and deferred tasks. */
#include <stdio.h>
#include <string.h>

#include "value/cell.h"
#include "value/copy.h"
#include "value/failure.h"

#define UNWIND_TEXT 400

struct unwind_call {
    struct isle__heap *heap;
    void (*fn)(void *argument);
    void *argument;
};

void isle__scopes_close_left(struct isle__frame *frame, const struct isle__scope *scope)
{
    isle_value error;
    if (frame->scope == scope)
        return;
    struct isle__scope *left = frame->scope;
    while (left->outer != scope)
        left = left->outer;
    if (isle__scope_fini(left, &error))
        isle_throw(error);
}

/* Scopes that the function left open are closed inside the boundary. */
static void unwind_run(void *argument)
{
    struct unwind_call *call = argument;
    const struct isle__scope *scope = call->heap->frame->catcher->scope;
    call->fn(call->argument);
    isle__scopes_close_left(call->heap->frame, scope);
}

enum isle__unwinding isle__catch_do(struct isle__heap *heap, struct isle__catch *catch,
                                    enum isle__catch_kind kind, void (*fn)(void *), void *argument)
{
    struct isle__frame *frame = heap->frame;
    struct unwind_call call = {heap, fn, argument};
    catch->outer = frame->catcher;
    catch->scope = frame->scope;
    catch->kind = kind;
    catch->caught = ISLE__UNWIND_NONE;
    catch->error = isle_null();
    catch->uninterrupted = frame->uninterrupted;
    catch->deferring = frame->deferring;
    frame->catcher = catch;
    if (isle__catch_run(&catch->buffer, unwind_run, &call)) {
        frame->uninterrupted = catch->uninterrupted;
        frame->deferring = catch->deferring;
    }
    frame->catcher = catch->outer;
    return catch->caught;
}

static void unwind_nothing(void *unused)
{
    (void)unused;
}

/* The function of an event left scopes open: they are closed as if it had done so last. */
static ISLE__RARE void unwind_leftover(struct isle__heap *heap, struct isle__catch *catch)
{
    struct unwind_call call = {heap, unwind_nothing, NULL};
    (void)isle__catch_run(&catch->buffer, unwind_run, &call);
}

enum isle__unwinding isle__catch_event(struct isle__heap *heap, struct isle__catch *catch,
                                       void (*fn)(void *), void *argument)
{
    struct isle__frame *frame = heap->frame;
    catch->outer = NULL;
    catch->scope = frame->scope;
    catch->kind = ISLE__CATCH_EVENT;
    catch->caught = ISLE__UNWIND_NONE;
    frame->catcher = catch;
    if (!isle__catch_run(&catch->buffer, fn, argument) &&
        ISLE__UNLIKELY(frame->scope != catch->scope))
        unwind_leftover(heap, catch);
    frame->catcher = NULL;
    if (ISLE__UNLIKELY(catch->caught != ISLE__UNWIND_NONE))
        frame->uninterrupted = frame->deferring = 0;
    return catch->caught;
}

/* Closes what is inside the boundary and goes there. */
static ISLE_NORETURN void unwind_to(struct isle__frame *frame, struct isle__catch *catch)
{
    frame->catcher = catch;
    while (frame->scope != catch->scope && frame->scope != NULL)
        isle__scope_fini(frame->scope, NULL);
    isle__catch_jump(&catch->buffer);
}

static ISLE_NORETURN void unwind_uncaught(struct isle__heap *heap, isle_value error)
{
    if (isle__uncaught_hook != NULL)
        isle__uncaught_hook(heap, error);
    isle__die("isle: an error was thrown where nothing takes it");
}

/* An object may borrow a struct of a frame that is about to go: it is copied wherever its cell
 * lies. */
static isle_value unwind_carry(struct isle__heap *heap, struct isle__catch *catch, isle_value error)
{
    isle_value moved;
    error = isle__resolve(error);
    if (isle__is_immediate(error))
        return error;
    if (catch->scope == NULL)
        return isle__error_out_of_memory();
    struct isle__cell *cell = isle__cell_of(error);
    bool may_borrow = cell->kind == ISLE_OBJECT;
    struct isle__region *region = isle__region_of(cell);
    bool in_scope = region != NULL && region->kind == ISLE__REGION_SCOPE && region->heap == heap;
    isle_err err = may_borrow && in_scope
                       ? isle__copy_object_to_scope(heap, catch->scope, error, &moved)
                       : isle__try_store(heap, &catch->scope->region, error, &moved);
    return err == ISLE_OK ? moved : isle__error_out_of_memory();
}

static ISLE_NORETURN void unwind_throw(struct isle__heap *heap, isle_value error)
{
    struct isle__catch *catch = heap->frame->catcher;
    if (catch == NULL)
        unwind_uncaught(heap, error);
    catch->error = unwind_carry(heap, catch, error);
    catch->caught = ISLE__UNWIND_ERROR;
    unwind_to(heap->frame, catch);
}

void isle_throw(isle_value error)
{
    struct isle__heap *heap = isle__heap_need("isle_throw");
    unwind_throw(heap, error);
}

/* The error is made where it is going, so that it need not be copied. */
static ISLE_NORETURN void unwind_throw_text(struct isle__heap *heap, isle_err code,
                                            const char *text)
{
    struct isle__frame *frame = heap->frame;
    struct isle__scope *scope = frame->catcher == NULL ? frame->scope : frame->catcher->scope;
    if (code == ISLE_ENOMEM || scope == NULL)
        unwind_throw(heap, isle__error_out_of_memory());
    unwind_throw(heap, isle__error_make_in(scope, code, text, NULL));
}

static ISLE_NORETURN void unwind_throw_format(struct isle__heap *heap, isle_err code,
                                              const char *format, va_list arguments)
    ISLE_PRINTF(3, 0);
static ISLE_NORETURN void unwind_throw_format(struct isle__heap *heap, isle_err code,
                                              const char *format, va_list arguments)
{
    char small[UNWIND_TEXT];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(small, sizeof(small), format, arguments);
    if (length >= 0 && (size_t)length >= sizeof(small) && heap->frame->scope != NULL) {
        char *text = isle__scope_try_alloc(heap->frame->scope, (size_t)length + 1);
        if (text != NULL) {
            vsnprintf(text, (size_t)length + 1, format, again);
            va_end(again);
            unwind_throw_text(heap, code, text);
        }
    }
    va_end(again);
    unwind_throw_text(heap, code, small);
}

void isle_throwf(const char *format, ...)
{
    struct isle__heap *heap = isle__heap_need("isle_throwf");
    va_list arguments;
    if (format == NULL)
        isle__throw(ISLE_EINVAL, "isle_throwf: NULL");
    va_start(arguments, format);
    unwind_throw_format(heap, ISLE_ETHROWN, format, arguments);
}

void isle__throw(isle_err code, const char *format, ...)
{
    struct isle__heap *heap = isle__heap_current();
    va_list arguments;
    va_start(arguments, format);
    if (heap == NULL || heap->frame == NULL) {
        char text[UNWIND_TEXT];
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        isle__die(text);
    }
    if (code == ISLE_ENOMEM)
        unwind_throw(heap, isle__error_out_of_memory());
    unwind_throw_format(heap, code, format, arguments);
}

void isle__unwind_end(struct isle__heap *heap)
{
    struct isle__frame *frame = heap->frame;
    struct isle__catch *catch = frame->catcher;
    while (catch != NULL && catch->kind == ISLE__CATCH_TRY)
        catch = catch->outer;
    if (catch == NULL)
        unwind_uncaught(heap, isle__error_make(ISLE_ECANCELED, NULL, NULL));
    catch->caught = ISLE__UNWIND_END;
    unwind_to(frame, catch);
}

struct unwind_try {
    struct isle__heap *heap;
    isle_computation *body;
    isle_value argument, result;
};

static void unwind_try_run(void *context)
{
    struct unwind_try *attempt = context;
    struct isle__frame *frame = attempt->heap->frame;
    struct isle__scope scope;
    isle_value error;
    isle__scope_init(&scope, frame);
    isle_value result = attempt->body(attempt->argument);
    attempt->result = isle__move_to_scope(attempt->heap, scope.outer, result);
    if (isle__scope_fini(&scope, &error))
        isle_throw(error);
}

isle_err isle_try(isle_computation *body, isle_value argument, isle_value *ret_value)
{
    struct isle__heap *heap = isle__heap_need("isle_try");
    struct unwind_try attempt = {heap, body, argument, {0}};
    struct isle__catch catch;
    if (body == NULL)
        isle__throw(ISLE_EINVAL, "isle_try: NULL");
    isle__scope_current(heap);
    if (isle__catch_do(heap, &catch, ISLE__CATCH_TRY, unwind_try_run, &attempt) ==
        ISLE__UNWIND_ERROR)
        return isle__fail_with(catch.error);
    if (ret_value != NULL)
        *ret_value = attempt.result;
    return ISLE_OK;
}

isle_err isle_protect(isle_task *fn, void *argument, isle_value *ret_error)
{
    struct isle__heap *heap = isle__heap_need("isle_protect");
    struct isle__catch catch;
    if (fn == NULL)
        isle__throw(ISLE_EINVAL, "isle_protect: NULL");
    switch (isle__catch_do(heap, &catch, ISLE__CATCH_PROTECT, fn, argument)) {
    case ISLE__UNWIND_ERROR:
        if (ret_error != NULL)
            *ret_error = catch.error;
        return isle__failure_code(catch.error);
    case ISLE__UNWIND_END:
        heap->frame->pending_end = true;
        if (ret_error != NULL)
            *ret_error = isle_null();
        return ISLE_ECANCELED;
    case ISLE__UNWIND_NONE:
        break;
    }
    return ISLE_OK;
}

void isle_unwind_continue(void)
{
    struct isle__heap *heap = isle__heap_need("isle_unwind_continue");
    if (!heap->frame->pending_end)
        isle__throw(ISLE_EINVAL, "isle_unwind_continue: no kill or exit was stopped");
    heap->frame->pending_end = false;
    isle__unwind_end(heap);
}
