/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR of registered types: graphs of structs there and back, and what does not fit. Calls no
 * operating system: it runs on wasm32-wasi too. */
#include "cbor_help.h"
#include "isle/bytes.h"
#include "isle/object.h"

/* --- objects ------------------------------------------------------------------------------------
 */

struct point {
    float x, y;
};
ISLE_TYPE(point_type, struct point, ISLE_FIELD(struct point, x), ISLE_FIELD(struct point, y));

struct node {
    char name[8];
    bool leaf;
    uint64_t id;
    int8_t small;
    char *text;
    struct node *next; /* may be shared, may lie on a cycle */
    struct node **others;
    size_t other_count;
    struct point at;
    struct point *path;
    unsigned path_count;
    double *weights;
    uint8_t weight_count;
    isle_value extra;
    struct point *own;
    isle_send_port port;
};
extern const isle_type node_type;
static bool node_is_valid(const void *object)
{
    const struct node *node = object;

    return node->small != 99;
}
ISLE_TYPE_WITH(node_type, struct node, (1, false, node_is_valid, NULL),
               ISLE_FIELD_INLINE(struct node, name), ISLE_FIELD(struct node, leaf),
               ISLE_FIELD(struct node, id), ISLE_FIELD(struct node, small),
               ISLE_FIELD(struct node, text), ISLE_FIELD_OBJECT(struct node, next, &node_type),
               ISLE_FIELD_OBJECTS(struct node, others, other_count, &node_type),
               ISLE_FIELD_STRUCT(struct node, at, &point_type),
               ISLE_FIELD_STRUCTS(struct node, path, path_count, &point_type),
               ISLE_FIELD_ARRAY(struct node, weights, weight_count), ISLE_FIELD(struct node, extra),
               ISLE_FIELD_OWNED(struct node, own, &point_type), ISLE_FIELD(struct node, port));

static isle_value through_cbor(isle_value value)
{
    size_t size;
    isle_value back;
    isle_value bytes = isle_cbor_encode(value);
    const void *data = isle_as_bytes(bytes, &size);

    if (isle_cbor_try_decode(data, size, BUDGET, &back) != ISLE_OK)
        fail("%s", isle_error_text(isle_last_error()));
    return back;
}

/* Registration is for good: what it allocates is not the heap's. */
static void register_types(void)
{
    CHECK_ERR(isle_type_register(&node_type), ISLE_OK);
    CHECK_ERR(isle_type_register(&node_type), ISLE_OK);
    CHECK_ERR(isle_type_register(&point_type), ISLE_OK);
    CHECK_ERR(isle_type_register(NULL), ISLE_EINVAL);
}

static void object_body(void)
{
    struct point path[2] = {{1, 2}, {3, 4}};
    struct point own = {5, 6};
    double weights[3] = {0.5, 1.1, -2};
    char hello[] = "hello";
    struct node second = {.name = "second", .small = -5};
    struct node *others[3] = {&second, NULL, NULL};
    struct node first = {.name = "first",
                         .leaf = true,
                         .id = UINT64_MAX,
                         .text = hello,
                         .next = &second,
                         .others = others,
                         .other_count = 3,
                         .at = {7, 8},
                         .path = path,
                         .path_count = 2,
                         .weights = weights,
                         .weight_count = 3,
                         .own = &own};

    second.next = &first;
    others[2] = &first;
    first.extra = isle_list();
    isle_list_add(first.extra, isle_object(&node_type, &second));
    struct node *back = isle_as_object(through_cbor(isle_object(&node_type, &first)), &node_type);

    CHECK(back != &first);
    CHECK_STRING(back->name, "first");
    CHECK(back->leaf);
    CHECK_UINT(back->id, UINT64_MAX);
    CHECK_STRING(back->text, "hello");
    CHECK_STRING(back->next->name, "second");
    CHECK_INT(back->next->small, -5);
    CHECK(back->next->next == back);
    CHECK(back->next->text == NULL && back->next->path == NULL && back->next->own == NULL);
    CHECK_INT(back->other_count, 3);
    CHECK(back->others[0] == back->next && back->others[1] == NULL && back->others[2] == back);
    CHECK_DOUBLE(back->at.y, 8);
    CHECK_INT(back->path_count, 2);
    CHECK_DOUBLE(back->path[1].x, 3);
    CHECK_INT(back->weight_count, 3);
    CHECK_DOUBLE(back->weights[1], 1.1);
    CHECK_DOUBLE(back->own->y, 6);
    CHECK(isle_as_object(isle_list_get(back->extra, 0), &node_type) == back->next);
    CHECK_UINT(back->port.id, 0);
}

TEST(cbor_carries_graphs_of_structs)
{
    register_types();
    in_heap(object_body);
}

/* The bytes of an object with one of them changed where `from` is found. */
static isle_err decode_patched(struct node *node, const void *from, const void *to, size_t size)
{
    size_t bytes_size;
    isle_value back;
    isle_value bytes = isle_cbor_encode(isle_object(&node_type, node));
    uint8_t *data = isle_bytes_data(bytes);

    (void)isle_as_bytes(bytes, &bytes_size);
    for (size_t at = 0; at + size <= bytes_size; at++) {
        if (memcmp(data + at, from, size) == 0) {
            memcpy(data + at, to, size);
            return isle_cbor_try_decode(data, bytes_size, BUDGET, &back);
        }
    }
    fail("the bytes to patch are not there");
}

static void bad_object_body(void)
{
    struct node node = {.name = "abc", .small = 98};
    char text[] = "hello";

    node.text = text;
    CHECK_ERR(decode_patched(&node, "hello", "hello", 5), ISLE_OK);
    CHECK_ERR(decode_patched(&node, "hello", "he\0lo", 5), ISLE_EMALFORMED);
    CHECK_ERR(decode_patched(&node, "\x18\x62", "\x18\x63", 2),
              ISLE_EMALFORMED); /* 99: the hook says no */
    CHECK_ERR(decode_patched(&node, "\x18\x62", "\x18\xff", 2), ISLE_EMALFORMED); /* no int8_t */
    CHECK_ERR(decode_patched(&node, "struct node", "struct nope", 11), ISLE_EMALFORMED);
    CHECK_ERR(decode_patched(&node,
                             "\x48"
                             "abc",
                             "\x47"
                             "abc",
                             4),
              ISLE_EMALFORMED);
    uint64_t hash = isle_type_hash(&node_type);
    uint8_t big[8];
    uint8_t other[8];
    for (int i = 0; i < 8; i++)
        big[i] = other[i] = (uint8_t)(hash >> (56 - 8 * i));
    other[7] ^= 1;
    if (hash >> 32 != 0)
        CHECK_ERR(decode_patched(&node, big, other, 8), ISLE_EMALFORMED);
}

TEST(cbor_refuses_objects_that_do_not_fit_their_type)
{
    register_types();
    in_heap(bad_object_body);
}

/* A counter that is a field too must say what the array has, whatever order the bytes come in. */
struct counted {
    int *values;
    int count;
    char **names;
    int name_count;
};
ISLE_TYPE(counted_type, struct counted, ISLE_FIELD_ARRAY(struct counted, values, count),
          ISLE_FIELD(struct counted, count), ISLE_FIELD_ARRAY(struct counted, names, name_count));

static void counted_body(void)
{
    int values[] = {1, 2, 3};
    char a[] = "a";
    char *names[] = {a, NULL};
    struct counted counted = {values, 3, names, 2};
    size_t size;
    isle_value back;
    isle_value bytes = isle_cbor_encode(isle_object(&counted_type, &counted));
    uint8_t *data = isle_bytes_data(bytes);

    (void)isle_as_bytes(bytes, &size);
    CHECK_ERR(isle_cbor_try_decode(data, size, BUDGET, &back), ISLE_OK);
    const struct counted *got = isle_as_object(back, &counted_type);
    CHECK_INT(got->values[2], 3);
    CHECK_STRING(got->names[0], "a");
    CHECK(got->names[1] == NULL);
    CHECK_INT(data[size - 5], 3);
    data[size - 5] = 4;
    CHECK_ERR(isle_cbor_try_decode(data, size, BUDGET, &back), ISLE_EMALFORMED);
    counted.count = -1;
    isle_value list = isle_list();
    isle_list_add(list, isle_object(&counted_type, &counted));
}

TEST(cbor_counters_of_structs_cannot_lie)
{
    CHECK_ERR(isle_type_register(&counted_type), ISLE_OK);
    in_heap(counted_body);
}

TEST_MAIN()
