/* SPDX-License-Identifier: Apache-2.0 */
/* Equality of content. Two graphs are equal if no walk that takes the same steps in both can tell
 * them apart (bisimulation).
 *
 * How: a pair that must be equal is joined in a union-find, then its children are compared; a pair
 * that is already joined needs no second look. So cycles end and shared parts cost once. Keys of
 * maps and sets that have no content of their own to be looked up by (lists, maps, objects) are
 * tried against each other; a try that fails takes back its joins. A try that holds under the joins
 * made so far may be kept: if those were wrong, the whole answer is no.
 *
 * Laws: the walk keeps its own stack; only tries nest on the C stack, EQUAL_TRIES_MAX deep. Its
 * memory is the platform's. Nothing throws before the end, when all of it has been given back. */
#include "value/cell.h"
#include "value/walk.h"

#include <string.h>

#define EQUAL_TRIES_MAX 64

/* A thing with an identity: a cell (type NULL), or a struct as one of a type. */
struct equal_node {
    const isle_type *type;
    size_t other;  /* the next node of the same address, plus 1; 0: none */
    size_t parent; /* itself: a root */
    size_t weight; /* of a root: nodes that it stands for */
};

struct equal_pair {
    const isle_type *type; /* NULL: cells of the same kind, else two structs */
    const void *a, *b;
};

struct equal_walk {
    struct isle__idmap places; /* address: index of its first node, plus 1 */
    struct equal_node *nodes;
    size_t node_count, node_capacity;
    struct equal_pair *pairs; /* joined or not, still to be compared */
    size_t pair_count, pair_capacity;
    size_t *joins; /* roots that became children, in order */
    size_t join_count, join_capacity;
    unsigned tries;
    isle_err err; /* what ended the walk early */
};

static bool equal_fail(struct equal_walk *walk, isle_err err)
{
    if (walk->err == ISLE_OK)
        walk->err = err;
    return false;
}

/* Room for one more element; the array or NULL. */
static void *equal_room(struct equal_walk *walk, void *array, size_t count, size_t *capacity,
                        size_t size)
{
    size_t wanted = *capacity == 0 ? 32 : *capacity * 2;
    void *grown;

    if (count < *capacity)
        return array;
    if (wanted > SIZE_MAX / 2 / size)
        grown = NULL;
    else if (array == NULL)
        grown = isle__memory_alloc(wanted * size);
    else
        grown = isle__memory_resize(array, *capacity * size, wanted * size);
    if (grown == NULL) {
        (void)equal_fail(walk, ISLE_ENOMEM);
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

static bool equal_push(struct equal_walk *walk, const isle_type *type, const void *a, const void *b)
{
    struct equal_pair *pairs =
        equal_room(walk, walk->pairs, walk->pair_count, &walk->pair_capacity, sizeof(*pairs));

    if (pairs == NULL)
        return false;
    walk->pairs = pairs;
    pairs[walk->pair_count].type = type;
    pairs[walk->pair_count].a = a;
    pairs[walk->pair_count].b = b;
    walk->pair_count++;
    return true;
}

/* The index of a thing's node, made if need be; SIZE_MAX: out of memory. */
static size_t equal_node(struct equal_walk *walk, const void *address, const isle_type *type)
{
    uintptr_t *place = isle__idmap_at(&walk->places, address, NULL);
    struct equal_node *nodes;

    if (place == NULL) {
        (void)equal_fail(walk, ISLE_ENOMEM);
        return SIZE_MAX;
    }
    for (size_t at = *place; at != 0; at = walk->nodes[at - 1].other)
        if (walk->nodes[at - 1].type == type)
            return at - 1;
    nodes = equal_room(walk, walk->nodes, walk->node_count, &walk->node_capacity, sizeof(*nodes));
    if (nodes == NULL)
        return SIZE_MAX;
    walk->nodes = nodes;
    nodes[walk->node_count] =
        (struct equal_node){.type = type, .other = *place, .parent = walk->node_count, .weight = 1};
    *place = ++walk->node_count;
    return walk->node_count - 1;
}

static size_t equal_root(const struct equal_walk *walk, size_t node)
{
    while (walk->nodes[node].parent != node)
        node = walk->nodes[node].parent;
    return node;
}

/* Joins a pair; *ret_known: it was. */
static bool equal_join(struct equal_walk *walk, const struct equal_pair *pair, bool *ret_known)
{
    size_t a = equal_node(walk, pair->a, pair->type), b = equal_node(walk, pair->b, pair->type);
    size_t *joins;

    if (a == SIZE_MAX || b == SIZE_MAX)
        return false;
    a = equal_root(walk, a);
    b = equal_root(walk, b);
    *ret_known = a == b;
    if (a == b)
        return true;
    joins = equal_room(walk, walk->joins, walk->join_count, &walk->join_capacity, sizeof(*joins));
    if (joins == NULL)
        return false;
    walk->joins = joins;
    if (walk->nodes[a].weight < walk->nodes[b].weight) {
        size_t swap = a;
        a = b;
        b = swap;
    }
    walk->nodes[b].parent = a;
    walk->nodes[a].weight += walk->nodes[b].weight;
    joins[walk->join_count++] = b;
    return true;
}

static void equal_take_back(struct equal_walk *walk, size_t join_count, size_t pair_count)
{
    while (walk->join_count > join_count) {
        size_t child = walk->joins[--walk->join_count];
        walk->nodes[walk->nodes[child].parent].weight -= walk->nodes[child].weight;
        walk->nodes[child].parent = child;
    }
    walk->pair_count = pair_count;
}

static bool equal_numbers(isle_value a, isle_kind a_kind, isle_value b, isle_kind b_kind)
{
    int64_t a_int = 0, b_int = 0;
    double a_double = 0, b_double = 0;

    if (a_kind == ISLE_INT ? !isle_get_int(a, &a_int) : !isle_get_double(a, &a_double))
        return false;
    if (b_kind == ISLE_INT ? !isle_get_int(b, &b_int) : !isle_get_double(b, &b_double))
        return false;
    if (a_kind == ISLE_INT)
        return b_kind == ISLE_INT ? a_int == b_int : isle__int_equals_double(a_int, b_double);
    if (b_kind == ISLE_INT)
        return isle__int_equals_double(b_int, a_double);
    return a_double == b_double;
}

static bool equal_floats(const uint8_t *a, const uint8_t *b, size_t size, size_t element_size)
{
    for (size_t at = 0; at < size; at += element_size)
        if (isle__field_float(a + at, element_size) != isle__field_float(b + at, element_size))
            return false;
    return true;
}

static bool equal_bytes(const struct isle__bytes *a, const struct isle__bytes *b)
{
    const uint8_t *a_data = isle__bytes_store(a)->data + a->offset;
    const uint8_t *b_data = isle__bytes_store(b)->data + b->offset;
    isle_element element = (isle_element)a->cell.element;

    if (a->cell.element != b->cell.element || a->size != b->size)
        return false;
    if (element == ISLE_F32 || element == ISLE_F64)
        return equal_floats(a_data, b_data, a->size, isle__element_size(element));
    return memcmp(a_data, b_data, a->size) == 0;
}

/* Both cells are errors. Their texts are strings, so this is no recursion. */
static bool equal_errors(const struct isle__error_cell *a, const struct isle__error_cell *b)
{
    return a->code == b->code && isle__key_equal(a->text, b->text) &&
           isle__key_equal(a->stack, b->stack);
}

/* Compares leaves at once and puts containers down for later. False: they differ, or walk->err. */
static bool equal_value(struct equal_walk *walk, isle_value a_value, isle_value b_value)
{
    isle_value a = isle__resolve(a_value), b = isle__resolve(b_value);
    isle_kind a_kind = isle_kind_of(a), b_kind = isle_kind_of(b);
    const struct isle__cell *a_cell, *b_cell;

    if ((a_kind == ISLE_INT || a_kind == ISLE_DOUBLE) &&
        (b_kind == ISLE_INT || b_kind == ISLE_DOUBLE))
        return equal_numbers(a, a_kind, b, b_kind);
    if (a.bits == b.bits)
        return true;
    if (a_kind != b_kind || isle__is_immediate(a) || isle__is_immediate(b))
        return false;
    a_cell = isle__cell_of(a);
    b_cell = isle__cell_of(b);
    switch (a_kind) {
    case ISLE_BYTES:
        return equal_bytes((const struct isle__bytes *)a_cell, (const struct isle__bytes *)b_cell);
    case ISLE_ERROR:
        return equal_errors((const struct isle__error_cell *)a_cell,
                            (const struct isle__error_cell *)b_cell);
    case ISLE_LIST:
    case ISLE_MAP:
    case ISLE_SET:
    case ISLE_OBJECT:
        return equal_push(walk, NULL, a_cell, b_cell);
    case ISLE_NULL:
    case ISLE_BOOL:
    case ISLE_INT:
    case ISLE_DOUBLE:
    case ISLE_STRING:
    case ISLE_SEND_PORT:
    case ISLE_CAPABILITY:
    case ISLE_ISOLATE:
    case ISLE_FUNCTION:
    case ISLE_TRANSFERABLE:
    case ISLE_RESOURCE:
    case ISLE_POINTER:
        break;
    }
    return isle__key_equal(a, b);
}

static bool equal_lists(struct equal_walk *walk, const struct isle__list *a,
                        const struct isle__list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = a->count; i-- > 0;)
        if (!equal_value(walk, a->items[i], b->items[i]))
            return false;
    return true;
}

/* A key that is found by what it holds. */
static bool equal_is_plain(isle_value key)
{
    isle_kind kind = isle_kind_of(key);

    return kind != ISLE_LIST && kind != ISLE_MAP && kind != ISLE_SET && kind != ISLE_OBJECT &&
           kind != ISLE_BYTES && kind != ISLE_ERROR;
}

static bool equal_run(struct equal_walk *walk, size_t until);

/* Are the keys and the values of two entries equal? If not, all is as before. */
static bool equal_try(struct equal_walk *walk, const struct isle__entry *a,
                      const struct isle__entry *b)
{
    size_t pair_count = walk->pair_count, join_count = walk->join_count;
    bool equal;

    if (++walk->tries > EQUAL_TRIES_MAX)
        return equal_fail(walk, ISLE_ERANGE);
    equal = equal_value(walk, a->key, b->key) && equal_value(walk, a->value, b->value) &&
            equal_run(walk, pair_count);
    walk->tries--;
    if (!equal)
        equal_take_back(walk, join_count, pair_count);
    return equal;
}

/* Finds for each key of `a` without content of its own another one of `b`. `taken` has a flag for
 * each entry of b. The search goes round from where the last one ended, so that copies match at
 * once. */
static bool equal_match(struct equal_walk *walk, const struct isle__map *a,
                        const struct isle__map *b, bool *taken)
{
    size_t at = 0;

    for (size_t i = 0; i < a->used; i++) {
        size_t tried = 0;

        if (!a->entries[i].live || equal_is_plain(a->entries[i].key))
            continue;
        for (; tried < b->used; tried++, at = at + 1 < b->used ? at + 1 : 0) {
            const struct isle__entry *entry = &b->entries[at];

            if (!entry->live || taken[at] || equal_is_plain(entry->key))
                continue;
            if (equal_try(walk, &a->entries[i], entry)) {
                taken[at] = true;
                break;
            }
            if (walk->err != ISLE_OK)
                return false;
        }
        if (tried == b->used)
            return false;
    }
    return true;
}

static bool equal_maps(struct equal_walk *walk, const struct isle__map *a,
                       const struct isle__map *b)
{
    size_t plain = 0;
    bool *taken, equal;

    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->used; i++) {
        const struct isle__entry *entry = &a->entries[i], *found;

        if (!entry->live || !equal_is_plain(entry->key))
            continue;
        found = isle__map_find(b, entry->key, entry->hash);
        if (found == NULL || !equal_value(walk, entry->value, found->value))
            return false;
        plain++;
    }
    if (plain == a->count)
        return true;
    taken = isle__memory_alloc(b->used);
    if (taken == NULL)
        return equal_fail(walk, ISLE_ENOMEM);
    memset(taken, 0, b->used);
    equal = equal_match(walk, a, b, taken);
    isle__memory_free(taken, b->used);
    return equal;
}

static const void *equal_pointer(const uint8_t *at)
{
    const void *pointer;

    memcpy(&pointer, at, sizeof(pointer));
    return pointer;
}

/* One element of a field; both addresses hold one. */
static bool equal_element(struct equal_walk *walk, const isle_field *field, const uint8_t *a,
                          const uint8_t *b)
{
    const void *a_pointer, *b_pointer;
    isle_value a_value, b_value;

    switch ((enum isle_field_kind)field->kind) {
    case ISLE_FIELD_KIND_FLOAT:
        return isle__field_float(a, field->size) == isle__field_float(b, field->size);
    case ISLE_FIELD_KIND_VALUE:
        memcpy(&a_value, a, sizeof(a_value));
        memcpy(&b_value, b, sizeof(b_value));
        return equal_value(walk, a_value, b_value);
    case ISLE_FIELD_KIND_STRUCT:
        return a == b || equal_push(walk, field->type, a, b);
    case ISLE_FIELD_KIND_STRING:
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        a_pointer = equal_pointer(a);
        b_pointer = equal_pointer(b);
        if (a_pointer == b_pointer)
            return true;
        if (a_pointer == NULL || b_pointer == NULL)
            return false;
        if (field->kind == ISLE_FIELD_KIND_STRING)
            return strcmp(a_pointer, b_pointer) == 0;
        return equal_push(walk, field->type, a_pointer, b_pointer);
    case ISLE_FIELD_KIND_BOOL:
    case ISLE_FIELD_KIND_INT:
    case ISLE_FIELD_KIND_UINT:
    case ISLE_FIELD_KIND_PORT:
        break;
    }
    return memcmp(a, b, field->size) == 0;
}

/* Where the elements of a field lie and how many there are. False: a count that cannot be one. */
static bool equal_elements(const isle_field *field, const uint8_t *object,
                           const uint8_t **ret_elements, size_t *ret_count)
{
    uint64_t count;

    *ret_elements = object + field->offset;
    *ret_count = field->count;
    if (field->count_offset == SIZE_MAX)
        return true;
    count = isle__field_uint(object + field->count_offset, field->count_size);
    if (count > SIZE_MAX / 16 ||
        (field->count_size >= 4 && count >> (8 * field->count_size - 1) != 0))
        return false;
    *ret_elements = equal_pointer(object + field->offset);
    *ret_count = *ret_elements != NULL ? (size_t)count : 0;
    return true;
}

static bool equal_structs(struct equal_walk *walk, const isle_type *type, const uint8_t *a,
                          const uint8_t *b)
{
    for (size_t i = type->field_count; i-- > 0;) {
        const isle_field *field = &type->fields[i];
        const uint8_t *a_elements, *b_elements;
        size_t a_count, b_count, stride = isle__field_stride(field);

        if (!equal_elements(field, a, &a_elements, &a_count) ||
            !equal_elements(field, b, &b_elements, &b_count))
            return equal_fail(walk, ISLE_ERANGE);
        if (a_count != b_count)
            return false;
        for (size_t at = 0; at < a_count; at++)
            if (!equal_element(walk, field, a_elements + at * stride, b_elements + at * stride))
                return false;
    }
    return true;
}

static bool equal_cells(struct equal_walk *walk, const struct isle__cell *a,
                        const struct isle__cell *b)
{
    const struct isle__object_cell *a_object, *b_object;

    if (a->kind == ISLE_LIST)
        return equal_lists(walk, (const struct isle__list *)a, (const struct isle__list *)b);
    if (a->kind != ISLE_OBJECT)
        return equal_maps(walk, (const struct isle__map *)a, (const struct isle__map *)b);
    a_object = (const struct isle__object_cell *)a;
    b_object = (const struct isle__object_cell *)b;
    if (a_object->type != b_object->type)
        return false;
    return a_object->object == b_object->object ||
           equal_push(walk, a_object->type, a_object->object, b_object->object);
}

/* Compares what was put down until only `until` pairs are left. */
static bool equal_run(struct equal_walk *walk, size_t until)
{
    while (walk->pair_count > until) {
        struct equal_pair pair = walk->pairs[--walk->pair_count];
        bool known = false;

        if (!equal_join(walk, &pair, &known))
            return false;
        if (known)
            continue;
        if (pair.type != NULL ? !equal_structs(walk, pair.type, pair.a, pair.b)
                              : !equal_cells(walk, pair.a, pair.b))
            return false;
    }
    return true;
}

bool isle_equal(isle_value a, isle_value b)
{
    struct equal_walk walk = {.err = ISLE_OK};
    bool equal;

    (void)isle__heap_need(__func__);
    isle__idmap_init(&walk.places);
    equal = equal_value(&walk, a, b) && equal_run(&walk, 0);
    isle__idmap_fini(&walk.places);
    isle__memory_free(walk.nodes, walk.node_capacity * sizeof(*walk.nodes));
    isle__memory_free(walk.pairs, walk.pair_capacity * sizeof(*walk.pairs));
    isle__memory_free(walk.joins, walk.join_capacity * sizeof(*walk.joins));
    if (walk.err == ISLE_ERANGE)
        isle__throw(ISLE_ERANGE, "%s: keys nest too deep, or a struct's count cannot be one",
                    __func__);
    if (walk.err != ISLE_OK)
        isle__throw(walk.err, "%s: no memory", __func__);
    return equal;
}

/* Boxes of the same number are the same value: that it is boxed is the library's business. */
bool isle_identical(isle_value a, isle_value b)
{
    isle_value left = isle__resolve(a), right = isle__resolve(b);
    const struct isle__cell *left_cell, *right_cell;

    if (left.bits == right.bits)
        return true;
    if (isle__is_immediate(left) || isle__is_immediate(right))
        return false;
    left_cell = isle__cell_of(left);
    right_cell = isle__cell_of(right);
    if (left_cell->kind != right_cell->kind)
        return false;
    if (left_cell->kind == ISLE_INT || left_cell->kind == ISLE_DOUBLE)
        return ((const struct isle__box *)left_cell)->as.i ==
               ((const struct isle__box *)right_cell)->as.i;
    if (left_cell->kind == ISLE_STRING)
        return isle__key_equal(left, right);
    if (left_cell->kind == ISLE_OBJECT) {
        const struct isle__object_cell *l = (const struct isle__object_cell *)left_cell;
        const struct isle__object_cell *r = (const struct isle__object_cell *)right_cell;
        return l->object == r->object && l->type == r->type;
    }
    return false;
}
