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

struct type_entry {
    const isle_type *type;
    uint64_t hash;
    struct type_entry *next;
};
/* A release here pairs with the acquire of readers: an entry is complete before it can be seen. */
static _Atomic(struct type_entry *) type_buckets[TYPE_BUCKETS];

static _Atomic(struct type_entry *) *type_bucket(const char *name, size_t size)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return &type_buckets[(hash ^ hash >> 16) % TYPE_BUCKETS];
}

static struct type_entry *type_find(struct type_entry *entry, const char *name, size_t size)
{
    while (entry != NULL &&
           (strlen(entry->type->name) != size || memcmp(entry->type->name, name, size) != 0))
        entry = entry->next;
    return entry;
}

const isle_type *isle__type_find(const char *name, size_t size)
{
    const struct type_entry *entry =
        type_find(atomic_load_explicit(type_bucket(name, size), memory_order_acquire), name, size);

    return entry != NULL ? entry->type : NULL;
}

isle_err isle_type_register(const isle_type *type)
{
    if (type == NULL || type->name == NULL || strcmp(type->name, "isle.error") == 0)
        return ISLE_EINVAL;
    size_t size = strlen(type->name);
    _Atomic(struct type_entry *) *bucket = type_bucket(type->name, size);
    struct type_entry *head = atomic_load_explicit(bucket, memory_order_acquire);
    struct type_entry *entry = NULL;
    uint64_t hash = isle_type_hash(type);

    for (;;) {
        const struct type_entry *same = type_find(head, type->name, size);
        if (same != NULL) {
            isle__memory_free(entry, sizeof *entry);
            return same->type == type || same->hash == hash ? ISLE_OK : ISLE_EINVAL;
        }
        if (entry == NULL && (entry = isle__memory_alloc(sizeof *entry)) == NULL)
            return ISLE_ENOMEM;
        *entry = (struct type_entry){type, hash, head};
        if (atomic_compare_exchange_weak_explicit(bucket, &head, entry, memory_order_release,
                                                  memory_order_acquire))
            return ISLE_OK;
    }
}
