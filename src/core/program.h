/* SPDX-License-Identifier: Apache-2.0 */
/* The root isolate and its main activity, as the rest of the core sees them (program.c). */
#ifndef ISLE_CORE_PROGRAM_H
#define ISLE_CORE_PROGRAM_H

#include "core/isolate.h"

void isle__main_suspends(struct isle__isolate *root);
void isle__main_resumes(struct isle__isolate *root);
/* The root's turn has nothing left to do: if the main activity is in isle_dispatch it goes on
 * (which does not return here), or the turn moves to its thread: true. */
bool isle__root_dispatched(struct isle__isolate *root);
bool isle__root_hops(
    struct isle__isolate *root); /* a floating root goes to its own thread: the turn here is over */
void isle__main_made_work(
    struct isle__isolate *isolate); /* code of this isolate has put something into its own queues */
void isle__root_ends(struct isle__isolate *root); /* instead of isle__isolate_finish; does not
                                                     return on systems with stacks */

#endif
