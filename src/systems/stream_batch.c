/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of a stream: small items as records, and items of records (stream_batch.h).
 *
 * Law: what is in a batch can be sent and needs nothing of its writer any more, so whatever could
 * be refused travels alone and is refused by the write that gave it. Who takes a batch in has
 * checked all of it before the first item is made: of each record that it is whole, of each text
 * that it is one. */
#include "systems/stream_batch.h"

#include "isle/bytes.h"
#include "isle/error.h"
#include "isle/scope.h"

enum { BATCH_CAPACITY_FIRST = 1024 };

void isle__batch_free(struct isle__batch *batch)
{
    isle_free(batch->bytes);
    batch->bytes = NULL;
    batch->capacity = 0;
    isle__batch_clear(batch);
}

void isle__batch_clear(struct isle__batch *batch)
{
    batch->at = batch->size = batch->count = 0;
    batch->value_at = batch->value_count = 0;
}

/* What an isle_try is given. */
struct batch_growth {
    struct isle__batch *batch;
    size_t capacity;
};

static isle_value batch_grow(isle_value pointer)
{
    const struct batch_growth *growth = isle_as_pointer(pointer);
    growth->batch->bytes = isle_realloc(growth->batch->bytes, growth->capacity);
    growth->batch->capacity = growth->capacity;
    return isle_null();
}

/* At least so many bytes, at most ISLE__BATCH_BYTES_MAX. */
static bool batch_has(struct isle__batch *batch, size_t size)
{
    if (size <= batch->capacity)
        return true;
    struct batch_growth growth = {batch, batch->capacity};
    while (growth.capacity < size)
        growth.capacity = growth.capacity == 0 ? BATCH_CAPACITY_FIRST : 2 * growth.capacity;
    return isle_try(batch_grow, isle_pointer(&growth), NULL) == ISLE_OK;
}

/* --- the writer */

static bool batch_is_value(isle_kind kind)
{
    return kind == ISLE_SEND_PORT || kind == ISLE_CAPABILITY;
}

size_t isle__batch_size_of(isle_value item)
{
    const char *text;
    size_t size;
    if (isle_get_string(item, &text, &size))
        return size <= ISLE__BATCH_TEXT_MAX ? ISLE__BATCH_TEXT_SIZE + size : 0;
    isle_kind kind = isle_kind_of(item);
    if (kind == ISLE_INT || kind == ISLE_DOUBLE)
        return ISLE__BATCH_NUMBER_SIZE;
    return kind == ISLE_NULL || kind == ISLE_BOOL || batch_is_value(kind);
}

bool isle__batch_reserve(struct isle__batch *batch, size_t size)
{
    return batch->size + size <= batch->most && batch->value_count < ISLE__BATCH_VALUES_MAX &&
           batch_has(batch, batch->size + size);
}

static void batch_add_double(struct isle__batch *batch, double number)
{
    uint8_t *record = batch->bytes + batch->size;
    record[0] = ISLE__BATCH_DOUBLE;
    memcpy(record + 1, &number, sizeof number);
    batch->size += ISLE__BATCH_NUMBER_SIZE;
    batch->count++;
}

static void batch_add_bare(struct isle__batch *batch, isle_value item)
{
    uint8_t *record = batch->bytes + batch->size++;
    bool truth;
    batch->count++;
    if (isle_is_null(item)) {
        *record = ISLE__BATCH_NULL;
    } else if (isle_get_bool(item, &truth)) {
        *record = truth ? ISLE__BATCH_TRUE : ISLE__BATCH_FALSE;
    } else {
        *record = ISLE__BATCH_VALUE;
        batch->values[batch->value_count++] = item;
    }
}

void isle__batch_add(struct isle__batch *batch, isle_value item)
{
    const char *text;
    size_t size;
    int64_t integer;
    double number;
    if (isle_get_string(item, &text, &size))
        isle__batch_add_text(batch, text, size);
    else if (isle_get_int(item, &integer))
        isle__batch_add_int(batch, integer);
    else if (isle_get_double(item, &number))
        batch_add_double(batch, number);
    else
        batch_add_bare(batch, item);
}

/* --- the reader */

static uint32_t batch_text_size(const uint8_t *record)
{
    uint32_t size;
    memcpy(&size, record + 1, sizeof size);
    return size;
}

static bool batch_is_ascii(const uint8_t *text, size_t size)
{
    uint64_t seen = 0, words[4];
    for (; size >= sizeof words; text += sizeof words, size -= sizeof words) {
        memcpy(words, text, sizeof words);
        seen |= words[0] | words[1] | words[2] | words[3];
    }
    for (; size > 0; size--)
        seen |= *text++;
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

static isle_value batch_make_text(isle_value pointer)
{
    const uint8_t *record = isle_as_pointer(pointer);
    isle_string_sized((const char *)record + ISLE__BATCH_TEXT_SIZE, batch_text_size(record));
    return isle_null();
}

/* ISLE_OK, ISLE_EMALFORMED, ISLE_ENOMEM; *ret_size: of its record, of which so many bytes are
 * there. */
static isle_err batch_check_text(const uint8_t *record, size_t left, size_t *ret_size)
{
    if (left < ISLE__BATCH_TEXT_SIZE)
        return ISLE_EMALFORMED;
    size_t size = batch_text_size(record);
    if (size > left - ISLE__BATCH_TEXT_SIZE)
        return ISLE_EMALFORMED;
    *ret_size = ISLE__BATCH_TEXT_SIZE + size;
    if (batch_is_ascii(record + ISLE__BATCH_TEXT_SIZE, size))
        return ISLE_OK;
    return isle_try(batch_make_text, isle_pointer((void *)(uintptr_t)record), NULL);
}

static isle_err batch_check_record(struct isle__batch *batch, const uint8_t *record, size_t left,
                                   size_t *ret_size)
{
    switch (record[0]) {
    case ISLE__BATCH_NULL:
    case ISLE__BATCH_FALSE:
    case ISLE__BATCH_TRUE:
        *ret_size = 1;
        return ISLE_OK;
    case ISLE__BATCH_INT:
    case ISLE__BATCH_DOUBLE:
        *ret_size = ISLE__BATCH_NUMBER_SIZE;
        return left < ISLE__BATCH_NUMBER_SIZE ? ISLE_EMALFORMED : ISLE_OK;
    case ISLE__BATCH_TEXT:
        return batch_check_text(record, left, ret_size);
    case ISLE__BATCH_VALUE:
        *ret_size = 1;
        return batch->value_at++ < batch->value_count ? ISLE_OK : ISLE_EMALFORMED;
    default:
        return ISLE_EMALFORMED;
    }
}

/* How many ints there are from the record on: most of what is streamed. */
static size_t batch_ints(const uint8_t *record, size_t left)
{
    size_t count = 0;
    for (; left >= ISLE__BATCH_NUMBER_SIZE && record[0] == ISLE__BATCH_INT; count++) {
        record += ISLE__BATCH_NUMBER_SIZE;
        left -= ISLE__BATCH_NUMBER_SIZE;
    }
    return count;
}

/* Each record, and that they are as many as may be and name all values. */
static isle_err batch_check(struct isle__batch *batch)
{
    size_t size;
    batch->count = batch_ints(batch->bytes, batch->size);
    for (size_t at = batch->count * ISLE__BATCH_NUMBER_SIZE; at < batch->size; at += size) {
        isle_err err = batch_check_record(batch, batch->bytes + at, batch->size - at, &size);
        if (err != ISLE_OK)
            return err;
        batch->count++;
    }
    if (batch->count == 0 || batch->count > ISLE__BATCH_ITEMS_MAX ||
        batch->value_at != batch->value_count)
        return ISLE_EMALFORMED;
    batch->value_at = 0;
    return ISLE_OK;
}

static isle_err batch_fill(struct isle__batch *batch, isle_value message, size_t index)
{
    size_t count = isle_count(message), size;
    if (count <= index || count - index - 1 > ISLE__BATCH_VALUES_MAX)
        return ISLE_EMALFORMED;
    isle_value records = isle_list_get(message, index);
    if (isle_kind_of(records) != ISLE_BYTES)
        return ISLE_EMALFORMED;
    const void *bytes = isle_as_bytes(records, &size);
    if (size > ISLE__BATCH_BYTES_MAX)
        return ISLE_EMALFORMED;
    if (!batch_has(batch, size))
        return ISLE_ENOMEM;
    if (size > 0)
        memcpy(batch->bytes, bytes, size);
    batch->size = size;
    batch->value_count = count - index - 1;
    isle_list_read(message, index + 1, batch->value_count, batch->values);
    for (size_t i = 0; i < batch->value_count; i++)
        if (!batch_is_value(isle_kind_of(batch->values[i])))
            return ISLE_EMALFORMED;
    return batch_check(batch);
}

isle_err isle__batch_take(struct isle__batch *batch, isle_value message, size_t index)
{
    isle__batch_clear(batch);
    isle_err err = batch_fill(batch, message, index);
    if (err != ISLE_OK)
        isle__batch_clear(batch);
    return err;
}

static isle_value batch_value(const struct isle__batch *batch, const uint8_t *record,
                              size_t *ret_size)
{
    double number;
    *ret_size = 1;
    switch (record[0]) {
    case ISLE__BATCH_DOUBLE:
        *ret_size = ISLE__BATCH_NUMBER_SIZE;
        memcpy(&number, record + 1, sizeof number);
        return isle_double(number);
    case ISLE__BATCH_TEXT:
        *ret_size = ISLE__BATCH_TEXT_SIZE + batch_text_size(record);
        return isle_string_sized((const char *)record + ISLE__BATCH_TEXT_SIZE,
                                 *ret_size - ISLE__BATCH_TEXT_SIZE);
    case ISLE__BATCH_VALUE:
        return batch->values[batch->value_at];
    case ISLE__BATCH_NULL:
        return isle_null();
    default:
        return isle_bool(record[0] == ISLE__BATCH_TRUE);
    }
}

isle_value isle__batch_make_next(struct isle__batch *batch)
{
    const uint8_t *record = batch->bytes + batch->at;
    size_t size;
    isle_value item = batch_value(batch, record, &size);
    batch->value_at += record[0] == ISLE__BATCH_VALUE;
    batch->at += size;
    batch->count--;
    return item;
}
