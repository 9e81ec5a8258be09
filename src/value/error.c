/* SPDX-License-Identifier: Apache-2.0 */
/* Error values: a code, a text, and perhaps a stack text. Throwing them is unwind.c's. */
#include "value/cell.h"

#include <string.h>

static bool error_code_known(isle_err code)
{
    return code != ISLE_OK && strcmp(isle_err_name(code), "ISLE_E?") != 0;
}

isle_value isle_error(isle_err code, const char *text, const char *stack)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__region *region;
    struct isle__error_cell *error;
    isle_value text_value, stack_value = isle_null();

    if (text == NULL)
        isle__throw(ISLE_EINVAL, "%s: text is NULL", __func__);
    if (!error_code_known(code))
        isle__throw(ISLE_EINVAL, "%s: %d is no error's code", __func__, (int)code);
    region = &isle__scope_current(heap)->region;
    text_value = isle__string_in(heap, region, __func__, text, strlen(text));
    if (stack != NULL)
        stack_value = isle__string_in(heap, region, __func__, stack, strlen(stack));
    error = isle__cell_new(heap, region, ISLE_ERROR, sizeof(*error));
    error->code = (int32_t)code;
    error->identity = 0;
    error->text = text_value;
    error->stack = stack_value;
    return isle__value_of(error);
}

static const char *error_string(isle_value value)
{
    const struct isle__string *string;

    if (isle_is_null(value))
        return NULL;
    string = (const struct isle__string *)isle__cell_of(isle__resolve(value));
    return string->text;
}

isle_err isle_error_code(isle_value value)
{
    (void)isle__heap_need(__func__);
    return (isle_err)((struct isle__error_cell *)isle__need_kind(__func__, value, ISLE_ERROR))
        ->code;
}

const char *isle_error_text(isle_value value)
{
    (void)isle__heap_need(__func__);
    return error_string(
        ((struct isle__error_cell *)isle__need_kind(__func__, value, ISLE_ERROR))->text);
}

const char *isle_error_stack(isle_value value)
{
    (void)isle__heap_need(__func__);
    return error_string(
        ((struct isle__error_cell *)isle__need_kind(__func__, value, ISLE_ERROR))->stack);
}
