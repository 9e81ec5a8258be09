/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of isle_pack, for isle_post. */
#ifndef ISLE_PACK_ENGINE_H
#define ISLE_PACK_ENGINE_H

#include "isle/pack.h"

/* Builds the value that args[skip], a format, and the arguments after it describe, in the current
 * scope. Throws as isle_pack does; with `skip` 1 it speaks as isle_post, and an `o` must be an
 * immediate or frozen. */
isle_value isle__pack_parse(const isle_arg *args, size_t count, size_t skip);

#endif
