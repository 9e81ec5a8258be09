/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads for calls that block (blocking.c). */
#ifndef ISLE_CORE_BLOCKING_H
#define ISLE_CORE_BLOCKING_H

#include "isle/io.h"

uint64_t isle__blocking_thread_count(void);
void isle__blocking_start(void);
/* Lets what runs and waits finish, for so many ns in which this thread had a core; false: some has
 * not. */
ISLE_MUST_CHECK bool isle__blocking_stop(int64_t patience);

#endif
