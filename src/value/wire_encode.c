/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out through a wall: the visitor of cbor_encode.c, and before it what plain CBOR has no
 * words for. wire.h has the laws, docs/design/process.md the tags.
 *
 * How. The first round of the walk marks what is met twice, the second writes and asks the hooks.
 * Nothing of the sender's is changed before the last byte is written; then the transferables leave.
 * Flat messages (a number, a text, bytes; a list, map or set of numbers and short texts) need no
 * walk: nothing in them can be met twice.
 *
 * Law: the text of a refusal is the copier's own. Where it refuses the message as well it is asked
 * for its text; what a wall alone refuses is named in the same way (wire_path.c). */
#include "value/wire_encode.h"

#include <math.h>
#include <string.h>

#include "value/copy.h"
#include "value/type.h"

#define WIRE_SHORT_STRING 64 /* below it a string is written again at each place (walk.c) */
#define WIRE_FLAT_MAX 64     /* entries */
#define WIRE_FROZEN 1        /* a node's form */
#define WIRE_NAN UINT64_C(0x7ff8000000000000)

static isle_err wire_stop(struct isle__walk *walk, isle_err err, const char *what)
{
    isle__wire_encoder_of(walk)->what = what;
    return err;
}

void isle__wire_encode_number(struct isle__walk *walk, int64_t number)
{
    if (number >= 0)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_SHAREABLE);
}

/* --- what may be read, and what is frozen */

static const struct isle__cell *wire_cell(isle_value value)
{
    return isle__is_immediate(value) ? NULL : isle__cell_of(value);
}

/* Whether the cell is the sender's, or everybody's. A parcel's belong to nobody. */
static bool wire_admits(const struct isle__wire_encoder *encoder, const struct isle__cell *cell)
{
    if (encoder->heap == NULL || cell == NULL || (cell->flags & ISLE__CELL_IMMORTAL) != 0)
        return true;
    const struct isle__region *region = isle__region_of(cell);
    return region != NULL && (region->kind == ISLE__REGION_FROZEN || region->heap == encoder->heap);
}

bool isle__wire_is_frozen(const struct isle__cell *cell)
{
    return (cell->flags & ISLE__CELL_IMMORTAL) == 0 && isle__is_frozen_cell(cell);
}

static bool wire_parent_is_frozen(const struct isle__walk *walk)
{
    const struct isle__frame_of_walk *frames =
        (const struct isle__frame_of_walk *)(const void *)walk->frames.data;
    size_t count = walk->frames.size / sizeof *frames;

    return count > 0 && frames[count - 1].node.form == WIRE_FROZEN;
}

/* Says so where frozen values begin. What a struct leads to by an address is as frozen as it is. */
static bool wire_freeze(struct isle__walk *walk, const struct isle__node *node)
{
    const struct isle__cell *cell = wire_cell(node->value);
    bool around = wire_parent_is_frozen(walk);
    bool frozen = cell != NULL ? isle__wire_is_frozen(cell) : around;

    if (frozen && !around)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_FROZEN);
    return frozen;
}

/* --- what goes through hooks */

static isle_err wire_name(struct isle__walk *walk, enum isle__wire_kind kind, uint64_t id)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    struct isle__wire_name name = {0, false};

    if (id == 0) {
        isle__encode_head(walk, ISLE__CBOR_SIMPLE, ISLE__CBOR_NULL & 31);
        return ISLE_OK;
    }
    isle_err err = encoder->wire->name_out(encoder->wire->context, kind, id, &name);
    if (err != ISLE_OK)
        return wire_stop(walk, err, "a port or capability that cannot pass this wall");
    encoder->gave = true;
    isle__encode_head(walk, name.comes_home ? ISLE__CBOR_NINT : ISLE__CBOR_UINT, name.name);
    return ISLE_OK;
}

static isle_err wire_port(struct isle__walk *walk, uint64_t id)
{
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_PORT);
    return wire_name(walk, ISLE__WIRE_PORT, id);
}

static isle_err wire_capability(struct isle__walk *walk, uint64_t id)
{
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_CAPABILITY);
    return wire_name(walk, ISLE__WIRE_CAPABILITY, id);
}

static isle_err wire_isolate(struct isle__walk *walk, const struct isle__isolate_cell *cell)
{
    const isle_isolate *isolate = &cell->isolate;

    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_ISOLATE);
    isle__encode_head(walk, ISLE__CBOR_ARRAY, 4);
    isle_err err = wire_name(walk, ISLE__WIRE_CONTROL, isolate->control_port.id);
    if (err == ISLE_OK)
        err = wire_name(walk, ISLE__WIRE_PORT, isolate->default_port.id);
    if (err == ISLE_OK)
        err = wire_name(walk, ISLE__WIRE_CAPABILITY, isolate->pause_capability.id);
    if (err == ISLE_OK)
        err = wire_name(walk, ISLE__WIRE_CAPABILITY, isolate->terminate_capability.id);
    return err;
}

static isle_err wire_function(struct isle__walk *walk, isle_value value)
{
    const struct isle__wire *wire = isle__wire_encoder_of(walk)->wire;
    struct isle__wire_function function = {.size = 0};
    isle_function *address = (isle_function *)(uintptr_t)((int64_t)value.bits >> 3);
    isle_err err = ISLE_EUNSENDABLE;

    if (wire->function_out != NULL)
        err = wire->function_out(wire->context, address, &function);
    if (err == ISLE_OK && function.size > ISLE__WIRE_FUNCTION_MAX)
        err = ISLE_EUNSENDABLE;
    if (err != ISLE_OK)
        return wire_stop(walk, err, "a function that cannot pass this wall");
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_FUNCTION);
    isle__encode_elements(walk, ISLE_U8, function.bytes, function.size);
    return ISLE_OK;
}

static isle_err wire_resource(struct isle__walk *walk, const struct isle__resource_cell *resource)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    const struct isle__wire *wire = encoder->wire;
    isle_err err = ISLE_EUNSENDABLE;
    uint32_t index = 0;

    if (wire->descriptor_out != NULL)
        err = wire->descriptor_out(wire->context, resource->descriptor->fd, &index);
    if (err != ISLE_OK)
        return wire_stop(walk, err, "a resource, which does not pass this wall");
    encoder->gave = true;
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_RESOURCE);
    isle__encode_head(walk, ISLE__CBOR_UINT, index);
    return ISLE_OK;
}

/* --- leaves */

static unsigned wire_width(uint64_t number)
{
    return number < 24            ? 0
           : number <= UINT8_MAX  ? 1
           : number <= UINT16_MAX ? 2
           : number <= UINT32_MAX ? 4
                                  : 8;
}

/* The shortest; behind it. */
static uint8_t *wire_put_head(uint8_t *room, enum isle__cbor_major major, uint64_t number,
                              unsigned width)
{
    static const uint8_t infos[] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};

    *room++ = (uint8_t)((unsigned)major << 5 | (width == 0 ? (unsigned)number : infos[width]));
    for (unsigned at = width; at > 0; at--)
        *room++ = (uint8_t)(number >> 8 * (at - 1));
    return room;
}

/* A head and its content at once. */
static bool wire_put(struct isle__buffer *out, enum isle__cbor_major major, const void *data,
                     uint64_t number, size_t size)
{
    unsigned width = wire_width(number);
    uint8_t *room = isle__buffer_room(out, 1 + width + size);

    if (room == NULL)
        return false;
    room = wire_put_head(room, major, number, width);
    if (size != 0)
        memcpy(room, data, size);
    return true;
}

/* An int in the value itself, or a string. False: something else, or there is no memory. */
static bool wire_put_usual(struct isle__buffer *out, isle_value value)
{
    int64_t number = (int64_t)value.bits >> 3;

    if (isle__tag_of(value) == ISLE__TAG_INT && number >= 0)
        return wire_put(out, ISLE__CBOR_UINT, NULL, (uint64_t)number, 0);
    if (isle__tag_of(value) == ISLE__TAG_INT)
        return wire_put(out, ISLE__CBOR_NINT, NULL, ~(uint64_t)number, 0);
    const struct isle__cell *cell = wire_cell(value);
    if (cell == NULL || cell->kind != ISLE_STRING)
        return false;
    const struct isle__string *string = (const struct isle__string *)cell;
    return wire_put(out, ISLE__CBOR_TEXT, string->text, string->size, string->size);
}

bool isle__wire_encode_aside(struct isle__walk *walk, bool tagged, isle_element element,
                             const struct isle__cell *owner, const void *data, size_t size)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    const struct isle__wire *wire = encoder->wire;
    struct isle__frozen *frozen = NULL;
    struct isle__wire_aside aside;

    if (size < ISLE__WIRE_ASIDE_MIN || wire->aside_out == NULL || encoder->heap != NULL)
        return false;
    if (isle__wire_is_frozen(owner))
        frozen = isle__frozen_of(isle__region_of(owner));
    if (wire->aside_out(wire->context, data, size, frozen, &aside) != ISLE_OK)
        return false;
    encoder->gave = true;
    if (tagged)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_ASIDE);
    isle__encode_head(walk, ISLE__CBOR_ARRAY, 3);
    isle__encode_head(walk, aside.is_file ? ISLE__CBOR_NINT : ISLE__CBOR_UINT, aside.index);
    isle__encode_head(walk, ISLE__CBOR_UINT, size);
    isle__encode_head(walk, ISLE__CBOR_UINT, element);
    return true;
}

/* What a parcel carries is its own; what is only shown to the sender may not leave it. */
static isle_err wire_transferable(struct isle__walk *walk,
                                  const struct isle__transferable_cell *cell)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    const struct isle__transfer *transfer = cell->transfer;
    const uint8_t *data = NULL;

    if (transfer != NULL)
        /* Acquire: what the thread that filled the bytes wrote is seen. */
        data = atomic_load_explicit(&transfer->data, memory_order_acquire);
    if (encoder->heap != NULL && isle__region_of(&cell->cell)->kind == ISLE__REGION_SHOWN)
        data = NULL;
    if (data == NULL)
        return wire_stop(walk, ISLE_EUNSENDABLE, "a transferable that cannot be sent");
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_TRANSFERABLE);
    if (!isle__wire_encode_aside(walk, false, ISLE_U8, &cell->cell, data, transfer->size))
        isle__encode_elements(walk, ISLE_U8, data, transfer->size);
    if (encoder->heap != NULL)
        isle__buffer_add(&encoder->leaving, &cell, sizeof cell);
    return encoder->leaving.failed ? ISLE_ENOMEM : ISLE_OK;
}

static void wire_big_endian(struct isle__walk *walk, uint8_t first, uint64_t bits, unsigned width)
{
    uint8_t *room = isle__buffer_room(&walk->out, 1 + width);

    if (room == NULL)
        return;
    *room++ = first;
    while (width-- > 0)
        *room++ = (uint8_t)(bits >> 8 * width);
}

/* With all its bits. */
static void wire_nan(struct isle__walk *walk, const void *number, size_t size)
{
    uint64_t bits;
    uint32_t single;

    if (size == sizeof single) {
        memcpy(&single, number, sizeof single);
        wire_big_endian(walk, ISLE__CBOR_SINGLE, single, sizeof single);
        return;
    }
    memcpy(&bits, number, sizeof bits);
    if (bits == WIRE_NAN)
        wire_big_endian(walk, ISLE__CBOR_HALF, 0x7e00, 2);
    else
        wire_big_endian(walk, ISLE__CBOR_DOUBLE, bits, sizeof bits);
}

/* An element of a field that plain CBOR lacks; false: it has it. */
static bool wire_scalar(struct isle__walk *walk, const struct isle__node *node, isle_err *ret_err)
{
    isle_send_port port;
    const char *text;
    size_t size;

    *ret_err = ISLE_OK;
    switch (node->field->kind) {
    case ISLE_FIELD_KIND_PORT:
        memcpy(&port, node->data, sizeof port);
        *ret_err = wire_port(walk, port.id);
        return true;
    case ISLE_FIELD_KIND_FLOAT:
        if (!isnan(isle__field_float(node->data, node->field->size)))
            return false;
        wire_nan(walk, node->data, node->field->size);
        return true;
    case ISLE_FIELD_KIND_STRING:
        memcpy(&text, node->data, sizeof text);
        size = text != NULL ? strlen(text) : 0;
        if (text == NULL || isle__utf8_valid(text, size) == size)
            return false;
        isle__encode_elements(walk, ISLE_U8, text, size);
        return true;
    default:
        return false;
    }
}

static isle_err wire_value(struct isle__walk *walk, const struct isle__node *node)
{
    double number = 0;

    switch ((int)node->value_kind) {
    case ISLE_DOUBLE:
        if (!isle_get_double(node->value, &number) || !isnan(number))
            break;
        wire_nan(walk, &number, sizeof number);
        return ISLE_OK;
    case ISLE_SEND_PORT:
        return wire_port(walk, node->value.bits >> 3);
    case ISLE_CAPABILITY:
        return wire_capability(walk, node->value.bits >> 3);
    case ISLE_ISOLATE:
        return wire_isolate(walk, (const void *)isle__cell_of(node->value));
    case ISLE_FUNCTION:
        return wire_function(walk, node->value);
    case ISLE_BYTES:
        return isle__wire_encode_bytes(walk, (const void *)isle__cell_of(node->value));
    case ISLE_TRANSFERABLE:
        return wire_transferable(walk, (const void *)isle__cell_of(node->value));
    case ISLE_RESOURCE:
        return wire_resource(walk, (const void *)isle__cell_of(node->value));
    default:
        break;
    }
    isle_err err = isle__encode_leaf(walk, node, -1);
    return err == ISLE_EUNSENDABLE ? wire_stop(walk, err, "a pointer") : err;
}

static isle_err wire_leaf(struct isle__walk *walk, const struct isle__node *node, int64_t number)
{
    isle_err err;

    if (node->kind == ISLE__NODE_SCALAR && wire_scalar(walk, node, &err))
        return err;
    if (node->kind != ISLE__NODE_VALUE)
        return isle__encode_leaf(walk, node, number);
    if (!wire_admits(isle__wire_encoder_of(walk), wire_cell(node->value)))
        return wire_stop(walk, ISLE_EINVAL, "a value of another isolate");
    (void)wire_freeze(walk, node);
    isle__wire_encode_number(walk, number);
    return wire_put_usual(&walk->out, node->value) ? ISLE_OK : wire_value(walk, node);
}

static isle_err wire_meet(struct isle__walk *walk, const struct isle__node *node)
{
    if (node->kind != ISLE__NODE_VALUE || node->value_kind != ISLE_BYTES)
        return ISLE_OK;
    return isle__wire_meet_bytes(walk, (const struct isle__bytes *)isle__cell_of(node->value));
}

/* --- containers */

/* What the copier would refuse of a struct, before anything of it is read as an array, and what a
 * reader could not tell from a lie: a counter without its array. */
static isle_err wire_check_counts(struct isle__walk *walk, const struct isle__node *node)
{
    const char *object = node->data;

    for (size_t i = 0; i < node->type->field_count; i++) {
        const isle_field *field = &node->type->fields[i];
        const void *array;
        size_t count;
        if (field->count_offset == SIZE_MAX)
            continue;
        if (!isle__copy_count(object + field->count_offset, field->count_size,
                              isle__field_stride(field), &count))
            return wire_stop(walk, ISLE_ERANGE, "an array of a count that cannot be");
        memcpy(&array, object + field->offset, sizeof array);
        if (array == NULL && count != 0)
            return wire_stop(walk, ISLE_EUNSENDABLE,
                             "an array that is counted and not there, which passes no wall");
    }
    return ISLE_OK;
}

/* The reader finds the type by its name, or by the field that leads to it. */
static bool wire_type_is_known(struct isle__wire_encoder *encoder, const struct isle__node *node)
{
    const isle_type *type = node->type;

    if (type == encoder->known_type || wire_cell(node->value) == NULL)
        return true;
    const isle_type *found = isle__type_find(type->name, strlen(type->name));
    if (found == NULL || (found != type && isle_type_hash(found) != isle_type_hash(type)))
        return false;
    const struct isle__wire *wire = encoder->wire;
    if (wire->type_passes != NULL && !wire->type_passes(wire->context, found))
        return false;
    encoder->known_type = type;
    return true;
}

static isle_err wire_begin_struct(struct isle__walk *walk, const struct isle__node *node)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);

    if (node->type->unsendable)
        return wire_stop(walk, ISLE_EUNSENDABLE, "an object of a type that is not sent");
    if (node->kind == ISLE__NODE_OBJECT && !wire_type_is_known(encoder, node)) {
        encoder->what_type = node->type->name;
        return wire_stop(walk, ISLE_EUNSENDABLE,
                         "an object of a type that is not registered (isle_type_register): ");
    }
    return wire_check_counts(walk, node);
}

static bool wire_is_fixed(const struct isle__node *node)
{
    return node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_LIST &&
           (isle__cell_of(node->value)->flags & ISLE__CELL_FIXED) != 0;
}

static isle_err wire_begin(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    isle_err err = ISLE_OK;

    if (!wire_admits(isle__wire_encoder_of(walk), wire_cell(node->value)))
        return wire_stop(walk, ISLE_EINVAL, "a value of another isolate");
    if (node->kind == ISLE__NODE_OBJECT || node->kind == ISLE__NODE_STRUCT)
        err = wire_begin_struct(walk, node);
    if (err != ISLE_OK)
        return err;
    node->form = wire_freeze(walk, node) ? WIRE_FROZEN : 0;
    isle__wire_encode_number(walk, number);
    if (wire_is_fixed(node))
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_FIXED);
    return isle__encode_begin(walk, node, -1);
}

/* The struct of a frozen object may have been met before by an address alone. */
static void wire_reference(struct isle__walk *walk, int64_t number)
{
    (void)wire_freeze(walk, &walk->node);
    isle__encode_reference(walk, number);
}

static const struct isle__visitor wire_visitor = {
    .share_leaves = true,
    .share_moved = true,
    .meet = wire_meet,
    .leaf = wire_leaf,
    .begin = wire_begin,
    .reference = wire_reference,
};

/* --- flat messages */

/* Numbers, short texts, ports: nothing that is met again, frozen, or refused by a wall alone. */
static bool wire_flat_child(struct isle__wire_encoder *encoder, isle_value value)
{
    struct isle__node node;
    const struct isle__cell *cell;

    value = isle__resolve(value);
    cell = wire_cell(value);
    if (cell != NULL) {
        if (!wire_admits(encoder, cell) || isle__wire_is_frozen(cell))
            return false;
        if (cell->kind == ISLE_STRING
                ? ((const struct isle__string *)cell)->size >= WIRE_SHORT_STRING
                : cell->kind != ISLE_INT && cell->kind != ISLE_DOUBLE)
            return false;
    }
    if (wire_put_usual(&encoder->walk.out, value))
        return true;
    memset(&node, 0, sizeof node);
    node.value = value;
    node.value_kind = isle_kind_of(value);
    return node.value_kind != ISLE_POINTER && node.value_kind != ISLE_FUNCTION &&
           wire_value(&encoder->walk, &node) == ISLE_OK;
}

static bool wire_flat_list(struct isle__wire_encoder *encoder, const struct isle__list *list)
{
    struct isle__walk *walk = &encoder->walk;

    if (list->count > WIRE_FLAT_MAX)
        return false;
    if ((list->cell.flags & ISLE__CELL_FIXED) != 0)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_FIXED);
    isle__encode_head(walk, ISLE__CBOR_ARRAY, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (!wire_flat_child(encoder, list->items[i]))
            return false;
    }
    return true;
}

static bool wire_flat_map(struct isle__wire_encoder *encoder, const struct isle__map *map)
{
    struct isle__walk *walk = &encoder->walk;
    bool is_map = map->cell.kind == ISLE_MAP;

    if (map->used > WIRE_FLAT_MAX)
        return false;
    if (!is_map)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_SET);
    isle__encode_head(walk, is_map ? ISLE__CBOR_MAP : ISLE__CBOR_ARRAY, map->count);
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].live)
            continue;
        if (!wire_flat_child(encoder, map->entries[i].key) ||
            (is_map && !wire_flat_child(encoder, map->entries[i].value)))
            return false;
    }
    return true;
}

/* One window on a store that nobody else looks at. */
static bool wire_flat_bytes(struct isle__walk *walk, const struct isle__bytes *bytes)
{
    const struct isle__store *store = isle__bytes_store(bytes);

    if (isle__wire_is_frozen(&store->cell))
        return false;
    const void *data = bytes->size != 0 ? store->data + bytes->offset : NULL;
    isle_element element = (isle_element)bytes->cell.element;
    if (!isle__wire_encode_aside(walk, true, element, &store->cell, data, bytes->size))
        isle__encode_elements(walk, element, data, bytes->size);
    return true;
}

/* False: the walk must look, and begins anew. */
static bool wire_flat(struct isle__wire_encoder *encoder, isle_value value)
{
    const struct isle__cell *cell = wire_cell(value);

    if (cell == NULL)
        return wire_flat_child(encoder, value);
    if (!wire_admits(encoder, cell) || isle__wire_is_frozen(cell))
        return false;
    switch (cell->kind) {
    case ISLE_LIST:
        return wire_flat_list(encoder, (const struct isle__list *)cell);
    case ISLE_MAP:
    case ISLE_SET:
        return wire_flat_map(encoder, (const struct isle__map *)cell);
    case ISLE_STRING:
        isle__encode_text(&encoder->walk, ((const struct isle__string *)cell)->text,
                          ((const struct isle__string *)cell)->size);
        return true;
    case ISLE_BYTES:
        return wire_flat_bytes(&encoder->walk, (const struct isle__bytes *)cell);
    default:
        return wire_flat_child(encoder, value);
    }
}

bool isle__wire_bytes_of(isle_value value, uint8_t head[ISLE__WIRE_HEAD], size_t *ret_head_size,
                         const void **ret_data, size_t *ret_size)
{
    const struct isle__cell *cell = wire_cell(isle__resolve(value));

    if (cell == NULL || cell->kind != ISLE_BYTES || cell->element != ISLE_U8 ||
        (cell->flags & ISLE__CELL_IMMORTAL) != 0 || isle__wire_is_frozen(cell))
        return false;
    const struct isle__bytes *bytes = (const struct isle__bytes *)cell;
    const struct isle__store *store = isle__bytes_store(bytes);
    if (isle__wire_is_frozen(&store->cell))
        return false;
    *ret_data = store->data + bytes->offset;
    *ret_size = bytes->size;
    *ret_head_size =
        (size_t)(wire_put_head(head, ISLE__CBOR_BYTES, bytes->size, wire_width(bytes->size)) -
                 head);
    return true;
}

/* The most usual messages need no encoder at all. False: it is none of them, or there is no memory.
 */
static bool wire_single(const struct isle__heap *heap, isle_value value,
                        const struct isle__wire *wire, struct isle__buffer *out)
{
    const struct isle__cell *cell = wire_cell(value);

    if (cell == NULL || (cell->flags & ISLE__CELL_IMMORTAL) != 0)
        return wire_put_usual(out, value);
    const struct isle__region *region = isle__region_of(cell);
    if ((region != NULL && region->kind == ISLE__REGION_FROZEN) ||
        (heap != NULL && (region == NULL || region->heap != heap)))
        return false;
    if (cell->kind != ISLE_BYTES || cell->element != ISLE_U8)
        return wire_put_usual(out, value);
    const struct isle__bytes *bytes = (const struct isle__bytes *)cell;
    const struct isle__store *store = isle__bytes_store(bytes);
    if (bytes->size >= ISLE__WIRE_ASIDE_MIN && wire->aside_out != NULL)
        return false;
    return !isle__wire_is_frozen(&store->cell) &&
           wire_put(out, ISLE__CBOR_BYTES, store->data + bytes->offset, bytes->size, bytes->size);
}

/* --- the whole message */

static void wire_undo(struct isle__wire_encoder *encoder)
{
    if (encoder->gave && encoder->wire->undo != NULL)
        encoder->wire->undo(encoder->wire->context);
    encoder->gave = false;
    encoder->what = NULL;
}

static isle_err wire_run(struct isle__wire_encoder *encoder, isle_value value, size_t before)
{
    struct isle__walk *walk = &encoder->walk;

    if (wire_flat(encoder, value) && !walk->out.failed)
        return ISLE_OK;
    wire_undo(encoder);
    if (walk->out.failed)
        return ISLE_ENOMEM;
    walk->out.size = before;
    return isle__walk_run(walk, value);
}

static void wire_say(isle_err err, struct isle__wire_text *text, const char *words)
{
    isle__fail(err, "%s", words);
    if (text == NULL || text->size == 0)
        return;
    size_t size = strlen(words);
    if (size >= text->size)
        size = text->size - 1;
    memcpy(text->data, words, size);
    text->data[size] = '\0';
}

/* The copier's code and text, if it refuses the message as well. */
static isle_err wire_refuse(struct isle__wire_encoder *encoder, isle_value value, isle_err err,
                            struct isle__wire_text *text)
{
    struct isle__parcel parcel;
    struct isle__buffer path;

    if (encoder->heap != NULL && err != ISLE_ENOMEM) {
        isle_err copied = isle__parcel_copy(encoder->heap, value, 0, &parcel);
        if (copied != ISLE_OK)
            return copied;
        isle__parcel_undo(&parcel);
    }
    isle__buffer_init(&path, NULL);
    if (encoder->what != NULL && err != ISLE_ENOMEM)
        isle__wire_path(encoder, &path);
    bool told = path.size > 0 && !path.failed;
    wire_say(err, text, told ? (const char *)path.data : isle_err_text(err));
    isle__buffer_fini(&path);
    return err;
}

static void wire_take_leaving(struct isle__wire_encoder *encoder)
{
    struct isle__transferable_cell **cells = (void *)encoder->leaving.data;

    for (size_t i = 0; i < encoder->leaving.size / sizeof *cells; i++)
        isle__transferable_leave(encoder->heap, cells[i]);
}

isle_err isle__wire_encode(struct isle__heap *heap, isle_value value, const struct isle__wire *wire,
                           struct isle__buffer *out, struct isle__wire_text *text)
{
    struct isle__wire_encoder encoder;
    size_t before = out->size;

    value = isle__resolve(value);
    if (wire_single(heap, value, wire, out))
        return ISLE_OK;
    out->failed = false;
    memset(&encoder, 0, sizeof encoder);
    isle__walk_init(&encoder.walk, heap, &wire_visitor);
    encoder.walk.out = *out; /* lent */
    encoder.heap = heap;
    encoder.wire = wire;
    isle__buffer_init(&encoder.leaving, heap);
    isle__buffer_init(&encoder.stores, heap);
    isle__buffer_init(&encoder.windows, heap);
    isle__idmap_init(&encoder.store_ids);
    isle_err err = wire_run(&encoder, value, before);
    if (err == ISLE_OK) {
        wire_take_leaving(&encoder);
    } else {
        encoder.walk.out.size = before;
        encoder.walk.out.failed = false;
        err = wire_refuse(&encoder, value, err, text);
        wire_undo(&encoder);
    }
    *out = encoder.walk.out;
    memset(&encoder.walk.out, 0, sizeof encoder.walk.out);
    isle__buffer_fini(&encoder.leaving);
    isle__wire_views_fini(&encoder);
    isle__walk_fini(&encoder.walk);
    return err;
}
