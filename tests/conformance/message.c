/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: what a message is, whole messages (rows 16, 36, 45, 55, 60, 76, 86, 87, 89, 108, 110
 * of the table); single kinds of values are in message3.c, big ones in big.c. */
#include "conformance.h"

/* Enum constants are ints in C, so what is asked of them in Dart is asked of their numbers. */
enum colour { COLOUR_RED = 7, COLOUR_GREEN = 42, COLOUR_BLUE = -3 };

TEST_ROOT(enum_const)
{
    static const enum colour colours[] = {COLOUR_RED, COLOUR_GREEN, COLOUR_BLUE};
    isle_value list = isle_list(), received;

    for (int i = 0; i < 3; i++)
        isle_list_add(list, isle_int(colours[i]));
    received = echo_once(list);
    CHECK_VALUE(received, list);
    for (size_t i = 0; i < 3; i++)
        CHECK((enum colour)isle_as_int(isle_list_get(received, i)) == colours[i]);
}

static void enum_map_child(isle_value root)
{
    isle_value map = isle_map();

    isle_map_put(map, isle_int(COLOUR_GREEN), isle_int(42));
    isle_send(isle_as_port(root), map);
}

TEST_ROOT(message_enum)
{
    isle_receive_port *port = isle_port_open();
    isle_value map;

    spawn(enum_map_child, isle_port_value(port), NULL);
    map = isle_port_receive(port);
    CHECK_INT(isle_count(map), 1);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_int(COLOUR_GREEN))), 42);
    CHECK(!isle_map_has(map, isle_int(COLOUR_RED)));
    isle_port_close(port);
}

/* issue_35626. */
static isle_value intersection(isle_value a, isle_value b)
{
    isle_value both = isle_set(), element, unused;
    size_t at = 0;

    while (isle_next(a, &at, &element, &unused))
        if (isle_set_has(b, element))
            isle_set_add(both, element);
    return both;
}

static void enum_set_child(isle_value root)
{
    isle_value set = isle_set();

    isle_set_add(set, isle_int(COLOUR_GREEN));
    isle_send(isle_as_port(root), set);
}

TEST_ROOT(issue_35626)
{
    isle_receive_port *port = isle_port_open();
    isle_value received, local = isle_set(), common;

    isle_set_add(local, isle_int(COLOUR_RED));
    isle_set_add(local, isle_int(COLOUR_GREEN));
    spawn(enum_set_child, isle_port_value(port), NULL);
    received = isle_port_receive(port);
    common = intersection(local, received);
    CHECK_INT(isle_count(common), 1);
    CHECK(isle_set_has(common, isle_int(COLOUR_GREEN)));
    CHECK_VALUE(intersection(received, local), common);
    isle_port_close(port);
}

/* isolate_complex_messages: the child checks nothing; it returns what it got, as it got it. */
static void complex_child(isle_value root)
{
    isle_receive_port *port = isle_default_port();
    isle_value got = isle_list(), message;
    int64_t number;

    do {
        message = isle_port_receive(port);
        isle_list_add(got, message);
    } while (!isle_get_int(message, &number) || number != -1);
    isle_send(isle_as_port(root), got);
    isle_send(isle_as_port(root), isle_pack("[s,i]", "done", isle_count(got) - 1));
    isle_port_close(port);
}

TEST_ROOT(isolate_complex_messages)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};
    isle_isolate child = spawn(complex_child, isle_port_value(port), &options);
    isle_value sent[7], got;

    sent[0] = isle_int(1);
    sent[1] = isle_string("Hello");
    sent[2] = isle_string("World");
    sent[3] = isle_pack("[n,i,i,i,i]", 1, 2, 3, 4);
    sent[4] = isle_pack("[i,f,b,b,i]", 1, 2.0, true, false, 0xffffffffffLL);
    sent[5] = isle_pack("[s,s,i]", "Hello", "World", 0xffffffffffLL);
    sent[6] = isle_int(-1);
    for (int i = 0; i < 7; i++)
        isle_send(child.default_port, sent[i]);
    got = isle_port_receive(port);
    CHECK_INT(isle_count(got), 7);
    for (size_t i = 0; i < 7; i++) {
        CHECK_INT(isle_kind_of(isle_list_get(got, i)), isle_kind_of(sent[i]));
        CHECK_VALUE(isle_list_get(got, i), sent[i]);
    }
    CHECK_INT(isle_kind_of(isle_list_get(isle_list_get(got, 4), 1)), ISLE_DOUBLE);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,i]", "done", 6));
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

/* message2: a map there and back; then a bare port as the message ends the worker. */
static void map_worker(isle_value root)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port to = isle_as_port(root), last;
    isle_value message;

    while (!isle_get_port(message = isle_port_receive(port), &last))
        isle_send(to, message);
    isle_send(last, isle_string("done"));
    isle_port_close(port);
}

TEST_ROOT(message2)
{
    static const char *const words[] = {"eins", "deux", "tre", "four"};
    isle_receive_port *port = isle_port_open(), *last = isle_port_open();
    isle_isolate worker = spawn(map_worker, isle_port_value(port), NULL);
    isle_value map = isle_map(), received;

    for (int i = 0; i < 4; i++)
        isle_map_put(map, isle_int(i + 1), isle_string(words[i]));
    isle_send(worker.default_port, map);
    received = isle_port_receive(port);
    CHECK_VALUE(received, map);
    for (int i = 0; i < 4; i++)
        CHECK_STRING(isle_as_string(isle_map_get(received, isle_int(i + 1))), words[i]);
    isle_send(worker.default_port, isle_port_value(last));
    CHECK_STRING(isle_as_string(isle_port_receive(last)), "done");
    isle_port_close(port);
    isle_port_close(last);
}

/* object_leak: what the receiver does to its copy does not reach the original. */
struct counter {
    int64_t count;
};
ISLE_TYPE(counter_type, struct counter, ISLE_FIELD(struct counter, count));
REGISTERED(counter_type);

static void counter_child(isle_value message)
{
    isle_send_port to;
    isle_value object;
    struct counter *counter;

    isle_unpack(message, "[p,o!]", &to, &object);
    counter = isle_as_object(object, &counter_type);
    counter->count = 1;
    isle_send(to, isle_pack("[s,i]", "done", counter->count));
}

TEST_ROOT(object_leak)
{
    isle_receive_port *port = isle_port_open();
    struct counter counter = {.count = 0};
    isle_value object = isle_object(&counter_type, &counter);

    spawn(counter_child, isle_pack("[p,o]", isle_port_send_port(port), object), NULL);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,i]", "done", 1));
    CHECK_INT(counter.count, 0);
    CHECK_INT(((const struct counter *)isle_as_object(object, &counter_type))->count, 0);
    isle_port_close(port);
}

/* regress_34752: Isle's ints have 64 bits, so the big number is bytes, its shift is by bytes, and
 * the ints at the ends of their range are tried in its place. */
static void shift_left(uint8_t *number, size_t size, size_t by)
{
    memmove(number + by, number, size - by);
    memset(number, 0, by);
}

TEST_ROOT(regress_34752)
{
    enum { SHIFT = 65536 / 8, SIZE = SHIFT + 4 };
    static const uint8_t digits[4] = {0x4e, 0x61, 0xbc, 0x00}; /* 12345678, lowest first */
    uint8_t number[SIZE] = {0};
    const uint8_t *received;
    size_t size;

    memcpy(number, digits, sizeof(digits));
    shift_left(number, SIZE, SHIFT);
    received = isle_as_bytes(self_send(isle_bytes(number, SIZE)), &size);
    CHECK_BYTES(received, size, number, SIZE);
    CHECK_BYTES(received + SHIFT, 4, digits, 4);
}

TEST_ROOT(regress_34752_extreme_ints)
{
    static const int64_t numbers[] = {INT64_MAX,
                                      INT64_MAX - 1,
                                      INT64_MIN,
                                      INT64_MIN + 1,
                                      INT32_MAX,
                                      INT32_MIN,
                                      1LL << 60,
                                      -(1LL << 60),
                                      (1LL << 61),
                                      -(1LL << 61),
                                      (1LL << 62),
                                      -(1LL << 62),
                                      12345678LL,
                                      -1,
                                      0,
                                      1LL << 53,
                                      (1LL << 53) + 1};
    size_t count = sizeof(numbers) / sizeof(numbers[0]);
    isle_value received = echo_once(list_of_ints(numbers, count));

    CHECK_INT(isle_count(received), count);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(isle_as_int(isle_list_get(received, i)), numbers[i]);
}

/* regress_flutter_22796: a record that holds an array of 5120 32-bit ints, inline and apart. */
enum { RECORD_COUNT = 5120 };

struct record {
    int32_t inside[RECORD_COUNT];
    int32_t *outside;
    uint32_t outside_count;
};
ISLE_TYPE(record_type, struct record, ISLE_FIELD_INLINE(struct record, inside),
          ISLE_FIELD_ARRAY(struct record, outside, outside_count),
          ISLE_FIELD(struct record, outside_count));
REGISTERED(record_type);

TEST_ROOT(regress_flutter_22796)
{
    struct record *record = isle_new(struct record);
    const struct record *received;

    record->outside = isle_alloc(RECORD_COUNT * sizeof(int32_t));
    record->outside_count = RECORD_COUNT;
    for (int32_t i = 0; i < RECORD_COUNT; i++)
        record->inside[i] = record->outside[i] = i;
    received = isle_as_object(self_send(isle_object(&record_type, record)), &record_type);
    CHECK(received != record);
    CHECK(received->outside != record->outside);
    CHECK_INT(received->outside_count, RECORD_COUNT);
    for (int32_t i = 0; i < RECORD_COUNT; i++) {
        CHECK_INT(received->inside[i], i);
        CHECK_INT(received->outside[i], i);
    }
}

/* send_private: a type that only this file knows. */
struct hidden {
    const char *text;
};
static const isle_field hidden_fields[] = {ISLE_FIELD(struct hidden, text)};
static const isle_type hidden_type = {
    "struct hidden", sizeof(struct hidden), hidden_fields, 1, 1, false, NULL, NULL};

TEST_ROOT(send_private)
{
    struct hidden hidden = {.text = "XYZ"};
    const struct hidden *received;
    isle_value object = isle_object(&hidden_type, &hidden);

    needs_shared_program(); /* across a wall a type is found by its name, so it cannot hide */
    received = isle_as_object(echo_once(object), &hidden_type);
    CHECK(received != &hidden);
    CHECK_STRING(received->text, "XYZ");
}

/* typed_message. */
static void typed_child(isle_value message)
{
    isle_send_port to;
    isle_value array;
    size_t count;
    const int64_t *numbers;
    bool right = true;

    isle_unpack(message, "[o,p!]", &array, &to);
    numbers = isle_as_array(array, ISLE_I64, &count);
    for (size_t i = 0; i < count; i++)
        right = right && numbers[i] == (int64_t)i;
    isle_send(to, isle_int(right && count == 5));
}

TEST_ROOT(typed_message)
{
    static const int64_t numbers[] = {0, 1, 2, 3, 4};
    isle_receive_port *port = isle_port_open();

    spawn(typed_child,
          isle_pack("[o,p]", isle_array(ISLE_I64, numbers, 5), isle_port_send_port(port)), NULL);
    CHECK_INT(receive_int(port), 1);
    isle_port_close(port);
}

TEST_ROOT(typed_message_list)
{
    static const int64_t numbers[] = {0, 1, 2, 3, 4};

    CHECK_VALUE(echo_once(list_of_ints(numbers, 5)), list_of_ints(numbers, 5));
}

/* vm_rehash: Dart's key hashes by state of the isolate. Isle's keys hash by content or by
 * identity, and identity is what differs on arrival: the key that came with the map finds its
 * entry, and the key that was sent finds nothing. */
TEST_ROOT(vm_rehash)
{
    isle_value map = isle_map(), key = isle_list(), message = isle_list(), received_map;
    isle_value received, received_key;

    isle_map_put(map, key, isle_int(1));
    isle_list_add(message, map);
    isle_list_add(message, key);
    received = echo_once(message);
    received_map = isle_list_get(received, 0);
    received_key = isle_list_get(received, 1);
    CHECK_INT(isle_as_int(isle_map_get(received_map, received_key)), 1);
    CHECK(!isle_map_has(received_map, key));
    CHECK_INT(isle_as_int(isle_map_get(map, key)), 1);
    CHECK(!isle_map_has(map, received_key));
}

TEST_ROOT(vm_rehash_many_keys)
{
    enum { KEYS = 1000 };
    isle_value map = isle_map(), keys = isle_list(), message = isle_list(), received;
    isle_value received_map, received_keys;

    for (int i = 0; i < KEYS; i++) {
        isle_value key = isle_list();

        isle_map_put(map, key, isle_int(i));
        isle_list_add(keys, key);
    }
    isle_list_add(message, keys);
    isle_list_add(message, map);
    received = echo_once(message);
    received_keys = isle_list_get(received, 0);
    received_map = isle_list_get(received, 1);
    CHECK_INT(isle_count(received_map), KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        CHECK_INT(isle_as_int(isle_map_get(received_map, isle_list_get(received_keys, i))), i);
        CHECK(!isle_map_has(received_map, isle_list_get(keys, i)));
    }
}

TEST_MAIN()
