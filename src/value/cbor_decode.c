/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR in, from bytes that may be hostile. Takes every well-formed encoding of RFC 8949 (any width,
 * indefinite lengths, half floats) of one data item, and refuses with
 *
 *   ISLE_EMALFORMED  what is not well-formed; bytes left over; text that is not UTF-8; a key or
 *                    element twice (1 and 1.0 are one key); a simple value other than false, true,
 *                    null, undefined; a tag on content that it does not fit; a reference to what
 * has not begun; an object of a type that is not registered, has another layout or is refused by
 * its validate hook ISLE_ERANGE      an integer that int64_t cannot hold, bignums included; over
 * budget
 *
 * undefined becomes null. Tags 2 and 3 become ints, 27 to 29, 64 to 87 and 258 what cbor_encode.c
 * says; any other tag is dropped and its content kept. Arrays of 16- and 128-bit floats are
 * malformed here.
 *
 * Law: one pass with an explicit stack. Every item is paid from the budget before anything is
 * allocated for it, at about the size that it takes in memory, so that neither claimed lengths nor
 * tiny items that make big cells get more than a small multiple of the budget. What was built
 * before a failure vanishes with the caller's scope. */
#include "value/cbor_decode.h"

#include <math.h>
#include <string.h>

#include "value/type.h"
#include "value/wire_decode.h"

void isle__decode_fail(const struct isle__decoder *decoder, const char *what)
{
    isle__throw(ISLE_EMALFORMED, "%s: at byte %zu: %s", decoder->function, decoder->start, what);
}

void isle__decode_too_big(const struct isle__decoder *decoder)
{
    isle__throw(ISLE_ERANGE, "%s: at byte %zu: an integer of more than 64 bits", decoder->function,
                decoder->start);
}

void isle__decode_pay(struct isle__decoder *decoder, uint64_t cost)
{
    if (cost > decoder->budget)
        isle__throw(ISLE_ERANGE, "%s: at byte %zu: over budget", decoder->function, decoder->start);
    decoder->budget -= (size_t)cost;
}

void *isle__decode_note(struct isle__buffer *buffer, size_t size)
{
    void *room = isle__buffer_room(buffer, size);

    if (room == NULL)
        isle__throw(ISLE_ENOMEM, "%s", isle_err_text(ISLE_ENOMEM));
    memset(room, 0, size);
    return room;
}

static struct isle__decode_frame *decode_top(const struct isle__decoder *decoder)
{
    if (decoder->frames.size == 0)
        return NULL;
    return (struct isle__decode_frame *)(decoder->frames.data + decoder->frames.size -
                                         sizeof(struct isle__decode_frame));
}

/* The container that is open: there is one wherever this is called. */
static struct isle__decode_frame *decode_open_frame(const struct isle__decoder *decoder)
{
    struct isle__decode_frame *frame = decode_top(decoder);

    if (frame == NULL)
        isle__die("isle: the CBOR decoder closed a container that was not open");
    return frame;
}

static uint64_t decode_big_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | data[i];
    return value;
}

struct isle__decode_head isle__decode_read_head(struct isle__decoder *decoder)
{
    struct isle__decode_head head;

    decoder->start = decoder->at;
    if (decoder->at == decoder->size)
        isle__decode_fail(decoder, "the input ends where an item should begin");
    isle__decode_pay(decoder, ISLE__DECODE_COST_ITEM);
    unsigned first = decoder->data[decoder->at++];
    head.major = (enum isle__cbor_major)(first >> 5);
    head.info = first & 31;
    head.value = head.info;
    if (head.info < 24)
        return head;
    if (head.info < 28) {
        size_t width = (size_t)1 << (head.info - 24);
        if (decoder->size - decoder->at < width)
            isle__decode_fail(decoder, "the input ends in an item's head");
        head.value = decode_big_endian(decoder->data + decoder->at, width);
        decoder->at += width;
        return head;
    }
    if (head.info < 31 || head.major == ISLE__CBOR_UINT || head.major == ISLE__CBOR_NINT ||
        head.major == ISLE__CBOR_TAG)
        isle__decode_fail(decoder, "a reserved head");
    return head;
}

/* The content of a string with definite length, in the input. */
const uint8_t *isle__decode_slice(struct isle__decoder *decoder,
                                  const struct isle__decode_head *head)
{
    if (head->value > decoder->size - decoder->at)
        isle__decode_fail(decoder, "the input ends in a string");
    const uint8_t *slice = decoder->data + decoder->at;
    isle__decode_pay(decoder, head->value);
    decoder->at += (size_t)head->value;
    if (head->major == ISLE__CBOR_TEXT &&
        isle__utf8_valid((const char *)slice, (size_t)head->value) != head->value)
        isle__decode_fail(decoder, "text that is not UTF-8");
    return slice;
}

/* The content of any string: in the input, or of chunks put together in scratch. */
static const uint8_t *decode_string(struct isle__decoder *decoder,
                                    const struct isle__decode_head *head, size_t *ret_size)
{
    if (head->info != 31) {
        *ret_size = (size_t)head->value;
        return isle__decode_slice(decoder, head);
    }
    decoder->scratch.size = 0;
    for (;;) {
        struct isle__decode_head chunk = isle__decode_read_head(decoder);
        if (chunk.major == ISLE__CBOR_SIMPLE && chunk.info == 31)
            break;
        if (chunk.major != head->major || chunk.info == 31)
            isle__decode_fail(decoder, "a chunk of another kind than its string");
        const uint8_t *slice = isle__decode_slice(decoder, &chunk);
        isle__decode_pay(decoder, chunk.value);
        if (chunk.value > 0)
            memcpy(isle__decode_note(&decoder->scratch, (size_t)chunk.value), slice,
                   (size_t)chunk.value);
    }
    *ret_size = decoder->scratch.size;
    return decoder->scratch.size != 0 ? decoder->scratch.data : (const uint8_t *)"";
}

void isle__decode_settle(struct isle__decoder *decoder, isle_value value)
{
    struct isle__decode_share *shares = (struct isle__decode_share *)decoder->shares.data;
    size_t count = decoder->shares.size / sizeof *shares;

    for (; decoder->shares_open > 0; decoder->shares_open--) {
        shares[count - decoder->shares_open].value = value;
        shares[count - decoder->shares_open].known = true;
    }
    if (decoder->freezes)
        isle__wire_freeze(decoder, value);
}

/* Whether tags wait for an item that has an identity. */
static bool decode_is_marked(const struct isle__decoder *decoder)
{
    return decoder->shares_open > 0 || decoder->freezes;
}

static void decode_need_no_tag(const struct isle__decoder *decoder, uint64_t tag)
{
    if (tag != ISLE__DECODE_NO_TAG)
        isle__decode_fail(decoder, "a tag on what it does not fit");
}

/* --- items to their places ----------------------------------------------------------------------
 */

static void decode_place_entry(struct isle__decoder *decoder, struct isle__decode_frame *frame,
                               isle_value value)
{
    if (!frame->has_key) {
        frame->key = value;
        frame->has_key = true;
        return;
    }
    isle__decode_pay(decoder, ISLE__DECODE_COST_ENTRY);
    const struct isle__map *map = (struct isle__map *)isle__cell_of(frame->value);
    size_t before = map->count;
    isle_map_put(frame->value, frame->key, value);
    if (map->count == before)
        isle__decode_fail(decoder, "a key that the map has already");
    frame->has_key = false;
}

void isle__decode_place(struct isle__decoder *decoder, const struct isle__decode_item *item)
{
    struct isle__decode_frame *frame = decode_top(decoder);

    if (item->is_big && (frame == NULL || frame->kind < ISLE__DECODE_FIELDS))
        isle__decode_too_big(decoder);
    if (frame == NULL) {
        decoder->result = item->value;
        decoder->done = true;
        return;
    }
    switch (frame->kind) {
    case ISLE__DECODE_LIST:
        isle_list_add(frame->value, item->value);
        break;
    case ISLE__DECODE_MAP:
        decode_place_entry(decoder, frame, item->value);
        break;
    case ISLE__DECODE_SET:
        isle__decode_pay(decoder, ISLE__DECODE_COST_ENTRY);
        if (!isle_set_add(frame->value, item->value))
            isle__decode_fail(decoder, "an element that the set has already");
        break;
    case ISLE__DECODE_FIELDS: {
        const isle_field *field = &frame->type->fields[frame->at++];
        if (isle__field_is_array(field))
            isle__decode_store_array(decoder, frame, field, item);
        else
            isle__decode_store(decoder, field, frame->base + field->offset, item);
        break;
    }
    case ISLE__DECODE_ELEMENTS:
    default:
        isle__decode_store(decoder, frame->field,
                           frame->base + frame->at++ * isle__field_stride(frame->field), item);
        break;
    }
    frame->left--;
}

void isle__decode_place_value(struct isle__decoder *decoder, isle_value value)
{
    struct isle__decode_item item = {.value = value};

    isle__decode_settle(decoder, value);
    isle__decode_place(decoder, &item);
}

static struct isle__decode_frame *decode_open(struct isle__decoder *decoder,
                                              enum isle__decode_kind kind, uint64_t left)
{
    struct isle__decode_frame *frame = isle__decode_note(&decoder->frames, sizeof *frame);

    frame->kind = kind;
    frame->left = left;
    return frame;
}

static void decode_close(struct isle__decoder *decoder)
{
    const struct isle__decode_frame *frame = decode_open_frame(decoder);
    struct isle__decode_item item = {.value = frame->value};
    bool inner = frame->inner;

    decoder->frames.size -= sizeof *frame;
    if (!inner) {
        isle__decode_place(decoder, &item);
        return;
    }
    struct isle__decode_frame *outer = decode_open_frame(decoder);
    outer->at++;
    outer->left--;
}

/* --- kinds of items -----------------------------------------------------------------------------
 */

static void decode_reference(struct isle__decoder *decoder, uint64_t number)
{
    const struct isle__decode_share *shares = (struct isle__decode_share *)decoder->shares.data;

    if (number >= decoder->shares.size / sizeof *shares || !shares[number].known)
        isle__decode_fail(decoder, "a reference to what has not begun");
    if (decoder->wire != NULL && isle__wire_is_store(shares[number].value))
        isle__decode_fail(decoder, "a store that no view looks at");
    struct isle__decode_item item = {.value = shares[number].value, .reference = true};
    isle__decode_settle(decoder, item.value);
    isle__decode_place(decoder, &item);
}

static void decode_int(struct isle__decoder *decoder, const struct isle__decode_head *head,
                       uint64_t tag)
{
    if (tag == ISLE__CBOR_TAG_SHARED_REF && head->major == ISLE__CBOR_UINT) {
        decode_reference(decoder, head->value);
        return;
    }
    decode_need_no_tag(decoder, tag);
    if (head->value <= INT64_MAX) {
        int64_t value = (int64_t)head->value;
        isle__decode_place_value(decoder,
                                 isle_int(head->major == ISLE__CBOR_UINT ? value : -1 - value));
        return;
    }
    if (head->major == ISLE__CBOR_NINT || decode_is_marked(decoder))
        isle__decode_too_big(decoder);
    struct isle__decode_item item = {.big = head->value, .is_big = true};
    isle__decode_place(decoder, &item);
}

static void decode_bignum(struct isle__decoder *decoder, uint64_t tag, const uint8_t *data,
                          size_t size)
{
    while (size > 0 && *data == 0) {
        data++;
        size--;
    }
    uint64_t value = size <= 8 ? decode_big_endian(data, size) : UINT64_MAX;
    if (value > INT64_MAX)
        isle__decode_too_big(decoder);
    int64_t positive = (int64_t)value;
    isle__decode_place_value(decoder,
                             isle_int(tag == ISLE__CBOR_TAG_BIG ? positive : -1 - positive));
}

/* The elements of a typed array's tag; false: 16- or 128-bit floats, or the one that is reserved.
 */
static bool decode_element(unsigned tag, isle_element *ret_element)
{
    static const isle_element integers[2][4] = {{ISLE_U8, ISLE_U16, ISLE_U32, ISLE_U64},
                                                {ISLE_I8, ISLE_I16, ISLE_I32, ISLE_I64}};
    unsigned size = tag & 3;

    if ((tag & ISLE__CBOR_ARRAY_FLOAT) != 0) {
        *ret_element = size == 1 ? ISLE_F32 : ISLE_F64;
        return size == 1 || size == 2;
    }
    *ret_element = integers[(tag & ISLE__CBOR_ARRAY_SIGNED) != 0][size];
    return tag != (ISLE__CBOR_ARRAY_SIGNED | ISLE__CBOR_ARRAY_LITTLE);
}

static void decode_array_of(struct isle__decoder *decoder, uint64_t tag, const uint8_t *data,
                            size_t size)
{
    isle_element element = ISLE_U8;
    unsigned kind = (unsigned)(tag - ISLE__CBOR_TAG_ARRAYS);

    if (!decode_element(kind, &element))
        isle__decode_fail(decoder, "an array of elements that have no type here");
    size_t width = isle__element_width(element);
    if (size % width != 0)
        isle__decode_fail(decoder, "an array with a part of an element");
    isle_value array = isle_array(element, data, size / width);
    bool little = (kind & ISLE__CBOR_ARRAY_LITTLE) != 0;
    if (width > 1 && size > 0 && little == ISLE__BIG_ENDIAN)
        isle__cbor_swap(isle_bytes_data(array), size, width);
    isle__decode_place_value(decoder, array);
}

static void decode_bytes(struct isle__decoder *decoder, const struct isle__decode_head *head,
                         uint64_t tag)
{
    size_t size;
    const uint8_t *data = decode_string(decoder, head, &size);

    if (tag == ISLE__CBOR_TAG_BIG || tag == ISLE__CBOR_TAG_NEGATIVE_BIG) {
        decode_bignum(decoder, tag, data, size);
        return;
    }
    isle__decode_pay(decoder, 2 * ISLE__DECODE_COST_CELL);
    if (tag >= ISLE__CBOR_TAG_ARRAYS && tag <= ISLE__CBOR_TAG_ARRAYS_LAST) {
        decode_array_of(decoder, tag, data, size);
        return;
    }
    decode_need_no_tag(decoder, tag);
    isle__decode_place_value(decoder, isle_bytes(data, size));
}

static void decode_text(struct isle__decoder *decoder, const struct isle__decode_head *head,
                        uint64_t tag)
{
    size_t size;
    const uint8_t *text = decode_string(decoder, head, &size);

    decode_need_no_tag(decoder, tag);
    isle__decode_pay(decoder, ISLE__DECODE_COST_CELL);
    struct isle__region *region = &isle__scope_current(decoder->heap)->region;
    isle__decode_place_value(decoder,
                             isle__string_of_utf8(decoder->heap, region, (const char *)text, size));
}

/* Inside objects lengths are definite: the next item must be text, an int, or null. */
static const char *decode_inner_text(struct isle__decoder *decoder, bool nullable, size_t *ret_size)
{
    struct isle__decode_head head = isle__decode_read_head(decoder);

    if (nullable && head.major == ISLE__CBOR_SIMPLE && head.value == (ISLE__CBOR_NULL & 31) &&
        head.info < 24)
        return NULL;
    if (head.major != ISLE__CBOR_TEXT || head.info == 31)
        isle__decode_fail(decoder, "no text where an object has it");
    *ret_size = (size_t)head.value;
    return (const char *)isle__decode_slice(decoder, &head);
}

static void decode_error(struct isle__decoder *decoder, uint64_t count)
{
    size_t text_size = 0;
    size_t stack_size = 0;

    if (count != 4)
        isle__decode_fail(decoder, "an error with more or fewer parts");
    struct isle__decode_head head = isle__decode_read_head(decoder);
    isle_err code = head.value < INT16_MAX ? (isle_err)(-1 - (int)head.value) : ISLE_OK;
    if (head.major != ISLE__CBOR_NINT || strcmp(isle_err_name(code), "ISLE_E?") == 0)
        isle__decode_fail(decoder, "an error without a code");
    const char *text = decode_inner_text(decoder, false, &text_size);
    const char *stack = decode_inner_text(decoder, true, &stack_size);
    if (memchr(text, '\0', text_size) != NULL ||
        (stack != NULL && memchr(stack, '\0', stack_size) != NULL))
        isle__decode_fail(decoder, "a NUL in the text of an error");
    isle__decode_pay(decoder, 3 * ISLE__DECODE_COST_CELL + (uint64_t)text_size + stack_size);
    decoder->scratch.size = 0;
    char *copy = isle__decode_note(&decoder->scratch, text_size + stack_size + 2);
    memcpy(copy, text, text_size);
    if (stack != NULL)
        memcpy(copy + text_size + 1, stack, stack_size);
    isle__decode_place_value(decoder,
                             isle_error(code, copy, stack != NULL ? copy + text_size + 1 : NULL));
}

/* The field that the next item is for; NULL: a container takes any. */
static const isle_field *decode_expected(const struct isle__decoder *decoder)
{
    const struct isle__decode_frame *frame = decode_top(decoder);

    if (frame == NULL || frame->kind < ISLE__DECODE_FIELDS)
        return NULL;
    return frame->kind == ISLE__DECODE_FIELDS ? &frame->type->fields[frame->at] : frame->field;
}

static void decode_object(struct isle__decoder *decoder, uint64_t count)
{
    const isle_field *field = decode_expected(decoder);
    size_t size = 0;

    const char *name = decode_inner_text(decoder, false, &size);
    if (size == strlen(ISLE__CBOR_ERROR_NAME) && memcmp(name, ISLE__CBOR_ERROR_NAME, size) == 0) {
        decode_error(decoder, count);
        return;
    }
    const isle_type *type = field != NULL ? field->type : NULL;
    if (type == NULL || strlen(type->name) != size || memcmp(type->name, name, size) != 0)
        type = isle__type_find(name, size);
    struct isle__decode_head hash = isle__decode_read_head(decoder);
    if (hash.major != ISLE__CBOR_UINT)
        isle__decode_fail(decoder, "an object without a layout");
    if (type != NULL && type != decoder->hashed)
        decoder->hash = isle_type_hash(type);
    decoder->hashed = type;
    if (type == NULL || decoder->hash != hash.value || count != type->field_count + 2 ||
        type->unsendable)
        isle__decode_fail(decoder, "an object of a type that is not known here in that layout");
    if (decode_is_marked(decoder) && field != NULL && field->kind == ISLE_FIELD_KIND_OWNED)
        isle__decode_fail(decoder, "a shared object in a field that owns it");
    isle__decode_pay(decoder, ISLE__DECODE_COST_CONTAINER + 2 * ISLE__DECODE_COST_NOTE);
    uint8_t *memory = isle__decode_memory(decoder, type->size);
    isle_value object = isle_object(type, memory);
    isle__decode_settle(decoder, object);
    if (type->validate != NULL) {
        struct isle__decode_check *check = isle__decode_note(&decoder->checks, sizeof *check);
        *check = (struct isle__decode_check){type, memory, 0, 0};
    }
    struct isle__decode_frame *frame = decode_open(decoder, ISLE__DECODE_FIELDS, type->field_count);
    frame->value = object;
    frame->type = type;
    frame->base = memory;
}

/* An array without a tag where a field wants a struct or elements. */
static void decode_inner_array(struct isle__decoder *decoder, const isle_field *field,
                               uint64_t count)
{
    struct isle__decode_frame *outer = decode_top(decoder);
    uint8_t *place;

    if (decode_is_marked(decoder))
        isle__decode_fail(decoder, "a shared part of an object");
    isle__decode_pay(decoder, ISLE__DECODE_COST_CONTAINER + ISLE__DECODE_COST_NOTE);
    if (outer->kind == ISLE__DECODE_FIELDS && isle__field_is_array(field)) {
        place = isle__decode_array_memory(decoder, outer, field, count);
        struct isle__decode_frame *frame = decode_open(decoder, ISLE__DECODE_ELEMENTS, count);
        frame->field = field;
        frame->base = place;
        frame->inner = true;
        return;
    }
    if (field->kind != ISLE_FIELD_KIND_STRUCT || count != field->type->field_count)
        isle__decode_fail(decoder, "an array for a field that has none");
    place = outer->kind == ISLE__DECODE_FIELDS ? outer->base + field->offset
                                               : outer->base + outer->at * field->size;
    if (field->type->validate != NULL) {
        struct isle__decode_check *check = isle__decode_note(&decoder->checks, sizeof *check);
        *check = (struct isle__decode_check){field->type, place, 0, 0};
    }
    struct isle__decode_frame *frame = decode_open(decoder, ISLE__DECODE_FIELDS, count);
    frame->type = field->type;
    frame->base = place;
    frame->inner = true;
}

void isle__decode_container(struct isle__decoder *decoder, const struct isle__decode_head *head,
                            enum isle__decode_kind kind)
{
    isle__decode_pay(decoder, ISLE__DECODE_COST_CONTAINER);
    isle_value value = kind == ISLE__DECODE_LIST  ? isle_list()
                       : kind == ISLE__DECODE_MAP ? isle_map()
                                                  : isle_set();
    if (decoder->wire != NULL && kind != ISLE__DECODE_LIST)
        isle__wire_note_table(decoder, value);
    isle__decode_settle(decoder, value);
    uint64_t items = kind == ISLE__DECODE_MAP ? 2 * head->value : head->value;
    struct isle__decode_frame *frame = decode_open(decoder, kind, items);
    frame->indefinite = head->info == 31;
    frame->value = value;
}

void isle__decode_need_items(const struct isle__decoder *decoder,
                             const struct isle__decode_head *head)
{
    if (head->info != 31 && head->value > decoder->size - decoder->at)
        isle__decode_fail(decoder, "an array with more items than bytes are left");
}

static void decode_array(struct isle__decoder *decoder, const struct isle__decode_head *head,
                         uint64_t tag)
{
    const isle_field *field = decode_expected(decoder);
    bool definite = head->info != 31;

    isle__decode_need_items(decoder, head);
    if (tag == ISLE__CBOR_TAG_OBJECT && definite && head->value >= 2) {
        decode_object(decoder, head->value);
    } else if (tag == ISLE__CBOR_TAG_SET) {
        isle__decode_container(decoder, head, ISLE__DECODE_SET);
    } else {
        decode_need_no_tag(decoder, tag);
        bool any = field == NULL || (field->kind == ISLE_FIELD_KIND_VALUE &&
                                     (decode_open_frame(decoder)->kind == ISLE__DECODE_ELEMENTS ||
                                      !isle__field_is_array(field)));
        if (any)
            isle__decode_container(decoder, head, ISLE__DECODE_LIST);
        else if (definite && !(isle__field_is_number(field)))
            decode_inner_array(decoder, field, head->value);
        else
            isle__decode_fail(decoder, "an array for a field that has none");
    }
}

static void decode_map(struct isle__decoder *decoder, const struct isle__decode_head *head,
                       uint64_t tag)
{
    decode_need_no_tag(decoder, tag);
    if (head->info != 31 && head->value > (decoder->size - decoder->at) / 2)
        isle__decode_fail(decoder, "a map with more entries than bytes are left");
    isle__decode_container(decoder, head, ISLE__DECODE_MAP);
}

static void decode_tag(struct isle__decoder *decoder, uint64_t tag)
{
    bool known = tag == ISLE__CBOR_TAG_BIG || tag == ISLE__CBOR_TAG_NEGATIVE_BIG ||
                 (tag >= ISLE__CBOR_TAG_OBJECT && tag <= ISLE__CBOR_TAG_SHARED_REF) ||
                 (tag >= ISLE__CBOR_TAG_ARRAYS && tag <= ISLE__CBOR_TAG_ARRAYS_LAST) ||
                 tag == ISLE__CBOR_TAG_SET;

    if (!known) {
        if (decoder->wire != NULL)
            isle__wire_tag(decoder, tag);
        return;
    }
    decode_need_no_tag(decoder, decoder->tag);
    if (tag != ISLE__CBOR_TAG_SHAREABLE) {
        decoder->tag = tag;
        return;
    }
    isle__decode_pay(decoder, ISLE__DECODE_COST_NOTE);
    (void)isle__decode_note(&decoder->shares, sizeof(struct isle__decode_share));
    decoder->shares_open++;
}

static double decode_half(uint32_t half)
{
    uint32_t exponent = half >> 10 & 31;
    uint32_t mantissa = half & 0x3ff;
    double value;

    if (exponent == 0) {
        value = (double)mantissa * 0x1p-24;
    } else if (exponent == 31) {
        value = mantissa != 0 ? (double)NAN : (double)INFINITY;
    } else {
        uint32_t bits = (exponent + 112) << 23 | mantissa << 13;
        float single;
        memcpy(&single, &bits, sizeof single);
        value = (double)single;
    }
    return (half & 0x8000) != 0 ? -value : value;
}

static void decode_break(struct isle__decoder *decoder)
{
    const struct isle__decode_frame *frame = decode_top(decoder);

    if (frame == NULL || !frame->indefinite || frame->has_key || decode_is_marked(decoder))
        isle__decode_fail(decoder, "a break where nothing can end");
    decode_close(decoder);
}

static void decode_simple(struct isle__decoder *decoder, const struct isle__decode_head *head,
                          uint64_t tag)
{
    uint32_t bits = (uint32_t)head->value;
    float single;
    double number;

    decode_need_no_tag(decoder, tag);
    if (head->info == 31) {
        decode_break(decoder);
        return;
    }
    switch (head->info) {
    case ISLE__CBOR_FALSE & 31:
    case ISLE__CBOR_TRUE & 31:
        isle__decode_place_value(decoder, isle_bool(head->info == (ISLE__CBOR_TRUE & 31)));
        break;
    case ISLE__CBOR_NULL & 31:
    case (ISLE__CBOR_NULL & 31) + 1:
        isle__decode_place_value(decoder, isle_null());
        break;
    case ISLE__CBOR_HALF & 31:
        isle__decode_place_value(decoder, isle_double(decode_half(bits)));
        break;
    case ISLE__CBOR_SINGLE & 31:
        memcpy(&single, &bits, sizeof single);
        isle__decode_place_value(decoder, isle_double((double)single));
        break;
    case ISLE__CBOR_DOUBLE & 31:
        memcpy(&number, &head->value, sizeof number);
        isle__decode_place_value(decoder, isle_double(number));
        break;
    default:
        isle__decode_fail(decoder, "a simple value that has no meaning here");
    }
}

static void decode_item(struct isle__decoder *decoder)
{
    struct isle__decode_head head = isle__decode_read_head(decoder);
    uint64_t tag = decoder->tag;

    if (head.major == ISLE__CBOR_TAG) {
        decode_tag(decoder, head.value);
        return;
    }
    decoder->tag = ISLE__DECODE_NO_TAG;
    if (ISLE__UNLIKELY(tag <= ISLE__WIRE_TAG_LAST && tag >= ISLE__WIRE_TAG_PORT)) {
        isle__wire_item(decoder, &head, tag);
        return;
    }
    switch (head.major) {
    case ISLE__CBOR_UINT:
    case ISLE__CBOR_NINT:
        decode_int(decoder, &head, tag);
        break;
    case ISLE__CBOR_BYTES:
        decode_bytes(decoder, &head, tag);
        break;
    case ISLE__CBOR_TEXT:
        decode_text(decoder, &head, tag);
        break;
    case ISLE__CBOR_ARRAY:
        decode_array(decoder, &head, tag);
        break;
    case ISLE__CBOR_MAP:
        decode_map(decoder, &head, tag);
        break;
    case ISLE__CBOR_SIMPLE:
    case ISLE__CBOR_TAG:
    default:
        decode_simple(decoder, &head, tag);
        break;
    }
}

/* Counters first, so that no hook sees an array that is shorter than its counter says; then the
 * hooks, inner objects before outer ones. */
static void decode_check_all(const struct isle__decoder *decoder)
{
    const struct isle__decode_check *checks = (struct isle__decode_check *)decoder->checks.data;
    size_t count = decoder->checks.size / sizeof *checks;

    for (size_t i = 0; i < count; i++) {
        if (checks[i].type == NULL &&
            isle__field_uint(checks[i].data, checks[i].size) != checks[i].count)
            isle__decode_fail(decoder, "an array of another length than its counter says");
    }
    while (count-- > 0) {
        if (checks[count].type != NULL && !checks[count].type->validate(checks[count].data))
            isle__decode_fail(decoder, "an object that its type's validate hook refused");
    }
}

static void decode_run(void *argument)
{
    struct isle__decoder *decoder = argument;

    while (!decoder->done) {
        const struct isle__decode_frame *frame = decode_top(decoder);
        if (frame != NULL && !frame->indefinite && frame->left == 0)
            decode_close(decoder);
        else
            decode_item(decoder);
    }
    decoder->start = decoder->at;
    if (decoder->at != decoder->size)
        isle__decode_fail(decoder, "bytes after the item");
    decode_check_all(decoder);
    if (decoder->wire != NULL)
        isle__wire_finish(decoder);
}

void isle__decoder_init(struct isle__decoder *decoder, struct isle__heap *heap,
                        const char *function, const void *data, size_t size, size_t budget)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->heap = heap;
    decoder->function = function;
    decoder->data = data;
    decoder->size = size;
    decoder->budget = budget;
    decoder->tag = ISLE__DECODE_NO_TAG;
    isle__buffer_init(&decoder->frames, heap);
    isle__buffer_init(&decoder->shares, heap);
    isle__buffer_init(&decoder->checks, heap);
    isle__buffer_init(&decoder->scratch, heap);
}

enum isle__unwinding isle__decoder_run(struct isle__decoder *decoder, struct isle__catch *catch)
{
    return isle__catch_do(decoder->heap, catch, ISLE__CATCH_TRY, decode_run, decoder);
}

void isle__decoder_fini(struct isle__decoder *decoder)
{
    isle__buffer_fini(&decoder->frames);
    isle__buffer_fini(&decoder->shares);
    isle__buffer_fini(&decoder->checks);
    isle__buffer_fini(&decoder->scratch);
}

isle_err isle_cbor_try_decode(const void *data, size_t size, size_t budget, isle_value *ret_value)
{
    struct isle__heap *heap;
    struct isle__catch catch;
    struct isle__decoder decoder;

    isle_err err = isle__heap_ask(&heap);
    if (err != ISLE_OK)
        return err;
    if ((data == NULL && size > 0) || ret_value == NULL)
        return isle__fail(ISLE_EINVAL, "isle_cbor_try_decode: NULL");
    isle__decoder_init(&decoder, heap, "isle_cbor_try_decode", data, size, budget);
    enum isle__unwinding stopped = isle__decoder_run(&decoder, &catch);
    isle__decoder_fini(&decoder);
    if (stopped != ISLE__UNWIND_NONE)
        return isle__fail_with(catch.error);
    *ret_value = decoder.result;
    return ISLE_OK;
}
