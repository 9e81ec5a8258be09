/* SPDX-License-Identifier: Apache-2.0 */
/* What unwind.c and failure.c share. */
#ifndef ISLE_FAILURE_H
#define ISLE_FAILURE_H

#include "value/heap.h"

/* isle__error_make in a given scope of the current heap. */
isle_value isle__error_make_in(struct isle__scope *scope, isle_err code, const char *text,
                               const char *stack);
/* The code of a thrown value: ISLE_ETHROWN unless it is an error. */
isle_err isle__failure_code(isle_value error);

#endif
