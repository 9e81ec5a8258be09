/* SPDX-License-Identifier: Apache-2.0 */
/* The quick copier against the general one, over graphs drawn from seeds: both make equal graphs of
 * equal size (chunks apart, which are cut as things come), refuse the same, and leave the original
 * as it was. */
#include "draw_help.h"
#include "heap_fixture.h"
#include "isle/port.h"
#include "value/copy_quick.h"

enum { HEADER = 40 };

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
};
extern const isle_type node_type;
ISLE_TYPE(node_type, struct node, ISLE_FIELD(struct node, name),
          ISLE_FIELD_OBJECT(struct node, next, &node_type),
          ISLE_FIELD_OBJECTS(struct node, others, other_count, &node_type),
          ISLE_FIELD(struct node, other_count), ISLE_FIELD_INLINE(struct node, scores),
          ISLE_FIELD(struct node, note), ISLE_FIELD_OWNED(struct node, owned, &leaf_type),
          ISLE_FIELD_STRUCT(struct node, inside, &leaf_type),
          ISLE_FIELD_ARRAY(struct node, numbers, number_count)); /* which travels with it */

static isle_value draw_leaf(struct draw *draw)
{
    switch (draw_below(draw, 8)) {
    case 0:
        return isle_null();
    case 1:
        return isle_bool(true);
    case 2:
        return isle_int((int64_t)draw_below(draw, 1000));
    case 3:
        return isle_int(INT64_MIN + (int64_t)draw_below(draw, 1000)); /* in a box */
    case 4:
        return isle_double(1.0 / (double)(1 + draw_below(draw, 1000)));
    default:
        return draw_text(draw, draw_below(draw, 4) == 0 ? 200 : 60); /* short and long ones */
    }
}

static isle_value draw_bytes(struct draw *draw)
{
    uint8_t data[300] = {(uint8_t)draw_below(draw, 256)};
    isle_value bytes = isle_bytes(data, sizeof data);

    return draw_below(draw, 2) == 0 ? bytes : isle_bytes_view(bytes, draw_below(draw, 100), 200);
}

static isle_value draw_rare(struct draw *draw)
{
    if (draw->hostile && draw_below(draw, 4) == 0)
        return isle_pointer(draw);
    if (draw_below(draw, 2) == 0)
        return isle_freeze(isle_list_fixed(3));
    return isle_error(ISLE_EINVAL, "drawn", draw_below(draw, 2) == 0 ? NULL : "from a seed");
}

static isle_value draw_value(struct draw *draw, int depth);

static isle_value draw_list(struct draw *draw, int depth)
{
    isle_value list = draw_made(draw, isle_list());

    for (uint64_t i = draw_below(draw, 12); i > 0; i--)
        isle_list_add(list, draw_value(draw, depth));
    return list;
}

static isle_value draw_map(struct draw *draw, int depth)
{
    static const char *const keys[] = {"id", "name", "size",
                                       "a key with more than thirty-one bytes"};
    isle_value map = draw_made(draw, isle_map());

    for (uint64_t i = draw_below(draw, 24); i > 0; i--) {
        isle_value key = draw_below(draw, 3) == 0 ? isle_string(keys[i % 4]) : draw_leaf(draw);

        isle_map_put(map, key, draw_value(draw, depth));
        if (!draw->plain && draw_below(draw, 12) == 0)
            isle_map_remove(map, key);
    }
    return map;
}

static isle_value draw_set(struct draw *draw)
{
    isle_value set = draw_made(draw, isle_set());

    for (uint64_t i = draw_below(draw, 12); i > 0; i--)
        isle_set_add(set, draw_leaf(draw));
    return set;
}

static isle_value draw_value(struct draw *draw, int depth)
{
    uint64_t what = draw_below(draw, 16);

    if (depth == 0 || what < 5)
        return draw_leaf(draw);
    if (what < 7 && draw->made_count > 0) /* again, or round */
        return draw->made[draw_below(draw, draw->made_count)];
    if (what < 9)
        return draw_map(draw, depth - 1);
    if (what == 9)
        return draw_set(draw);
    if (what == 10)
        return draw_made(draw, draw_bytes(draw));
    if (what == 11)
        return draw_made(draw, isle_object(&node_type, &draw->nodes[draw_below(draw, NODES)]));
    if (what == 12 && !draw->plain)
        return draw_made(draw, draw_rare(draw));
    return draw_list(draw, depth - 1);
}

static void draw_nodes(struct draw *draw)
{
    static struct node nodes[NODES];

    memset(nodes, 0, sizeof nodes);
    draw->nodes = nodes;
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = &draw->nodes[i];

        draw->leaves[i] = (struct leaf){(int64_t)draw_below(draw, 1000), draw->text + i};
        draw->others[i] = &draw->nodes[draw_below(draw, NODES)];
        draw->numbers[i] = (double)i;
        *node = (struct node){.name = draw_below(draw, 4) == 0 ? NULL : draw->text + 10 * i,
                              .next = draw->others[i],
                              .others = draw->others,
                              .other_count = (uint32_t)draw_below(draw, i + 1),
                              .scores = {1, 2, (int16_t)i},
                              .owned = draw_below(draw, 2) == 0 ? NULL : &draw->leaves[i],
                              .inside = {7, draw->text},
                              .numbers = draw->numbers,
                              .number_count = (uint8_t)draw_below(draw, NODES)};
    }
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = &draw->nodes[i];

        node->note = draw_value(draw, 1);
        if (node->other_count == 0) /* an empty array arrives as none */
            node->others = NULL;
        if (node->number_count == 0)
            node->numbers = NULL;
    }
}

static isle_value draw_graph(struct draw *draw, uint64_t seed, bool plain, bool hostile)
{
    draw_begin(draw, seed);
    draw->plain = plain;
    draw->hostile = hostile;
    draw_nodes(draw);
    return draw_list(draw, 5);
}

/* --- both ways */

static void copy_begin(struct isle__copy *copy, struct isle__heap *heap, isle_value root)
{
    size_t room = (isle__copy_estimate(root) + 15) & ~(size_t)15;

    isle__copy_init(copy, heap, ISLE__COPY_PARCEL);
    CHECK(isle__copy_add_chunk(copy, 48 + room) != NULL);
    copy->last->used += 48;
}

static struct isle__parcel copy_parcel(struct isle__copy *copy, isle_value root)
{
    struct isle__parcel parcel = {root, copy->chunks, copy->holds, copy->size, copy->moved, NULL};

    isle__copy_fini(copy);
    return parcel;
}

static bool copy_quick(struct isle__heap *heap, isle_value root, struct isle__parcel *ret_parcel)
{
    struct isle__copy copy;

    copy_begin(&copy, heap, root);
    if (isle__copy_quickly(&copy, &root)) {
        *ret_parcel = copy_parcel(&copy, root);
        return true;
    }
    isle__copy_abort(&copy);
    isle__copy_fini(&copy);
    return false;
}

static isle_err copy_general(struct isle__heap *heap, isle_value root,
                             struct isle__parcel *ret_parcel)
{
    struct isle__copy copy;

    copy_begin(&copy, heap, root);
    isle_err err = isle__copy_run(&copy, &root);
    if (err == ISLE_OK) {
        *ret_parcel = copy_parcel(&copy, root);
        return err;
    }
    isle__copy_abort(&copy);
    isle__copy_fini(&copy);
    return err;
}

/* Bytes of what was copied, which do not depend on how chunks were cut. */
static size_t parcel_used(const struct isle__parcel *parcel)
{
    size_t used = 0, whole = 0;

    for (const struct isle__chunk *chunk = parcel->chunks; chunk != NULL; chunk = chunk->next) {
        CHECK(chunk->used <= chunk->size);
        used += chunk->used - sizeof *chunk;
        whole += chunk->size;
    }
    for (const struct isle__hold *hold = parcel->holds; hold != NULL; hold = hold->next)
        whole += hold->shared->size;
    CHECK_UINT(parcel->size, whole); /* what its receiver is charged */
    return used;
}

static isle_value parcel_content(struct heap_fixture *fixture, struct isle__parcel *parcel)
{
    isle__parcel_commit(parcel);
    return isle__parcel_adopt(parcel, isle__scope_current(&fixture->heap));
}

/* With all its sharing and cycles. */
static isle_value written(isle_value value)
{
    return isle_cbor_encode(value);
}

static void compare_copies(struct heap_fixture *fixture, struct isle__parcel *quick,
                           struct isle__parcel *general, isle_value root)
{
    size_t charged = atomic_load(&fixture->heap.used), sizes = quick->size + general->size;

    CHECK_UINT(parcel_used(quick), parcel_used(general));
    isle_value one = parcel_content(fixture, quick), other = parcel_content(fixture, general);
    CHECK(atomic_load(&fixture->heap.used) - charged <= sizes); /* held things are charged once */
    isle_value text = written(one);
    CHECK(isle_equal(text, written(other)));
    CHECK(isle_equal(text, written(root)));
    CHECK_VALUE(one, other);
}

struct tally {
    int quick, given_up, refused;
};

static void one_seed(struct heap_fixture *fixture, uint64_t seed, bool plain, bool hostile,
                     struct tally *tally)
{
    struct isle__parcel quick, general, usual;
    struct isle__heap *heap = &fixture->heap;
    static struct draw draw;
    ISLE_SCOPE;
    isle_value root = draw_graph(&draw, seed, plain, hostile);
    uint64_t live = isle__memory_live();
    bool done = copy_quick(heap, root, &quick);
    if (!done)
        CHECK_UINT(isle__memory_live(), live);
    isle_err err = copy_general(heap, root, &general);

    CHECK(err == ISLE_OK || !done); /* nothing is let through that may not travel */
    CHECK(done || !plain || draw.made_count >= ISLE__QUICK_DEPTH); /* or a path is too long */
    CHECK_ERR(isle__parcel_copy(heap, root, HEADER, &usual), err);
    tally->quick += done;
    tally->given_up += !done && err == ISLE_OK;
    tally->refused += err != ISLE_OK;
    if (err != ISLE_OK) {
        CHECK_ERR(err, ISLE_EUNSENDABLE);
        return;
    }
    isle__parcel_undo(&usual);
    if (done)
        compare_copies(fixture, &quick, &general, root);
    else
        isle__parcel_undo(&general);
}

TEST_HEAP(plain_graphs_are_copied_quickly_as_in_the_general_way)
{
    struct tally tally = {0};

    for (uint64_t seed = 1; seed <= 400; seed++)
        one_seed(fixture, seed, true, false, &tally);
    CHECK(tally.quick > 300);
}

TEST_HEAP(what_is_not_plain_is_given_up_or_copied_as_in_the_general_way)
{
    struct tally tally = {0};

    for (uint64_t seed = 1; seed <= 400; seed++)
        one_seed(fixture, seed, false, false, &tally);
    CHECK(tally.quick > 20 && tally.given_up > 20);
    CHECK_INT(tally.refused, 0);
}

TEST_HEAP(both_ways_refuse_the_same)
{
    struct tally tally = {0};

    for (uint64_t seed = 1; seed <= 400; seed++)
        one_seed(fixture, seed, false, true, &tally);
    CHECK(tally.quick > 20 && tally.refused > 20);
}

/* Each allocation of the quick way fails once: the original is as it was, and nothing is lost. */
TEST_HEAP(without_memory_the_quick_way_undoes_all)
{
    static struct draw draw;
    int failed = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        ISLE_SCOPE;
        isle_value root = draw_graph(&draw, seed, true, false), text = written(root);
        struct isle__parcel parcel;
        bool done = false;

        for (uint64_t nth = 1; !done; nth++) {
            struct isle__copy copy;
            isle_value copied = root;
            uint64_t live = isle__memory_live();

            copy_begin(&copy, &fixture->heap, root);
            isle__memory_fail_at(nth);
            done = isle__copy_quickly(&copy, &copied);
            isle__memory_fail_at(0);
            failed += !done;
            isle__copy_abort(&copy);
            isle__copy_fini(&copy);
            CHECK_UINT(isle__memory_live(), live);
            CHECK(!fixture->heap.busy);
        }
        CHECK(isle_equal(text, written(root)));
        CHECK(copy_quick(&fixture->heap, root, &parcel));
        CHECK(isle_equal(text, written(parcel_content(fixture, &parcel))));
    }
    CHECK(failed > 20);
}

struct counted {
    int64_t *numbers;
    size_t count;
    int64_t secret; /* in no list */
};
extern const isle_type counted_type;
ISLE_TYPE(counted_type, struct counted, ISLE_FIELD_ARRAY(struct counted, numbers, count),
          ISLE_FIELD(struct counted, count));
struct counted_many {
    struct counted *all;
    size_t count;
    int64_t secret;
};
extern const isle_type counted_many_type;
ISLE_TYPE(counted_many_type, struct counted_many,
          ISLE_FIELD_STRUCTS(struct counted_many, all, count, &counted_type));

/* A counter that is listed besides does not stand for a field that is not. */
TEST_HEAP(what_no_field_lists_arrives_zero)
{
    int64_t numbers[] = {1, 2};
    struct counted three[3];
    struct counted_many many = {three, 3, -1};
    isle_value root = isle_object(&counted_many_type, &many);
    struct isle__parcel parcel;

    for (int i = 0; i < 3; i++)
        three[i] = (struct counted){numbers, 2, -1};
    CHECK(copy_quick(&fixture->heap, root, &parcel));
    for (struct isle__chunk *chunk = parcel.chunks; chunk != NULL; chunk = chunk->next)
        memset(chunk + 1, 0xff, chunk->size - sizeof *chunk); /* the memory of the next */
    isle__parcel_drop(&parcel);
    CHECK(copy_quick(&fixture->heap, root, &parcel));
    const struct counted_many *got =
        isle_as_object(parcel_content(fixture, &parcel), &counted_many_type);
    CHECK_INT(got->secret, 0);
    CHECK_UINT(got->count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(got->all[i].secret, 0);
        CHECK_UINT(got->all[i].count, 2);
        CHECK(got->all[i].numbers != numbers);
        CHECK_INT(got->all[i].numbers[1], 2);
    }
}

/* Deeper than it goes, it gives up, wherever the depth is. */
TEST_HEAP(the_quick_way_has_a_depth)
{
    isle_value list = isle_list();
    struct isle__parcel parcel;

    for (int depth = 1; depth < 200; depth++) {
        bool done = copy_quick(&fixture->heap, list, &parcel);

        CHECK(done == (depth <= 64));
        if (done)
            isle__parcel_drop(&parcel);
        isle_value outer = isle_list();
        isle_list_add(outer, list);
        list = outer;
    }
}

/* --- structs that lead to no graph */

struct slip {
    int64_t number;
    char *name;
    isle_value one, other;
    isle_send_port port;
    char *names[2];
    int32_t secret; /* in no list */
    bool flag;
    double weight;
};
extern const isle_type slip_type;
ISLE_TYPE(slip_type, struct slip, ISLE_FIELD(struct slip, weight), ISLE_FIELD(struct slip, number),
          ISLE_FIELD(struct slip, name), ISLE_FIELD(struct slip, one),
          ISLE_FIELD(struct slip, other), ISLE_FIELD(struct slip, port),
          ISLE_FIELD_INLINE(struct slip, names), ISLE_FIELD(struct slip, flag));

static isle_value draw_slip_value(struct draw *draw)
{
    isle_value value = draw_below(draw, 3) == 0 ? draw_bytes(draw) : draw_leaf(draw);

    return draw_below(draw, 8) == 0 ? isle_string("id") : value;
}

static struct slip draw_slip(struct draw *draw, uint64_t seed)
{
    draw_begin(draw, seed);
    struct slip slip = {.number = (int64_t)seed,
                        .name = draw_below(draw, 2) == 0 ? NULL : draw->text,
                        .port = {seed},
                        .names = {draw->text + 90, draw_below(draw, 2) == 0 ? NULL : "name"},
                        .secret = -1,
                        .flag = true,
                        .weight = 2.5};
    slip.one = draw_slip_value(draw);
    slip.other = draw_below(draw, 3) == 0 ? slip.one : draw_slip_value(draw);
    return slip;
}

TEST_HEAP(structs_without_a_graph_are_copied_as_in_the_general_way)
{
    static struct draw draw;
    int single = 0;

    for (uint64_t seed = 1; seed <= 400; seed++) {
        ISLE_SCOPE;
        struct slip slip = draw_slip(&draw, seed);
        isle_value root = isle_object(&slip_type, &slip);
        struct isle__parcel usual, general;
        uint64_t live = isle__memory_live();

        isle__memory_fail_at(1);
        CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &usual),
                  ISLE_ENOMEM);
        isle__memory_fail_at(0);
        CHECK_UINT(isle__memory_live(), live);
        CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &usual),
                  ISLE_OK);
        CHECK_ERR(copy_general(&fixture->heap, root, &general), ISLE_OK);
        single += usual.chunks->next == NULL && usual.chunks->used == usual.chunks->size;
        parcel_used(&usual);
        isle_value one = parcel_content(fixture, &usual);
        isle_value other = parcel_content(fixture, &general);
        struct slip *got = isle_as_object(one, &slip_type);
        struct slip *expected = isle_as_object(other, &slip_type);
        CHECK_UINT(got->port.id, seed);
        got->port = expected->port = isle_send_port_none(); /* the only ones that can be written */
        CHECK(isle_equal(written(one), written(other)));
        CHECK_INT(got->secret, 0);
        CHECK(got->name != slip.name || slip.name == NULL);
        CHECK(isle_identical(got->one, got->other) == isle_identical(slip.one, slip.other));
    }
    CHECK(single > 200);
}

/* What a struct hands on is gone, or stays when the message is refused. */
TEST_HEAP(structs_hand_transferables_on)
{
    for (int same = 0; same < 2; same++) {
        struct slip slip = {.number = 1, .one = isle_transferable(100)};
        unsigned char *data = isle_transferable_data(slip.one);
        struct isle__parcel parcel;

        slip.other = same ? slip.one : isle_null();
        size_t used = atomic_load(&fixture->heap.used);
        CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &parcel),
                  ISLE_OK);
        CHECK(parcel.size >= 100 + parcel.chunks->size);
        CHECK_UINT(atomic_load(&fixture->heap.used), used - 100);
        isle__parcel_undo(&parcel);
        CHECK_UINT(atomic_load(&fixture->heap.used), used);
        CHECK(isle_transferable_data(slip.one) == data);
        CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &parcel),
                  ISLE_OK);
        const struct slip *got = isle_as_object(parcel_content(fixture, &parcel), &slip_type);
        CHECK(isle_transferable_data(got->one) == data);
        CHECK(isle_identical(got->one, got->other) == (same == 1));
        CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &parcel),
                  ISLE_EUNSENDABLE);
    }
}

/* What was only looked at and has gone back to its mailbox is refused, a graph as well. */
TEST_HEAP(what_is_not_looked_at_any_more_is_refused)
{
    struct isle__region shown = {ISLE__REGION_SHOWN, &fixture->heap};
    struct isle__parcel mail, parcel;
    isle_value list = isle_list();

    isle_list_add(list, isle_list());
    CHECK_ERR(isle__parcel_copy(&fixture->heap, list, HEADER, &mail), ISLE_OK);
    isle_value looked_at = isle__parcel_peek(&mail, &shown);
    CHECK_ERR(isle__parcel_copy(&fixture->heap, looked_at, HEADER, &parcel), ISLE_OK);
    isle__parcel_undo(&parcel);
    isle__parcel_unpeek(&mail);
    CHECK_ERR(isle__parcel_copy(&fixture->heap, looked_at, HEADER, &parcel), ISLE_EINVAL);
    isle__parcel_undo(&mail);
}

/* One member that is listed twice is one member: its object stays the one that it is. */
struct twice {
    struct twice *next;
    int64_t number;
};
extern const isle_type twice_type;
ISLE_TYPE(twice_type, struct twice, ISLE_FIELD_OBJECT(struct twice, next, &twice_type),
          ISLE_FIELD(struct twice, number), ISLE_FIELD_OBJECT(struct twice, next, &twice_type));

TEST_HEAP(a_member_that_is_listed_twice_leads_to_one_object)
{
    struct twice last = {NULL, 7}, first = {&last, 8};
    isle_value list = isle_list();
    struct isle__parcel parcel;

    isle_list_add(list, isle_object(&twice_type, &first));
    isle_list_add(list, isle_object(&twice_type, &last));
    CHECK_ERR(isle__parcel_copy(&fixture->heap, list, HEADER, &parcel), ISLE_OK);
    list = parcel_content(fixture, &parcel);
    const struct twice *got = isle_as_object(isle_list_get(list, 0), &twice_type);
    CHECK(got->next == isle_as_object(isle_list_get(list, 1), &twice_type));
    CHECK(got != &first && got->next != &last && got->next->next == NULL);
    CHECK_INT(got->next->number, 7);
}

/* The sum of their sizes may be more than an address can say: with 32 bits, eight times half a
 * gigabyte is nothing. */
TEST_HEAP(large_texts_are_not_put_into_one_piece)
{
    struct slip slip = {.number = 1};
    size_t size = (size_t)16 * 1024 * 1024 + 1;
    char *text = malloc(size);
    struct isle__parcel parcel;

    CHECK(text != NULL);
    memset(text, 'x', size - 1);
    text[size - 1] = '\0';
    slip.name = slip.names[1] = text;
    CHECK_ERR(isle__parcel_copy_object(&fixture->heap, &slip_type, &slip, HEADER, &parcel),
              ISLE_OK);
    CHECK(parcel.chunks->next != NULL);
    parcel_used(&parcel);
    const struct slip *got = isle_as_object(parcel_content(fixture, &parcel), &slip_type);
    CHECK(strcmp(got->name, text) == 0 && strcmp(got->names[1], text) == 0);
    free(text);
}

/* --- a struct in another that may not be sent */

struct private_part {
    int64_t number;
};
static const isle_field private_fields[] = {ISLE_FIELD(struct private_part, number)};
static const isle_type private_type = {
    "private_part", sizeof(struct private_part), private_fields, 1, 1, true, NULL, NULL};
struct around {
    int64_t first;
    struct private_part inside;
    struct private_part *array;
    size_t count;
};
extern const isle_type around_type;
ISLE_TYPE(around_type, struct around, ISLE_FIELD(struct around, first),
          ISLE_FIELD_STRUCT(struct around, inside, &private_type));
extern const isle_type beside_type;
ISLE_TYPE(beside_type, struct around,
          ISLE_FIELD_STRUCTS(struct around, array, count, &private_type));

/* As little as one behind a pointer, and the text says where it is. */
TEST_HEAP(a_struct_with_an_unsendable_part_is_refused)
{
    struct private_part parts[2] = {{1}, {2}};
    struct around inside = {.inside = {2}}, before = {.array = parts, .count = 2};
    struct isle__parcel parcel;
    isle_value root = isle_object(&around_type, &inside);

    CHECK(!copy_quick(&fixture->heap, root, &parcel));
    CHECK_ERR(isle__parcel_copy(&fixture->heap, root, HEADER, &parcel), ISLE_EUNSENDABLE);
    CHECK_STRING(isle_error_text(isle_last_error()),
                 "Illegal argument in isolate message: an object of type private_part\n"
                 " <- field inside of struct around\n <- the message");
    root = isle_object(&beside_type, &before);
    CHECK(!copy_quick(&fixture->heap, root, &parcel));
    CHECK_ERR(isle__parcel_copy(&fixture->heap, root, HEADER, &parcel), ISLE_EUNSENDABLE);
    CHECK_STRING(isle_error_text(isle_last_error()),
                 "Illegal argument in isolate message: an object of type private_part\n"
                 " <- field array of struct around\n <- the message");
}

TEST_MAIN()
