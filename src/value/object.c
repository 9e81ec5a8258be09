/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as values: a type and the address of the program's struct, and the hash of a layout.
 *
 * Law: within a program a type is its address. The hash of a layout is the same in every process
 * and build: fixed key, fixed byte order, nothing of an address in it. */
#include "value/cell.h"

#include <string.h>

isle_value isle_object(const isle_type *type, void *pointer)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__object_cell *cell;

    if (type == NULL || pointer == NULL)
        isle__throw(ISLE_EINVAL, "%s: %s is NULL", __func__, type == NULL ? "type" : "pointer");
    cell = isle__cell_new(heap, &isle__scope_current(heap)->region, ISLE_OBJECT, sizeof(*cell));
    cell->type = type;
    cell->object = pointer;
    return isle__value_of(cell);
}

void *isle_as_object(isle_value value, const isle_type *type)
{
    isle_value resolved = isle__resolve(value);
    struct isle__object_cell *cell;

    (void)isle__heap_need(__func__);
    if (type == NULL)
        isle__throw(ISLE_EINVAL, "%s: type is NULL", __func__);
    if (isle_kind_of(resolved) != ISLE_OBJECT)
        isle__throw(ISLE_ETYPE, "%s: expected an object of type %s, got %s", __func__, type->name,
                    isle__kind_counted(isle_kind_of(resolved)));
    cell = (struct isle__object_cell *)isle__cell_of(resolved);
    if (cell->type != type)
        isle__throw(ISLE_ETYPE, "%s: expected an object of type %s, got one of type %s", __func__,
                    type->name, cell->type->name);
    return cell->object;
}

const isle_type *isle_object_type(isle_value value)
{
    (void)isle__heap_need(__func__);
    return ((struct isle__object_cell *)isle__need_kind(__func__, value, ISLE_OBJECT))->type;
}

/* A walk over the types that one leads to, breadth first. What does not fit in `types` counts by
 * its name and size alone, so that the walk needs no memory and ends on every input. */
#define OBJECT_TYPES_MAX 64

struct object_layout {
    const isle_type *types[OBJECT_TYPES_MAX];
    size_t count;
    uint64_t hash;
};

static void object_layout_number(struct object_layout *layout, uint64_t number)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    layout->hash = isle__siphash(layout->hash, 0x69736c65, bytes, sizeof(bytes));
}

static void object_layout_text(struct object_layout *layout, const char *text)
{
    layout->hash = isle__siphash(layout->hash, 0x74797065, text, strlen(text));
}

static void object_layout_reference(struct object_layout *layout, const isle_type *type)
{
    size_t at = 0;

    while (at < layout->count && layout->types[at] != type)
        at++;
    object_layout_number(layout, at);
    if (at < layout->count)
        return;
    if (layout->count < OBJECT_TYPES_MAX) {
        layout->types[layout->count++] = type;
        return;
    }
    object_layout_text(layout, type->name);
    object_layout_number(layout, type->size);
}

static void object_layout_type(struct object_layout *layout, const isle_type *type)
{
    object_layout_text(layout, type->name);
    object_layout_number(layout, type->size);
    object_layout_number(layout, type->version);
    object_layout_number(layout, type->unsendable);
    object_layout_number(layout, type->field_count);
    for (size_t i = 0; i < type->field_count; i++) {
        const isle_field *field = &type->fields[i];

        object_layout_text(layout, field->name);
        object_layout_number(layout, (uint64_t)field->kind);
        object_layout_number(layout, field->offset);
        object_layout_number(layout, field->size);
        object_layout_number(layout, field->count);
        object_layout_number(layout,
                             field->count_offset == SIZE_MAX ? UINT64_MAX : field->count_offset);
        object_layout_number(layout, field->count_size);
        if (field->type != NULL)
            object_layout_reference(layout, field->type);
    }
}

uint64_t isle_type_hash(const isle_type *type)
{
    struct object_layout layout = {{NULL}, 0, 0};

    if (type == NULL)
        return 0;
    object_layout_reference(&layout, type);
    for (size_t i = 0; i < layout.count; i++)
        object_layout_type(&layout, layout.types[i]);
    return layout.hash;
}
