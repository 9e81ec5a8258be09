/* SPDX-License-Identifier: Apache-2.0 */
/* A map from pointers for the time of one walk: open addressing, insertion only.
 *
 * Law: memory comes from the platform, so that an isolate's limit has no say in it and nothing here
 * throws; who gets NULL ends its walk in order. The keys are addresses, no attacker chooses them.
 */
#include "value/cell.h"

#include <string.h>

#define IDMAP_FIRST_CAPACITY 64 /* a power of two */

static size_t idmap_place(const struct isle__idmap *map, const void *key)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)key >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(mixed >> 20) & (map->capacity - 1);

    while (map->slots[at].key != NULL && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static bool idmap_grow(struct isle__idmap *map)
{
    struct isle__idmap old = *map;
    size_t capacity = old.capacity == 0 ? IDMAP_FIRST_CAPACITY : old.capacity * 2;
    struct isle__idmap_slot *slots;

    if (capacity > SIZE_MAX / 2 / sizeof(*slots))
        return false;
    slots = isle__memory_alloc(capacity * sizeof(*slots));
    if (slots == NULL)
        return false;
    memset(slots, 0, capacity * sizeof(*slots));
    map->slots = slots;
    map->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].key != NULL)
            slots[idmap_place(map, old.slots[i].key)] = old.slots[i];
    isle__idmap_fini(&old);
    return true;
}

void isle__idmap_init(struct isle__idmap *map)
{
    map->slots = NULL;
    map->count = 0;
    map->capacity = 0;
}

void isle__idmap_fini(struct isle__idmap *map)
{
    if (map->slots != NULL)
        isle__memory_free(map->slots, map->capacity * sizeof(*map->slots));
    isle__idmap_init(map);
}

uintptr_t *isle__idmap_at(struct isle__idmap *map, const void *key, bool *ret_is_new)
{
    struct isle__idmap_slot *slot;

    if (map->count >= map->capacity / 2 && !idmap_grow(map))
        return NULL;
    slot = &map->slots[idmap_place(map, key)];
    if (ret_is_new != NULL)
        *ret_is_new = slot->key == NULL;
    if (slot->key == NULL) {
        slot->key = key;
        slot->value = 0;
        map->count++;
    }
    return &slot->value;
}
