/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checked handles of one isolate (handle.h). It grows and is never given back: it goes
 * with the isolate. A generation is raised when its place is taken, so a handle that was closed
 * leads nowhere until its bits have come round. */
#include "systems/handle.h"

#include "isle/isolate.h"
#include "isle/scope.h"
#include "value/failure.h"

/* On 64-bit systems 24 bits of index and 32 of generation, on 32-bit ones 12 and 16. */
enum {
    HANDLE_INDEX_BITS = sizeof(void *) == 8 ? 24 : 12,
    HANDLE_GENERATION_BITS = sizeof(void *) == 8 ? 32 : 16,
};

struct handle_place {
    void *body; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* of a free one; its index and 1 more, 0: none */
};

struct handle_table {
    struct handle_place *places;
    uint32_t capacity;
    uint32_t free; /* index and 1 more; 0: none */
    /* Of each kind what was asked for last, which is nearly always what is asked for next. */
    struct {
        const void *handle; /* NULL: none */
        void *body;
    } recent[ISLE__SYSTEM_COUNT];
};

ISLE_LOCAL(struct handle_table, handle_table);

static uintptr_t handle_pack(enum isle__system system, uint32_t index, uint32_t generation)
{
    const uintptr_t mask = ((uintptr_t)1 << HANDLE_GENERATION_BITS) - 1;
    return (uintptr_t)(index + 1) | (generation & mask) << HANDLE_INDEX_BITS |
           (uintptr_t)system << (HANDLE_INDEX_BITS + HANDLE_GENERATION_BITS);
}

/* Where the generations of this isolate begin: elsewhere in each, the same for the same seed. */
static uint32_t handle_first_generation(void)
{
    return (uint32_t)(isle_current().control_port.id * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static void handle_table_grow(struct handle_table *table)
{
    uint32_t capacity = table->capacity == 0 ? 4 : 2 * table->capacity;
    if (capacity >= (uint32_t)1 << HANDLE_INDEX_BITS)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    table->places = isle_realloc(table->places, capacity * sizeof *table->places);
    uint32_t generation = handle_first_generation();
    for (uint32_t i = capacity; i-- > table->capacity;) {
        table->places[i] =
            (struct handle_place){.generation = generation, .next_free = table->free};
        table->free = i + 1;
    }
    table->capacity = capacity;
}

void *isle__system_open(enum isle__system system, void *body)
{
    struct handle_table *table = handle_table();
    if (table->free == 0)
        handle_table_grow(table);
    uint32_t index = table->free - 1;
    struct handle_place *place = &table->places[index];
    table->free = place->next_free;
    place->body = body;
    place->generation++;
    return (void *)handle_pack(system, index, place->generation);
}

/* NULL: it leads nowhere. */
static inline struct handle_place *handle_place(enum isle__system system, const void *handle)
{
    const struct handle_table *table = handle_table();
    uintptr_t bits = (uintptr_t)handle;
    uint32_t index = (uint32_t)(bits & (((uintptr_t)1 << HANDLE_INDEX_BITS) - 1)) - 1;
    if (handle == NULL || index >= table->capacity)
        return NULL;
    struct handle_place *place = &table->places[index];
    if (place->body == NULL || handle_pack(system, index, place->generation) != bits)
        return NULL;
    return place;
}

void isle__system_close(enum isle__system system, const void *handle)
{
    struct handle_table *table = handle_table();
    struct handle_place *place = handle_place(system, handle);
    if (place == NULL)
        return;
    place->body = NULL;
    table->recent[system].handle = table->recent[system].body = NULL;
    place->next_free = table->free;
    table->free = (uint32_t)(place - table->places) + 1;
}

/* NULL: it was not the last, or nobody has asked in this isolate yet. */
static inline void *handle_recent(enum isle__system system, const void *handle)
{
    const struct handle_table *table = isle__local_find(&handle_table_isle_local);
    return table != NULL && table->recent[system].handle == handle ? table->recent[system].body
                                                                   : NULL;
}

/* Apart, so that it costs its callers' quick path nothing. */
static __attribute__((noinline)) void *handle_seek(enum isle__system system, const void *handle)
{
    struct handle_table *table = handle_table();
    const struct handle_place *place = handle_place(system, handle);
    if (place == NULL)
        return NULL;
    table->recent[system].handle = handle;
    table->recent[system].body = place->body;
    return place->body;
}

void *isle__system_find(enum isle__system system, const void *handle)
{
    void *body = handle_recent(system, handle);
    return body != NULL ? body : handle_seek(system, handle);
}

static __attribute__((noinline)) void *handle_insist(enum isle__system system, const void *handle,
                                                     const char *function)
{
    isle__inside_need(function);
    if (handle == NULL)
        isle__throw(ISLE_EINVAL, "%s: NULL", function);
    void *body = handle_seek(system, handle);
    if (body == NULL)
        isle__throw(ISLE_ESTALE, "%s: closed, or another isolate's", function);
    return body;
}

void *isle__system_need(enum isle__system system, const void *handle, const char *function)
{
    void *body = handle_recent(system, handle);
    return body != NULL ? body : handle_insist(system, handle, function);
}
