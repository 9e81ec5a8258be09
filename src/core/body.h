/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: the memory of isolates (body.c). */
#ifndef ISLE_CORE_BODY_H
#define ISLE_CORE_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct isle__isolate;
struct isle__shelf;

void isle__bodies_init(void);
void isle__bodies_fini(void); /* nobody has one */
/* NULL: out of memory. One that admits mail exactly has never been and will never be one that does
 * not, and nobody of its former lives is on the way into its mailbox, or will ever get there. */
struct isle__isolate *isle__body_take(bool exactly);
void isle__body_give(struct isle__isolate *body);
void isle__bodies_take_back(struct isle__shelf *shelf); /* its worker ends */
/* Calls fn with each isolate that has started and not come to the end of its end, at some moment of
 * the call. Any thread. */
void isle__bodies_each(void (*fn)(struct isle__isolate *isolate, void *argument), void *argument);
size_t isle__bodies_reserved(void); /* bytes of those that nobody has */

#endif
