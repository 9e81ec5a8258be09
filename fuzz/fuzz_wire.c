/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into the decoder of messages that cross a wall, after two bytes of trouble: the allocation
 * and the hook that fail. What is taken must encode, decode again and encode to the same bytes, by
 * both ways in and both ways out; what is refused has given back every name and descriptor; nothing
 * may be left behind. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FUZZ_PORTS
#include "fuzz_heap.h"
#include "fuzz_types.h"
#include "isle/bytes.h"
#include "value/wire.h"

#define FUZZ_BUDGET ((size_t)1 << 20)
#define FUZZ_HEADER 40
enum { FUZZ_NAMES = 8, FUZZ_FDS = 4, FUZZ_ASIDES = 4, FUZZ_ASIDE_MAX = 1 << 17 };

/* The wall: names below FUZZ_NAMES, each of one kind; descriptors of the record, each once. */
struct fuzz_wall {
    size_t given, calls, refuse_at;
    int fds[FUZZ_FDS]; /* -1: the value's now */
    int taken[FUZZ_FDS];
    uint32_t fds_out;
    uint32_t asides_taken; /* a bit each, twice as many: files as well */
};

static bool fuzz_refuses(struct fuzz_wall *wall)
{
    return ++wall->calls == wall->refuse_at;
}

static isle_err fuzz_name_out(void *context, enum isle__wire_kind kind, uint64_t id,
                              struct isle__wire_name *ret_name)
{
    struct fuzz_wall *wall = context;

    fuzz_need(id > 0 && (id - 1) % 3 == (uint64_t)kind);
    *ret_name = (struct isle__wire_name){(id - 1) / 6, (id - 1) / 3 % 2 != 0};
    wall->given++;
    return ISLE_OK;
}

static isle_err fuzz_name_in(void *context, enum isle__wire_kind kind,
                             const struct isle__wire_name *name, uint64_t *ret_id)
{
    struct fuzz_wall *wall = context;

    if (fuzz_refuses(wall) || name->name >= FUZZ_NAMES)
        return ISLE_EMALFORMED;
    *ret_id = 1 + (name->name * 2 + name->comes_home) * 3 + (uint64_t)kind;
    wall->given++;
    return ISLE_OK;
}

static void fuzz_function(void)
{
}

static isle_err fuzz_function_out(void *context, isle_function *function,
                                  struct isle__wire_function *ret_function)
{
    (void)context;
    fuzz_need(function == fuzz_function);
    ret_function->size = 1;
    ret_function->bytes[0] = 'f';
    return ISLE_OK;
}

static isle_err fuzz_function_in(void *context, const struct isle__wire_function *function,
                                 isle_function **ret_function)
{
    if (fuzz_refuses(context) || function->size != 1 || function->bytes[0] != 'f')
        return ISLE_EMALFORMED;
    *ret_function = fuzz_function;
    return ISLE_OK;
}

static isle_err fuzz_descriptor_out(void *context, int fd, uint32_t *ret_index)
{
    struct fuzz_wall *wall = context;

    fuzz_need(fcntl(fd, F_GETFD) >= 0);
    *ret_index = wall->fds_out++;
    wall->given++;
    return ISLE_OK;
}

static isle_err fuzz_descriptor_in(void *context, uint32_t index, int *ret_fd)
{
    struct fuzz_wall *wall = context;

    if (fuzz_refuses(wall) || index >= FUZZ_FDS || wall->fds[index] < 0)
        return ISLE_EMALFORMED;
    *ret_fd = wall->taken[index] = wall->fds[index];
    wall->fds[index] = -1;
    wall->given++;
    return ISLE_OK;
}

/* What lies in something else: the odd ones, and all in files. */
struct fuzz_lot {
    struct isle__shared shared; /* first */
    size_t size;
    void *memory;
};

static void fuzz_lot_destroy(struct isle__shared *shared)
{
    struct fuzz_lot *lot = (struct fuzz_lot *)shared;

    isle__memory_free(lot->memory, lot->size);
    isle__memory_free(lot, sizeof *lot);
}

static isle_err fuzz_lot_make(uint8_t *memory, size_t size, struct isle__shared **ret_under)
{
    struct fuzz_lot *lot = isle__memory_alloc(sizeof *lot);

    if (lot == NULL) {
        isle__memory_free(memory, size);
        return ISLE_ENOMEM;
    }
    *lot = (struct fuzz_lot){.size = size, .memory = memory};
    atomic_init(&lot->shared.references, 1);
    lot->shared.size = size;
    lot->shared.destroy = fuzz_lot_destroy;
    *ret_under = &lot->shared;
    return ISLE_OK;
}

static isle_err fuzz_aside_in(void *context, const struct isle__wire_aside *aside, size_t size,
                              uint8_t **ret_data, struct isle__shared **ret_under)
{
    struct fuzz_wall *wall = context;
    uint32_t bit = 1u << (aside->index % FUZZ_ASIDES * 2 + aside->is_file);

    if (fuzz_refuses(wall) || aside->index >= FUZZ_ASIDES || (wall->asides_taken & bit) != 0 ||
        size > FUZZ_ASIDE_MAX)
        return ISLE_EMALFORMED;
    uint8_t *memory = isle__memory_alloc(size);
    if (memory == NULL)
        return ISLE_ENOMEM;
    memset(memory, (int)bit, size);
    *ret_under = NULL;
    if ((aside->is_file || aside->index % 2 != 0) &&
        fuzz_lot_make(memory, size, ret_under) != ISLE_OK)
        return ISLE_ENOMEM;
    wall->asides_taken |= bit;
    wall->given++;
    *ret_data = memory;
    return ISLE_OK;
}

static void fuzz_undo(void *context)
{
    struct fuzz_wall *wall = context;

    fuzz_need(wall->given > 0);
    wall->given = 0;
    for (int i = 0; i < FUZZ_FDS; i++) {
        if (wall->fds[i] < 0)
            wall->fds[i] = wall->taken[i];
    }
}

/* A record's descriptors; what is left of them is closed. */
static void fuzz_open_fds(struct fuzz_wall *wall)
{
    for (int i = 0; i < FUZZ_FDS; i++)
        wall->fds[i] = wall->taken[i] = dup(STDERR_FILENO);
    wall->given = wall->calls = wall->fds_out = wall->asides_taken = 0;
}

static void fuzz_close_fds(struct fuzz_wall *wall)
{
    for (int i = 0; i < FUZZ_FDS; i++) {
        if (wall->fds[i] < 0)
            continue;
        fuzz_need(fcntl(wall->fds[i], F_GETFD) >= 0); /* nobody has closed it */
        close(wall->fds[i]);
    }
}

static struct isle__buffer fuzz_encode(struct isle__heap *heap, isle_value value,
                                       const struct isle__wire *wire)
{
    struct fuzz_wall *wall = wire->context;
    struct isle__buffer bytes;

    isle__buffer_init(&bytes, NULL);
    wall->fds_out = 0;
    fuzz_need(isle__wire_encode(heap, value, wire, &bytes, NULL) == ISLE_OK);
    return bytes;
}

static void fuzz_need_same(const struct isle__buffer *a, const struct isle__buffer *b)
{
    fuzz_need(a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

/* Into the scope, out of it, in again and out again. */
static isle_err fuzz_scope(struct isle__heap *heap, const uint8_t *data, size_t size,
                           const struct isle__wire *wire, struct isle__buffer *ret_bytes)
{
    struct fuzz_wall *wall = wire->context;
    isle_value value;

    fuzz_open_fds(wall);
    isle_err err = isle__wire_decode(heap, data, size, FUZZ_BUDGET, wire, &value);
    fuzz_need(err == ISLE_OK || wall->given == 0);
    fuzz_close_fds(wall);
    isle__memory_fail_at(0);
    if (err != ISLE_OK)
        return err;
    *ret_bytes = fuzz_encode(heap, value, wire);
    wall->refuse_at = 0;
    fuzz_open_fds(wall);
    fuzz_need(isle__wire_decode(heap, ret_bytes->data, ret_bytes->size, 16 * FUZZ_BUDGET, wire,
                                &value) == ISLE_OK);
    fuzz_close_fds(wall);
    struct isle__buffer again = fuzz_encode(heap, value, wire);
    fuzz_need_same(ret_bytes, &again);
    isle__buffer_fini(&again);
    return err;
}

/* Into a parcel, and out of it as it lies. */
static isle_err fuzz_parcel(const uint8_t *data, size_t size, const struct isle__wire *wire,
                            struct isle__buffer *ret_bytes)
{
    struct fuzz_wall *wall = wire->context;
    struct isle__parcel parcel;

    fuzz_open_fds(wall);
    isle_err err =
        isle__wire_decode_parcel(data, size, FUZZ_BUDGET, wire, FUZZ_HEADER, &parcel, NULL);
    fuzz_need(err == ISLE_OK || wall->given == 0);
    fuzz_close_fds(wall);
    isle__memory_fail_at(0);
    if (err != ISLE_OK)
        return err;
    memset(isle__parcel_header(&parcel), 0xff, FUZZ_HEADER);
    *ret_bytes = fuzz_encode(NULL, parcel.root, wire);
    isle__parcel_drop(&parcel);
    return err;
}

static void fuzz_input(struct isle__heap *heap, const uint8_t *data, size_t size)
{
    struct fuzz_wall wall = {.given = 0};
    const struct isle__wire wire = {.context = &wall,
                                    .name_out = fuzz_name_out,
                                    .name_in = fuzz_name_in,
                                    .function_out = fuzz_function_out,
                                    .function_in = fuzz_function_in,
                                    .descriptor_out = fuzz_descriptor_out,
                                    .descriptor_in = fuzz_descriptor_in,
                                    .undo = fuzz_undo,
                                    .aside_in = fuzz_aside_in};
    struct isle__buffer from_scope, from_parcel;
    uint8_t fail_at = data[0], refuse_at = data[1];

    wall.refuse_at = refuse_at;
    isle__memory_fail_at(fail_at);
    isle_err err = fuzz_scope(heap, data + 2, size - 2, &wire, &from_scope);
    fuzz_need(err == ISLE_OK || err == ISLE_EMALFORMED || err == ISLE_ERANGE ||
              (err == ISLE_ENOMEM && fail_at != 0));
    wall.refuse_at = refuse_at;
    isle__memory_fail_at(fail_at);
    isle_err again = fuzz_parcel(data + 2, size - 2, &wire, &from_parcel);
    fuzz_need(again == err || fail_at != 0);
    if (err == ISLE_OK && again == ISLE_OK)
        fuzz_need_same(&from_scope, &from_parcel);
    if (err == ISLE_OK)
        isle__buffer_fini(&from_scope);
    if (again == ISLE_OK)
        isle__buffer_fini(&from_parcel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_heap fuzz;

    if (size < 2)
        return 0;
    fuzz_need(isle_type_register(&whole_type) == ISLE_OK);
    fuzz_need(isle_type_register(&part_type) == ISLE_OK);
    fuzz_heap_open(&fuzz);
    fuzz_input(&fuzz.heap, data, size);
    fuzz_heap_close(&fuzz);
    return 0;
}
