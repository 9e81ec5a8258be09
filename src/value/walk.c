/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of walk.h, the buffer that it and its visitors write to, and the reading of fields. */
#include "value/walk.h"

#include <stdarg.h>
#include <string.h>

/* Strings shorter than this are written again at each place: a reference would save nothing. */
#define WALK_LONG_STRING 64
#define WALK_OWNED_MAX 1000000

struct walk_identity {
    const isle_type *type; /* NULL: cells */
    struct isle__idmap map;
};
/* What an identity map says of a node: met once, met again, then the number it got plus
 * WALK_NUMBERED. */
enum { WALK_NEW = 0, WALK_ONCE = 1, WALK_SHARED = 2, WALK_NUMBERED = 3 };

void isle__buffer_init(struct isle__buffer *buffer, struct isle__heap *heap)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->heap = heap;
}

void isle__buffer_fini(struct isle__buffer *buffer)
{
    if (buffer->data == NULL)
        return;
    isle__memory_free(buffer->data, buffer->capacity);
    if (buffer->heap != NULL)
        isle__heap_discharge(buffer->heap, buffer->capacity);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}

static bool buffer_grow(struct isle__buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity != 0 ? buffer->capacity : 256;

    if (size > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4)
        return false;
    while (capacity - buffer->size < size)
        capacity *= 2;
    if (buffer->heap != NULL && !isle__heap_try_charge(buffer->heap, capacity - buffer->capacity))
        return false;
    void *data = isle__memory_resize(buffer->data, buffer->capacity, capacity);
    if (data == NULL) {
        if (buffer->heap != NULL)
            isle__heap_discharge(buffer->heap, capacity - buffer->capacity);
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void *isle__buffer_room(struct isle__buffer *buffer, size_t size)
{
    if (buffer->failed)
        return NULL;
    if (buffer->capacity - buffer->size < size && !buffer_grow(buffer, size)) {
        buffer->failed = true;
        return NULL;
    }
    buffer->size += size;
    return buffer->data + buffer->size - size;
}

void isle__buffer_add(struct isle__buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return;
    void *room = isle__buffer_room(buffer, size);
    if (room != NULL)
        memcpy(room, data, size);
}

void isle__buffer_text(struct isle__buffer *buffer, const char *text)
{
    isle__buffer_add(buffer, text, strlen(text));
}

void isle__buffer_format(struct isle__buffer *buffer, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    int size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (size > 0)
        isle__buffer_add(buffer, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

int64_t isle__field_int(const void *data, size_t size)
{
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;

    switch (size) {
    case 1:
        memcpy(&i8, data, 1);
        return i8;
    case 2:
        memcpy(&i16, data, 2);
        return i16;
    case 4:
        memcpy(&i32, data, 4);
        return i32;
    default:
        memcpy(&i64, data, 8);
        return i64;
    }
}

uint64_t isle__field_uint(const void *data, size_t size)
{
    uint64_t mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;

    return (uint64_t)isle__field_int(data, size) & mask;
}

double isle__field_float(const void *data, size_t size)
{
    float f;
    double d;

    if (size == sizeof f) {
        memcpy(&f, data, sizeof f);
        return (double)f;
    }
    memcpy(&d, data, sizeof d);
    return d;
}

size_t isle__field_stride(const isle_field *field)
{
    if (field->kind == ISLE_FIELD_KIND_OBJECT || field->kind == ISLE_FIELD_KIND_OWNED)
        return sizeof(void *);
    return field->size;
}

bool isle__field_is_number(const isle_field *field)
{
    return field->kind == ISLE_FIELD_KIND_INT || field->kind == ISLE_FIELD_KIND_UINT ||
           field->kind == ISLE_FIELD_KIND_FLOAT;
}

bool isle__field_is_array(const isle_field *field)
{
    return field->count_offset != SIZE_MAX || field->count > 1;
}

isle_element isle__field_element(const isle_field *field)
{
    bool is_signed = field->kind == ISLE_FIELD_KIND_INT;

    if (field->kind == ISLE_FIELD_KIND_FLOAT)
        return field->size == sizeof(float) ? ISLE_F32 : ISLE_F64;
    switch (field->size) {
    case 1:
        return is_signed ? ISLE_I8 : ISLE_U8;
    case 2:
        return is_signed ? ISLE_I16 : ISLE_U16;
    case 4:
        return is_signed ? ISLE_I32 : ISLE_U32;
    default:
        return is_signed ? ISLE_I64 : ISLE_U64;
    }
}

size_t isle__element_width(isle_element element)
{
    static const uint8_t widths[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

    return widths[element];
}

void isle__walk_init(struct isle__walk *walk, struct isle__heap *heap,
                     const struct isle__visitor *visitor)
{
    memset(walk, 0, sizeof *walk);
    walk->visitor = visitor;
    isle__buffer_init(&walk->out, heap);
    isle__buffer_init(&walk->frames, heap);
    isle__buffer_init(&walk->identities, heap);
}

void isle__walk_fini(struct isle__walk *walk)
{
    struct walk_identity *identities = (struct walk_identity *)walk->identities.data;

    for (size_t i = 0; i < walk->identities.size / sizeof *identities; i++)
        isle__idmap_fini(&identities[i].map);
    isle__buffer_fini(&walk->identities);
    isle__buffer_fini(&walk->frames);
    isle__buffer_fini(&walk->out);
}

/* The place of what is known about a node; NULL: out of memory. */
static uintptr_t *walk_identity_at(struct isle__walk *walk, const isle_type *type, const void *key)
{
    struct walk_identity *identities = (struct walk_identity *)walk->identities.data;
    size_t count = walk->identities.size / sizeof *identities;
    bool is_new;

    for (size_t i = 0; i < count; i++) {
        if (identities[i].type == type)
            return isle__idmap_at(&identities[i].map, key, &is_new);
    }
    struct walk_identity *identity = isle__buffer_room(&walk->identities, sizeof *identity);
    if (identity == NULL)
        return NULL;
    identity->type = type;
    isle__idmap_init(&identity->map);
    return isle__idmap_at(&identity->map, key, &is_new);
}

static void walk_node_value(isle_value value, struct isle__node *ret_node)
{
    memset(ret_node, 0, sizeof *ret_node);
    value = isle__resolve(value);
    ret_node->value = value;
    ret_node->value_kind = isle_kind_of(value);
    switch ((int)ret_node->value_kind) {
    case ISLE_LIST:
        ret_node->count = ((struct isle__list *)isle__cell_of(value))->count;
        break;
    case ISLE_MAP:
    case ISLE_SET:
        ret_node->count = ((struct isle__map *)isle__cell_of(value))->count;
        break;
    case ISLE_OBJECT: {
        const struct isle__object_cell *object = (struct isle__object_cell *)isle__cell_of(value);
        ret_node->kind = ISLE__NODE_OBJECT;
        ret_node->type = object->type;
        ret_node->data = object->object;
        ret_node->count = object->type->field_count;
        break;
    }
    default:
        break;
    }
}

static void walk_node_element(const isle_field *field, const void *place,
                              struct isle__node *ret_node)
{
    const void *pointer;
    isle_value value;

    memset(ret_node, 0, sizeof *ret_node);
    switch (field->kind) {
    case ISLE_FIELD_KIND_VALUE:
        memcpy(&value, place, sizeof value);
        walk_node_value(value, ret_node);
        break;
    case ISLE_FIELD_KIND_STRUCT:
        ret_node->kind = ISLE__NODE_STRUCT;
        ret_node->type = field->type;
        ret_node->data = place;
        ret_node->count = field->type->field_count;
        ret_node->owned = field->count_offset != SIZE_MAX;
        break;
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        memcpy(&pointer, place, sizeof pointer);
        if (pointer == NULL) {
            walk_node_value(isle_null(), ret_node);
            break;
        }
        ret_node->kind = ISLE__NODE_OBJECT;
        ret_node->type = field->type;
        ret_node->data = pointer;
        ret_node->count = field->type->field_count;
        ret_node->owned = field->kind == ISLE_FIELD_KIND_OWNED;
        break;
    default:
        ret_node->kind = ISLE__NODE_SCALAR;
        ret_node->field = field;
        ret_node->data = place;
        break;
    }
}

/* False: the counter says what no count can be (a negative number). */
static bool walk_node_field(const isle_field *field, const void *base, struct isle__node *ret_node)
{
    const uint8_t *place = (const uint8_t *)base + field->offset;
    const void *data = place;
    size_t count = field->count;

    if (!isle__field_is_array(field)) {
        walk_node_element(field, place, ret_node);
        return true;
    }
    memset(ret_node, 0, sizeof *ret_node);
    if (field->count_offset != SIZE_MAX) {
        memcpy(&data, place, sizeof data);
        if (data == NULL)
            return true;
        uint64_t counted =
            isle__field_uint((const uint8_t *)base + field->count_offset, field->count_size);
        if (counted > SIZE_MAX / 16 ||
            (field->count_size >= 4 && counted >> (8 * field->count_size - 1) != 0))
            return false;
        count = (size_t)counted;
    }
    ret_node->kind = isle__field_is_number(field) ? ISLE__NODE_NUMBERS : ISLE__NODE_ARRAY;
    ret_node->field = field;
    ret_node->data = data;
    ret_node->count = count;
    return true;
}

static bool walk_is_container(const struct isle__node *node)
{
    switch (node->kind) {
    case ISLE__NODE_VALUE:
        return node->value_kind == ISLE_LIST || node->value_kind == ISLE_MAP ||
               node->value_kind == ISLE_SET;
    case ISLE__NODE_OBJECT:
    case ISLE__NODE_STRUCT:
    case ISLE__NODE_ARRAY:
        return true;
    case ISLE__NODE_NUMBERS:
    case ISLE__NODE_SCALAR:
    default:
        return false;
    }
}

static bool walk_has_identity(const struct isle__walk *walk, const struct isle__node *node)
{
    if (node->owned || (node->kind != ISLE__NODE_VALUE && node->kind != ISLE__NODE_OBJECT))
        return false;
    if (walk_is_container(node))
        return true;
    if (!walk->visitor->share_leaves)
        return false;
    if (node->value_kind == ISLE_STRING)
        return ((struct isle__string *)isle__cell_of(node->value))->size >= WALK_LONG_STRING;
    if (node->value_kind == ISLE_BYTES || node->value_kind == ISLE_ERROR)
        return true;
    return walk->visitor->share_moved &&
           (node->value_kind == ISLE_TRANSFERABLE || node->value_kind == ISLE_RESOURCE);
}

/* Settles a node's identity. *ret_known: it was met before in this round, nothing more is to be
 * done. */
static isle_err walk_identify(struct isle__walk *walk, const struct isle__node *node,
                              int64_t *ret_number, bool *ret_known)
{
    *ret_number = -1;
    *ret_known = false;
    if (!walk_has_identity(walk, node))
        return ISLE_OK;
    bool object = node->kind == ISLE__NODE_OBJECT;
    uintptr_t *state = walk_identity_at(walk, object ? node->type : NULL,
                                        object ? node->data : isle__cell_of(node->value));
    if (state == NULL)
        return ISLE_ENOMEM;
    if (walk->counting) {
        *ret_known = *state != WALK_NEW;
        *state = *ret_known ? WALK_SHARED : WALK_ONCE;
    } else if (*state >= WALK_NUMBERED) {
        *ret_known = true;
        *ret_number = (int64_t)(*state - WALK_NUMBERED);
    } else if (*state == WALK_SHARED) {
        *ret_number = walk->numbers++;
        *state = WALK_NUMBERED + (uintptr_t)*ret_number;
    }
    return ISLE_OK;
}

static isle_err walk_node(struct isle__walk *walk, struct isle__node *node)
{
    int64_t number;
    bool known;

    walk->node = *node;
    isle_err err = walk_identify(walk, node, &number, &known);
    if (err != ISLE_OK)
        return err;
    if (known) {
        if (!walk->counting)
            walk->visitor->reference(walk, number);
        return ISLE_OK;
    }
    if (!walk_is_container(node)) {
        if (!walk->counting)
            return walk->visitor->leaf(walk, node, number);
        return walk->visitor->meet != NULL ? walk->visitor->meet(walk, node) : ISLE_OK;
    }
    if (node->owned && ++walk->owned_depth > WALK_OWNED_MAX)
        return ISLE_ERANGE;
    if (!walk->counting) {
        err = walk->visitor->begin(walk, node, number);
        if (err != ISLE_OK)
            return err;
    }
    struct isle__frame_of_walk *frame = isle__buffer_room(&walk->frames, sizeof *frame);
    if (frame == NULL)
        return ISLE_ENOMEM;
    memset(frame, 0, sizeof *frame);
    frame->node = *node;
    return ISLE_OK;
}

/* The next live entry of a map or set; the key first, then (of a map) its value. */
static bool walk_next_entry(struct isle__frame_of_walk *frame, struct isle__node *ret_node)
{
    const struct isle__map *map = (struct isle__map *)isle__cell_of(frame->node.value);
    bool is_map = frame->node.value_kind == ISLE_MAP;

    if (is_map && frame->role == ISLE__ROLE_KEY && frame->at > 0) {
        frame->role = ISLE__ROLE_ENTRY_VALUE;
        walk_node_value(map->entries[frame->at - 1].value, ret_node);
        return true;
    }
    while (frame->at < map->used && !map->entries[frame->at].live)
        frame->at++;
    if (frame->at == map->used)
        return false;
    frame->role = is_map ? ISLE__ROLE_KEY : ISLE__ROLE_ELEMENT;
    frame->key = isle__resolve(map->entries[frame->at].key);
    frame->index++;
    walk_node_value(map->entries[frame->at++].key, ret_node);
    return true;
}

/* The next child; false: none is left. *ret_err is set if there is one that cannot be read. */
static bool walk_next(struct isle__frame_of_walk *frame, struct isle__node *ret_node,
                      isle_err *ret_err)
{
    const struct isle__node *node = &frame->node;

    if (node->kind == ISLE__NODE_VALUE && node->value_kind != ISLE_LIST)
        return walk_next_entry(frame, ret_node);
    if (frame->at == node->count)
        return false;
    size_t at = frame->at++;
    frame->index = frame->at;
    frame->role = ISLE__ROLE_ELEMENT;
    if (node->kind == ISLE__NODE_VALUE) {
        walk_node_value(((struct isle__list *)isle__cell_of(node->value))->items[at], ret_node);
    } else if (node->kind == ISLE__NODE_ARRAY) {
        walk_node_element(node->field,
                          (const uint8_t *)node->data + at * isle__field_stride(node->field),
                          ret_node);
    } else {
        frame->role = ISLE__ROLE_FIELD;
        if (!walk_node_field(&node->type->fields[at], node->data, ret_node))
            *ret_err = ISLE_ERANGE;
    }
    return true;
}

static bool walk_leads_nowhere(const isle_field *field)
{
    return field->kind == ISLE_FIELD_KIND_BOOL || field->kind == ISLE_FIELD_KIND_STRING ||
           field->kind == ISLE_FIELD_KIND_PORT || isle__field_is_number(field);
}

static bool walk_is_plain(isle_value value)
{
    value = isle__resolve(value);
    if (isle__is_immediate(value))
        return true;
    const struct isle__cell *cell = isle__cell_of(value);
    if (cell->kind == ISLE_STRING)
        return ((const struct isle__string *)cell)->size < WALK_LONG_STRING;
    return cell->kind == ISLE_INT || cell->kind == ISLE_DOUBLE;
}

/* Between two entries. */
static void walk_pass_entries(struct isle__frame_of_walk *frame)
{
    const struct isle__map *map = (struct isle__map *)isle__cell_of(frame->node.value);
    bool is_map = frame->node.value_kind == ISLE_MAP;

    if (is_map && frame->role == ISLE__ROLE_KEY)
        return;
    while (frame->at < map->used) {
        const struct isle__entry *entry = &map->entries[frame->at];
        if (entry->live && (!walk_is_plain(entry->key) || (is_map && !walk_is_plain(entry->value))))
            break;
        frame->at++;
        frame->index += entry->live;
    }
}

/* The first round looks for what can be met again: it passes by what cannot. */
static void walk_pass_by(struct isle__frame_of_walk *frame)
{
    const struct isle__node *node = &frame->node;

    if (node->kind == ISLE__NODE_OBJECT || node->kind == ISLE__NODE_STRUCT) {
        while (frame->at < node->count && walk_leads_nowhere(&node->type->fields[frame->at]))
            frame->at++;
    } else if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_LIST) {
        const isle_value *items = ((struct isle__list *)isle__cell_of(node->value))->items;
        while (frame->at < node->count && walk_is_plain(items[frame->at]))
            frame->at++;
    } else if (node->kind == ISLE__NODE_VALUE) {
        walk_pass_entries(frame);
    }
}

static struct isle__frame_of_walk *walk_top(const struct isle__walk *walk)
{
    if (walk->frames.size == 0)
        return NULL;
    return (struct isle__frame_of_walk *)(walk->frames.data + walk->frames.size -
                                          sizeof(struct isle__frame_of_walk));
}

static isle_err walk_round(struct isle__walk *walk, isle_value root)
{
    struct isle__node node;
    struct isle__frame_of_walk *frame;
    isle_err err;

    walk_node_value(root, &node);
    err = walk_node(walk, &node);
    while (err == ISLE_OK && !walk->out.failed && (frame = walk_top(walk)) != NULL) {
        if (walk->counting)
            walk_pass_by(frame);
        if (walk_next(frame, &node, &err)) {
            if (err == ISLE_OK && !walk->counting && walk->visitor->place != NULL)
                walk->visitor->place(walk, frame);
            if (err == ISLE_OK)
                err = walk_node(walk, &node);
            continue;
        }
        if (!walk->counting && walk->visitor->end != NULL)
            walk->visitor->end(walk, frame);
        if (frame->node.owned)
            walk->owned_depth--;
        walk->frames.size -= sizeof *frame;
    }
    return walk->out.failed ? ISLE_ENOMEM : err;
}

isle_err isle__walk_run(struct isle__walk *walk, isle_value root)
{
    walk->counting = true;
    isle_err err = walk_round(walk, root);
    if (err != ISLE_OK)
        return err;
    walk->counting = false;
    return walk_round(walk, root);
}

/* Bytes of a key to quote: at most 40, whole characters. */
static int walk_key_size(const char *key, size_t size)
{
    if (size > 40) {
        size = 40;
        while (size > 0 && ((unsigned char)key[size] & 0xc0) == 0x80)
            size--;
    }
    return (int)size;
}

static int walk_step(const struct isle__frame_of_walk *frame, char *text, size_t size)
{
    const struct isle__node *node = &frame->node;
    const char *key;
    size_t key_size;
    int64_t number;

    if (frame->role == ISLE__ROLE_FIELD)
        return snprintf(text, size, "\n <- field %s of %s", node->type->fields[frame->at - 1].name,
                        node->type->name);
    if (frame->role == ISLE__ROLE_KEY)
        return snprintf(text, size, "\n <- a key of a map");
    if (frame->role == ISLE__ROLE_ENTRY_VALUE && isle_get_string(frame->key, &key, &key_size))
        return snprintf(text, size, "\n <- value of \"%.*s\" of a map",
                        walk_key_size(key, key_size), key);
    if (frame->role == ISLE__ROLE_ENTRY_VALUE && isle_get_int(frame->key, &number))
        return snprintf(text, size, "\n <- value of %lld of a map", (long long)number);
    if (frame->role == ISLE__ROLE_ENTRY_VALUE)
        return snprintf(text, size, "\n <- a value of a map");
    if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_SET)
        return snprintf(text, size, "\n <- an element of a set");
    return snprintf(text, size, "\n <- element %zu of %s", frame->index - 1,
                    node->kind == ISLE__NODE_ARRAY ? node->field->name : "a list");
}

static const char *walk_name(const struct isle__node *node)
{
    switch (node->kind) {
    case ISLE__NODE_OBJECT:
    case ISLE__NODE_STRUCT:
        return node->type->name;
    case ISLE__NODE_SCALAR:
        return node->field->kind == ISLE_FIELD_KIND_PORT ? isle_kind_name(ISLE_SEND_PORT)
                                                         : node->field->name;
    case ISLE__NODE_ARRAY:
    case ISLE__NODE_NUMBERS:
        return node->field->name;
    case ISLE__NODE_VALUE:
    default:
        return isle_kind_name(node->value_kind);
    }
}

void isle__walk_path(const struct isle__walk *walk, char *text, size_t text_size)
{
    const struct isle__frame_of_walk *frames =
        (const struct isle__frame_of_walk *)walk->frames.data;
    size_t count = walk->frames.size / sizeof *frames;
    size_t at = (size_t)snprintf(text, text_size, "%s", walk_name(&walk->node));

    if (at >= text_size)
        return;
    while (count > 0) {
        char step[160];
        int size = walk_step(&frames[--count], step, sizeof step);
        size_t length = size < (int)sizeof step ? (size_t)size : sizeof step - 1;
        if (at + length + 16 > text_size) {
            snprintf(text + at, text_size - at, "\n <- …");
            return;
        }
        memcpy(text + at, step, length + 1);
        at += length;
    }
}
