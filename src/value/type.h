/* SPDX-License-Identifier: Apache-2.0 */
/* The types that bytes may name: what isle_type_register put there. */
#ifndef ISLE_TYPE_REGISTRY_H
#define ISLE_TYPE_REGISTRY_H

#include "isle/object.h"

/* The registered type of that name, `size` bytes without a NUL; NULL: none. Any thread, no lock. */
const isle_type *isle__type_find(const char *name, size_t size);

#endif
