/* SPDX-License-Identifier: Apache-2.0 */
/* What is done when an object of an isolate is over, or a future is cancelled (drop.c). */
#ifndef ISLE_CORE_DROP_H
#define ISLE_CORE_DROP_H

#include "isle/base.h"

struct isle__drop;
void isle__drops_fire(struct isle__drop *list);   /* the object is gone; NULL is fine */
void isle__drops_forget(struct isle__drop *list); /* they will never run; NULL is fine */

#endif
