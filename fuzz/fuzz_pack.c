/* SPDX-License-Identifier: Apache-2.0 */
/* Formats and arguments from bytes: a format up to the first NUL, a count, then an argument after
 * the other. The same input packs, and unpacks a value that follows as CBOR. What unpack refuses
 * must have written nothing. */
#include <string.h>

#include "fuzz_heap.h"
#include "isle/bytes.h"
#include "isle/pack.h"
#include "isle/value.h"

#define FUZZ_ARGS 26 /* two more than are allowed */

struct fuzz_reader {
    const uint8_t *data;
    size_t size;
};

static uint64_t fuzz_read(struct fuzz_reader *reader, size_t size)
{
    uint64_t value = 0;

    if (size > reader->size)
        size = reader->size;
    if (size > 0)
        memcpy(&value, reader->data, size);
    reader->data += size;
    reader->size -= size;
    return value;
}

struct fuzz_call {
    isle_arg args[FUZZ_ARGS];
    size_t count;
    uint64_t variables[FUZZ_ARGS];
};
static struct fuzz_call fuzz_call;

static void fuzz_arg(struct fuzz_reader *reader, isle_arg *arg, uint64_t *variable)
{
    static const char *const texts[] = {"",     "a",  "b",        "key",
                                        "\xff", NULL, "\xc3\xbc", "a long text that is no key"};

    memset(arg, 0, sizeof *arg);
    arg->kind = (int)(fuzz_read(reader, 1) % (ISLE_ARG_TO_PORT + 2));
    switch (arg->kind) {
    case ISLE_ARG_DOUBLE:
        arg->as.d = (double)(int64_t)fuzz_read(reader, 8);
        break;
    case ISLE_ARG_STRING:
        arg->as.s = texts[fuzz_read(reader, 1) % 8];
        break;
    case ISLE_ARG_VALUE:
        arg->as.v = isle_int((int64_t)fuzz_read(reader, 8));
        break;
    case ISLE_ARG_PORT:
        arg->as.p.id = fuzz_read(reader, 4);
        break;
    case ISLE_ARG_INT:
    case ISLE_ARG_UINT:
        arg->as.u = fuzz_read(reader, 8);
        break;
    default:
        arg->as.to = variable;
        arg->size = 8;
        if (arg->kind == ISLE_ARG_TO_BOOL)
            arg->size = 1;
        else if (arg->kind == ISLE_ARG_TO_INT || arg->kind == ISLE_ARG_TO_UINT)
            arg->size = fuzz_read(reader, 1) % 2 != 0 ? 4 : 8;
        break;
    }
}

static isle_value fuzz_pack(isle_value ignored)
{
    (void)ignored;
    return isle__pack(fuzz_call.args + 1, fuzz_call.count - 1);
}

static void fuzz_input(struct fuzz_reader *reader, const char *format)
{
    isle_value value = isle_null();

    fuzz_call.count = 2 + fuzz_read(reader, 1) % (FUZZ_ARGS - 1);
    memset(fuzz_call.args, 0, sizeof fuzz_call.args);
    fuzz_call.args[1].kind = ISLE_ARG_STRING;
    fuzz_call.args[1].as.s = format;
    for (size_t i = 2; i < fuzz_call.count; i++)
        fuzz_arg(reader, &fuzz_call.args[i], &fuzz_call.variables[i]);
    memset(fuzz_call.variables, 0x5a, sizeof fuzz_call.variables);
    if (isle_cbor_try_decode(reader->data, reader->size, 1 << 16, &value) != ISLE_OK)
        (void)!isle_try(fuzz_pack, isle_null(), &value);
    fuzz_call.args[0].kind = ISLE_ARG_VALUE;
    fuzz_call.args[0].as.v = value;
    if (isle__try_unpack(fuzz_call.args, fuzz_call.count) == ISLE_OK)
        return;
    for (size_t i = 0; i < FUZZ_ARGS; i++)
        fuzz_need(fuzz_call.variables[i] == UINT64_C(0x5a5a5a5a5a5a5a5a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap fuzz;
    const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;

    if (end == NULL)
        return 0;
    struct fuzz_reader reader = {end + 1, size - (size_t)(end - data) - 1};
    fuzz_heap_open(&fuzz);
    fuzz_input(&reader, (const char *)data);
    fuzz_heap_close(&fuzz);
    return 0;
}
