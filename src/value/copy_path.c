/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a refused copy: the offender, then each step from it to the root of the message.
 *
 * How. The log knows each entry's parent. Where in the parent a child stands is found by looking
 * for the child's address in the parent's copy, which is filled in up to the place that failed;
 * that place itself still holds the original. */
#include <stdio.h>
#include <string.h>

#include "value/copy.h"

#define PATH_STEPS_MAX 64 /* nearest to the offender; the rest is counted */
#define PATH_TEXT 8192

struct path {
    char text[PATH_TEXT];
    size_t size;
};

static void path_add(struct path *path, const char *format, ...) ISLE_PRINTF(2, 3);
static void path_add(struct path *path, const char *format, ...)
{
    va_list arguments;
    size_t left = sizeof(path->text) - path->size;
    va_start(arguments, format);
    int size = vsnprintf(path->text + path->size, left, format, arguments);
    va_end(arguments);
    if (size > 0)
        path->size += (size_t)size < left ? (size_t)size : left - 1;
}

static void path_add_key(struct path *path, isle_value key)
{
    int64_t integer;
    key = isle__resolve(key);
    if (isle_kind_of(key) == ISLE_STRING) {
        const struct isle__string *string = (const struct isle__string *)isle__cell_of(key);
        path_add(path, "\n <- value of key \"%.*s\" of a map",
                 (int)(string->size < 64 ? string->size : 64), string->text);
    } else if (isle_get_int(key, &integer)) {
        path_add(path, "\n <- value of key %lld of a map", (long long)integer);
    } else {
        path_add(path, "\n <- value of a key (%s) of a map", isle_kind_name(isle_kind_of(key)));
    }
}

static void path_step_list(struct path *path, const struct isle__list *list, uint64_t child)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].bits != child)
            continue;
        path_add(path, "\n <- element %zu of a list", i);
        return;
    }
}

static void path_step_map(struct path *path, const struct isle__map *map, uint64_t child)
{
    bool is_set = map->cell.kind == ISLE_SET;
    for (size_t i = 0; i < map->used; i++) {
        const struct isle__entry *entry = &map->entries[i];
        if (entry->key.bits == child && entry->live) {
            path_add(path, is_set ? "\n <- an element of a set" : "\n <- a key of a map");
            return;
        }
        if (entry->value.bits == child && entry->live) {
            path_add_key(path, entry->key);
            return;
        }
    }
}

static const isle_field *path_find_field(const isle_type *type, const char *object, uint64_t child,
                                         const isle_type **ret_type);

/* Whether one of the words there is the child. */
static bool path_has(const char *words, size_t count, uint64_t child)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        memcpy(&word, words + i * sizeof(uintptr_t), sizeof(uintptr_t));
        if (word == child)
            return true;
    }
    return false;
}

static bool path_has_value(const char *values, size_t count, uint64_t child)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, values + i * sizeof(word), sizeof(word));
        if (word == child)
            return true;
    }
    return false;
}

static size_t path_count(const isle_field *field, const char *object)
{
    uint64_t count = 0;
    unsigned char bytes[8] = {0};
    if (field->count_offset == SIZE_MAX)
        return field->count;
    if (field->count_size <= sizeof(bytes))
        memcpy(bytes, object + field->count_offset, field->count_size);
    for (size_t i = field->count_size; i-- > 0;)
        count = count << 8 | bytes[i];
    return (size_t)count;
}

static bool path_leads(const isle_field *field, const char *object, uint64_t child,
                       const isle_type **ret_type)
{
    const char *at = object + field->offset;
    size_t count = path_count(field, object);
    if (field->count_offset != SIZE_MAX) {
        memcpy(&at, object + field->offset, sizeof(at));
        if (at == NULL)
            return false;
    }
    switch (field->kind) {
    case ISLE_FIELD_KIND_VALUE:
        return path_has_value(at, count, child);
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        return path_has(at, count, child);
    case ISLE_FIELD_KIND_STRUCT:
        if (field->count_offset == SIZE_MAX)
            return child == (uintptr_t)at ||
                   path_find_field(field->type, at, child, ret_type) != NULL;
        return child >= (uintptr_t)at && child < (uintptr_t)at + count * field->size;
    default:
        return false;
    }
}

static const isle_field *path_find_field(const isle_type *type, const char *object, uint64_t child,
                                         const isle_type **ret_type)
{
    for (size_t i = 0; i < type->field_count; i++) {
        *ret_type = type;
        if (path_leads(&type->fields[i], object, child, ret_type))
            return &type->fields[i];
    }
    return NULL;
}

static void path_step(struct path *path, const struct isle__copy_entry *parent, uint64_t child)
{
    const struct isle__cell *cell = parent->dest;
    if (parent->owner != ISLE__COPY_CELL) {
        const isle_type *type = parent->as.object.type;
        const isle_field *field = path_find_field(type, parent->dest, child, &type);
        path_add(path, "\n <- field %s of %s", field == NULL ? "?" : field->name,
                 parent->as.object.type->name);
        return;
    }
    if (cell->kind == ISLE_LIST)
        path_step_list(path, (const struct isle__list *)cell, child);
    else if (cell->kind == ISLE_MAP || cell->kind == ISLE_SET)
        path_step_map(path, (const struct isle__map *)cell, child);
    else if (cell->kind == ISLE_ERROR)
        path_add(path, "\n <- text of an error");
}

char *isle__copy_path(const struct isle__copy *copy, size_t *ret_size)
{
    struct path *path = isle__memory_alloc(sizeof(*path));
    uint64_t child = copy->offender;
    size_t steps = 0;
    if (path == NULL)
        return NULL;
    path->size = 0;
    path_add(path, "Illegal argument in isolate message: %s", copy->what);
    for (uint32_t at = copy->offender_parent; at != ISLE__COPY_ROOT; at = copy->log[at].parent) {
        const struct isle__copy_entry *entry = &copy->log[at];
        if (steps++ < PATH_STEPS_MAX)
            path_step(path, entry, child);
        child = (uintptr_t)entry->dest;
    }
    if (steps > PATH_STEPS_MAX)
        path_add(path, "\n <- … %zu steps more", steps - PATH_STEPS_MAX);
    path_add(path, "\n <- the message");
    *ret_size = sizeof(*path);
    return path->text;
}
