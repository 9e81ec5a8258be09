/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that programs write as texts in their code ("id", "name", …): each is one immortal string of
 * the program, frozen, so that maps with such keys need no memory for them, messages do not copy
 * them, and a look-up compares addresses.
 *
 * Laws:
 *   1. What is interned is never taken away, and there is an end to it: INTERN_KEYS texts of at
 * most INTERN_TEXT_MAX bytes, first come, first served. A key that finds no place is an ordinary
 *      string; the program cannot tell (strings are what they hold).
 *   2. Which texts are interned depends on the order in which they come, never on addresses.
 *   3. The table of texts is written under intern_busy, by whoever finds it free, and read at any
 *      time: a cell is complete before its slot leads to it. The second table, by address of the
 *      caller's text, only says where to look first: the text found there is compared. */
#include <string.h>

#include "value/cell.h"

#define INTERN_KEYS 1024u
#define INTERN_SLOTS 4096u /* a power of two */
#define INTERN_PLACES 512u /* by address; a power of two */
#define INTERN_TEXT_MAX 31u
#define INTERN_CELL ((offsetof(struct isle__string, text) + INTERN_TEXT_MAX + 1 + 15) & ~(size_t)15)

static struct isle__frozen intern_block = {
    .shared = {.references = 1},
    .region = {ISLE__REGION_FROZEN, NULL},
};
struct intern_memory {
    _Alignas(16) struct isle__chunk chunk;
    _Alignas(16) unsigned char cells[INTERN_KEYS * INTERN_CELL];
};
static struct intern_memory intern_memory = {
    .chunk = {&intern_block.region, NULL, sizeof(intern_memory), sizeof(intern_memory)}};
static _Atomic(struct isle__string *) intern_slots[INTERN_SLOTS];
static _Atomic(struct isle__string *) intern_places[INTERN_PLACES];
static unsigned intern_count; /* under intern_busy */
static _Atomic bool intern_busy;

static _Atomic(struct isle__string *) *intern_place(const char *text)
{
    uint64_t mixed = (uint64_t)(uintptr_t)text * UINT64_C(0x9E3779B97F4A7C15);
    return &intern_places[(mixed >> 32) % INTERN_PLACES];
}

/* The slot that leads to the text, or the empty one where it would go. */
static _Atomic(struct isle__string *) *intern_slot(const char *text, size_t size, uint32_t hash,
                                                   struct isle__string **ret_string)
{
    for (size_t at = hash % INTERN_SLOTS;; at = (at + 1) % INTERN_SLOTS) {
        /* Acquire: the cell that it leads to is complete. */
        struct isle__string *string = atomic_load_explicit(&intern_slots[at], memory_order_acquire);
        *ret_string = string;
        if (string == NULL ||
            (string->hash == hash && string->size == size && memcmp(string->text, text, size) == 0))
            return &intern_slots[at];
    }
}

static struct isle__string *intern_make(const char *text, size_t size, uint32_t hash)
{
    size_t offset = offsetof(struct intern_memory, cells) + intern_count * INTERN_CELL;
    struct isle__string *string =
        (struct isle__string *)(void *)((unsigned char *)&intern_memory + offset);
    string->cell.kind = ISLE_STRING;
    string->cell.flags = ISLE__CELL_IMMORTAL;
    string->cell.offset = (uint32_t)(offset / 16);
    string->size = size;
    string->hash = hash;
    memcpy(string->text, text, size + 1);
    intern_count++;
    return string;
}

static struct isle__string *intern_add(const char *text, size_t size, uint32_t hash)
{
    struct isle__string *string = NULL;
    if (size > INTERN_TEXT_MAX || isle__utf8_valid(text, size) != size)
        return NULL;
    /* Acquire pairs with the release of who was in here before. */
    if (atomic_exchange_explicit(&intern_busy, true, memory_order_acquire))
        return NULL;
    _Atomic(struct isle__string *) *slot = intern_slot(text, size, hash, &string);
    if (string == NULL && intern_count < INTERN_KEYS) {
        string = intern_make(text, size, hash);
        /* Release: see intern_slot. */
        atomic_store_explicit(slot, string, memory_order_release);
    }
    atomic_store_explicit(&intern_busy, false, memory_order_release);
    return string;
}

struct isle__string *isle__intern_quick(const char *text)
{
    /* Acquire: the cell is complete. */
    struct isle__string *string = atomic_load_explicit(intern_place(text), memory_order_acquire);
    return string != NULL && strcmp(string->text, text) == 0 ? string : NULL;
}

struct isle__string *isle__intern(const char *text, size_t size, uint32_t hash, bool may_add)
{
    struct isle__string *string;
    (void)intern_slot(text, size, hash, &string);
    if (string == NULL && may_add)
        string = intern_add(text, size, hash);
    if (string != NULL)
        atomic_store_explicit(intern_place(text), string, memory_order_release);
    return string;
}

isle_value isle__key_string(struct isle__heap *heap, struct isle__region *region,
                            const char *function, const char *text)
{
    struct isle__string *string = isle__intern_quick(text);
    if (string != NULL)
        return isle__value_of(string);
    size_t size = strlen(text);
    string = isle__intern(text, size, (uint32_t)isle__hash_string(text, size), true);
    if (string != NULL)
        return isle__value_of(string);
    return isle__string_in(heap, region, function, text, size);
}
