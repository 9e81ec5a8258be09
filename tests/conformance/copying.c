/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: how a graph is copied (the ideas of fast_object_copy): views and their stores,
 * tables by identity, sharing, depth, breadth, objects that lead back to themselves. */
#include "conformance.h"

/* A view and its store keep their relation, whichever is met first. */
static void check_view(bool view_first)
{
    isle_value store = isle_bytes("0123456789", 10), view = isle_bytes_view(store, 2, 3);
    isle_value received =
        echo_once(view_first ? isle_pack("[o,o]", view, store) : isle_pack("[o,o]", store, view));
    isle_value received_view = isle_list_get(received, view_first ? 0 : 1);
    isle_value received_store = isle_list_get(received, view_first ? 1 : 0);
    const void *data;
    size_t size;

    data = isle_as_bytes(received_view, &size);
    CHECK_BYTES(data, size, "234", 3);
    memcpy(isle_bytes_data(received_view), "abc", 3);
    data = isle_as_bytes(received_store, &size);
    CHECK_BYTES(data, size, "01abc56789", 10);
    memcpy(isle_bytes_data(received_store), "ABCDEFGHIJ", 10);
    data = isle_as_bytes(received_view, &size);
    CHECK_BYTES(data, size, "CDE", 3);
    data = isle_as_bytes(store, &size);
    CHECK_BYTES(data, size, "0123456789", 10);
}

TEST_ROOT(fast_object_copy_view_before_store)
{
    check_view(true);
}

TEST_ROOT(fast_object_copy_store_before_view)
{
    check_view(false);
}

TEST_ROOT(fast_object_copy_views_overlap)
{
    isle_value store = isle_bytes("0123456789", 10), received, whole;
    const void *data;
    size_t size;

    received =
        echo_once(isle_pack("[o,o]", isle_bytes_view(store, 0, 6), isle_bytes_view(store, 4, 6)));
    memcpy(isle_bytes_data(isle_list_get(received, 0)), "abcdef", 6);
    whole = isle_list_get(received, 1);
    data = isle_as_bytes(whole, &size);
    CHECK_BYTES(data, size, "ef6789", 6);
}

/* Tables by identity: the key that was sent finds nothing, the one that came finds its entry, in
 * maps and in sets, whichever is met first. */
static void check_table(isle_value table, isle_value key, bool table_first)
{
    isle_value received =
        echo_once(table_first ? isle_pack("[o,o]", table, key) : isle_pack("[o,o]", key, table));
    isle_value received_table = isle_list_get(received, table_first ? 0 : 1);
    isle_value received_key = isle_list_get(received, table_first ? 1 : 0);

    CHECK_INT(isle_count(received_table), 1);
    if (isle_kind_of(received_table) == ISLE_SET) {
        CHECK(isle_set_has(received_table, received_key));
        CHECK(!isle_set_has(received_table, key));
    } else {
        CHECK_INT(isle_as_int(isle_map_get(received_table, received_key)), 1);
        CHECK(!isle_map_has(received_table, key));
    }
}

TEST_ROOT(fast_object_copy_rehash_map)
{
    isle_value map = isle_map(), key = isle_list();

    isle_map_put(map, key, isle_int(1));
    check_table(map, key, true);
    check_table(map, key, false);
}

TEST_ROOT(fast_object_copy_rehash_set)
{
    isle_value set = isle_set(), key = isle_map();

    isle_set_add(set, key);
    check_table(set, key, true);
    check_table(set, key, false);
}

/* A table that is its own key, and one whose key leads back to it. */
TEST_ROOT(fast_object_copy_table_is_its_own_key)
{
    isle_value map = isle_map(), received;

    isle_map_put(map, map, map);
    received = echo_once(map);
    CHECK_INT(isle_count(received), 1);
    CHECK(isle_identical(isle_map_get(received, received), received));
}

/* Small containers of every kind in one another. */
TEST_ROOT(fast_object_copy_deep_equal)
{
    isle_value set = isle_set(), bytes = isle_bytes("bytes", 5), graph;

    isle_set_add(set, isle_int(1));
    isle_set_add(set, isle_string("two"));
    isle_set_add(set, isle_double(3.5));
    graph = isle_pack("{s:[i,f,s,b,n],s:{s:o,s:o},s:[[],{}]}", "list", 1, 2.5, "three", true, "map",
                      "set", set, "bytes", bytes, "empty");
    CHECK_VALUE(echo_once(graph), graph);
}

TEST_ROOT(fast_object_copy_sharing)
{
    isle_value inner = isle_pack("[i]", 1), outer = isle_list(), received;

    for (int i = 0; i < 100; i++)
        isle_list_add(outer, inner);
    received = echo_once(outer);
    isle_list_set(isle_list_get(received, 0), 0, isle_int(2));
    for (size_t i = 0; i < 100; i++)
        CHECK_INT(isle_as_int(isle_list_get(isle_list_get(received, i), 0)), 2);
    CHECK_INT(isle_as_int(isle_list_get(inner, 0)), 1);
}

/* Depth and breadth that no recursion on a stack would survive. */
TEST_ROOT(fast_object_copy_depth)
{
    enum { DEPTH = 200000 };
    isle_value graph = isle_int(7), received;

    for (int i = 0; i < DEPTH; i++) {
        isle_value outer = isle_list();

        isle_list_add(outer, graph);
        graph = outer;
    }
    received = echo_once(graph);
    for (int i = 0; i < DEPTH; i++)
        received = isle_list_get(received, 0);
    CHECK_INT(isle_as_int(received), 7);
}

TEST_ROOT(fast_object_copy_breadth)
{
    enum { BREADTH = 100000 };
    isle_value list = isle_list(), received;

    for (int i = 0; i < BREADTH; i++)
        isle_list_add(list, isle_pack("[i]", i));
    received = echo_once(list);
    CHECK_INT(isle_count(received), BREADTH);
    for (size_t i = 0; i < BREADTH; i += 997)
        CHECK_INT(isle_as_int(isle_list_get(isle_list_get(received, i), 0)), i);
}

/* Objects: a ring, and an array of pointers in which one object stands twice. */
struct node {
    int64_t number;
    const char *text;
    struct node *next;
    struct node **others;
    size_t other_count;
};
extern const isle_type node_type;
ISLE_TYPE(node_type, struct node, ISLE_FIELD(struct node, number), ISLE_FIELD(struct node, text),
          ISLE_FIELD_OBJECT(struct node, next, &node_type),
          ISLE_FIELD_OBJECTS(struct node, others, other_count, &node_type),
          ISLE_FIELD(struct node, other_count));
REGISTERED(node_type);

TEST_ROOT(fast_object_copy_object_ring)
{
    struct node first = {.number = 1, .text = "first"}, second = {.number = 2};
    struct node *others[] = {&second, NULL, &second, &first};
    const struct node *received;

    first.next = &second;
    second.next = &first;
    first.others = others;
    first.other_count = 4;
    received = isle_as_object(echo_once(isle_object(&node_type, &first)), &node_type);
    CHECK_INT(received->number, 1);
    CHECK_STRING(received->text, "first");
    CHECK(received != &first);
    CHECK(received->next != &second);
    CHECK_INT(received->next->number, 2);
    CHECK(received->next->text == NULL);
    CHECK(received->next->next == received);
    CHECK_INT(received->other_count, 4);
    CHECK(received->others[0] == received->next);
    CHECK(received->others[1] == NULL);
    CHECK(received->others[2] == received->next);
    CHECK(received->others[3] == received);
    CHECK(received->next->others == NULL);
}

/* The same object by two values in one message is one object. */
TEST_ROOT(fast_object_copy_object_twice)
{
    struct node node = {.number = 3};
    isle_value received = echo_once(
        isle_pack("[o,o]", isle_object(&node_type, &node), isle_object(&node_type, &node)));

    CHECK(isle_as_object(isle_list_get(received, 0), &node_type) ==
          isle_as_object(isle_list_get(received, 1), &node_type));
}

/* What the sender changes after the send does not show at the receiver. */
TEST_ROOT(fast_object_copy_is_made_in_the_call)
{
    isle_receive_port *port = isle_port_open();
    isle_value list = isle_pack("[i]", 1), bytes = isle_bytes("before", 6), received;
    const void *data;
    size_t size;

    isle_list_add(list, bytes);
    isle_send(isle_port_send_port(port), list);
    isle_list_set(list, 0, isle_int(2));
    memcpy(isle_bytes_data(bytes), "after!", 6);
    received = isle_port_receive(port);
    CHECK_INT(isle_as_int(isle_list_get(received, 0)), 1);
    data = isle_as_bytes(isle_list_get(received, 1), &size);
    CHECK_BYTES(data, size, "before", 6);
    isle_port_close(port);
}

TEST_MAIN()
