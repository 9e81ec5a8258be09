/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that cross a wall arrive as a copy within one program would: every kind, sharing and
 * cycles, frozen and fixed; over graphs drawn from seeds, against the copier. */
#include <math.h>

#include "draw_help.h"
#include "value/copy.h"
#include "wire_fixture.h"

/* --- types */

struct node {
    char *name;
    struct node *next;
    struct node **others;
    uint32_t other_count;
    int16_t scores[3];
    isle_value note;
    struct leaf *owned;
    struct leaf inside;
    double *numbers;
    uint8_t number_count;
    struct leaf *leaves;
    int leaf_count;
    isle_send_port port;
    isle_value pair[2];
    float weight;
};
extern const isle_type node_type;
ISLE_TYPE(node_type, struct node, ISLE_FIELD(struct node, name),
          ISLE_FIELD_OBJECT(struct node, next, &node_type),
          ISLE_FIELD_OBJECTS(struct node, others, other_count, &node_type),
          ISLE_FIELD(struct node, other_count), ISLE_FIELD_INLINE(struct node, scores),
          ISLE_FIELD(struct node, note), ISLE_FIELD_OWNED(struct node, owned, &leaf_type),
          ISLE_FIELD_STRUCT(struct node, inside, &leaf_type),
          ISLE_FIELD_ARRAY(struct node, numbers, number_count),
          ISLE_FIELD_STRUCTS(struct node, leaves, leaf_count, &leaf_type),
          ISLE_FIELD(struct node, port), ISLE_FIELD_INLINE(struct node, pair),
          ISLE_FIELD(struct node, weight));

/* Before any heap is looked at: they stay for good. */
__attribute__((constructor)) static void register_types(void)
{
    (void)!isle_type_register(&node_type);
    (void)!isle_type_register(&leaf_type);
}

/* --- one kind after the other */

static void check_bytes_of(struct heap_fixture *fixture, isle_value value, const char *hex)
{
    struct isle__buffer bytes;
    struct wall wall;
    char text[600] = "";

    wall_open(&wall);
    isle__buffer_init(&bytes, &fixture->heap);
    wire_encoded(&fixture->heap, value, &wall, &bytes);
    CHECK(bytes.size < 256);
    for (size_t i = 0; i < bytes.size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    CHECK_STRING(text, hex);
    check_shape(wire_decoded(&fixture->heap, &bytes, &wall), value);
    isle__buffer_fini(&bytes);
    wall_forget_fds(&wall);
}

static isle_value list_of(isle_value one, isle_value other)
{
    isle_value list = isle_list();

    isle_list_add(list, one);
    isle_list_add(list, other);
    return list;
}

TEST_HEAP(wire_plain_values_are_cbor)
{
    isle_value map = isle_map();

    isle_put(map, "id", isle_int(7));
    check_bytes_of(fixture, isle_null(), "f6");
    check_bytes_of(fixture, isle_int(-1), "20");
    check_bytes_of(fixture, isle_int(INT64_MIN), "3b7fffffffffffffff");
    check_bytes_of(fixture, isle_double(1.5), "f93e00");
    check_bytes_of(fixture, isle_bool(true), "f5");
    check_bytes_of(fixture, isle_string("a\xc3\xbc"), "6361c3bc");
    check_bytes_of(fixture, isle_bytes("\1\2", 2), "420102");
    check_bytes_of(fixture, isle_array(ISLE_I16, "\1\0\2\0", 2), "d84d4401000200");
    check_bytes_of(fixture, map,
                   "a1626964"
                   "07");
    check_bytes_of(fixture, list_of(isle_int(1), isle_string("b")), "82016162");
    check_bytes_of(fixture, list_of(isle_list(), isle_null()), "8280f6");
}

TEST_HEAP(wire_names_stand_for_ports_and_capabilities)
{
    isle_isolate isolate = {{9}, {4}, {11}, {0}};

    check_bytes_of(fixture, isle_port((isle_send_port){0}), "c6f6");
    check_bytes_of(fixture, isle_port((isle_send_port){5}), "c607");
    check_bytes_of(fixture, isle_port((isle_send_port){6}), "c627");
    check_bytes_of(fixture, isle_capability_value((isle_capability){5}), "c707");
    check_bytes_of(fixture, isle_isolate_value(isolate),
                   "c884"
                   "07"
                   "3b0000010000000007"
                   "1b0000020000000007"
                   "f6");
}

static void some_function(void)
{
}

TEST_HEAP(wire_functions_pass_by_hook)
{
    struct wall wall;
    isle_value value = isle_function_value(some_function);

    wall_open(&wall);
    CHECK_UINT(wire_through(&fixture->heap, value, &wall).bits, value.bits);
    CHECK_UINT(wall.calls, 2);
}

TEST_HEAP(wire_keeps_fixed_lengths)
{
    isle_value fixed = isle_list_fixed(2), outer = list_of(fixed, fixed);

    isle_list_set(fixed, 0, isle_int(1));
    check_bytes_of(fixture, fixed, "cc8201f6");
    check_bytes_of(fixture, outer, "82d81ccc8201f6d81d00");
    check_bytes_of(fixture, isle_list_fixed(0), "cc80");
}

TEST_HEAP(wire_frozen_values_arrive_frozen)
{
    isle_value inner = isle_freeze(list_of(isle_int(1), isle_string("two")));
    isle_value list = list_of(inner, list_of(inner, isle_freeze(isle_string("three"))));

    check_bytes_of(fixture, inner,
                   "ce8201"
                   "6374776f");
    check_bytes_of(fixture, list,
                   "82ced81c8201"
                   "6374776f"
                   "82ced81d00"
                   "ce657468726565");
    check_bytes_of(fixture, isle__error_out_of_memory(),
                   "ced81b846a69736c652e6572726f72236d4f7574206f66204d656d6f7279f6");
}

/* Two frozen values that share a third still do. */
TEST_HEAP(wire_frozen_values_stay_one_graph)
{
    isle_value shared = isle_list(), map = isle_map();
    isle_value frozen = isle_freeze(list_of(shared, list_of(shared, isle_null())));
    struct wall wall;

    wall_open(&wall);
    isle_map_put(map, isle_list_get(frozen, 1), isle_list_get(frozen, 0));
    isle_map_put(map, frozen, isle_int(2));
    isle_value arrived = wire_through(&fixture->heap, map, &wall);
    check_shape(arrived, map);
    isle_value key, value;
    size_t at = 0;
    CHECK(isle_next(arrived, &at, &key, &value));
    CHECK(isle_identical(isle_list_get(key, 0), value) && isle_is_frozen(value));
    CHECK(isle_map_has(arrived, key));
    CHECK(isle_next(arrived, &at, &key, &value));
    CHECK(isle_identical(isle_list_get(isle_list_get(key, 1), 0), isle_list_get(key, 0)));
    CHECK_INT(isle_as_int(isle_map_get(arrived, key)), 2);
}

/* An object is a key by its address, which freezing changes. */
TEST_HEAP(wire_frozen_objects_are_found_as_keys)
{
    struct leaf leaf = {7, "key"};
    isle_value map = isle_map(), set = isle_set();
    isle_value key = isle_freeze(isle_object(&leaf_type, &leaf));
    struct wall wall;

    wall_open(&wall);
    for (int i = 0; i < 20; i++)
        isle_map_put(map, isle_int(i), isle_null());
    isle_map_put(map, key, isle_string("found"));
    isle_set_add(set, key);
    isle_value arrived = wire_through(&fixture->heap, list_of(map, set), &wall);
    map = isle_list_get(arrived, 0);
    set = isle_list_get(arrived, 1);
    size_t at = 0;
    CHECK(isle_next(set, &at, &key, NULL) && isle_is_frozen(key));
    CHECK(isle_set_has(set, key));
    CHECK_STRING(isle_as_string(isle_map_get(map, key)), "found");
    CHECK_INT(((const struct leaf *)isle_as_object(key, &leaf_type))->number, 7);
}

TEST_HEAP(wire_views_look_at_one_store)
{
    isle_value bytes = isle_bytes("0123456789abcdef0123456789abcdef", 32);
    isle_value numbers = isle_array(ISLE_U32, NULL, 8);
    struct wall wall;

    wall_open(&wall);
    check_bytes_of(fixture, isle_bytes_view(bytes, 20, 4), "4434353637");
    check_bytes_of(fixture, list_of(bytes, bytes),
                   "82d81c5820"
                   "30313233343536373839616263646566"
                   "30313233343536373839616263646566"
                   "d81d00");
    /* Only what is shown travels, and begins where elements are aligned. */
    check_bytes_of(fixture, list_of(isle_bytes_view(bytes, 17, 2), isle_bytes_view(bytes, 21, 1)),
                   "82"
                   "cd84d81c46003132000035"
                   "000102"
                   "cd84d81d00"
                   "000501");
    isle_value arrived =
        wire_through(&fixture->heap, list_of(numbers, isle_bytes_view(numbers, 4, 8)), &wall);
    uint32_t *data = isle_bytes_data(isle_list_get(arrived, 0));
    data[2] = 77;
    const uint32_t *view = isle_as_array(isle_list_get(arrived, 1), ISLE_U32, NULL);
    CHECK_UINT(view[1], 77);
}

TEST_HEAP(wire_views_of_frozen_bytes_stay_frozen)
{
    isle_value frozen = isle_freeze(isle_bytes("0123456789", 10));
    isle_value view = isle_bytes_view(frozen, 2, 3);
    struct wall wall;

    wall_open(&wall);
    check_bytes_of(fixture, view,
                   "cd84ce450000323334"
                   "000203");
    isle_value arrived = wire_through(&fixture->heap, list_of(view, frozen), &wall);
    check_shape(arrived, list_of(view, frozen));
    CHECK(!isle_is_frozen(isle_list_get(arrived, 0)));
    CHECK(isle_is_frozen(isle_list_get(arrived, 1)));
}

TEST_HEAP(wire_transferables_leave_the_sender)
{
    isle_value value = isle_transferable(3), list = list_of(value, value);
    size_t used = atomic_load(&fixture->heap.used);
    struct isle__buffer bytes;
    struct wall wall;

    wall_open(&wall);
    memcpy(isle_transferable_data(value), "abc", 3);
    isle__buffer_init(&bytes, NULL);
    wire_encoded(&fixture->heap, list, &wall, &bytes);
    CHECK_BYTES(bytes.data, bytes.size,
                "\x82\xd8\x1c\xca\x43"
                "abc\xd8\x1d\x00",
                11);
    CHECK_UINT(atomic_load(&fixture->heap.used), used - 3);
    isle__buffer_fini(&bytes);
    CHECK_ERR(wire_try(&fixture->heap, list, &wall, &bytes), ISLE_EUNSENDABLE);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(wire_descriptors_travel_beside_the_record)
{
    int ends[2];
    struct wall wall;
    char byte = 'x';

    CHECK_INT(pipe(ends), 0);
    wall_open(&wall);
    isle_value value = isle_resource(ends[0]);
    isle_value arrived = wire_through(&fixture->heap, list_of(value, value), &wall);
    CHECK_UINT(wall.fd_count, 1);
    CHECK(isle_identical(isle_list_get(arrived, 0), isle_list_get(arrived, 1)));
    int fd = isle_as_fd(isle_list_get(arrived, 0));
    CHECK(fd != ends[0] && fcntl(fd, F_GETFD) >= 0);
    CHECK(fcntl(ends[0], F_GETFD) >= 0); /* the sender's is its own */
    CHECK_INT(write(ends[1], &byte, 1), 1);
    CHECK_INT(read(fd, &byte, 1), 1);
    close(ends[1]);
}

TEST_HEAP(wire_numbers_keep_their_bits)
{
    static const uint64_t bits[] = {UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff8000000000001),
                                    UINT64_C(0xfff8000000000000), UINT64_C(0x7ff0000000000001),
                                    UINT64_C(0x8000000000000000), UINT64_C(0x7ff0000000000000)};
    struct wall wall;

    wall_open(&wall);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        double number, got;
        uint64_t got_bits;
        memcpy(&number, &bits[i], sizeof number);
        got = isle_as_double(wire_through(&fixture->heap, isle_double(number), &wall));
        memcpy(&got_bits, &got, sizeof got_bits);
        CHECK_UINT(got_bits, bits[i]);
    }
}

/* --- structs */

TEST_HEAP(wire_structs_arrive_as_copies)
{
    struct leaf leaves[2] = {{1, "one"}, {2, NULL}}, owned = {3, "not utf-8: \xff\xfe"};
    double numbers[] = {0.5, NAN};
    struct node other = {.name = "other"};
    struct node *others[] = {&other, NULL};
    struct node node = {.name = "",
                        .next = &other,
                        .others = others,
                        .other_count = 2,
                        .scores = {-1, 0, 1},
                        .note = isle_port((isle_send_port){3}),
                        .owned = &owned,
                        .inside = {4, "inside"},
                        .numbers = numbers,
                        .number_count = 2,
                        .leaves = leaves,
                        .leaf_count = 2,
                        .port = {12},
                        .pair = {isle_list(), isle_null()},
                        .weight = NAN};
    struct wall wall;

    wall_open(&wall);
    other.next = &node;
    node.pair[1] = node.pair[0];
    isle_value sent = isle_object(&node_type, &node);
    const struct node *got = isle_as_object(wire_through(&fixture->heap, sent, &wall), &node_type);
    CHECK(got != &node && got->next->next == got && got->others[0] == got->next);
    CHECK(got->others[1] == NULL && isle_identical(got->pair[0], got->pair[1]));
    CHECK_STRING(got->owned->name, owned.name);
    CHECK_STRING(got->leaves[0].name, "one");
    CHECK(got->leaves[1].name == NULL && isnan(got->numbers[1]) && isnan(got->weight));
    CHECK_UINT(got->port.id, 12);
    CHECK_UINT(isle_as_port(got->note).id, 3);
    CHECK_INT(got->scores[0], -1);
    CHECK_STRING(got->inside.name, "inside");
}

/* As a copy has it: an array of none is no array. */
TEST_HEAP(wire_empty_arrays_arrive_as_none)
{
    struct leaf leaves[1] = {{0, NULL}};
    struct node node = {.leaves = leaves, .numbers = &(double){0}};
    struct wall wall;

    wall_open(&wall);
    isle_value sent = isle_object(&node_type, &node);
    const struct node *got = isle_as_object(wire_through(&fixture->heap, sent, &wall), &node_type);
    CHECK(got->leaves == NULL && got->numbers == NULL && got->others == NULL);
}

/* --- graphs from seeds */

static isle_value draw_leaf(struct draw *draw)
{
    switch (draw_below(draw, 12)) {
    case 0:
        return isle_null();
    case 1:
        return isle_bool(draw_below(draw, 2) == 0);
    case 2:
        return isle_int((int64_t)draw_below(draw, 1000) - 500);
    case 3:
        return isle_int(INT64_MIN + (int64_t)draw_below(draw, 1000));
    case 4:
        return isle_double(1.0 / (double)(1 + draw_below(draw, 1000)));
    case 5:
        return isle_port((isle_send_port){draw_below(draw, 6)});
    case 6:
        return isle_capability_value((isle_capability){draw_below(draw, 6)});
    case 7:
        return isle_isolate_value((isle_isolate){
            {draw_below(draw, 4)}, {draw_below(draw, 4)}, {draw_below(draw, 4)}, {7}});
    case 8:
        return isle_function_value(some_function);
    default:
        return draw_text(draw, draw_below(draw, 4) == 0 ? 200 : 60);
    }
}

static isle_value draw_value(struct draw *draw, int depth);

/* Bytes, or another window on some that were drawn before. */
static isle_value draw_bytes(struct draw *draw)
{
    uint8_t data[300] = {(uint8_t)draw_below(draw, 256), 1, 2, 3};

    for (size_t i = 0; i < draw->made_count; i++) {
        size_t at = draw_below(draw, draw->made_count), size;
        if (isle_kind_of(draw->made[at]) != ISLE_BYTES)
            continue;
        (void)isle_as_bytes(draw->made[at], &size);
        size_t offset = draw_below(draw, size + 1);
        return isle_bytes_view(draw->made[at], offset, draw_below(draw, size - offset + 1));
    }
    return draw_below(draw, 2) == 0 ? isle_bytes(data, sizeof data)
                                    : isle_array(ISLE_I32, data, sizeof data / 4);
}

static isle_value draw_moved(struct draw *draw)
{
    if (!draw->moved)
        return draw_leaf(draw);
    if (draw_below(draw, 4) == 0)
        return isle_resource(dup(0));
    isle_value value = isle_transferable(draw_below(draw, 100));
    memset(isle_transferable_data(value), 'm', 1);
    return value;
}

static isle_value draw_list(struct draw *draw, int depth)
{
    size_t count = draw_below(draw, 12);
    bool fixed = draw_below(draw, 4) == 0;
    isle_value list = draw_made(draw, fixed ? isle_list_fixed(count) : isle_list());

    for (size_t i = 0; i < count; i++) {
        isle_value item = draw_value(draw, depth);
        if (fixed)
            isle_list_set(list, i, item);
        else
            isle_list_add(list, item);
    }
    return list;
}

static isle_value draw_map(struct draw *draw, int depth)
{
    static const char *const keys[] = {"id", "name", "size", "a key with more than 31 bytes, so"};
    isle_value map = draw_made(draw, isle_map());

    for (uint64_t i = draw_below(draw, 24); i > 0; i--) {
        isle_value key = draw_below(draw, 3) == 0   ? isle_string(keys[i % 4])
                         : draw_below(draw, 3) == 0 ? draw_value(draw, 0)
                                                    : draw_leaf(draw);
        isle_map_put(map, key, draw_value(draw, depth));
        if (draw_below(draw, 12) == 0)
            isle_map_remove(map, key);
    }
    return map;
}

static isle_value draw_set(struct draw *draw)
{
    isle_value set = draw_made(draw, isle_set());

    for (uint64_t i = draw_below(draw, 12); i > 0; i--)
        isle_set_add(set, draw_below(draw, 4) == 0 ? draw_value(draw, 0) : draw_leaf(draw));
    return set;
}

static isle_value draw_frozen(struct draw *draw, int depth)
{
    bool moved = draw->moved;

    draw->moved = false;
    size_t made_count = draw->made_count;
    draw->made_count = 0; /* nothing that moves */
    isle_value value = draw_value(draw, depth);
    draw->made_count = made_count;
    draw->moved = moved;
    return draw_made(draw, isle_freeze(value));
}

static isle_value draw_value(struct draw *draw, int depth)
{
    uint64_t what = draw_below(draw, 20);

    if (what < 4 && draw->made_count > 0) /* again, or round */
        return draw->made[draw_below(draw, draw->made_count)];
    if (depth == 0 || what < 7)
        return draw_leaf(draw);
    switch (what) {
    case 7:
    case 8:
        return draw_map(draw, depth - 1);
    case 9:
        return draw_set(draw);
    case 10:
    case 11:
        return draw_made(draw, draw_bytes(draw));
    case 12:
        return draw_made(draw, isle_object(&node_type, &draw->nodes[draw_below(draw, NODES)]));
    case 13:
        return draw_made(draw, draw_moved(draw));
    case 14:
        return draw_frozen(draw, depth - 1);
    case 15:
        return draw_made(draw, isle_error(ISLE_EINVAL, "drawn",
                                          draw_below(draw, 2) == 0 ? NULL : "from a seed"));
    default:
        return draw_list(draw, depth - 1);
    }
}

static void draw_nodes(struct draw *draw)
{
    static struct node nodes[NODES];

    memset(nodes, 0, sizeof nodes);
    draw->nodes = nodes;
    for (size_t i = 0; i < NODES; i++) {
        draw->leaves[i] = (struct leaf){(int64_t)draw_below(draw, 1000), draw->text + i};
        draw->others[i] = &draw->nodes[draw_below(draw, NODES)];
        draw->numbers[i] = (double)i;
    }
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = &draw->nodes[i];
        size_t leaves = draw_below(draw, 4);
        *node = (struct node){.name = draw_below(draw, 4) == 0 ? NULL : draw->text + 10 * i,
                              .next = draw->others[i],
                              .others = i == 0 ? NULL : draw->others,
                              .other_count = (uint32_t)i,
                              .scores = {1, 2, (int16_t)i},
                              .owned = draw_below(draw, 2) == 0 ? NULL : &draw->leaves[i],
                              .inside = {7, draw->text},
                              .numbers = i == 0 ? NULL : draw->numbers,
                              .number_count = (uint8_t)i,
                              .leaves = leaves == 0 ? NULL : draw->leaves,
                              .leaf_count = (int)leaves,
                              .port = {draw_below(draw, 5)},
                              .weight = (float)i / 3};
        node->note = draw_value(draw, 1);
        node->pair[0] = draw_leaf(draw);
    }
}

static isle_value draw_graph(struct draw *draw, uint64_t seed, bool moved)
{
    draw_begin(draw, seed);
    draw->has_nuls = true;
    draw_nodes(draw); /* which may be frozen: nothing that moves */
    draw->moved = moved;
    return draw_list(draw, 4);
}

/* What the copier delivers: a mail's content before it is adopted, and after. */
static void one_seed(struct heap_fixture *fixture, uint64_t seed, bool moved)
{
    static struct draw draw;
    struct isle__heap *heap = &fixture->heap;
    struct isle__parcel parcel, arrived;
    struct isle__buffer bytes, again;
    struct wall wall;
    ISLE_SCOPE;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    isle__buffer_init(&again, heap);
    CHECK_ERR(isle__parcel_copy(heap, draw_graph(&draw, seed, moved), WIRE_HEADER, &parcel),
              ISLE_OK);
    isle__parcel_commit(&parcel);
    wire_encoded(NULL, parcel.root, &wall, &bytes); /* as it lies */
    isle_value copied = isle__parcel_adopt(&parcel, isle__scope_current(heap));
    isle_value decoded = wire_decoded(heap, &bytes, &wall);
    check_shape(decoded, copied);
    if (!moved)
        CHECK_VALUE(decoded, copied);
    wall_forget_fds(&wall);
    wire_encoded(heap, decoded, &wall, &again);
    CHECK_BYTES(again.data, again.size, bytes.data, bytes.size);
    CHECK_ERR(isle__wire_decode_parcel(bytes.data, bytes.size, WIRE_BUDGET, &wall.wire, WIRE_HEADER,
                                       &arrived, NULL),
              ISLE_OK);
    wall_commit(&wall);
    check_shape(isle__parcel_adopt(&arrived, isle__scope_current(heap)), copied);
    wall_forget_fds(&wall);
    isle__buffer_fini(&bytes);
    isle__buffer_fini(&again);
}

TEST_HEAP(wire_drawn_graphs_arrive_as_the_copier_delivers_them)
{
    for (uint64_t seed = 1; seed <= (test_tier() == TEST_QUICK ? 300 : 3000); seed++)
        one_seed(fixture, seed, false);
}
TEST_TIMEOUT(wire_drawn_graphs_arrive_as_the_copier_delivers_them, 120);

TEST_HEAP(wire_drawn_graphs_with_what_moves_arrive_so_too)
{
    for (uint64_t seed = 1; seed <= (test_tier() == TEST_QUICK ? 300 : 3000); seed++)
        one_seed(fixture, seed, true);
}
TEST_TIMEOUT(wire_drawn_graphs_with_what_moves_arrive_so_too, 120);

/* --- ways in and out */

/* What needs no graph is made in the parcel's own chunk. */
TEST_HEAP(wire_small_messages_are_made_in_their_place)
{
    isle_value values[] = {
        isle_null(),         isle_int(5),           isle_bool(true), isle_string("hello\0you"),
        isle_bytes(NULL, 0), isle_bytes("0123", 4), isle_string(""), isle_string_sized("a\0b", 3)};
    struct wall wall;

    wall_open(&wall);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct isle__buffer bytes;
        struct isle__parcel parcel;

        isle__buffer_init(&bytes, NULL);
        wire_encoded(&fixture->heap, values[i], &wall, &bytes);
        CHECK_ERR(isle__wire_decode_parcel(bytes.data, bytes.size, WIRE_BUDGET, &wall.wire,
                                           WIRE_HEADER, &parcel, NULL),
                  ISLE_OK);
        CHECK(parcel.chunks->next == NULL && parcel.chunks->used == parcel.chunks->size);
        memset(isle__parcel_header(&parcel), 0xff, WIRE_HEADER);
        isle_value got = isle__parcel_adopt(&parcel, isle__scope_current(&fixture->heap));
        CHECK_VALUE(got, values[i]);
        check_shape(got, values[i]);
        isle__buffer_fini(&bytes);
    }
}

/* As they stand in a message: its head, then what stays where it lies. */
static void check_bytes_alone(struct isle__heap *heap, isle_value value)
{
    uint8_t head[ISLE__WIRE_HEAD] = {0};
    struct isle__buffer bytes;
    struct isle__parcel parcel;
    struct wall wall;
    const void *content;
    void *room;
    size_t head_size, content_size, room_size;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    wire_encoded(heap, value, &wall, &bytes);
    CHECK(isle__wire_bytes_of(value, head, &head_size, &content, &content_size));
    CHECK_BYTES(bytes.data, head_size, head, head_size);
    CHECK_BYTES(bytes.data + head_size, bytes.size - head_size, content, content_size);
    for (int wrong = -1; wrong <= 1; wrong += 2)
        CHECK(!isle__wire_bytes_parcel(head, bytes.size + (size_t)wrong, WIRE_BUDGET, WIRE_HEADER,
                                       &parcel, &room, &room_size));
    CHECK(!isle__wire_bytes_parcel(head, bytes.size, content_size, WIRE_HEADER, &parcel, &room,
                                   &room_size));
    CHECK(isle__wire_bytes_parcel(head, bytes.size, WIRE_BUDGET, WIRE_HEADER, &parcel, &room,
                                  &room_size));
    CHECK_UINT(room_size, content_size);
    if (room_size > 0)
        memcpy(room, content, room_size);
    isle_value got = isle__parcel_adopt(&parcel, isle__scope_current(heap));
    CHECK_VALUE(got, value);
    check_shape(got, value);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(wire_bytes_alone_have_a_way_by_one_copy)
{
    static const size_t sizes[] = {0, 1, 8, 9, 23, 24, 255, 256, 16384, 65535, 65536};
    static uint8_t data[65536];
    uint8_t head[ISLE__WIRE_HEAD] = {0x78, 3, 'a', 'b', 'c'};
    struct isle__parcel parcel;
    void *room;
    const void *content;
    size_t size;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_bytes_alone(&fixture->heap, isle_bytes(data, sizes[i]));
    check_bytes_alone(&fixture->heap, isle_bytes_view(isle_bytes(data, 1000), 100, 800));
    CHECK(!isle__wire_bytes_of(isle_freeze(isle_bytes(data, 1000)), head, &size, &content, &size));
    CHECK(!isle__wire_bytes_of(isle_string("abc"), head, &size, &content, &size));
    CHECK(!isle__wire_bytes_of(isle_int(5), head, &size, &content, &size));
    CHECK(!isle__wire_bytes_parcel(head, 5, WIRE_BUDGET, WIRE_HEADER, &parcel, &room, &size));
    for (unsigned info = 24; info < 32; info++) { /* cut, or no length at all */
        memset(head, 0, sizeof head);
        head[0] = (uint8_t)(0x40 | info);
        CHECK(!isle__wire_bytes_parcel(head, 1, WIRE_BUDGET, WIRE_HEADER, &parcel, &room, &size));
    }
}

/* Whole chunks are handed over: a large list is not copied again. */
TEST_HEAP(wire_large_graphs_are_handed_over)
{
    isle_value list = isle_list();
    struct isle__buffer bytes;
    struct isle__parcel parcel;
    struct wall wall;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    for (int i = 0; i < 1000; i++)
        isle_list_add(list, list_of(isle_int(i), isle_string("text")));
    wire_encoded(&fixture->heap, list, &wall, &bytes);
    CHECK_ERR(isle__wire_decode_parcel(bytes.data, bytes.size, WIRE_BUDGET, &wall.wire, WIRE_HEADER,
                                       &parcel, NULL),
              ISLE_OK);
    CHECK(parcel.chunks->next != NULL);
    CHECK_VALUE(isle__parcel_adopt(&parcel, isle__scope_current(&fixture->heap)), list);
    isle__buffer_fini(&bytes);
}

/* What stood in the buffer before stays there. */
TEST_HEAP(wire_appends_to_what_is_there)
{
    struct isle__buffer bytes;
    struct wall wall;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    isle__buffer_add(&bytes, "head", 4);
    CHECK_ERR(isle__wire_encode(&fixture->heap, isle_pointer(NULL), &wall.wire, &bytes, NULL),
              ISLE_EUNSENDABLE);
    CHECK_UINT(bytes.size, 4);
    CHECK_ERR(isle__wire_encode(&fixture->heap, isle_int(1), &wall.wire, &bytes, NULL), ISLE_OK);
    CHECK_BYTES(bytes.data, bytes.size, "head\1", 5);
    isle__buffer_fini(&bytes);
}

/* What is said to be too large is; of what is not, no more is missing than a few bytes for each of
 * those that lie beside it. */
static void check_size(isle_value value, size_t size, size_t slack)
{
    CHECK(!isle__wire_is_over(value, size, 0));
    CHECK(isle__wire_is_over(value, size - slack - 1, 0));
}

static void check_encoded_size(struct heap_fixture *fixture, isle_value value)
{
    struct isle__buffer bytes;
    struct wall wall;

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    wire_encoded(&fixture->heap, value, &wall, &bytes);
    check_size(value, bytes.size, 0);
    isle__buffer_fini(&bytes);
}

TEST_HEAP(wire_tells_what_is_too_large_for_a_wall)
{
    enum { KIB = 1024, MIB = 1024 * KIB, BESIDE = 16 };
    isle_value list = isle_list(), text = isle_string("a short text is written at each place");

    for (int i = 0; i < 1000; i++)
        isle_list_add(list, i % 3 == 0 ? text : list_of(isle_int(i), isle_double(i)));
    check_encoded_size(fixture, list);
    check_encoded_size(fixture, list_of(list, list));
    isle_value bytes = isle_bytes(NULL, 100 * KIB);
    check_size(bytes, 100 * KIB, BESIDE);
    check_size(list_of(bytes, bytes), 100 * KIB + 10, BESIDE + 10);
    check_size(list_of(bytes, isle_bytes_view(bytes, 0, 90 * KIB)), 100 * KIB + 40, BESIDE + 40);
    check_size(isle_transferable(MIB), MIB, BESIDE);
    isle_value frozen = isle_freeze(isle_bytes(NULL, 2 * MIB));
    isle_value both = list_of(frozen, isle_freeze(isle_bytes(NULL, 3 * MIB)));
    check_size(frozen, 2 * MIB, BESIDE);
    check_size(both, 5 * MIB, 2 * BESIDE);
    CHECK(!isle__wire_is_over(frozen, KIB, 2 * MIB)); /* one of them may be a file */
    CHECK(isle__wire_is_over(frozen, KIB, 2 * MIB - 1));
    CHECK(isle__wire_is_over(both, 2 * MIB - KIB, 4 * MIB));
    CHECK(!isle__wire_is_over(both, 2 * MIB + KIB, 4 * MIB));
    CHECK(!isle__wire_is_over(isle_pointer(NULL), 0, 0)); /* refused for what it is */
}

/* Outside an isolate, as the thread of a wall does it. */
TEST(wire_works_outside_an_isolate)
{
    struct isle__buffer bytes;
    struct isle__parcel parcel;
    struct wall wall;
    char words[64];
    struct isle__wire_text text = {words, sizeof words};

    wall_open(&wall);
    isle__buffer_init(&bytes, NULL);
    CHECK_ERR(isle__wire_encode(NULL, isle_port((isle_send_port){5}), &wall.wire, &bytes, &text),
              ISLE_OK);
    CHECK_BYTES(bytes.data, bytes.size, "\xc6\x07", 2);
    CHECK_ERR(isle__wire_decode_parcel(bytes.data, bytes.size, WIRE_BUDGET, &wall.wire, WIRE_HEADER,
                                       &parcel, &text),
              ISLE_OK);
    CHECK(parcel.root.bits == isle_port((isle_send_port){5}).bits);
    isle__parcel_drop(&parcel);
    CHECK_ERR(
        isle__wire_decode_parcel("\xc6", 1, WIRE_BUDGET, &wall.wire, WIRE_HEADER, &parcel, &text),
        ISLE_EMALFORMED);
    CHECK_STRING(words, "isle__wire_decode: at byte 1: the input ends where an item shou");
    isle__buffer_fini(&bytes);
}

TEST_MAIN()
