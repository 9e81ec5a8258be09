/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and sets: one table of entries in insertion order, and over 8 entries an index of positions.
 *
 * Laws:
 *   - `order` ascends along the table. isle_next remembers an order, not a position, so a walk goes
 *     on rightly after the table was compacted. The last entry is never dropped, even when dead:
 * its order tells the next one.
 *   - An index slot that leads to a dead entry is the tombstone of its probe chain; compaction
 * makes the index anew. A full table with at least half of it dead is compacted in place, so churn
 *     needs no memory, wherever the table lies.
 *   - The value of a dead entry is an int: how many entries from it on are known to be dead. A
 * queue that puts at the end and takes from the front walks no tombstone twice.
 *   - The table is consistent before whatever may throw; a value is copied before it is linked.
 *   - Nothing is written into a frozen table. */
#include "value/cell.h"

#include <string.h>

#define MAP_NONE SIZE_MAX
#define MAP_SLOT_EMPTY UINT32_MAX
#define MAP_FIRST_CAPACITY 4
#define MAP_UNINDEXED 8 /* entries that are searched one by one */
#define MAP_CAPACITY_MAX                                                                           \
    (SIZE_MAX / 4 / sizeof(struct isle__entry) < UINT32_MAX / 4                                    \
         ? SIZE_MAX / 4 / sizeof(struct isle__entry)                                               \
         : UINT32_MAX / 4)

/* What is looked for: a value, or a text that is no value yet. */
struct map_key {
    isle_value value;
    const char *text; /* NULL: value */
    size_t size;
    uint32_t hash;
};

static struct map_key map_key_of(struct isle__heap *heap, isle_value value)
{
    struct map_key key = {value, NULL, 0, (uint32_t)isle__key_hash(heap, value)};
    return key;
}

/* Texts in the code of programs are found by where they stand. */
static struct map_key map_key_text(const char *text, bool may_add)
{
    struct map_key key = {isle_null(), text, 0, 0};
    const struct isle__string *string = isle__intern_quick(text);

    if (string == NULL) {
        key.size = strlen(text);
        key.hash = (uint32_t)isle__hash_string(text, key.size);
        string = isle__intern(text, key.size, key.hash, may_add);
    }
    if (string != NULL) {
        key.value = isle__value_of(string);
        key.text = NULL;
        key.hash = string->hash;
    }
    return key;
}

static bool map_matches(const struct isle__entry *entry, const struct map_key *key)
{
    const struct isle__string *string;

    if (!entry->live || entry->hash != key->hash)
        return false;
    if (entry->key.bits == key->value.bits && key->text == NULL)
        return true;
    if (key->text == NULL)
        return isle__key_equal(entry->key, key->value);
    if (isle_kind_of(entry->key) != ISLE_STRING)
        return false;
    string = (const struct isle__string *)isle__cell_of(isle__resolve(entry->key));
    return string->size == key->size && memcmp(string->text, key->text, key->size) == 0;
}

static size_t map_find(const struct isle__map *map, const struct map_key *key)
{
    size_t mask, slot;

    if (map->index == NULL) {
        for (size_t i = 0; i < map->used; i++)
            if (map_matches(&map->entries[i], key))
                return i;
        return MAP_NONE;
    }
    mask = map->index_size - 1;
    for (slot = key->hash & mask; map->index[slot] != MAP_SLOT_EMPTY; slot = (slot + 1) & mask)
        if (map_matches(&map->entries[map->index[slot]], key))
            return map->index[slot];
    return MAP_NONE;
}

struct isle__entry *isle__map_find(const struct isle__map *map, isle_value key, uint32_t hash)
{
    struct map_key sought = {key, NULL, 0, hash};
    size_t position = map_find(map, &sought);

    return position == MAP_NONE ? NULL : &map->entries[position];
}

static void map_index_add(struct isle__map *map, size_t position)
{
    size_t mask = map->index_size - 1;
    size_t slot = map->entries[position].hash & mask;

    while (map->index[slot] != MAP_SLOT_EMPTY)
        slot = (slot + 1) & mask;
    map->index[slot] = (uint32_t)position;
}

static void map_reindex(struct isle__map *map)
{
    if (map->index == NULL)
        return;
    memset(map->index, 0xff, map->index_size * sizeof(*map->index));
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].live)
            map_index_add(map, i);
}

void isle__map_rehash(struct isle__map *map)
{
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].live)
            map->entries[i].hash = (uint32_t)isle__key_hash(NULL, map->entries[i].key);
    map_reindex(map);
}

static void map_mark_dead(struct isle__entry *entry, size_t run)
{
    entry->live = false;
    entry->key = isle_null();
    entry->value.bits = (uint64_t)run << 3 | (uint64_t)ISLE__TAG_INT;
}

/* Moves the entries that must stay to `target`, which may be their own table. */
static void map_compact(struct isle__map *map, struct isle__entry *target)
{
    size_t kept = 0;

    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].live && i + 1 != map->used)
            continue;
        target[kept] = map->entries[i];
        if (!target[kept].live)
            map_mark_dead(&target[kept], 1);
        kept++;
    }
    map->entries = target;
    map->used = (uint32_t)kept;
}

/* Copies are as large as they are full, so a capacity may be any number; an index is at most half
 * full. */
static size_t map_index_size(size_t capacity)
{
    size_t size = MAP_UNINDEXED * 2;

    while (size < capacity * 2)
        size *= 2;
    return size;
}

static void map_grow_index(struct isle__heap *heap, struct isle__map *map, size_t index_size)
{
    uint32_t *index = isle__region_alloc(heap, &map->cell, index_size * sizeof(*index));

    if (map->index != NULL)
        isle__region_free(heap, &map->cell, map->index, map->index_size * sizeof(*index));
    map->index = index;
    map->index_size = (uint32_t)index_size;
    map_reindex(map);
}

static void map_grow(struct isle__heap *heap, struct isle__map *map, const char *function)
{
    size_t old_capacity = map->capacity;
    size_t capacity = MAP_FIRST_CAPACITY;
    struct isle__entry *old = map->entries, *entries;

    while (capacity <= old_capacity) /* a copy's table has any size */
        capacity *= 2;

    if (capacity > MAP_CAPACITY_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu entries are too many", function, capacity);
    /* The index first, complete: if the entries get no memory, the map is as good as before. */
    if (capacity > MAP_UNINDEXED && map->index_size < capacity * 2)
        map_grow_index(heap, map, map_index_size(capacity));
    entries = isle__region_alloc(heap, &map->cell, capacity * sizeof(*entries));
    map_compact(map, entries);
    map->capacity = (uint32_t)capacity;
    map_reindex(map);
    if (old != NULL)
        isle__region_free(heap, &map->cell, old, old_capacity * sizeof(*old));
}

/* Room for one more entry. */
static void map_reserve(struct isle__heap *heap, struct isle__map *map, const char *function)
{
    if (map->used < map->capacity)
        return;
    if (map->used > 1 && map->used - map->count > map->used / 2) { /* the last stays */
        map_compact(map, map->entries);
        map_reindex(map);
        return;
    }
    map_grow(heap, map, function);
}

static void map_append(struct isle__map *map, isle_value key, isle_value value, uint32_t hash)
{
    struct isle__entry *entry = &map->entries[map->used];

    entry->order = map->used == 0 ? 0 : entry[-1].order + 1;
    entry->key = key;
    entry->value = value;
    entry->hash = hash;
    entry->live = true;
    map->used++;
    map->count++;
    if (map->index != NULL)
        map_index_add(map, map->used - 1);
}

/* Puts and returns whether the key is new. An object's struct may be copied with it, and then
 * hashes by its new address. */
static bool map_put(struct isle__heap *heap, const char *function, struct isle__map *map,
                    isle_value key, isle_value value)
{
    struct map_key sought = map_key_of(heap, key);
    size_t position = map_find(map, &sought);
    isle_value written_key, written_value;

    if (position != MAP_NONE) {
        written_value = isle__written(heap, &map->cell, value);
        map->entries[position].value = written_value;
        return false;
    }
    map_reserve(heap, map, function);
    written_key = isle__written(heap, &map->cell, key);
    written_value = isle__written(heap, &map->cell, value);
    if (isle__key_by_address(written_key)) {
        map->rehash = true;
        sought.hash = (uint32_t)isle__key_hash(heap, written_key);
    }
    map_append(map, written_key, written_value, sought.hash);
    return true;
}

static bool map_remove(struct isle__map *map, const struct map_key *key)
{
    size_t position = map_find(map, key);

    if (position == MAP_NONE)
        return false;
    map_mark_dead(&map->entries[position], 1);
    map->count--;
    return true;
}

/* The first live position from `position` on; `used` if there is none. What it passed is remembered
 * where it began. */
static size_t map_live_from(struct isle__map *map, size_t position)
{
    size_t at = position;

    while (at < map->used && !map->entries[at].live) {
        size_t run = (size_t)(map->entries[at].value.bits >> 3);
        at = run > map->used - at ? map->used : at + run;
    }
    if (at - position > 1 && !isle__is_frozen_cell(&map->cell))
        map_mark_dead(&map->entries[position], at - position);
    return at;
}

/* The first position whose order is at least `order`. */
static size_t map_position(const struct isle__map *map, uint64_t order)
{
    size_t low = 0, high = map->used;

    if (map->used == 0 || order <= map->entries[0].order)
        return 0;
    if (order - map->entries[0].order < map->used) {
        size_t guess = (size_t)(order - map->entries[0].order);
        if (map->entries[guess].order == order)
            return guess;
        high = guess;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->entries[middle].order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static isle_value map_new(struct isle__heap *heap, isle_kind kind)
{
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__map *map = isle__cell_new(heap, region, kind, sizeof(*map));

    map->count = 0;
    map->used = 0;
    map->capacity = 0;
    map->entries = NULL;
    map->index = NULL;
    map->index_size = 0;
    map->identity = 0;
    map->rehash = false;
    return isle__value_of(map);
}

isle_value isle_map(void)
{
    return map_new(isle__heap_need(__func__), ISLE_MAP);
}

void isle_map_put(isle_value map_value, isle_value key, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_mutable(__func__, map_value, ISLE_MAP);

    (void)map_put(heap, __func__, map, key, value);
}

isle_value isle_map_get(isle_value map_value, isle_value key)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_kind(__func__, map_value, ISLE_MAP);
    struct map_key sought = map_key_of(heap, key);
    size_t position = map_find(map, &sought);

    return position == MAP_NONE ? isle_null() : isle__read(heap, map->entries[position].value);
}

bool isle_map_has(isle_value map_value, isle_value key)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_kind(__func__, map_value, ISLE_MAP);
    struct map_key sought = map_key_of(heap, key);

    return map_find(map, &sought) != MAP_NONE;
}

bool isle_map_remove(isle_value map_value, isle_value key)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_mutable(__func__, map_value, ISLE_MAP);
    struct map_key sought = map_key_of(heap, key);

    return map_remove(map, &sought);
}

void isle_put(isle_value map_value, const char *key, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_mutable(__func__, map_value, ISLE_MAP);
    struct map_key sought;
    isle_value written_key, written_value;
    size_t position;

    if (key == NULL)
        isle__throw(ISLE_EINVAL, "%s: key is NULL", __func__);
    sought = map_key_text(key, true);
    position = map_find(map, &sought);
    if (position != MAP_NONE) {
        written_value = isle__written(heap, &map->cell, value);
        map->entries[position].value = written_value;
        return;
    }
    map_reserve(heap, map, __func__);
    written_value = isle__written(heap, &map->cell, value);
    written_key = sought.value;
    if (sought.text != NULL)
        written_key =
            isle__string_in(heap, isle__region_of(&map->cell), __func__, sought.text, sought.size);
    map_append(map, written_key, written_value, sought.hash);
}

isle_value isle_get(isle_value map_value, const char *key)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *map = isle__need_kind(__func__, map_value, ISLE_MAP);
    struct map_key sought;
    size_t position;

    if (key == NULL)
        isle__throw(ISLE_EINVAL, "%s: key is NULL", __func__);
    sought = map_key_text(key, false);
    position = map_find(map, &sought);
    return position == MAP_NONE ? isle_null() : isle__read(heap, map->entries[position].value);
}

isle_value isle_set(void)
{
    return map_new(isle__heap_need(__func__), ISLE_SET);
}

bool isle_set_add(isle_value set_value, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *set = isle__need_mutable(__func__, set_value, ISLE_SET);

    return map_put(heap, __func__, set, value, isle_null());
}

bool isle_set_has(isle_value set_value, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *set = isle__need_kind(__func__, set_value, ISLE_SET);
    struct map_key sought = map_key_of(heap, value);

    return map_find(set, &sought) != MAP_NONE;
}

bool isle_set_remove(isle_value set_value, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__map *set = isle__need_mutable(__func__, set_value, ISLE_SET);
    struct map_key sought = map_key_of(heap, value);

    return map_remove(set, &sought);
}

static void map_next_result(isle_value *ret, isle_value value)
{
    if (ret != NULL)
        *ret = value;
}

static bool map_next_item(struct isle__heap *heap, const struct isle__list *list, size_t *at,
                          isle_value *ret_key, isle_value *ret_value)
{
    size_t index = *at;
    if (index >= list->count)
        return false;
    if (ret_value != NULL)
        *ret_value = isle__read(heap, list->items[index]);
    if (ret_key != NULL)
        *ret_key = isle_int((int64_t)index);
    *at = index + 1;
    return true;
}

/* Of a map or set, or what is none. */
static __attribute__((noinline)) bool map_next(struct isle__heap *heap, isle_value container,
                                               size_t *at, isle_value *ret_key,
                                               isle_value *ret_value)
{
    isle_value resolved = isle__resolve(container);
    isle_kind kind = isle_kind_of(resolved);
    if (kind == ISLE_LIST)
        return map_next_item(heap, (struct isle__list *)isle__cell_of(resolved), at, ret_key,
                             ret_value);
    if (kind != ISLE_MAP && kind != ISLE_SET)
        isle__throw_kind("isle_next", "a list, map or set", resolved);
    struct isle__map *map = (struct isle__map *)isle__cell_of(resolved);
    size_t position = map_live_from(map, map_position(map, *at));
    if (position == map->used)
        return false;
    isle_value key = isle__read(heap, map->entries[position].key);
    isle_value value = isle__read(heap, map->entries[position].value);
    *at = (size_t)(map->entries[position].order + 1);
    map_next_result(ret_key, key);
    map_next_result(ret_value, value);
    return true;
}

bool isle_next(isle_value container, size_t *at, isle_value *ret_key, isle_value *ret_value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    const struct isle__list *list = isle__list_here(container);
    if (at == NULL)
        isle__throw(ISLE_EINVAL, "%s: at is NULL", __func__);
    if (list != NULL)
        return map_next_item(heap, list, at, ret_key, ret_value);
    return map_next(heap, container, at, ret_key, ret_value);
}
