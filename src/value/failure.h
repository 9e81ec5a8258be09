/* SPDX-License-Identifier: Apache-2.0 */
/* Failing: how all of the library, src/systems included, throws and answers errors. Knows no heap,
 * so that who includes this alone sees nothing of one. */
#ifndef ISLE_FAILURE_H
#define ISLE_FAILURE_H

#include "isle/base.h"

struct isle__scope;

/* Throws an error value made from the text; for ISLE_ENOMEM it never allocates. */
ISLE_NORETURN void isle__throw(isle_err code, const char *format, ...) ISLE_PRINTF(2, 3);
/* In asking forms: records what would have been thrown as isle_last_error and returns its code. */
isle_err isle__fail(isle_err code, const char *format, ...) ISLE_PRINTF(2, 3);
isle_err isle__fail_with(isle_value error);
/* isle_error; never throws: out of memory gives that error instead. */
isle_value isle__error_make(isle_err code, const char *text, const char *stack);
/* The same in a given scope of the current heap. */
isle_value isle__error_make_in(struct isle__scope *scope, isle_err code, const char *text,
                               const char *stack);
/* The code of a thrown value: ISLE_ETHROWN unless it is an error. */
isle_err isle__failure_code(isle_value error);
/* Outside an isolate, or in a forked child, ends the program with the name of the function; for
 * insisting forms that have no heap to ask for (isle__heap_need). */
void isle__inside_need(const char *function);
/* The same for asking forms: ISLE_OK, ISLE_EOUTSIDE or ISLE_EFORK. */
ISLE_MUST_CHECK isle_err isle__inside_ask(void);

#endif
