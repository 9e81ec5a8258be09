/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR out: RFC 8949, preferred serialization (shortest heads and floats, definite lengths), in the
 * order of the values, so that equal graphs built in the same order give equal bytes.
 *
 *   int, double, bool, null, string, map    themselves
 *   list         array; one that cannot grow arrives as one that can
 *   bytes        byte string; other elements with a tag of RFC 8746, little-endian; a view loses
 *                its store
 *   set          tag 258, array
 *   error        tag 27, ["isle.error", code, text, stack or null]
 *   object       tag 27, [type's name, layout hash, fields in order]; a struct inside it is an
 * array of its fields, a numeric array as bytes above what is met twice or lies on a cycle    tag
 * 28 at the first place, tag 29 and its number at the others; for lists, maps, sets, objects,
 * bytes, errors and strings of 64 bytes and more
 *
 * Everything else is refused. NaN is always f97e00. (What crosses a wall has more: wire_encode.c.)
 */
#include "value/cbor_encode.h"

#include <float.h>
#include <math.h>
#include <string.h>

void isle__cbor_swap(void *data, size_t size, size_t width)
{
    uint8_t *bytes = data;

    for (size_t at = 0; at + width <= size; at += width) {
        for (size_t low = at, high = at + width - 1; low < high; low++, high--) {
            uint8_t byte = bytes[low];
            bytes[low] = bytes[high];
            bytes[high] = byte;
        }
    }
}

static void encode_big_endian(struct isle__walk *walk, uint8_t first, uint64_t value,
                              unsigned width)
{
    uint8_t *room = isle__buffer_room(&walk->out, 1 + width);

    if (room == NULL)
        return;
    *room++ = first;
    while (width-- > 0)
        *room++ = (uint8_t)(value >> 8 * width);
}

void isle__encode_head(struct isle__walk *walk, enum isle__cbor_major major, uint64_t value)
{
    unsigned type = (unsigned)major << 5;

    if (value < 24)
        encode_big_endian(walk, (uint8_t)(type | (unsigned)value), 0, 0);
    else if (value <= UINT8_MAX)
        encode_big_endian(walk, (uint8_t)(type | 24), value, 1);
    else if (value <= UINT16_MAX)
        encode_big_endian(walk, (uint8_t)(type | 25), value, 2);
    else if (value <= UINT32_MAX)
        encode_big_endian(walk, (uint8_t)(type | 26), value, 4);
    else
        encode_big_endian(walk, (uint8_t)(type | 27), value, 8);
}

static void encode_byte(struct isle__walk *walk, int byte)
{
    encode_big_endian(walk, (uint8_t)byte, 0, 0);
}

static void encode_int(struct isle__walk *walk, int64_t value)
{
    if (value >= 0)
        isle__encode_head(walk, ISLE__CBOR_UINT, (uint64_t)value);
    else
        isle__encode_head(walk, ISLE__CBOR_NINT, ~(uint64_t)value);
}

/* The half-precision bits of a single, if it has them. */
static bool encode_half_bits(uint32_t single, uint16_t *ret_half)
{
    uint32_t sign = single >> 16 & 0x8000;
    int exponent = (int)(single >> 23 & 0xff) - 127;
    uint32_t mantissa = single & 0x7fffff;
    uint32_t half;

    if ((single & 0x7fffffff) == 0)
        half = 0;
    else if (exponent == 128 && mantissa == 0)
        half = 0x7c00;
    else if (exponent >= -14 && exponent <= 15 && (mantissa & 0x1fff) == 0)
        half = (uint32_t)(exponent + 15) << 10 | mantissa >> 13;
    else if (exponent >= -24 && exponent < -14 &&
             ((mantissa | 0x800000) & ((UINT32_C(1) << (-exponent - 1)) - 1)) == 0)
        half = (mantissa | 0x800000) >> (-exponent - 1);
    else
        return false;
    *ret_half = (uint16_t)(sign | half);
    return true;
}

static void encode_double(struct isle__walk *walk, double value)
{
    uint64_t double_bits;
    uint32_t single_bits;
    uint16_t half_bits;

    if (isnan(value)) {
        encode_big_endian(walk, ISLE__CBOR_HALF, 0x7e00, 2);
        return;
    }
    if (isinf(value) || fabs(value) <= (double)FLT_MAX) {
        float single = (float)value;
        if (!((double)single < value) && !((double)single > value)) {
            memcpy(&single_bits, &single, sizeof single_bits);
            if (encode_half_bits(single_bits, &half_bits))
                encode_big_endian(walk, ISLE__CBOR_HALF, half_bits, 2);
            else
                encode_big_endian(walk, ISLE__CBOR_SINGLE, single_bits, 4);
            return;
        }
    }
    memcpy(&double_bits, &value, sizeof double_bits);
    encode_big_endian(walk, ISLE__CBOR_DOUBLE, double_bits, 8);
}

void isle__encode_text(struct isle__walk *walk, const char *text, size_t size)
{
    isle__encode_head(walk, ISLE__CBOR_TEXT, size);
    isle__buffer_add(&walk->out, text, size);
}

void isle__encode_elements(struct isle__walk *walk, isle_element element, const void *data,
                           size_t size)
{
    static const uint8_t tags[] = {
        [ISLE_U8] = 64,  [ISLE_I8] = 72,  [ISLE_U16] = 69, [ISLE_I16] = 77, [ISLE_U32] = 70,
        [ISLE_I32] = 78, [ISLE_U64] = 71, [ISLE_I64] = 79, [ISLE_F32] = 85, [ISLE_F64] = 86};

    if (element != ISLE_U8)
        isle__encode_head(walk, ISLE__CBOR_TAG, tags[element]);
    isle__encode_head(walk, ISLE__CBOR_BYTES, size);
    if (size == 0)
        return;
    void *room = isle__buffer_room(&walk->out, size);
    if (room == NULL)
        return;
    memcpy(room, data, size);
    if (ISLE__BIG_ENDIAN)
        isle__cbor_swap(room, size, isle__element_width(element));
}

static void encode_bytes(struct isle__walk *walk, isle_value value)
{
    const struct isle__bytes *bytes = (struct isle__bytes *)isle__cell_of(value);
    const struct isle__store *store =
        (struct isle__store *)isle__cell_of(isle__resolve(isle__value_of(bytes->store)));

    isle__encode_elements(walk, (isle_element)bytes->cell.element,
                          bytes->size != 0 ? store->data + bytes->offset : NULL, bytes->size);
}

static void encode_string(struct isle__walk *walk, isle_value value)
{
    const char *text;
    size_t size;

    if (isle_get_string(value, &text, &size))
        isle__encode_text(walk, text, size);
    else
        encode_byte(walk, ISLE__CBOR_NULL);
}

static void encode_error(struct isle__walk *walk, isle_value value)
{
    const struct isle__error_cell *error = (struct isle__error_cell *)isle__cell_of(value);

    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_OBJECT);
    isle__encode_head(walk, ISLE__CBOR_ARRAY, 4);
    isle__encode_text(walk, ISLE__CBOR_ERROR_NAME, strlen(ISLE__CBOR_ERROR_NAME));
    encode_int(walk, error->code);
    encode_string(walk, error->text);
    encode_string(walk, error->stack);
}

static isle_err encode_value(struct isle__walk *walk, const struct isle__node *node)
{
    bool truth = false;
    int64_t integer = 0;
    double number = 0;

    switch ((int)node->value_kind) {
    case ISLE_NULL:
        encode_byte(walk, ISLE__CBOR_NULL);
        return ISLE_OK;
    case ISLE_BOOL:
        (void)!isle_get_bool(node->value, &truth);
        encode_byte(walk, truth ? ISLE__CBOR_TRUE : ISLE__CBOR_FALSE);
        return ISLE_OK;
    case ISLE_INT:
        (void)!isle_get_int(node->value, &integer);
        encode_int(walk, integer);
        return ISLE_OK;
    case ISLE_DOUBLE:
        (void)!isle_get_double(node->value, &number);
        encode_double(walk, number);
        return ISLE_OK;
    case ISLE_STRING:
        encode_string(walk, node->value);
        return ISLE_OK;
    case ISLE_BYTES:
        encode_bytes(walk, node->value);
        return ISLE_OK;
    case ISLE_ERROR:
        encode_error(walk, node->value);
        return ISLE_OK;
    default:
        return ISLE_EUNSENDABLE;
    }
}

static isle_err encode_field(struct isle__walk *walk, const isle_field *field, const void *data)
{
    const char *text;
    isle_send_port port;

    switch (field->kind) {
    case ISLE_FIELD_KIND_BOOL:
        encode_byte(walk, isle__field_uint(data, field->size) ? ISLE__CBOR_TRUE : ISLE__CBOR_FALSE);
        return ISLE_OK;
    case ISLE_FIELD_KIND_INT:
        encode_int(walk, isle__field_int(data, field->size));
        return ISLE_OK;
    case ISLE_FIELD_KIND_UINT:
        isle__encode_head(walk, ISLE__CBOR_UINT, isle__field_uint(data, field->size));
        return ISLE_OK;
    case ISLE_FIELD_KIND_FLOAT:
        encode_double(walk, isle__field_float(data, field->size));
        return ISLE_OK;
    case ISLE_FIELD_KIND_STRING:
        memcpy(&text, data, sizeof text);
        if (text == NULL)
            encode_byte(walk, ISLE__CBOR_NULL);
        else
            isle__encode_text(walk, text, strlen(text));
        return ISLE_OK;
    case ISLE_FIELD_KIND_PORT:
        memcpy(&port, data, sizeof port);
        encode_byte(walk, ISLE__CBOR_NULL);
        return port.id == 0 ? ISLE_OK : ISLE_EUNSENDABLE;
    default:
        return ISLE_EUNSENDABLE;
    }
}

static void encode_number(struct isle__walk *walk, int64_t number)
{
    if (number >= 0)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_SHAREABLE);
}

isle_err isle__encode_leaf(struct isle__walk *walk, const struct isle__node *node, int64_t number)
{
    encode_number(walk, number);
    if (node->kind == ISLE__NODE_SCALAR)
        return encode_field(walk, node->field, node->data);
    if (node->kind == ISLE__NODE_NUMBERS) {
        isle__encode_elements(walk, isle__field_element(node->field), node->data,
                              node->count * node->field->size);
        return ISLE_OK;
    }
    return encode_value(walk, node);
}

isle_err isle__encode_begin(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    encode_number(walk, number);
    if (node->kind == ISLE__NODE_OBJECT) {
        if (node->type->unsendable)
            return ISLE_EUNSENDABLE;
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_OBJECT);
        isle__encode_head(walk, ISLE__CBOR_ARRAY, (uint64_t)node->count + 2);
        isle__encode_text(walk, node->type->name, strlen(node->type->name));
        if (walk->hashed != node->type)
            walk->hash = isle_type_hash(node->type);
        walk->hashed = node->type;
        isle__encode_head(walk, ISLE__CBOR_UINT, walk->hash);
        return ISLE_OK;
    }
    if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_SET)
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_SET);
    if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_MAP)
        isle__encode_head(walk, ISLE__CBOR_MAP, node->count);
    else
        isle__encode_head(walk, ISLE__CBOR_ARRAY, node->count);
    return ISLE_OK;
}

void isle__encode_reference(struct isle__walk *walk, int64_t number)
{
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__CBOR_TAG_SHARED_REF);
    isle__encode_head(walk, ISLE__CBOR_UINT, (uint64_t)number);
}

static const struct isle__visitor encode_visitor = {
    .share_leaves = true,
    .leaf = isle__encode_leaf,
    .begin = isle__encode_begin,
    .reference = isle__encode_reference,
};

struct encode_result {
    const struct isle__buffer *out;
    isle_value bytes;
};

static void encode_make_bytes(void *argument)
{
    struct encode_result *result = argument;

    result->bytes = isle_bytes(result->out->data, result->out->size);
}

isle_value isle_cbor_encode(isle_value value)
{
    struct isle__heap *heap = isle__heap_need("isle_cbor_encode");
    struct isle__walk walk;
    char path[1024] = "";
    struct isle__catch catch;
    enum isle__unwinding stopped = ISLE__UNWIND_NONE;
    struct encode_result result = {&walk.out, {0}};

    isle__walk_init(&walk, heap, &encode_visitor);
    isle_err err = isle__walk_run(&walk, value);
    if (err == ISLE_OK)
        stopped = isle__catch_do(heap, &catch, ISLE__CATCH_TRY, encode_make_bytes, &result);
    else
        isle__walk_path(&walk, path, sizeof path);
    isle__walk_fini(&walk);
    if (err == ISLE_EUNSENDABLE)
        isle__throw(err, "Illegal argument in isolate message: isle_cbor_encode: %s", path);
    if (err == ISLE_ERANGE)
        isle__throw(err, "isle_cbor_encode: endless or without a count: %s", path);
    if (err != ISLE_OK)
        isle__throw(err, "isle_cbor_encode: %s", isle_err_text(err));
    if (stopped != ISLE__UNWIND_NONE)
        isle_throw(catch.error);
    return result.bytes;
}
