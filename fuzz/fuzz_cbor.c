/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into the CBOR decoder. What it takes must encode, decode again and encode to the same
 * bytes, and have a JSON; nothing may be left behind. */
#include <string.h>

#include "fuzz_heap.h"
#include "isle/bytes.h"
#include "isle/object.h"

#define FUZZ_BUDGET ((size_t)1 << 20)

/* A type with every kind of field, so that inputs can name it. */
struct part {
    float x;
    int8_t n;
};
static bool part_is_valid(const void *object)
{
    return ((const struct part *)object)->n != 1;
}
ISLE_TYPE_WITH(part_type, struct part, (1, false, part_is_valid, NULL), ISLE_FIELD(struct part, x),
               ISLE_FIELD(struct part, n));
struct whole {
    bool flag;
    uint64_t id;
    char name[4];
    char *text;
    struct whole *next;
    struct whole **all;
    int all_count;
    struct part part;
    struct part *parts;
    uint8_t part_count;
    double *numbers;
    int number_count;
    char **texts;
    short text_count;
    isle_value any;
    struct part *own;
    isle_send_port port;
};
extern const isle_type whole_type;
ISLE_TYPE(whole_type, struct whole, ISLE_FIELD(struct whole, flag), ISLE_FIELD(struct whole, id),
          ISLE_FIELD_INLINE(struct whole, name), ISLE_FIELD(struct whole, text),
          ISLE_FIELD_OBJECT(struct whole, next, &whole_type),
          ISLE_FIELD_OBJECTS(struct whole, all, all_count, &whole_type),
          ISLE_FIELD_STRUCT(struct whole, part, &part_type),
          ISLE_FIELD_STRUCTS(struct whole, parts, part_count, &part_type),
          ISLE_FIELD_ARRAY(struct whole, numbers, number_count),
          ISLE_FIELD(struct whole, number_count), ISLE_FIELD_ARRAY(struct whole, texts, text_count),
          ISLE_FIELD(struct whole, any), ISLE_FIELD_OWNED(struct whole, own, &part_type),
          ISLE_FIELD(struct whole, port));

static isle_value fuzz_encode(isle_value value)
{
    (void)isle_json(value);
    return isle_cbor_encode(value);
}

static void fuzz_input(const uint8_t *data, size_t size)
{
    isle_value value;
    isle_value first;
    isle_value second;
    size_t first_size;
    size_t second_size;

    isle_err err = isle_cbor_try_decode(data, size, FUZZ_BUDGET, &value);
    if (err != ISLE_OK) {
        fuzz_need(err == ISLE_EMALFORMED || err == ISLE_ERANGE);
        return;
    }
    fuzz_need(isle_try(fuzz_encode, value, &first) == ISLE_OK);
    const void *bytes = isle_as_bytes(first, &first_size);
    fuzz_need(isle_cbor_try_decode(bytes, first_size, 8 * FUZZ_BUDGET, &value) == ISLE_OK);
    fuzz_need(isle_try(fuzz_encode, value, &second) == ISLE_OK);
    const void *again = isle_as_bytes(second, &second_size);
    fuzz_need(first_size == second_size && memcmp(bytes, again, first_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap fuzz;

    fuzz_need(isle_type_register(&whole_type) == ISLE_OK);
    fuzz_need(isle_type_register(&part_type) == ISLE_OK);
    fuzz_heap_open(&fuzz);
    fuzz_input(data, size);
    fuzz_heap_close(&fuzz);
    return 0;
}
