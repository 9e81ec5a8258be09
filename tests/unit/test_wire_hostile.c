/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that do not cross a wall: what a sender is refused, in the copier's words, and bytes
 * that lie. Nothing is left behind, whatever fails. */
#include "value/copy.h"
#include "wire_fixture.h"

struct part {
    int8_t n;
};
static bool part_is_valid(const void *object)
{
    return ((const struct part *)object)->n != 1;
}
extern const isle_type part_type;
ISLE_TYPE_WITH(part_type, struct part, (1, false, part_is_valid, NULL), ISLE_FIELD(struct part, n));
struct secret {
    int8_t n;
};
extern const isle_type secret_type;
ISLE_TYPE_WITH(secret_type, struct secret, (1, true, NULL, NULL), ISLE_FIELD(struct secret, n));
struct whole {
    struct whole *next;
    struct part *own;
    struct part *parts;
    int part_count;
    char *text;
    isle_value any;
    isle_send_port port;
    struct secret *secrets;
    int secret_count;
    struct {
        int64_t unused;
    } gap;
    struct secret secret;
    struct whole *child;
    struct whole *children;
    int child_count;
};
struct stranger {
    int8_t n;
};
extern const isle_type stranger_type; /* is not registered */
ISLE_TYPE(stranger_type, struct stranger, ISLE_FIELD(struct stranger, n));
extern const isle_type whole_type;
ISLE_TYPE(whole_type, struct whole, ISLE_FIELD_OBJECT(struct whole, next, &whole_type),
          ISLE_FIELD_OWNED(struct whole, own, &part_type),
          ISLE_FIELD_STRUCTS(struct whole, parts, part_count, &part_type),
          ISLE_FIELD(struct whole, text), ISLE_FIELD(struct whole, any),
          ISLE_FIELD(struct whole, port),
          ISLE_FIELD_STRUCTS(struct whole, secrets, secret_count, &secret_type),
          ISLE_FIELD_OWNED(struct whole, child, &whole_type),
          ISLE_FIELD_STRUCTS(struct whole, children, child_count, &whole_type));
extern const isle_type around_type;
ISLE_TYPE(around_type, struct whole, ISLE_FIELD_STRUCT(struct whole, secret, &secret_type));

/* Before any heap is looked at: they stay for good. */
__attribute__((constructor)) static void register_types(void)
{
    (void)!isle_type_register(&whole_type);
    (void)!isle_type_register(&part_type);
}

static isle_value list_of(isle_value one, isle_value other)
{
    isle_value list = isle_list();

    isle_list_add(list, one);
    isle_list_add(list, other);
    return list;
}

static isle_value map_of(isle_value key, isle_value value)
{
    isle_value map = isle_map();

    isle_map_put(map, key, value);
    return map;
}

static void some_function(void)
{
}

/* --- refusals of the sender */

/* The copier and the encoder refuse it with the same code and text, and nothing has changed. */
static void check_both_refuse(struct heap_fixture *fixture, isle_value value)
{
    struct isle__parcel parcel;
    struct isle__buffer bytes;
    struct wall wall;
    char expected[4096];

    isle_err err = isle__parcel_copy(&fixture->heap, value, 0, &parcel);
    CHECK(err != ISLE_OK);
    snprintf(expected, sizeof expected, "%s", isle_error_text(isle_last_error()));
    wall_open(&wall);
    isle__buffer_init(&bytes, &fixture->heap);
    CHECK_ERR(wire_try(&fixture->heap, value, &wall, &bytes), err);
    CHECK_STRING(isle_error_text(isle_last_error()), expected);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(wire_refuses_in_the_copiers_words)
{
    struct secret secret = {1};
    struct whole whole = {.secrets = &secret, .secret_count = 1}, deep = {.next = &whole};
    isle_value pointer = isle_pointer(&whole), used = isle_transferable(1);

    (void)isle_materialize(used);
    check_both_refuse(fixture, pointer);
    check_both_refuse(fixture, list_of(isle_null(), pointer));
    check_both_refuse(fixture, list_of(isle_null(), map_of(isle_string("key"), pointer)));
    check_both_refuse(fixture, map_of(pointer, isle_null()));
    check_both_refuse(fixture, map_of(isle_int(7), list_of(pointer, pointer)));
    check_both_refuse(fixture, map_of(isle_list(), list_of(used, used)));
    check_both_refuse(fixture, used);
    check_both_refuse(fixture, isle_object(&secret_type, &secret));
    check_both_refuse(fixture, list_of(isle_object(&whole_type, &deep), isle_null()));
    check_both_refuse(fixture, isle_object(&around_type, &whole));
    whole = (struct whole){.any = list_of(isle_int(1), pointer)};
    check_both_refuse(fixture, isle_object(&whole_type, &deep));
}

TEST_HEAP(wire_refuses_cycles_of_owned_fields_as_the_copier)
{
    struct whole whole = {.child = &whole}, counted = {.parts = NULL, .part_count = -1};
    struct whole round = {.children = &round, .child_count = 1};

    check_both_refuse(fixture, isle_object(&whole_type, &whole));
    check_both_refuse(fixture, isle_object(&whole_type, &counted));
    check_both_refuse(fixture, isle_object(&whole_type, &round));
}
TEST_MEMORY(wire_refuses_cycles_of_owned_fields_as_the_copier, 2048);

static void check_wall_refuses(struct heap_fixture *fixture, isle_value value, struct wall *wall,
                               isle_err err, const char *expected)
{
    struct isle__buffer bytes;
    struct isle__parcel parcel;
    char words[200];
    struct isle__wire_text text = {words, sizeof words};

    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(wire_try(&fixture->heap, value, wall, &bytes), err);
    CHECK_STRING(isle_error_text(isle_last_error()), expected);
    /* The same of a mail. */
    CHECK_ERR(isle__parcel_copy(&fixture->heap, value, 0, &parcel), ISLE_OK);
    wall->calls = 0;
    CHECK_ERR(isle__wire_encode(NULL, parcel.root, &wall->wire, &bytes, &text), err);
    CHECK_UINT(bytes.size, 0);
    CHECK(strncmp(words, expected, sizeof words - 1) == 0);
    isle__parcel_undo(&parcel);
    isle__buffer_fini(&bytes);
}

/* What a wall alone refuses has a path as well. */
TEST_HEAP(wire_says_what_its_wall_does_not_pass)
{
    struct stranger stranger = {7};
    struct whole whole = {.any = isle_function_value(some_function)}, outer = {.next = &whole};
    isle_value resource = isle_resource(dup(0));
    struct wall wall;

    wall_open(&wall);
    check_wall_refuses(fixture, list_of(isle_int(1), isle_object(&stranger_type, &stranger)), &wall,
                       ISLE_EUNSENDABLE,
                       "Illegal argument in isolate message: an object of a type that is not "
                       "registered (isle_type_register): struct stranger\n <- element 1 of a "
                       "list\n <- the message");
    wall.closed = true;
    check_wall_refuses(fixture, map_of(isle_string("fd"), list_of(resource, resource)), &wall,
                       ISLE_EUNSENDABLE,
                       "Illegal argument in isolate message: a resource, which does not pass this "
                       "wall\n <- element 0 of a list\n <- value of key \"fd\" of a map\n"
                       " <- the message");
    check_wall_refuses(fixture, isle_object(&whole_type, &outer), &wall, ISLE_EUNSENDABLE,
                       "Illegal argument in isolate message: a function that cannot pass this "
                       "wall\n <- field any of struct whole\n <- field next of struct whole\n"
                       " <- the message");
    wall.wire.function_out = NULL;
    wall.wire.descriptor_out = NULL;
    check_wall_refuses(fixture, isle_function_value(some_function), &wall, ISLE_EUNSENDABLE,
                       "Illegal argument in isolate message: a function that cannot pass this "
                       "wall\n <- the message");
}

TEST_HEAP(wire_a_full_table_of_names_refuses_the_message)
{
    isle_value list = list_of(isle_port((isle_send_port){3}), isle_port((isle_send_port){5}));
    struct wall wall;

    wall_open(&wall);
    for (size_t i = 0; i < WALL_NAMES; i++)
        wall.names[i].id = 3 + 10 * i;
    wall.name_count = WALL_NAMES;
    check_wall_refuses(fixture, list, &wall, ISLE_EFULL,
                       "Illegal argument in isolate message: a port or capability that cannot pass "
                       "this wall\n <- element 1 of a list\n <- the message");
    CHECK_UINT(wall.undone, 4); /* a flat message is tried in two ways */
}

/* An array that is counted and not there: behind a wall a counter says what is there. */
TEST_HEAP(wire_refuses_a_counter_without_its_array)
{
    struct whole whole = {.part_count = 3};
    struct wall wall;

    wall_open(&wall);
    check_wall_refuses(fixture, isle_object(&whole_type, &whole), &wall, ISLE_EUNSENDABLE,
                       "Illegal argument in isolate message: an array that is counted and not "
                       "there, which passes no wall\n <- the message");
}

/* A send that is refused late has taken nothing. */
TEST_HEAP(wire_a_refused_message_keeps_its_transferables)
{
    isle_value moved = isle_transferable(5), list = list_of(moved, isle_list());
    struct isle__buffer bytes;
    struct wall wall;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    isle_list_add(list, isle_pointer(NULL));
    size_t used = atomic_load(&fixture->heap.used);
    CHECK_ERR(wire_try(&fixture->heap, list, &wall, &bytes), ISLE_EUNSENDABLE);
    isle__buffer_fini(&bytes);
    CHECK_UINT(atomic_load(&fixture->heap.used), used);
    memset(isle_transferable_data(moved), 1, 5);
}

TEST(wire_refuses_values_of_another_isolate)
{
    struct heap_fixture other, own;
    struct isle__buffer bytes;
    struct wall wall;

    heap_fixture_open(&other, SIZE_MAX);
    isle_value foreign = list_of(isle_null(), isle_string("foreign"));
    heap_fixture_open(&own, SIZE_MAX);
    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    isle_value list = isle_list_fixed(1);
    struct isle__list *cell = (struct isle__list *)isle__cell_of(list);
    cell->items[0] = foreign; /* as only a C global could bring it here */
    CHECK_ERR(wire_try(&own.heap, list, &wall, &bytes), ISLE_EINVAL);
    CHECK_STRING(isle_error_text(isle_last_error()), "a value of another isolate");
    CHECK_ERR(wire_try(&own.heap, foreign, &wall, &bytes), ISLE_EINVAL);
    cell->items[0] = isle_null();
    isle__buffer_fini(&bytes);
    heap_fixture_close(&own);
    isle__heap_set_current(&other.heap);
    heap_fixture_close(&other);
}

/* --- hostile bytes */

static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t size = 0;

    for (; hex[0] != '\0'; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'};
        bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return size;
}

/* Both ways in end the same, and give back all that the hooks gave. */
static isle_err take(struct heap_fixture *fixture, const uint8_t *data, size_t size, size_t budget,
                     struct wall *wall)
{
    struct isle__parcel parcel;
    isle_value value = isle_int(7);
    struct isle__scope scope;
    size_t refuse_at = wall->refuse_at;

    wall->calls = 0;
    isle__scope_init(&scope, fixture->heap.frame);
    isle_err err = isle__wire_decode(&fixture->heap, data, size, budget, &wall->wire, &value);
    CHECK(err == ISLE_OK || (wall->given == 0 && isle_as_int(value) == 7));
    isle__scope_fini(&scope, NULL);
    for (size_t i = 0; i < wall->fd_count; i++) { /* closed with the scope, or the wall's */
        if (wall->fds[i] < 0)
            wall->fds[i] = dup(0);
        CHECK(fcntl(wall->fds[i], F_GETFD) >= 0);
    }
    wall_commit(wall);
    wall->calls = 0;
    wall->refuse_at = refuse_at;
    uint64_t live = isle__memory_live();
    isle_err again =
        isle__wire_decode_parcel(data, size, budget, &wall->wire, WIRE_HEADER, &parcel, NULL);
    CHECK_ERR(again, err);
    if (again == ISLE_OK)
        isle__parcel_drop(&parcel);
    else
        CHECK_UINT(wall->given, 0);
    CHECK_UINT(isle__memory_live(), live);
    for (size_t i = 0; i < wall->fd_count; i++) {
        if (wall->fds[i] < 0)
            wall->fds[i] = dup(0);
        CHECK(fcntl(wall->fds[i], F_GETFD) >= 0);
    }
    wall_commit(wall);
    return err;
}

/* Knows two names and two descriptors. */
static void hostile_wall(struct wall *wall)
{
    struct isle__wire_name name;

    wall_open(wall);
    CHECK_ERR(wall_name_out(wall, ISLE__WIRE_PORT, 5, &name), ISLE_OK);
    CHECK_ERR(wall_name_out(wall, ISLE__WIRE_CAPABILITY, 6, &name), ISLE_OK);
    wall_commit(wall);
    wall->fds[wall->fd_count++] = dup(0);
    wall->fds[wall->fd_count++] = dup(0);
}

static void check_refused(struct heap_fixture *fixture, const char *hex)
{
    uint8_t bytes[512];
    size_t size = from_hex(hex, bytes);
    struct wall wall;

    hostile_wall(&wall);
    isle_err err = take(fixture, bytes, size, WIRE_BUDGET, &wall);
    if (err != ISLE_EMALFORMED)
        fail("%s gives %s", hex, test_err_name(err));
    wall_forget_fds(&wall);
}

static void check_taken(struct heap_fixture *fixture, const char *hex)
{
    uint8_t bytes[512];
    size_t size = from_hex(hex, bytes);
    struct wall wall;

    hostile_wall(&wall);
    isle_err err = take(fixture, bytes, size, WIRE_BUDGET, &wall);
    if (err != ISLE_OK)
        fail("%s gives %s: %s", hex, test_err_name(err), isle_error_text(isle_last_error()));
    wall_forget_fds(&wall);
}

TEST_HEAP(wire_forged_names_are_refused)
{
    check_taken(fixture, "82c607c6f6");
    check_taken(fixture, "c73b0000010000000007");
    check_refused(fixture, "c600");                 /* slot 0 of no generation */
    check_refused(fixture, "c608");                 /* another generation */
    check_refused(fixture, "c627");                 /* whose it is */
    check_refused(fixture, "c61b0000010000000007"); /* whose, and of what kind */
    check_refused(fixture, "c63b0000010000000007"); /* a capability for a port */
    check_refused(fixture, "c707");                 /* a port for a capability */
    check_refused(fixture, "c61bffffffffffffffff");
    check_refused(fixture, "c63bffffffffffffffff");
    check_refused(fixture, "c61b0000ff0000000007"); /* outside the table */
    check_refused(fixture, "82c607c608");           /* after a good one */
    check_refused(fixture, "c68107");
    check_refused(fixture, "c6f4");
    check_refused(fixture, "c66107");
    check_refused(fixture, "d81cc6");
}

TEST_HEAP(wire_handles_have_four_parts)
{
    check_taken(fixture, "c884f6073b0000010000000007f6");
    check_refused(fixture, "c883f6f6f6");
    check_refused(fixture, "c885f6f6f6f6f6");
    check_refused(fixture, "c89ff6f6f6f6ff");
    check_refused(fixture, "c88407f6f6f6"); /* a port for a control port */
    check_refused(fixture, "c884f607f607");
    check_refused(fixture, "c884f6f6f600");
    check_refused(fixture, "c884f6f6f6");
    check_refused(fixture, "c8a0");
    check_refused(fixture, "c884f6f6f6d81c07");
}

TEST_HEAP(wire_descriptors_come_once)
{
    check_taken(fixture, "82cb00cb01");
    check_taken(fixture, "82d81ccb01d81d00");
    check_refused(fixture, "82cb00cb00"); /* twice */
    check_refused(fixture, "82cb00cb02"); /* beyond the record's */
    check_refused(fixture, "cb20");
    check_refused(fixture, "cb1b0000000100000000");
    check_refused(fixture, "82cb0082"); /* truncated when one was taken */
    check_refused(fixture, "cb4100");
}

TEST_HEAP(wire_functions_and_transferables_are_bytes)
{
    check_taken(fixture, "c948ffffffffffff0000");
    check_taken(fixture, "ca40");
    check_taken(fixture, "82d81cca4161d81d00");
    check_refused(fixture, "c940");
    check_refused(fixture, "c9480000000000000000");
    check_refused(fixture, "c95f48ffffffffffff0000ff");
    check_refused(fixture,
                  "c95841000000000000000000000000000000000000000000000000000000000000000000"
                  "00000000000000000000000000000000000000000000000000000000000000000000");
    check_refused(fixture, "ca00");
    check_refused(fixture, "ca6161");
    check_refused(fixture, "ca4261");
    check_refused(fixture, "ca5bffffffffffffffff");
    check_refused(fixture, "ced81cca4161"); /* to freeze */
    check_refused(fixture, "ce81ca4161");
}

TEST_HEAP(wire_views_stay_in_their_stores)
{
    check_taken(fixture, "82cd84d81c4401020304000004cd84d81d00020002");
    check_taken(fixture, "cd84ce44010203040001"
                         "03");
    check_refused(fixture, "cd84440102030400"
                           "0005");
    check_refused(fixture, "cd84440102030400"
                           "0203");
    check_refused(fixture, "cd84440102030400"
                           "0500");
    check_refused(fixture, "cd84440102030400"
                           "041bffffffffffffffff");
    check_refused(fixture, "cd84440102030400"
                           "1bffffffffffffffff01");
    check_refused(fixture, "cd84440102030402"
                           "0102"); /* not where an element begins */
    check_refused(fixture, "cd84440102030402"
                           "0003"); /* part of one */
    check_refused(fixture, "cd8444010203040a"
                           "0004"); /* no element */
    check_refused(fixture, "cd844401020304"
                           "1bffffffffffffffff0004");
    check_refused(fixture, "cd8344010203040000");
    check_refused(fixture, "cd850000000000");
    check_refused(fixture, "cd84"
                           "6161000001"); /* no store */
    check_refused(fixture, "cd84"
                           "d81d00000001"); /* none yet */
    check_refused(fixture, "d81ccd84"
                           "d81d00000000");               /* itself */
    check_refused(fixture, "82d81c4161cd84d81d00000001"); /* bytes are no store */
    check_refused(fixture, "82cd84d81c4161000001d81d00"); /* and a store is no value */
    check_refused(fixture, "82cd84d81c4161000001a1d81d0000");
    check_refused(fixture, "cd84d81cd81c4161000001");
    check_refused(fixture, "cd84cece4161000001");
    check_refused(fixture, "cd84ca4161000001");
    check_refused(fixture, "cd84"
                           "5f4161ff000001");
}

TEST_HEAP(wire_tags_fit_what_they_stand_on)
{
    check_taken(fixture, "ce80");
    check_taken(fixture, "82ced81c80ced81d00");
    check_taken(fixture, "cc80");
    check_taken(fixture, "cecc8100");
    check_refused(fixture, "ce00"); /* needs no memory */
    check_refused(fixture, "cef6");
    check_refused(fixture, "cec607");
    check_refused(fixture, "cece80");
    check_refused(fixture, "cccc80");
    check_refused(fixture, "ccce80");
    check_refused(fixture, "cca0");
    check_refused(fixture, "ccd9010280");
    check_refused(fixture, "cc4100");
    check_refused(fixture, "cf00"); /* no tag of ours */
    check_refused(fixture, "d9d9f700");
    check_refused(fixture, "c000");
    check_refused(fixture, "c50000");
    check_refused(fixture, "81ce");
    check_refused(fixture, "9fceff");
    check_refused(fixture, "82d81cce80d81c"); /* nothing behind it */
    check_refused(fixture, "d81d00");
    check_refused(fixture, "82d81c80d81d01");
    check_refused(fixture, "a2d81c8000d81d0001"); /* a key twice */
    check_refused(fixture, "d90102820101");
    check_refused(fixture, "61ff"); /* no text */
    check_refused(fixture, "f8ff");
    check_refused(fixture, "0000"); /* something behind it */
    check_refused(fixture, "");
}

/* --- all of it, cut and changed */

static isle_value rich(void)
{
    static struct part part = {3}, parts[2] = {{4}, {5}};
    static struct whole whole = {
        .own = &part, .parts = parts, .part_count = 2, .text = "text", .port = {5}};
    isle_value list = isle_list(), bytes = isle_bytes("0123456789", 10);
    isle_value frozen = isle_freeze(list_of(isle_string("frozen"), isle_list_fixed(2)));

    whole.next = &whole;
    whole.any = isle_capability_value((isle_capability){6});
    isle_list_add(list, isle_object(&whole_type, &whole));
    isle_list_add(list, bytes);
    isle_list_add(list, isle_bytes_view(bytes, 2, 4));
    isle_list_add(list, frozen);
    isle_list_add(list, map_of(frozen, list));
    isle_list_add(list, isle_transferable(3));
    isle_list_add(list, isle_resource(dup(0)));
    isle_list_add(list, isle_isolate_value((isle_isolate){{0}, {5}, {6}, {6}}));
    isle_list_add(list, isle_error(ISLE_EINVAL, "text", "stack"));
    isle_list_add(list, isle_bytes_view(isle_freeze(bytes), 1, 2));
    isle_list_add(list, isle_array(ISLE_F64, NULL, 2));
    isle_list_add(list, isle_function_value(some_function));
    isle_list_add(list, map_of(isle_freeze(isle_object(&part_type, &part)), isle_double(0.1)));
    return list;
}

static size_t rich_bytes(struct heap_fixture *fixture, struct wall *wall, uint8_t *ret_bytes,
                         size_t room)
{
    struct isle__buffer bytes;

    isle__buffer_init(&bytes, NULL);
    wire_encoded(&fixture->heap, rich(), wall, &bytes);
    CHECK(bytes.size <= room);
    memcpy(ret_bytes, bytes.data, bytes.size);
    size_t size = bytes.size;
    isle__buffer_fini(&bytes);
    return size;
}

TEST_HEAP(wire_survives_every_cut_and_every_changed_byte)
{
    uint8_t good[1024], bad[1025];
    size_t taken = 0;
    struct wall wall;

    wall_open(&wall);
    size_t size = rich_bytes(fixture, &wall, good, sizeof good);
    CHECK_ERR(take(fixture, good, size, WIRE_BUDGET, &wall), ISLE_OK);
    for (size_t cut = 0; cut < size; cut++)
        CHECK_ERR(take(fixture, good, cut, WIRE_BUDGET, &wall), ISLE_EMALFORMED);
    memcpy(bad, good, size);
    bad[size] = 0;
    CHECK_ERR(take(fixture, bad, size + 1, WIRE_BUDGET, &wall), ISLE_EMALFORMED);
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte += test_tier() == TEST_QUICK ? 5 : 1) {
            memcpy(bad, good, size);
            bad[at] = (uint8_t)(good[at] + byte);
            isle_err err = take(fixture, bad, size, WIRE_BUDGET, &wall);
            CHECK(err == ISLE_OK || err == ISLE_EMALFORMED || err == ISLE_ERANGE);
            taken += err == ISLE_OK;
        }
    }
    CHECK(taken > size / 5);
    wall_forget_fds(&wall);
}
TEST_TIMEOUT(wire_survives_every_cut_and_every_changed_byte, 120);

/* Each hook refuses once, each allocation fails once: nothing is left, nothing is lost. */
TEST_HEAP(wire_survives_every_refusing_hook)
{
    uint8_t good[1024];
    struct wall wall;

    wall_open(&wall);
    size_t size = rich_bytes(fixture, &wall, good, sizeof good);
    wall.calls = 0;
    wall.refuse_at = SIZE_MAX;
    CHECK_ERR(take(fixture, good, size, WIRE_BUDGET, &wall), ISLE_OK);
    size_t hooks = wall.calls;
    CHECK(hooks > 5);
    for (size_t nth = 1; nth <= hooks; nth++) {
        wall.refuse_at = nth;
        CHECK_ERR(take(fixture, good, size, WIRE_BUDGET, &wall), ISLE_EMALFORMED);
    }
    wall_forget_fds(&wall);
}

TEST_HEAP(wire_decodes_with_every_failing_allocation)
{
    uint8_t good[1024];
    struct wall wall;
    bool done = false;

    wall_open(&wall);
    size_t size = rich_bytes(fixture, &wall, good, sizeof good);
    for (uint64_t nth = 1; !done; nth++) {
        struct isle__parcel parcel;
        struct isle__scope scope;
        isle_value value;
        uint64_t live = isle__memory_live();

        isle__scope_init(&scope, fixture->heap.frame);
        isle__memory_fail_at(nth);
        isle_err err =
            isle__wire_decode(&fixture->heap, good, size, WIRE_BUDGET, &wall.wire, &value);
        isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || (err == ISLE_ENOMEM && wall.given == 0));
        done = err == ISLE_OK;
        isle__scope_fini(&scope, NULL);
        if (done)
            wall.fds[0] = dup(0);
        CHECK(fcntl(wall.fds[0], F_GETFD) >= 0);
        wall_commit(&wall);
        isle__memory_fail_at(nth);
        err = isle__wire_decode_parcel(good, size, WIRE_BUDGET, &wall.wire, WIRE_HEADER, &parcel,
                                       NULL);
        isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || (err == ISLE_ENOMEM && wall.given == 0));
        done = done && err == ISLE_OK;
        if (err == ISLE_OK) {
            isle__parcel_drop(&parcel);
            wall.fds[0] = dup(0);
        }
        CHECK(fcntl(wall.fds[0], F_GETFD) >= 0);
        wall_commit(&wall);
        CHECK_UINT(isle__memory_live(), live);
    }
    wall_forget_fds(&wall);
}

TEST_HEAP(wire_encodes_with_every_failing_allocation)
{
    struct wall wall;
    bool done = false;

    wall_open(&wall);
    isle_value message = rich(), moved = isle_list_get(message, 5);
    isle_value flat = list_of(isle_int(1), isle_string("text"));
    for (uint64_t nth = 1; !done; nth++) {
        struct isle__buffer bytes;
        uint64_t live = isle__memory_live();

        isle__buffer_init(&bytes, &fixture->heap);
        isle__memory_fail_at(nth);
        isle_err err = wire_try(&fixture->heap, flat, &wall, &bytes);
        isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        isle__buffer_fini(&bytes);
        isle__memory_fail_at(nth);
        err = wire_try(&fixture->heap, message, &wall, &bytes);
        isle__memory_fail_at(0);
        done = err == ISLE_OK;
        CHECK(done || err == ISLE_ENOMEM);
        wall_commit(&wall);
        wall_forget_fds(&wall);
        isle__buffer_fini(&bytes);
        if (done)
            continue;
        (void)isle_transferable_data(moved); /* still here */
        CHECK_UINT(isle__memory_live(), live);
    }
}

/* --- claims */

TEST_HEAP(wire_depth_costs_budget_and_no_stack)
{
    size_t depth = 100000;
    uint8_t *bytes = malloc(depth + 1);
    struct wall wall;

    CHECK(bytes != NULL);
    wall_open(&wall);
    memset(bytes, 0x81, depth);
    bytes[depth] = 0;
    CHECK_ERR(take(fixture, bytes, depth + 1, (size_t)1 << 20, &wall), ISLE_ERANGE);
    CHECK_ERR(take(fixture, bytes, depth + 1, (size_t)1 << 26, &wall), ISLE_OK);
    memset(bytes, 0xcc, depth);
    CHECK_ERR(take(fixture, bytes, depth + 1, (size_t)1 << 26, &wall), ISLE_EMALFORMED);
    for (size_t i = 0; i < depth; i += 2)
        memcpy(bytes + i, "\xce\x81", 2);
    CHECK_ERR(take(fixture, bytes, depth + 1, (size_t)1 << 26, &wall), ISLE_OK);
    free(bytes);
}

TEST_HEAP(wire_claimed_lengths_allocate_nothing)
{
    static const char *const claims[] = {"9b7fffffffffffffff",     "9affffffff",
                                         "bb7fffffffffffffff",     "ba80000000",
                                         "5b7fffffffffffffff",     "7b7fffffffffffffff",
                                         "d84d5b7fffffffffffffff", "ca5a7fffffff",
                                         "cc9a7fffffff",           "cd845a7fffffff",
                                         "c89b0000000000000004",   "d81b9b0000000000000004",
                                         "d901029a7fffffff",       "9bffffffffffffffff",
                                         "5bffffffffffffffff",     "7bffffffffffffffff",
                                         "bbffffffffffffffff"};
    size_t used = atomic_load(&fixture->heap.used);

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        check_refused(fixture, claims[i]);
    CHECK(atomic_load(&fixture->heap.used) < used + 65536);
}

/* A heap of the budget's size and a little more is enough for whatever comes. */
TEST(wire_allocates_a_small_multiple_of_the_budget)
{
    static const char *const cheap[] = {
        "80",           "a0",           "d9010280",        "cc80", "ce80", "ca40",
        "c607",         "cd8440000000", "d81c80",          "40",   "60",   "d856480000000000000000",
        "c884f6f6f6f6", "ced81c40",     "cd84ce4161000001"};
    static uint8_t bytes[1 << 20];
    size_t budget = (size_t)1 << 20;

    for (size_t i = 0; i < sizeof cheap / sizeof cheap[0]; i++) {
        struct heap_fixture fixture;
        struct wall wall;
        uint8_t item[32];
        size_t size = from_hex(cheap[i], item), at = 5;
        isle_value value;

        heap_fixture_open(&fixture, 6 * budget);
        hostile_wall(&wall);
        bytes[0] = 0x9a;
        size_t count = (sizeof bytes - 5) / size;
        for (unsigned b = 0; b < 4; b++)
            bytes[1 + b] = (uint8_t)(count >> 8 * (3 - b));
        for (size_t n = 0; n < count; n++, at += size)
            memcpy(bytes + at, item, size);
        isle_err err = isle__wire_decode(&fixture.heap, bytes, at, budget, &wall.wire, &value);
        if (err != ISLE_ERANGE)
            fail("%s gives %s", cheap[i], test_err_name(err));
        CHECK_UINT(wall.given, 0);
        wall_forget_fds(&wall);
        heap_fixture_close(&fixture);
    }
}

/* The hook of a type is asked, and counters of structs cannot lie. */
TEST_HEAP(wire_objects_are_what_their_types_can_be)
{
    char hex[200];
    uint8_t bytes[200];
    struct wall wall;
    unsigned long long hash = isle_type_hash(&part_type);

    wall_open(&wall);
    for (int n = 0; n < 3; n++) {
        snprintf(hex, sizeof hex,
                 "d81b836b7374727563742070617274"
                 "1b%016llx%02x",
                 hash, n);
        size_t size = from_hex(hex, bytes);
        CHECK_ERR(take(fixture, bytes, size, WIRE_BUDGET, &wall),
                  n == 1 ? ISLE_EMALFORMED : ISLE_OK);
        bytes[size - 2] ^= 1;
        CHECK_ERR(take(fixture, bytes, size, WIRE_BUDGET, &wall), ISLE_EMALFORMED);
    }
}

TEST_MAIN()
