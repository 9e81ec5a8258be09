/* SPDX-License-Identifier: Apache-2.0 */
/* Large bytes that lie beside a message that crosses a wall: they arrive as those that stand in it
 * would, without a copy, and whoever lies about them is refused. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_GET_SEALS */
#endif
#include "wire_fixture.h"

#include <sys/mman.h>

enum { MIN = ISLE__WIRE_ASIDE_MIN, LOTS = 8 };

/* Beside the record. What a value was given is its own; a lot in a file is only read. */
struct lot {
    struct isle__shared shared; /* first */
    uint8_t *data;
    size_t size;
    bool is_file;
};
struct sides {
    struct wall wall; /* first */
    struct lot *lots[LOTS];
    uint32_t count;
    const uint8_t *data; /* of the first */
    bool was_frozen;
    size_t most; /* lots, after that bytes stand in the message */
    bool as_files;
    size_t held; /* lots that a value looks at */
};
static struct sides sides;

static void lot_destroy(struct isle__shared *shared)
{
    struct lot *lot = (struct lot *)shared;

    isle__memory_free(lot->data, lot->size);
    isle__memory_free(lot, sizeof *lot);
    sides.held--;
}

static struct lot *lot_add(const void *data, size_t size, bool is_file)
{
    uint8_t *memory = isle__memory_alloc(size);
    struct lot *lot = memory != NULL ? isle__memory_alloc(sizeof *lot) : NULL;

    CHECK(sides.count < LOTS);
    if (lot == NULL) {
        isle__memory_free(memory, size);
        return NULL;
    }
    *lot = (struct lot){.data = memory, .size = size, .is_file = is_file};
    if (data != NULL)
        memcpy(lot->data, data, size);
    else
        memset(lot->data, 7, size);
    sides.lots[sides.count++] = lot;
    return lot;
}

static isle_err aside_out(void *context, const void *data, size_t size, struct isle__frozen *frozen,
                          struct isle__wire_aside *ret_aside)
{
    if (sides.count == sides.most)
        return ISLE_EFULL;
    if (wall_refuses(context))
        return sides.wall.refuse_with;
    CHECK(size >= MIN);
    struct lot *lot = lot_add(data, size, sides.as_files && frozen != NULL);
    if (lot == NULL)
        return ISLE_ENOMEM;
    if (sides.count == 1) {
        sides.data = lot->data;
        sides.was_frozen = frozen != NULL;
    }
    *ret_aside = (struct isle__wire_aside){sides.count - 1, lot->is_file};
    sides.wall.given++;
    return ISLE_OK;
}

static isle_err aside_in(void *context, const struct isle__wire_aside *aside, size_t size,
                         uint8_t **ret_data, struct isle__shared **ret_under)
{
    if (wall_refuses(context) || aside->index >= sides.count)
        return ISLE_EMALFORMED;
    struct lot *lot = sides.lots[aside->index];
    if (lot == NULL || lot->is_file != aside->is_file || lot->size != size)
        return ISLE_EMALFORMED;
    sides.lots[aside->index] = NULL;
    atomic_init(&lot->shared.references, 1);
    lot->shared.size = size;
    lot->shared.destroy = lot_destroy;
    *ret_data = lot->data;
    *ret_under = &lot->shared;
    sides.held++;
    sides.wall.given++;
    return ISLE_OK;
}

static void sides_open(void)
{
    memset(&sides, 0, sizeof sides);
    wall_open(&sides.wall);
    sides.most = LOTS;
    sides.wall.wire.aside_out = aside_out;
    sides.wall.wire.aside_in = aside_in;
}

/* What nobody took. */
static void sides_close(void)
{
    for (uint32_t i = 0; i < sides.count; i++)
        if (sides.lots[i] != NULL) {
            sides.held++;
            lot_destroy(&sides.lots[i]->shared);
        }
    sides.count = 0;
}

/* As a mail is sent: a parcel of the value, encoded where it lies. */
static isle_err encode(struct isle__heap *heap, isle_value value, struct isle__buffer *bytes)
{
    struct isle__parcel parcel;

    CHECK_ERR(isle__parcel_copy(heap, value, WIRE_HEADER, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    isle_err err = wire_try(NULL, parcel.root, &sides.wall, bytes);
    isle__parcel_drop(&parcel);
    return err;
}

static isle_value through(struct isle__heap *heap, isle_value value, uint32_t lots)
{
    struct isle__buffer bytes;
    struct isle__parcel parcel;

    sides_open();
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(encode(heap, value, &bytes), ISLE_OK);
    CHECK_UINT(sides.count, lots);
    CHECK(lots == 0 || bytes.size < 1000);
    wall_commit(&sides.wall);
    CHECK_ERR(isle__wire_decode_parcel(bytes.data, bytes.size, WIRE_BUDGET, &sides.wall.wire,
                                       WIRE_HEADER, &parcel, NULL),
              ISLE_OK);
    wall_commit(&sides.wall);
    isle__buffer_fini(&bytes);
    CHECK_UINT(sides.held, lots);
    return isle__parcel_adopt(&parcel, isle__scope_current(heap));
}

static isle_value drawn_bytes(isle_element element, size_t size)
{
    isle_value value = isle_array(element, NULL, size / isle__element_size(element));
    uint8_t *data = isle_bytes_data(value);

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    return value;
}

static isle_value list_of(isle_value one, isle_value other)
{
    isle_value list = isle_list();

    isle_list_add(list, one);
    isle_list_add(list, other);
    return list;
}

/* --- what arrives */

TEST_HEAP(aside_bytes_arrive_as_those_that_stand_in_the_message)
{
    isle_value values[] = {
        drawn_bytes(ISLE_U8, MIN),
        drawn_bytes(ISLE_I16, MIN + 2),
        drawn_bytes(ISLE_F64, 2 * MIN),
        isle_bytes_view(drawn_bytes(ISLE_U8, 2 * MIN), 5, MIN + 1),
        isle_freeze(drawn_bytes(ISLE_U32, MIN)),
        list_of(drawn_bytes(ISLE_U8, MIN), isle_int(1)),
        isle_freeze(list_of(drawn_bytes(ISLE_U8, MIN), isle_string("with it"))),
        list_of(isle_freeze(drawn_bytes(ISLE_U8, MIN)), isle_freeze(isle_list())),
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        isle_value got = through(&fixture->heap, values[i], 1);
        CHECK_VALUE(got, values[i]);
        check_shape(got, values[i]);
        CHECK(isle_is_frozen(got) == isle_is_frozen(values[i]));
    }
}

TEST_HEAP(aside_is_what_is_large_alone)
{
    (void)through(&fixture->heap, drawn_bytes(ISLE_U8, MIN - 1), 0);
    isle_value list = list_of(drawn_bytes(ISLE_U8, MIN - 1), drawn_bytes(ISLE_U8, MIN));
    CHECK_VALUE(isle_list_get(list, 0), isle_list_get(list, 0));
    sides_open();
    struct isle__buffer bytes;
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(encode(&fixture->heap, list, &bytes), ISLE_OK);
    CHECK_UINT(sides.count, 1);
    CHECK(bytes.size > MIN - 1 && bytes.size < MIN + 100);
    isle__buffer_fini(&bytes);
    sides_close();
}

/* A hook that has no more room: the rest stands in the message. */
TEST_HEAP(aside_and_within_go_together)
{
    isle_value list =
        list_of(drawn_bytes(ISLE_U8, MIN), list_of(drawn_bytes(ISLE_I8, 2 * MIN), isle_null()));
    struct isle__buffer bytes;

    sides_open();
    sides.most = 1;
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(encode(&fixture->heap, list, &bytes), ISLE_OK);
    wall_commit(&sides.wall);
    CHECK_UINT(sides.count, 1);
    isle_value got = wire_decoded(&fixture->heap, &bytes, &sides.wall);
    CHECK_VALUE(got, list);
    check_shape(got, list);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(aside_transferables_move)
{
    isle_value value = isle_transferable(MIN + 3);
    memset(isle_transferable_data(value), 9, MIN + 3);
    isle_value got = through(&fixture->heap, value, 1);
    CHECK(isle_transferable_data(got) == sides.data);
    isle_value bytes = isle_materialize(got);
    size_t size;
    const uint8_t *data = isle_as_bytes(bytes, &size);
    CHECK_UINT(size, MIN + 3);
    CHECK(data == sides.data && data[0] == 9 && data[MIN + 2] == 9);
    ((uint8_t *)isle_bytes_data(bytes))[1] = 10;
    CHECK_VALUE(through(&fixture->heap, bytes, 1), bytes);
}

/* The memory of the record becomes the value's. */
TEST_HEAP(aside_bytes_are_not_copied_again)
{
    isle_value bytes = drawn_bytes(ISLE_U8, MIN), got = through(&fixture->heap, bytes, 1);
    CHECK(isle_as_bytes(got, NULL) == sides.data);
    got = through(&fixture->heap, isle_freeze(bytes), 1);
    CHECK(isle_as_bytes(got, NULL) == sides.data);
    CHECK(sides.was_frozen);
    isle_value map = isle_map();
    isle_map_put(map, isle_string("deep"), list_of(bytes, isle_null()));
    got = through(&fixture->heap, isle_freeze(map), 1);
    got = isle_list_get(isle_map_get(got, isle_string("deep")), 0);
    CHECK(isle_as_bytes(got, NULL) == sides.data);
    CHECK(isle_is_frozen(got));
}

/* A receiver's bytes are its own: they travel on by a copy, like any. */
TEST_HEAP(aside_bytes_are_sent_on_by_a_copy)
{
    isle_value got = through(&fixture->heap, drawn_bytes(ISLE_U8, MIN), 1);
    struct isle__parcel parcel;

    CHECK_ERR(isle__parcel_copy(&fixture->heap, got, WIRE_HEADER, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    isle_value sent = isle__parcel_adopt(&parcel, isle__scope_current(&fixture->heap));
    CHECK(isle_as_bytes(sent, NULL) != isle_as_bytes(got, NULL));
    ((uint8_t *)isle_bytes_data(sent))[0]++;
    CHECK(!isle_equal(sent, got));
    isle_value frozen = isle_freeze(got);
    ((uint8_t *)isle_bytes_data(got))[0] += 2;
    CHECK(!isle_equal(frozen, got));
    CHECK(isle_as_bytes(frozen, NULL) != isle_as_bytes(got, NULL));
}

TEST_HEAP(aside_stores_are_shared_by_their_views)
{
    isle_value whole = drawn_bytes(ISLE_U8, 2 * MIN), part = isle_bytes_view(whole, 16, MIN);
    isle_value list = list_of(list_of(whole, part), part);
    isle_value got = through(&fixture->heap, list, 1);

    CHECK_VALUE(got, list);
    check_shape(got, list);
    isle_value pair = isle_list_get(got, 0);
    ((uint8_t *)isle_bytes_data(isle_list_get(pair, 0)))[16] = 99;
    CHECK_INT(*(const uint8_t *)isle_as_bytes(isle_list_get(got, 1), NULL), 99);
    list = isle_freeze(list);
    got = through(&fixture->heap, list, 1);
    CHECK_VALUE(got, list);
    check_shape(got, list);
    /* A window that can be written has none that is frozen. */
    isle_value frozen = isle_freeze(whole);
    list = list_of(isle_bytes_view(frozen, 0, MIN), frozen);
    got = through(&fixture->heap, list, 1);
    CHECK_VALUE(got, list);
    check_shape(got, list);
}

TEST_HEAP(aside_files_are_for_what_is_frozen)
{
    isle_value list = list_of(isle_freeze(drawn_bytes(ISLE_U8, MIN)), drawn_bytes(ISLE_U8, MIN));
    struct isle__buffer bytes;

    sides_open();
    sides.as_files = true;
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(encode(&fixture->heap, list, &bytes), ISLE_OK);
    wall_commit(&sides.wall);
    CHECK(sides.lots[0]->is_file && !sides.lots[1]->is_file);
    isle_value got = wire_decoded(&fixture->heap, &bytes, &sides.wall);
    CHECK_VALUE(got, list);
    check_shape(got, list);
    CHECK(isle_as_bytes(isle_list_get(got, 0), NULL) == sides.data);
    isle__buffer_fini(&bytes);
}

/* With a heap the sender goes on at once and may write: nothing stays beside. */
TEST_HEAP(aside_needs_a_mail_that_waits)
{
    struct isle__buffer bytes;

    sides_open();
    isle__buffer_init(&bytes, NULL);
    wire_encoded(&fixture->heap, drawn_bytes(ISLE_U8, MIN), &sides.wall, &bytes);
    CHECK_UINT(sides.count, 0);
    CHECK(bytes.size > MIN);
    isle__buffer_fini(&bytes);
}

/* --- who lies */

static isle_err take(struct isle__heap *heap, const char *hex, isle_value *ret_value)
{
    uint8_t bytes[256];
    size_t size = 0;

    sides_open();
    (void)lot_add(NULL, MIN, false);
    (void)lot_add(NULL, MIN, true);
    for (; hex[0] != '\0'; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'};
        bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    isle_err err = isle__wire_decode(heap, bytes, size, WIRE_BUDGET, &sides.wall.wire, ret_value);
    CHECK(err == ISLE_OK || sides.wall.given == 0);
    sides_close();
    return err;
}

#define PLACE "83001a0001000000" /* [0, 65536, u8] */

TEST_HEAP(aside_lies_are_refused)
{
    static const char *const lies[] = {
        "cf83021a0001000000",                 /* a place that is not there */
        "cf831a000100001a0001000000",         /* nor that one */
        "cf831b00000001000000001a0001000000", /* 0 in 32 bits */
        "82cf" PLACE "cf" PLACE,              /* twice */
        "cf830019ffff00",                     /* not large */
        "cf83001a0001000100",                 /* another size than it has */
        "cf83001b800000000000000000",         /* more than can be */
        "cf83001a000100010a",                 /* no such element */
        "cf83001a0001000109",                 /* a part of one */
        "cf82001a00010000",                   /* too few */
        "cf84001a000100000000",               /* too many */
        "cf9f001a0001000000ff",               /* of no length */
        "cf8360"
        "1a0001000000",                               /* a text for a place */
        "cf8300f600",                                 /* null for a size */
        "cf4100",                                     /* bytes */
        "cf00",                                       /* a number */
        "cfcf" PLACE,                                 /* tagged twice */
        "cfca" PLACE,                                 /* and as a transferable */
        "ca83001a0001000001",                         /* a transferable has bytes */
        "ca83211a0001000000",                         /* and no file */
        "cf83211a0001000000",                         /* a file that is not frozen */
        "82ce81cf83001a0001000000cf83211a0001000000", /* nor is this one */
        "cecf83221a0001000000",                       /* a file that is not there */
        "cecf83201a0001000000",                       /* not in a file */
        "cf83011a0001000000",                         /* in a file */
        "cd84cfcf" PLACE "00001a00010000",            /* in a view, tagged twice */
        "cf"
        "8300",             /* cut */
        "cf83001a00010000", /* cut */
    };
    isle_value value;

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        isle_err err = take(&fixture->heap, lies[i], &value);
        if (err != ISLE_EMALFORMED)
            fail("%s: %s", lies[i], test_err_name(err));
    }
    CHECK_ERR(take(&fixture->heap, "cf" PLACE, &value), ISLE_OK);
    CHECK_ERR(take(&fixture->heap, "ca" PLACE, &value), ISLE_OK);
    CHECK_ERR(take(&fixture->heap, "cecf83211a0001000000", &value), ISLE_OK);
    CHECK(isle_is_frozen(value));
}

static bool cannot_be_written(isle_value bytes)
{
    const struct isle__bytes *window = (const void *)isle__cell_of(isle__resolve(bytes));

    return isle__is_frozen_cell(&isle__bytes_store(window)->cell);
}

/* Who names frozen bytes a second time as if they were not gets frozen ones: nobody ever writes to
 * what others read. */
TEST_HEAP(aside_bytes_that_are_frozen_are_frozen_for_all)
{
    isle_value value;

    /* [28 15 place, 14 [29 0]] */
    CHECK_ERR(take(&fixture->heap, "82d81ccf" PLACE "ce81d81d00", &value), ISLE_OK);
    isle_value open = isle_list_get(value, 0);
    isle_value frozen = isle_list_get(isle_list_get(value, 1), 0);
    CHECK(isle_as_bytes(open, NULL) == isle_as_bytes(frozen, NULL));
    CHECK(isle_is_frozen(frozen));
    CHECK(cannot_be_written(open));
    /* [14 [28 [15 place]], 29 0] */
    CHECK_ERR(take(&fixture->heap, "82ce81d81c81cf" PLACE "d81d00", &value), ISLE_OK);
    open = isle_list_get(isle_list_get(value, 1), 0);
    CHECK(cannot_be_written(open));
    /* Two windows: [13 [28 15 place, ...], 14 13 [29 1, ...]] */
    CHECK_ERR(take(&fixture->heap,
                   "82cd84d81ccf" PLACE "00001a00010000"
                   "cecd84d81d0000001a00010000",
                   &value),
              ISLE_OK);
    open = isle_list_get(value, 0);
    CHECK(cannot_be_written(open));
}

/* --- files of frozen bytes */

static struct isle__frozen *frozen_of(isle_value bytes, const void **ret_data)
{
    *ret_data = isle_as_bytes(bytes, NULL);
    return isle__frozen_of(isle__region_of(isle__cell_of(isle__resolve(bytes))));
}

TEST_HEAP(aside_file_is_made_for_the_second_who_asks_and_sealed)
{
    enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };
    struct isle__scope scope;
    const void *data;
    void *memory;

    isle__scope_init(&scope, fixture->heap.frame);
    isle_value bytes = isle_freeze(drawn_bytes(ISLE_U8, MIN + 1));
    struct isle__frozen *frozen = frozen_of(bytes, &data);
    CHECK_INT(isle__frozen_file(frozen, data, MIN + 1), -1);
    int fd = isle__frozen_file(frozen, data, MIN + 1);
    CHECK(fd >= 0);
    CHECK_INT(isle__frozen_file(frozen, data, MIN + 1), fd);
    CHECK_INT(isle__frozen_file(frozen, data, MIN), -1); /* other bytes */
    CHECK_INT(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK(pwrite(fd, "x", 1, 0) < 0 && ftruncate(fd, 1) < 0 && ftruncate(fd, 2 * MIN) < 0);
    CHECK(mmap(NULL, MIN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_ERR(isle__shared_read(fd, MIN + 1, &memory), ISLE_OK);
    CHECK_BYTES(memory, MIN + 1, data, MIN + 1);
    isle__shared_unmap(memory, MIN + 1);
    isle__scope_fini(&scope, NULL);
    CHECK(fcntl(fd, F_GETFD) < 0);
}

TEST_HEAP(aside_files_are_so_many_at_most)
{
    enum { COUNT = 80 };
    const void *data;
    int made = 0;

    for (int i = 0; i < COUNT; i++) {
        struct isle__frozen *frozen = frozen_of(isle_freeze(drawn_bytes(ISLE_U8, MIN)), &data);
        (void)isle__frozen_file(frozen, data, MIN);
        made += isle__frozen_file(frozen, data, MIN) >= 0;
        for (size_t size = 1; size < 40; size++)
            CHECK_INT(isle__frozen_file(frozen, data, size), -1);
    }
    CHECK_INT(made, 64);
}

TEST_HEAP(aside_file_is_none_without_memory)
{
    const void *data;
    struct isle__frozen *frozen = frozen_of(isle_freeze(drawn_bytes(ISLE_U8, MIN)), &data);

    isle__memory_fail_at(1);
    CHECK_INT(isle__frozen_file(frozen, data, MIN), -1);
    isle__memory_fail_at(0);
    CHECK_INT(isle__frozen_file(frozen, data, MIN), -1);
    isle__memory_fail_at(1);
    CHECK_INT(isle__frozen_file(frozen, data, MIN), -1);
    isle__memory_fail_at(0);
    CHECK(isle__frozen_file(frozen, data, MIN) >= 0);
}

/* --- refusals and want of memory */

static isle_value rich(void)
{
    isle_value bytes = drawn_bytes(ISLE_U8, MIN), list = isle_list();

    isle_list_add(list, bytes);
    isle_list_add(list, isle_bytes_view(bytes, 0, MIN / 2));
    isle_list_add(list, isle_freeze(list_of(drawn_bytes(ISLE_U16, MIN), isle_int(3))));
    isle_list_add(list, isle_freeze(drawn_bytes(ISLE_U8, MIN + 1)));
    return list;
}

/* The nth hook refuses, or the nth allocation fails: all is as before. */
static bool decode_fails(const struct isle__buffer *bytes, size_t hook, uint64_t allocation)
{
    struct isle__parcel parcel;
    static const uint64_t sizes[] = {MIN, MIN, MIN + 1};
    uint64_t live = isle__memory_live();

    memset(&sides.lots, 0, sizeof sides.lots);
    sides.count = 0;
    for (int i = 0; i < 3; i++)
        CHECK(lot_add(NULL, sizes[i], false) != NULL);
    sides.wall.calls = 0;
    sides.wall.refuse_at = hook;
    isle__memory_fail_at(allocation);
    isle_err err = isle__wire_decode_parcel(bytes->data, bytes->size, WIRE_BUDGET, &sides.wall.wire,
                                            WIRE_HEADER, &parcel, NULL);
    isle__memory_fail_at(0);
    sides.wall.refuse_at = 0;
    if (err == ISLE_OK)
        isle__parcel_drop(&parcel);
    else
        CHECK_ERR(err, hook != 0 ? ISLE_EMALFORMED : ISLE_ENOMEM);
    wall_commit(&sides.wall);
    CHECK_UINT(sides.held, 0);
    sides_close();
    CHECK_UINT(isle__memory_live(), live);
    return err != ISLE_OK;
}

TEST_HEAP(aside_decodes_with_every_failing_hook_and_allocation)
{
    struct isle__buffer bytes;

    sides_open();
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(encode(&fixture->heap, rich(), &bytes), ISLE_OK);
    wall_commit(&sides.wall);
    CHECK_UINT(sides.count, 3);
    sides_close();
    for (size_t nth = 1; decode_fails(&bytes, nth, 0); nth++)
        CHECK(nth < 10);
    for (uint64_t nth = 1; decode_fails(&bytes, 0, nth); nth++)
        CHECK(nth < 1000);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(aside_encodes_with_every_failing_allocation)
{
    isle_value message = rich();
    struct isle__parcel parcel;
    isle_err err = ISLE_ENOMEM;

    CHECK_ERR(isle__parcel_copy(&fixture->heap, message, WIRE_HEADER, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    for (uint64_t nth = 1; err != ISLE_OK; nth++) {
        struct isle__buffer bytes;
        sides_open();
        isle__buffer_init(&bytes, NULL);
        isle__memory_fail_at(nth);
        err = wire_try(NULL, parcel.root, &sides.wall, &bytes);
        isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        isle__buffer_fini(&bytes);
        sides_close();
    }
    isle__parcel_drop(&parcel);
}

TEST_MAIN()
