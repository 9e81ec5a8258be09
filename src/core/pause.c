/* SPDX-License-Identifier: Apache-2.0 */
/* The keys by which an isolate is paused: it goes on when each has been resumed. Many have an index
 * by key; without memory for it they are walked. The isolate alone comes here, but for its making.
 */
#include "core/control.h"
#include "core/isolate.h"
#include "core/uncaught.h"

/* False: out of memory. */
static bool pauses_grow(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        return false;
    if (cold->pause_count < cold->pause_capacity)
        return true;
    size_t old = cold->pause_capacity, new = old == 0 ? 2 : old * 2;
    void *memory = new > UINT32_MAX ? NULL
                                    : isle__memory_resize(cold->pauses, old * sizeof(uint64_t),
                                                          new * sizeof(uint64_t));
    if (memory == NULL)
        return false;
    isle__heap_charge_always(&isolate->heap, (new - old) * sizeof(uint64_t));
    cold->pauses = memory;
    cold->pause_capacity = (uint32_t) new;
    return true;
}

/* The key's place, or where one more would go. */
static uint32_t pauses_find(const struct isle__isolate *isolate, uint64_t key)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold->pause_places.capacity > 0) {
        uintptr_t place = isle__index_find(&cold->pause_places, key);
        return place == 0 ? cold->pause_count : (uint32_t)place - 1;
    }
    uint32_t at = 0;
    while (at < cold->pause_count && cold->pauses[at] != key)
        at++;
    return at;
}

/* After one has come to the end: many have an index, as long as there is memory for it. */
static void pauses_note(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__index *places = &cold->pause_places;
    size_t size = isle__index_size(places);
    if (size == 0 && cold->pause_count <= ISLE__INDEX_FEW)
        return;
    uint32_t at = size == 0 ? 0 : cold->pause_count - 1;
    while (at < cold->pause_count && isle__index_put(places, cold->pauses[at], at + 1))
        at++;
    if (at < cold->pause_count)
        isle__index_fini(places);
    isle__heap_charge_always(&isolate->heap, isle__index_size(places));
    isle__heap_discharge(&isolate->heap, size);
}

void isle__pauses_add(struct isle__isolate *isolate, uint64_t key)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && pauses_find(isolate, key) < cold->pause_count)
        return;
    if (!pauses_grow(isolate)) {
        /* Not pausing would be the worse answer: whoever paused relies on it. */
        isolate->ending = true;
        isle__uncaught(isolate, isle__error_out_of_memory());
        return;
    }
    cold = isle__isolate_has_cold(isolate);
    cold->pauses[cold->pause_count++] = key;
    isolate->is_paused = true;
    pauses_note(isolate);
}

void isle__pauses_remove(struct isle__isolate *isolate, uint64_t key)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    uint32_t at = cold == NULL ? 0 : pauses_find(isolate, key);
    if (cold == NULL || at == cold->pause_count)
        return;
    uint64_t last = cold->pauses[--cold->pause_count];
    isolate->is_paused = cold->pause_count > 0;
    cold->pauses[at] = last;
    isle__index_remove(&cold->pause_places, key);
    /* It was there, so this finds its room. */
    if (last != key && cold->pause_places.capacity > 0)
        (void)!isle__index_put(&cold->pause_places, last, at + 1);
}

void isle__pauses_fini(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    isolate->is_paused = false;
    if (cold == NULL)
        return;
    size_t size = cold->pause_capacity * sizeof(uint64_t);
    isle__memory_free(cold->pauses, size);
    isle__heap_discharge(&isolate->heap, size + isle__index_size(&cold->pause_places));
    isle__index_fini(&cold->pause_places);
    cold->pauses = NULL;
    cold->pause_capacity = cold->pause_count = 0;
}

isle_err isle__isolate_start_paused(struct isle__isolate *isolate)
{
    isle__pauses_add(isolate, isle__isolate_capability(isolate->id, 1).id);
    return isolate->is_paused ? ISLE_OK : ISLE_ENOMEM;
}
