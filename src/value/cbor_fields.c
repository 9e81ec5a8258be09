/* SPDX-License-Identifier: Apache-2.0 */
/* What the CBOR decoder puts into structs of the program.
 *
 * Law: whatever the bytes say, a struct that is seen is one that its type could have made: integers
 * are in range, texts end, pointers lead to objects of their type, and what a counter says lies
 * behind its pointer (cbor_decode.c looks at the counters again at the end). */
#include "value/cbor_decode.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void fields_store_uint(struct isle__decoder *decoder, void *place, size_t size,
                              uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;

    if (size < 8 && value >> (8 * size) != 0)
        isle__decode_fail(decoder, "an integer that its field cannot hold");
    if (size == 1)
        memcpy(place, &u8, 1);
    else if (size == 2)
        memcpy(place, &u16, 2);
    else if (size == 4)
        memcpy(place, &u32, 4);
    else
        memcpy(place, &value, 8);
}

static void fields_store_int(struct isle__decoder *decoder, void *place, size_t size, int64_t value)
{
    int64_t max = INT64_MAX >> (64 - 8 * size);

    if (value > max || value < -max - 1)
        isle__decode_fail(decoder, "an integer that its field cannot hold");
    uint64_t mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
    fields_store_uint(decoder, place, size, (uint64_t)value & mask);
}

static void fields_store_float(struct isle__decoder *decoder, void *place, size_t size,
                               double value)
{
    if (size == sizeof value) {
        memcpy(place, &value, sizeof value);
        return;
    }
    if (isfinite(value) && fabs(value) > (double)FLT_MAX)
        isle__decode_fail(decoder, "a number that its field cannot hold");
    float single = (float)value;
    memcpy(place, &single, sizeof single);
}

void *isle__decode_memory(struct isle__decoder *decoder, uint64_t size)
{
    isle__decode_pay(decoder, size);
    void *memory =
        isle__scope_alloc(isle__scope_current(decoder->heap), size != 0 ? (size_t)size : 1);
    memset(memory, 0, (size_t)size);
    return memory;
}

static void fields_store_text(struct isle__decoder *decoder, void *place, isle_value value)
{
    const char *text;
    size_t size;
    bool is_text = isle_get_string(value, &text, &size);

    /* What is not UTF-8 crosses a wall as bytes. */
    if (!is_text && decoder->wire != NULL && isle_kind_of(value) == ISLE_BYTES) {
        text = isle_as_bytes(value, &size);
        is_text = true;
    }
    if (!is_text || memchr(text, '\0', size) != NULL)
        isle__decode_fail(decoder, "no text for a field of text");
    char *copy = isle__decode_memory(decoder, (uint64_t)size + 1);
    memcpy(copy, text, size);
    memcpy(place, &copy, sizeof copy);
}

static bool fields_same_type(const isle_type *a, const isle_type *b)
{
    return a == b || (strcmp(a->name, b->name) == 0 && isle_type_hash(a) == isle_type_hash(b));
}

static void fields_store_object(struct isle__decoder *decoder, const isle_field *field, void *place,
                                const struct isle__decode_item *item)
{
    if (isle_is_null(item->value))
        return;
    if (isle_kind_of(item->value) != ISLE_OBJECT ||
        (item->reference && field->kind == ISLE_FIELD_KIND_OWNED))
        isle__decode_fail(decoder, "no object for a field of objects");
    const struct isle__object_cell *object =
        (struct isle__object_cell *)isle__cell_of(isle__resolve(item->value));
    if (!fields_same_type(object->type, field->type))
        isle__decode_fail(decoder, "an object of another type than its field");
    memcpy(place, &object->object, sizeof object->object);
}

static void fields_store_number(struct isle__decoder *decoder, const isle_field *field, void *place,
                                const struct isle__decode_item *item)
{
    int64_t integer = 0;
    double number = 0;
    bool is_int = !item->is_big && isle_kind_of(item->value) == ISLE_INT &&
                  isle_get_int(item->value, &integer);

    if (field->kind == ISLE_FIELD_KIND_UINT && item->is_big)
        fields_store_uint(decoder, place, field->size, item->big);
    else if (field->kind == ISLE_FIELD_KIND_UINT && is_int && integer >= 0)
        fields_store_uint(decoder, place, field->size, (uint64_t)integer);
    else if (field->kind == ISLE_FIELD_KIND_INT && is_int)
        fields_store_int(decoder, place, field->size, integer);
    else if (field->kind == ISLE_FIELD_KIND_FLOAT && isle_kind_of(item->value) == ISLE_DOUBLE &&
             isle_get_double(item->value, &number))
        fields_store_float(decoder, place, field->size, number);
    else
        isle__decode_fail(decoder, "no such number for its field");
}

static void fields_store_port(void *place, isle_value value)
{
    isle_send_port port = isle_as_port(value);

    memcpy(place, &port, sizeof port);
}

void isle__decode_store(struct isle__decoder *decoder, const isle_field *field, void *place,
                        const struct isle__decode_item *item)
{
    bool truth;

    if (isle__field_is_number(field)) {
        fields_store_number(decoder, field, place, item);
        return;
    }
    if (item->is_big)
        isle__decode_too_big(decoder);
    switch (field->kind) {
    case ISLE_FIELD_KIND_BOOL:
        if (!isle_get_bool(item->value, &truth))
            isle__decode_fail(decoder, "no bool for a field of bool");
        memcpy(place, &truth, sizeof truth);
        break;
    case ISLE_FIELD_KIND_STRING:
        if (!isle_is_null(item->value))
            fields_store_text(decoder, place, item->value);
        break;
    case ISLE_FIELD_KIND_VALUE:
        memcpy(place, &item->value, sizeof item->value);
        break;
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        fields_store_object(decoder, field, place, item);
        break;
    case ISLE_FIELD_KIND_PORT:
        if (!isle_is_null(item->value) && isle_kind_of(item->value) != ISLE_SEND_PORT)
            isle__decode_fail(decoder, "no port for a field of ports");
        if (!isle_is_null(item->value))
            fields_store_port(place, item->value);
        break;
    default:
        isle__decode_fail(decoder, "what its field cannot hold");
    }
}

uint8_t *isle__decode_array_memory(struct isle__decoder *decoder,
                                   const struct isle__decode_frame *frame, const isle_field *field,
                                   uint64_t count)
{
    uint8_t *place = frame->base + field->offset;

    if (field->count_offset == SIZE_MAX) {
        if (count != field->count)
            isle__decode_fail(decoder, "an inline array of another length");
        return place;
    }
    uint8_t *counter = frame->base + field->count_offset;
    size_t stride = isle__field_stride(field);
    if (count > UINT32_MAX || (field->count_size >= 4 && count > INT32_MAX))
        isle__decode_fail(decoder, "an array that its counter cannot count");
    isle__decode_pay(decoder, ISLE__DECODE_COST_NOTE);
    uint8_t *memory = NULL; /* what a copy would be: an empty array is none */
    if (count != 0 || decoder->wire == NULL)
        memory = isle__decode_memory(decoder, count * stride);
    memcpy(place, &memory, sizeof memory);
    fields_store_uint(decoder, counter, field->count_size, count);
    struct isle__decode_check *check = isle__decode_note(&decoder->checks, sizeof *check);
    *check = (struct isle__decode_check){NULL, counter, field->count_size, count};
    return memory;
}

void isle__decode_store_array(struct isle__decoder *decoder, const struct isle__decode_frame *frame,
                              const isle_field *field, const struct isle__decode_item *item)
{
    if (!item->is_big && isle_is_null(item->value) && field->count_offset != SIZE_MAX) {
        void *none = NULL;
        (void)isle__decode_array_memory(decoder, frame, field, 0);
        memcpy(frame->base + field->offset, &none, sizeof none);
        return;
    }
    if (item->is_big || isle_kind_of(item->value) != ISLE_BYTES || !isle__field_is_number(field))
        isle__decode_fail(decoder, "no array for a field of arrays");
    isle_value bytes = isle__resolve(item->value);
    if (isle__cell_of(bytes)->element != (uint16_t)isle__field_element(field))
        isle__decode_fail(decoder, "an array of other elements than its field");
    size_t size;
    const void *data = isle_as_bytes(bytes, &size);
    uint8_t *memory = isle__decode_array_memory(decoder, frame, field, size / field->size);
    if (size > 0)
        memcpy(memory, data, size);
}
