/* SPDX-License-Identifier: Apache-2.0 */
/* The types that bytes may name: what isle_type_register put there. */
#ifndef ISLE_TYPE_REGISTRY_H
#define ISLE_TYPE_REGISTRY_H

#include "isle/object.h"

/* The registered type of that name, `size` bytes without a NUL; NULL: none. Any thread, no lock. */
const isle_type *isle__type_find(const char *name, size_t size);

struct isle__type_entry {
    const isle_type *type;
    uint64_t hash;
    struct isle__type_entry *next;
};
/* Registers a type of the library's own in static memory. Once more is fine. */
void isle__type_enter(const isle_type *type, struct isle__type_entry *room);

/* How many are registered: who has seen another number than before finds more by
 * isle__types_each. Any thread. */
uint32_t isle__types_count(void);
/* Calls fn with each registered type, until it returns false. Any thread, no lock. */
void isle__types_each(bool (*fn)(void *context, const isle_type *type), void *context);

#endif
