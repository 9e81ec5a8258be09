/* SPDX-License-Identifier: Apache-2.0 */
/* Names across a wall: two tables a side. Exports are an array by slot with a list of free slots
 * and an index by id, so that an id has one name; a look-up of what came from the other side is an
 * index and a comparison. Imports are found by name when something comes in and by id when
 * something goes out; each but a capability is a slot of this program's (core/slot.h), which leads
 * mail and control for it to the proxy.
 *
 * Nobody tells when a program has forgotten a port, so an import stays until its exporter says that
 * it is gone: that side looks through its table now and then (isle__exports_sweep). */
#include "backend/wall/names.h"

#include <string.h>

#include "core/isolate.h"
#include "core/mail.h"
#include "core/name.h"
#include "core/slot.h"
#include "value/cell.h"

enum { EXPORTS_FIRST = 16, SWEEP_FIRST = 1024 };

/* Capabilities and ports are numbered apart. */
#define CAPABILITY_KEY ((uint64_t)1 << 62)

/* --- exports */

static uint64_t export_key(enum isle__name_kind kind, uint64_t id)
{
    return kind == ISLE__NAME_CAPABILITY ? id | CAPABILITY_KEY : id;
}

static bool exports_grow(struct isle__exports *exports)
{
    uint32_t old = exports->capacity, new = old == 0 ? EXPORTS_FIRST : old * 2;
    if (new > exports->max)
        new = exports->max;
    void *memory = isle__memory_resize(exports->entries, old * sizeof *exports->entries,
                                       new * sizeof *exports->entries);
    if (memory == NULL)
        return false;
    exports->entries = memory;
    exports->capacity = new;
    return true;
}

/* A slot without a name. ISLE_EFULL, ISLE_ENOMEM. */
static isle_err export_slot(struct isle__exports *exports, uint32_t *ret_slot)
{
    if (exports->free != 0) {
        *ret_slot = exports->free - 1;
        exports->free = exports->entries[*ret_slot].next_free;
        return ISLE_OK;
    }
    if (exports->count == exports->max)
        return ISLE_EFULL;
    if (exports->count == exports->capacity && !exports_grow(exports))
        return ISLE_ENOMEM;
    *ret_slot = exports->count++;
    exports->entries[*ret_slot] = (struct isle__export){0};
    return ISLE_OK;
}

static void export_slot_back(struct isle__exports *exports, uint32_t slot)
{
    struct isle__export *entry = &exports->entries[slot];
    entry->kind = ISLE__NAME_FREE;
    if (entry->alias != 0)
        isle__index_remove(&exports->by_alias, entry->alias);
    entry->id = entry->owner = entry->alias = 0;
    if (entry->generation == ISLE__NAME_GENERATION_MAX) /* retired: no name is given out twice */
        return;
    entry->next_free = exports->free;
    exports->free = slot + 1;
}

static uint64_t export_mark(const struct isle__exports *exports, uint32_t slot)
{
    bool is_marked = exports->entries[slot].kind == ISLE__NAME_CONTROL && slot >= exports->fixed;
    return is_marked ? ISLE__NAME_OF_CONTROL : 0;
}

/* The name of an entry in use. */
static uint64_t export_name(const struct isle__exports *exports, uint32_t slot)
{
    return isle__name_of(slot, exports->entries[slot].generation | export_mark(exports, slot));
}

static isle_err export_add(struct isle__exports *exports, enum isle__name_kind kind, uint64_t id,
                           uint64_t owner, uint64_t *ret_name)
{
    uint32_t slot;
    isle_err err = export_slot(exports, &slot);
    if (err != ISLE_OK)
        return err;
    struct isle__export *entry = &exports->entries[slot];
    if (kind != ISLE__NAME_ANSWER &&
        !isle__index_put(&exports->by_id, export_key(kind, id), (uintptr_t)slot + 1)) {
        export_slot_back(exports, slot);
        return ISLE_ENOMEM;
    }
    entry->generation++;
    entry->kind = (uint8_t)kind;
    entry->id = id;
    entry->owner = owner;
    exports->used++;
    *ret_name = export_name(exports, slot);
    return ISLE_OK;
}

isle_err isle__export_give(struct isle__exports *exports, enum isle__name_kind kind, uint64_t id,
                           uint64_t owner, uint64_t *ret_name)
{
    uintptr_t found = isle__index_find(&exports->by_id, export_key(kind, id));
    if (found == 0)
        return export_add(exports, kind, id, owner, ret_name);
    uint32_t slot = (uint32_t)(found - 1);
    *ret_name = export_name(exports, slot);
    return ISLE_OK;
}

uint64_t isle__export_name_of(const struct isle__exports *exports, enum isle__name_kind kind,
                              uint64_t id)
{
    uintptr_t found = isle__index_find(&exports->by_id, export_key(kind, id));
    uint32_t slot = (uint32_t)(found - 1);
    return found == 0 ? 0 : export_name(exports, slot);
}

isle_err isle__export_answer(struct isle__exports *exports, struct isle__mail *mail,
                             uint64_t *ret_name)
{
    return export_add(exports, ISLE__NAME_ANSWER, (uintptr_t)mail, 0, ret_name);
}

isle_err isle__export_alias(struct isle__exports *exports, uint64_t name, uint64_t alias)
{
    uint32_t slot = isle__name_slot(name);
    if (!isle__index_put(&exports->by_alias, alias, (uintptr_t)slot + 1))
        return ISLE_ENOMEM;
    exports->entries[slot].alias = alias;
    return ISLE_OK;
}

/* What the inside spawned is found by its alias; that of one which has gone is stale. */
static enum isle__name_state alias_find(const struct isle__exports *exports, uint64_t name,
                                        unsigned kinds, const struct isle__export **ret_export)
{
    uint64_t number = isle__name_generation(name) & ~ISLE__NAME_ALIAS;
    uintptr_t found = isle__index_find(&exports->by_alias, name);
    if (found == 0)
        return number != 0 && number <= exports->spawned && isle__name_slot(name) < ISLE__SELF_COUNT
                   ? ISLE__NAME_STALE
                   : ISLE__NAME_FORGED;
    const struct isle__export *entry = &exports->entries[found - 1];
    if ((ISLE__NAME_BIT(entry->kind) & kinds) == 0)
        return ISLE__NAME_FORGED;
    *ret_export = entry;
    return ISLE__NAME_KNOWN;
}

enum isle__name_state isle__export_find(const struct isle__exports *exports, uint64_t name,
                                        unsigned kinds, const struct isle__export **ret_export)
{
    uint32_t slot = isle__name_slot(name);
    uint64_t generation = isle__name_generation(name), mark = generation & ISLE__NAME_OF_CONTROL;
    if ((generation & ISLE__NAME_ALIAS) != 0)
        return alias_find(exports, name, kinds, ret_export);
    generation -= mark;
    if (slot >= exports->count || generation == 0)
        return ISLE__NAME_FORGED;
    const struct isle__export *entry = &exports->entries[slot];
    if (generation > entry->generation)
        return ISLE__NAME_FORGED;
    if (generation < entry->generation || entry->kind == ISLE__NAME_FREE)
        return ISLE__NAME_STALE;
    if ((ISLE__NAME_BIT(entry->kind) & kinds) == 0 || export_mark(exports, slot) != mark)
        return ISLE__NAME_FORGED;
    *ret_export = entry;
    return ISLE__NAME_KNOWN;
}

void isle__export_free(struct isle__exports *exports, uint64_t name)
{
    uint32_t slot = isle__name_slot(name);
    const struct isle__export *entry = &exports->entries[slot];
    if (entry->kind != ISLE__NAME_ANSWER)
        isle__index_remove(&exports->by_id,
                           export_key((enum isle__name_kind)entry->kind, entry->id));
    exports->used--;
    export_slot_back(exports, slot);
}

bool isle__exports_want_sweep(const struct isle__exports *exports)
{
    bool doubled = exports->used >= SWEEP_FIRST && exports->used / 2 >= exports->swept;
    return doubled || (exports->free == 0 && exports->count == exports->max);
}

static bool export_is_gone(const struct isle__export *entry)
{
    switch ((enum isle__name_kind)entry->kind) {
    case ISLE__NAME_PORT:
    case ISLE__NAME_REPLY:
        return isle__slot_find(entry->id) == NULL;
    case ISLE__NAME_CONTROL:
        return isle__slot_find(entry->id & ~ISLE__ID_CONTROL) == NULL;
    case ISLE__NAME_CAPABILITY:
        return entry->owner != 0 && isle__slot_find(entry->owner) == NULL;
    case ISLE__NAME_FREE:
    case ISLE__NAME_ANSWER:
    case ISLE__NAME_KINDS:
        break;
    }
    return false;
}

void isle__exports_sweep(struct isle__exports *exports, void (*told)(void *context, uint64_t name),
                         void *context)
{
    for (uint32_t slot = exports->fixed; slot < exports->count; slot++) {
        if (!export_is_gone(&exports->entries[slot]))
            continue;
        uint64_t name = export_name(exports, slot);
        isle__export_free(exports, name);
        told(context, name);
    }
    exports->swept = exports->used;
}

void isle__exports_each(struct isle__exports *exports,
                        void (*fn)(void *context, const struct isle__export *entry), void *context)
{
    for (uint32_t slot = 0; slot < exports->count; slot++)
        if (exports->entries[slot].kind != ISLE__NAME_FREE)
            fn(context, &exports->entries[slot]);
}

void isle__exports_fini(struct isle__exports *exports)
{
    for (uint32_t slot = 0; slot < exports->count; slot++)
        if (exports->entries[slot].kind == ISLE__NAME_ANSWER)
            isle__mail_drop((struct isle__mail *)(uintptr_t)exports->entries[slot].id);
    isle__memory_free(exports->entries, exports->capacity * sizeof *exports->entries);
    isle__index_fini(&exports->by_id);
    isle__index_fini(&exports->by_alias);
    uint32_t max = exports->max;
    memset(exports, 0, sizeof *exports);
    exports->max = max;
}

/* --- imports */

void isle__imports_init(struct isle__imports *imports, struct isle__isolate *proxy, uint32_t max)
{
    *imports = (struct isle__imports){.proxy = proxy, .max = max};
    isle__random_fill(imports->key, sizeof imports->key);
}

static uint64_t import_key(const struct isle__imports *imports, uint64_t name)
{
    return isle__siphash(imports->key[0], imports->key[1], &name, sizeof name);
}

/* Of so many names, those that a pool counts. */
static uint32_t imports_pooled(uint32_t count)
{
    return count > ISLE__NAMES_OWN ? count - ISLE__NAMES_OWN : 0;
}

void isle__imports_join(struct isle__imports *imports, struct isle__names_pool *pool)
{
    imports->pool = pool;
    atomic_fetch_add_explicit(&pool->used, imports_pooled(imports->count), memory_order_relaxed);
}

void isle__imports_leave(struct isle__imports *imports)
{
    if (imports->pool != NULL)
        atomic_fetch_sub_explicit(&imports->pool->used, imports_pooled(imports->count),
                                  memory_order_relaxed);
    imports->pool = NULL;
}

static void imports_count(struct isle__imports *imports, uint32_t count)
{
    uint32_t more = imports_pooled(count) - imports_pooled(imports->count); /* 1, 0, or -1 */
    imports->count = count;
    if (imports->pool != NULL && more != 0)
        atomic_fetch_add_explicit(&imports->pool->used, more, memory_order_relaxed);
}

static bool imports_have_room(const struct isle__imports *imports)
{
    if (imports->count >= imports->max)
        return false;
    return imports->pool == NULL || imports->count < ISLE__NAMES_OWN ||
           atomic_load_explicit(&imports->pool->used, memory_order_relaxed) < imports->pool->max;
}

static void import_link(struct isle__imports *imports, struct isle__import *import)
{
    import->previous = NULL;
    import->next = imports->all;
    if (import->next != NULL)
        import->next->previous = import;
    imports->all = import;
    imports_count(imports, imports->count + 1);
}

static void import_unlink(struct isle__imports *imports, struct isle__import *import)
{
    if (import->previous != NULL)
        import->previous->next = import->next;
    else
        imports->all = import->next;
    if (import->next != NULL)
        import->next->previous = import->previous;
    imports_count(imports, imports->count - 1);
}

/* A number that nobody can guess: the other side's capabilities are tokens here like any. */
static uint64_t capability_number(void)
{
    uint64_t number = 0;
    while (number == 0) {
        isle__random_fill(&number, sizeof number);
        number &= ((uint64_t)1 << 61) - 1;
    }
    return number;
}

static bool import_number(struct isle__imports *imports, struct isle__import *import)
{
    enum isle__slot_kind kind = ISLE__SLOT_PORT;
    if (import->kind == ISLE__NAME_CAPABILITY) {
        import->id = capability_number();
        return isle__index_put(&imports->capability, import->id, (uintptr_t)import);
    }
    if (import->kind == ISLE__NAME_REPLY)
        kind = ISLE__SLOT_REPLY;
    if (import->kind == ISLE__NAME_CONTROL)
        kind = ISLE__SLOT_REMOTE;
    import->slot = isle__slot_open(kind, imports->proxy, import);
    if (import->slot == NULL)
        return false;
    import->id = atomic_load_explicit(&import->slot->id, memory_order_relaxed);
    if (import->kind == ISLE__NAME_CONTROL)
        import->id |= ISLE__ID_CONTROL;
    return true;
}

/* Its name is known; ISLE_ENOMEM. */
static struct isle__import *import_make(struct isle__imports *imports, enum isle__name_kind kind,
                                        uint64_t name)
{
    struct isle__import *import = isle__memory_alloc(sizeof *import);
    if (import == NULL)
        return NULL;
    *import = (struct isle__import){.name = name, .kind = (uint8_t)kind};
    uint64_t key = import_key(imports, name);
    if (isle__index_find(&imports->by_name, key) != 0 || /* another name: chance, once in 2^28 */
        !isle__index_put(&imports->by_name, key, (uintptr_t)import)) {
        isle__memory_free(import, sizeof *import);
        return NULL;
    }
    import_link(imports, import);
    return import;
}

static void import_forget(struct isle__imports *imports, struct isle__import *import)
{
    isle__index_remove(&imports->by_name, import_key(imports, import->name));
    if (import->also != 0)
        isle__index_remove(&imports->by_name, import_key(imports, import->also));
    if (import->kind == ISLE__NAME_CAPABILITY)
        isle__index_remove(&imports->capability, import->id);
    import_unlink(imports, import);
    isle__memory_free(import, sizeof *import);
    /* A pool counts names, not what an index has had: it is as large as they are many. */
    (void)isle__index_trim(&imports->by_name);
    (void)isle__index_trim(&imports->capability);
}

isle_err isle__import_take(struct isle__imports *imports, enum isle__name_kind kind, uint64_t name,
                           struct isle__import **ret_import)
{
    struct isle__import *import = isle__import_of_name(imports, name);
    if (import != NULL) {
        *ret_import = import;
        return import->kind == (uint8_t)kind ? ISLE_OK : ISLE_EFULL;
    }
    if (!imports_have_room(imports) || isle__name_generation(name) == 0)
        return ISLE_EFULL;
    import = import_make(imports, kind, name);
    if (import == NULL)
        return ISLE_ENOMEM;
    if (!import_number(imports, import)) {
        import_forget(imports, import);
        return ISLE_ENOMEM;
    }
    *ret_import = import;
    return ISLE_OK;
}

isle_err isle__import_fixed(struct isle__imports *imports, enum isle__name_kind kind, uint64_t name,
                            uint64_t id)
{
    struct isle__import *import = import_make(imports, kind, name);
    if (import == NULL)
        return ISLE_ENOMEM;
    import->id = id;
    if (kind == ISLE__NAME_CAPABILITY &&
        !isle__index_put(&imports->capability, id, (uintptr_t)import)) {
        import_forget(imports, import);
        return ISLE_ENOMEM;
    }
    return ISLE_OK;
}

isle_err isle__import_also(struct isle__imports *imports, struct isle__import *import,
                           uint64_t name)
{
    uint64_t key = import_key(imports, name);
    if (import->also != 0 || isle__index_find(&imports->by_name, key) != 0)
        return ISLE_EFULL;
    if (!isle__index_put(&imports->by_name, key, (uintptr_t)import))
        return ISLE_ENOMEM;
    import->also = name;
    return ISLE_OK;
}

struct isle__import *isle__import_of_name(const struct isle__imports *imports, uint64_t name)
{
    struct isle__import *import =
        (struct isle__import *)isle__index_find(&imports->by_name, import_key(imports, name));
    bool is_it = import != NULL && (import->name == name || import->also == name);
    return is_it ? import : NULL;
}

struct isle__import *isle__import_of_port(const struct isle__imports *imports, uint64_t id)
{
    uint64_t self = imports->proxy->id;
    bool control = (id & ISLE__ID_CONTROL) != 0;
    if ((id & ~ISLE__ID_CONTROL) == self) /* only an isolate's proxy has these names */
        return isle__import_of_name(
            imports, isle__name_of(control ? ISLE__SELF_CONTROL : ISLE__SELF_DEFAULT, 1));
    struct isle__slot *slot = isle__slot_find(id & ~ISLE__ID_CONTROL);
    if (slot == NULL ||
        atomic_load_explicit(&slot->isolate, memory_order_relaxed) != imports->proxy)
        return NULL;
    struct isle__import *import = slot->object;
    return import->id == id ? import : NULL;
}

struct isle__import *isle__import_of_capability(const struct isle__imports *imports, uint64_t id)
{
    return (struct isle__import *)isle__index_find(&imports->capability, id);
}

void isle__import_drop(struct isle__imports *imports, struct isle__import *import)
{
    if (import->slot != NULL) {
        isle__slot_close(import->slot);
        isle__names_port_closed(imports->proxy, import->id & ~ISLE__ID_CONTROL);
    }
    import_forget(imports, import);
}

void isle__imports_fini(struct isle__imports *imports)
{
    isle__imports_leave(imports);
    while (imports->all != NULL) {
        struct isle__import *import = imports->all;
        if (import->slot != NULL)
            isle__slot_end(import->slot);
        import_forget(imports, import);
    }
    isle__index_fini(&imports->by_name);
    isle__index_fini(&imports->capability);
}
