/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of object types, for decoders that meet a type by its name.
 *
 * Law: entries are only ever added, at the head of their bucket, by compare and exchange; a reader
 * follows pointers and takes no lock. They belong to the program, like the types themselves, and
 * are never freed. */
#include "value/type.h"

#include <string.h>

#include "platform/platform.h"

#define TYPE_BUCKETS 64

/* A release here pairs with the acquire of readers: an entry is complete before it can be seen. */
static _Atomic(struct isle__type_entry *) type_buckets[TYPE_BUCKETS];
static _Atomic uint32_t type_count; /* that can be seen there, or fewer */

static _Atomic(struct isle__type_entry *) *type_bucket(const char *name, size_t size)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return &type_buckets[(hash ^ hash >> 16) % TYPE_BUCKETS];
}

static struct isle__type_entry *type_find(struct isle__type_entry *entry, const char *name,
                                          size_t size)
{
    while (entry != NULL &&
           (strlen(entry->type->name) != size || memcmp(entry->type->name, name, size) != 0))
        entry = entry->next;
    return entry;
}

const isle_type *isle__type_find(const char *name, size_t size)
{
    const struct isle__type_entry *entry =
        type_find(atomic_load_explicit(type_bucket(name, size), memory_order_acquire), name, size);

    return entry != NULL ? entry->type : NULL;
}

/* True: the room is its entry now. False: it is there already, or another has its name (EINVAL), or
 * it would need a room (ENOMEM). */
static bool type_enter(const isle_type *type, struct isle__type_entry *room, isle_err *ret_err)
{
    size_t size = strlen(type->name);
    _Atomic(struct isle__type_entry *) *bucket = type_bucket(type->name, size);
    struct isle__type_entry *head = atomic_load_explicit(bucket, memory_order_acquire);
    uint64_t hash = isle_type_hash(type);
    *ret_err = ISLE_OK;
    for (;;) {
        const struct isle__type_entry *same = type_find(head, type->name, size);
        if (same != NULL) {
            *ret_err = same->type == type || same->hash == hash ? ISLE_OK : ISLE_EINVAL;
            return false;
        }
        if (room == NULL) {
            *ret_err = ISLE_ENOMEM;
            return false;
        }
        *room = (struct isle__type_entry){type, hash, head};
        if (atomic_compare_exchange_weak_explicit(bucket, &head, room, memory_order_release,
                                                  memory_order_acquire)) {
            /* Release: who reads the number finds the entry. */
            atomic_fetch_add_explicit(&type_count, 1, memory_order_release);
            return true;
        }
    }
}

isle_err isle_type_register(const isle_type *type)
{
    isle_err err;
    if (type == NULL || type->name == NULL || strcmp(type->name, "isle.error") == 0)
        return ISLE_EINVAL;
    (void)type_enter(type, NULL, &err); /* most are there already: that needs no memory */
    if (err != ISLE_ENOMEM)
        return err;
    struct isle__type_entry *entry = isle__memory_alloc(sizeof *entry);
    if (!type_enter(type, entry, &err))
        isle__memory_free(entry, sizeof *entry);
    return err;
}

void isle__type_enter(const isle_type *type, struct isle__type_entry *room)
{
    isle_err err;
    (void)type_enter(type, room, &err);
}

uint32_t isle__types_count(void)
{
    return atomic_load_explicit(&type_count, memory_order_acquire);
}

void isle__types_each(bool (*fn)(void *context, const isle_type *type), void *context)
{
    for (size_t i = 0; i < TYPE_BUCKETS; i++) {
        const struct isle__type_entry *entry =
            atomic_load_explicit(&type_buckets[i], memory_order_acquire);
        for (; entry != NULL; entry = entry->next)
            if (!fn(context, entry->type))
                return;
    }
}
