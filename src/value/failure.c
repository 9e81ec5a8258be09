/* SPDX-License-Identifier: Apache-2.0 */
/* Error values that the library makes, and what the last failure of an activity was.
 *
 * Law: the errors of running out (memory, stack) are static and frozen, so telling of them needs
 * nothing. isle__fail keeps a code and a text outside of all scopes; the value is made when
 * somebody asks, so a loop that polls does not grow. */
#include <stdio.h>
#include <string.h>

#include "value/cell.h"
#include "value/failure.h"

#define FAILURE_TEXT 400

/* A string with its text in place, laid out as struct isle__string is. */
struct failure_string {
    _Alignas(16) struct isle__cell cell;
    size_t size;
    uint32_t hash;
    char text[24];
};
struct failure_immortal {
    _Alignas(16) struct isle__chunk chunk;
    struct isle__error_cell error;
    struct failure_string text;
};

static struct isle__frozen failure_block = {
    .shared = {.references = 1},
    .region = {ISLE__REGION_FROZEN, NULL},
};

#define FAILURE_IMMORTAL(name, error_code, sentence)                                               \
    static struct failure_immortal name = {                                                        \
        .chunk = {&failure_block.region, NULL, sizeof(struct failure_immortal),                    \
                  sizeof(struct failure_immortal)},                                                \
        .error = {.cell = {ISLE_ERROR, 0, 0, offsetof(struct failure_immortal, error) / 16},       \
                  .code = (error_code)},                                                           \
        .text = {.cell = {ISLE_STRING, 0, 0, offsetof(struct failure_immortal, text) / 16},        \
                 .size = sizeof(sentence) - 1,                                                     \
                 .text = sentence},                                                                \
    }

FAILURE_IMMORTAL(failure_memory, ISLE_ENOMEM, "Out of Memory");
FAILURE_IMMORTAL(failure_stack, ISLE_ESTACK, "Stack Overflow");

static isle_value failure_immortal_value(struct failure_immortal *immortal)
{
    static _Atomic bool linked;
    /* Addresses are no constants of 64 bits; every thread writes the same words. */
    if (!atomic_load_explicit(&linked, memory_order_acquire)) {
        __atomic_store_n(&failure_memory.error.text.bits, isle__value_of(&failure_memory.text).bits,
                         __ATOMIC_RELAXED);
        __atomic_store_n(&failure_stack.error.text.bits, isle__value_of(&failure_stack.text).bits,
                         __ATOMIC_RELAXED);
        atomic_store_explicit(&linked, true, memory_order_release);
    }
    return isle__value_of(&immortal->error);
}

isle_value isle__error_out_of_memory(void)
{
    return failure_immortal_value(&failure_memory);
}

isle_value isle__error_stack_overflow(void)
{
    return failure_immortal_value(&failure_stack);
}

/* NULL text is not for here; null: out of memory. What is not UTF-8 becomes question marks. */
static isle_value failure_string_new(struct isle__scope *scope, const char *text)
{
    size_t size = strlen(text);
    struct isle__string *string = isle__cell_try_new(scope->region.heap, &scope->region,
                                                     ISLE_STRING, isle__string_size(size));
    if (string == NULL)
        return isle_null();
    string->size = size;
    string->hash = 0;
    memcpy(string->text, text, size + 1);
    for (size_t good = isle__utf8_valid(string->text, size); good < size;
         good += isle__utf8_valid(string->text + good, size - good))
        string->text[good] = '?'; /* a format may have been given anything */
    return isle__value_of(string);
}

isle_value isle__error_make_in(struct isle__scope *scope, isle_err code, const char *text,
                               const char *stack)
{
    isle_value text_value = failure_string_new(scope, text == NULL ? isle_err_text(code) : text);
    isle_value stack_value = stack == NULL ? isle_null() : failure_string_new(scope, stack);
    struct isle__error_cell *error =
        isle__cell_try_new(scope->region.heap, &scope->region, ISLE_ERROR, sizeof(*error));
    if (error == NULL || isle_is_null(text_value) || (stack != NULL && isle_is_null(stack_value)))
        return isle__error_out_of_memory();
    error->code = (int32_t)code;
    error->identity = 0;
    error->text = text_value;
    error->stack = stack_value;
    return isle__value_of(error);
}

isle_value isle__error_make(isle_err code, const char *text, const char *stack)
{
    struct isle__heap *heap = isle__heap_current();
    if (heap == NULL || heap->frame == NULL || heap->frame->scope == NULL)
        return isle__error_out_of_memory();
    return isle__error_make_in(heap->frame->scope, code, text, stack);
}

isle_err isle__failure_code(isle_value error)
{
    error = isle__resolve(error);
    if (isle__is_immediate(error) || isle__cell_of(error)->kind != ISLE_ERROR)
        return ISLE_ETHROWN;
    int32_t code = ((struct isle__error_cell *)isle__cell_of(error))->code;
    return code == ISLE_OK ? ISLE_ETHROWN : (isle_err)code;
}

static void failure_forget(struct isle__frame *frame)
{
    isle__memory_free(frame->fail_text, frame->fail_size);
    frame->fail_text = NULL;
    frame->fail_size = 0;
    frame->fail_code = ISLE_OK;
}

isle_err isle__fail(isle_err code, const char *format, ...)
{
    struct isle__heap *heap = isle__heap_current();
    if (heap == NULL || heap->frame == NULL)
        return code;
    struct isle__frame *frame = heap->frame;
    char small[FAILURE_TEXT];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    failure_forget(frame);
    frame->fail_code = code;
    if (length < 0 || code == ISLE_ENOMEM)
        return code;
    size_t size = (size_t)length + 1;
    frame->fail_text = isle__memory_alloc(size);
    if (frame->fail_text == NULL)
        return code;
    frame->fail_size = size;
    if (size <= sizeof(small)) {
        memcpy(frame->fail_text, small, size);
        return code;
    }
    va_start(arguments, format);
    vsnprintf(frame->fail_text, size, format, arguments);
    va_end(arguments);
    return code;
}

isle_err isle__fail_with(isle_value error)
{
    struct isle__heap *heap = isle__heap_current();
    isle_err code = isle__failure_code(error);
    if (heap == NULL || heap->frame == NULL || heap->frame->scope == NULL)
        return code;
    struct isle__frame *frame = heap->frame;
    isle_value moved;
    if (isle__try_store(heap, &frame->scope->region, error, &moved) != ISLE_OK)
        moved = isle__error_out_of_memory();
    failure_forget(frame);
    frame->last_error = moved;
    frame->last_error_scope = frame->scope->id;
    return code;
}

isle_value isle_last_error(void)
{
    struct isle__heap *heap = isle__heap_need("isle_last_error");
    struct isle__frame *frame = heap->frame;
    if (frame->fail_code == ISLE_ENOMEM)
        return isle__error_out_of_memory();
    if (frame->fail_code != ISLE_OK)
        return isle__error_make(frame->fail_code, frame->fail_text, NULL);
    for (struct isle__scope *scope = frame->scope; scope != NULL; scope = scope->outer) {
        if (scope->id == frame->last_error_scope)
            return isle__read(heap, frame->last_error);
    }
    return isle_null();
}

void isle__inside_need(const char *function)
{
    (void)isle__heap_need(function);
}

isle_err isle__inside_ask(void)
{
    struct isle__heap *heap;
    return isle__heap_ask(&heap);
}
