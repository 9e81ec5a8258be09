/* SPDX-License-Identifier: Apache-2.0 */
/* Chance. Drawn from the system; in a simulation (simulation.h) from its seed. */
#ifndef ISLE_RANDOM_H
#define ISLE_RANDOM_H

#include "base.h"

ISLE_BEGIN

/* 64 bits that nobody can predict. On a thread that Isle does not know they come from the system in
 * a simulation as well. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN uint64_t isle_random(void);
/* Fills `size` bytes with such bits. NULL does nothing. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN void isle_random_fill(void *memory, size_t size);

ISLE_END

#endif
