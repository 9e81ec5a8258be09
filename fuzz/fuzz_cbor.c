/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into the CBOR decoder. What it takes must encode, decode again and encode to the same
 * bytes, and have a JSON; nothing may be left behind. */
#include <string.h>

#include "fuzz_heap.h"
#include "fuzz_types.h"
#include "isle/bytes.h"

#define FUZZ_BUDGET ((size_t)1 << 20)

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
