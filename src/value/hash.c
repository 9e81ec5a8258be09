/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing and equality of keys.
 *
 * Law: keys may come from an attacker, so all hashing goes through SipHash-1-3 under a key that is
 * drawn once per process. No order that a program can see depends on a hash. A frozen cell is read
 * by many threads at once, so nothing computed here is ever written into one. */
#include "value/cell.h"

#include <string.h>

enum { HASH_KEY_NONE, HASH_KEY_BEING_DRAWN, HASH_KEY_DRAWN };

/* hash_key_state's release at the end of drawing pairs with every reader's acquire. */
static _Atomic int hash_key_state;
static uint64_t hash_key[2];

static void hash_key_draw(void)
{
    int none = HASH_KEY_NONE;

    if (atomic_compare_exchange_strong_explicit(&hash_key_state, &none, HASH_KEY_BEING_DRAWN,
                                                memory_order_relaxed, memory_order_relaxed)) {
        isle__random_fill(hash_key, sizeof(hash_key));
        atomic_store_explicit(&hash_key_state, HASH_KEY_DRAWN, memory_order_release);
        return;
    }
    unsigned rounds = 0;
    while (atomic_load_explicit(&hash_key_state, memory_order_acquire) != HASH_KEY_DRAWN)
        isle__thread_give_way(&rounds);
}

struct hash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t hash_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void hash_round(struct hash_state *s)
{
    s->v0 += s->v1;
    s->v1 = hash_rotate(s->v1, 13) ^ s->v0;
    s->v0 = hash_rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = hash_rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = hash_rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = hash_rotate(s->v1, 17) ^ s->v2;
    s->v2 = hash_rotate(s->v2, 32);
}

static inline void hash_word(struct hash_state *s, uint64_t word)
{
    s->v3 ^= word;
    hash_round(s);
    s->v0 ^= word;
}

static inline struct hash_state hash_begin(uint64_t key0, uint64_t key1)
{
    struct hash_state s = {
        key0 ^ UINT64_C(0x736f6d6570736575),
        key1 ^ UINT64_C(0x646f72616e646f6d),
        key0 ^ UINT64_C(0x6c7967656e657261),
        key1 ^ UINT64_C(0x7465646279746573),
    };
    return s;
}

static inline uint64_t hash_end(struct hash_state *s, uint64_t last)
{
    hash_word(s, last);
    s->v2 ^= 0xff;
    hash_round(s);
    hash_round(s);
    hash_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* The little-endian number in `count` bytes, at most 8. */
static inline uint64_t hash_load(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t isle__siphash(uint64_t key0, uint64_t key1, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    struct hash_state s = hash_begin(key0, key1);
    size_t whole = size - size % 8;

    for (size_t at = 0; at < whole; at += 8)
        hash_word(&s, hash_load(bytes + at, 8));
    return hash_end(&s, hash_load(bytes + whole, size % 8) | (uint64_t)(size & 0xff) << 56);
}

uint64_t isle__hash_bytes(const void *data, size_t size)
{
    if (atomic_load_explicit(&hash_key_state, memory_order_acquire) != HASH_KEY_DRAWN)
        hash_key_draw();
    return isle__siphash(hash_key[0], hash_key[1], data, size);
}

/* What stands for a key that is not a string: `sort` keeps kinds apart that share numbers. */
static uint64_t hash_number(uint64_t sort, uint64_t number)
{
    uint64_t words[2] = {sort, number};

    return isle__hash_bytes(words, sizeof(words));
}

enum { HASH_SORT_INT = 1, HASH_SORT_DOUBLE, HASH_SORT_BITS, HASH_SORT_IDENTITY, HASH_SORT_ADDRESS };

/* An integral double in the range of an int hashes as that int, since they are one key. */
static uint64_t hash_double(double number)
{
    uint64_t bits;

    if (number >= -0x1p63 && number < 0x1p63 && (double)(int64_t)number == number)
        return hash_number(HASH_SORT_INT, (uint64_t)(int64_t)number);
    if (number != number)
        return hash_number(HASH_SORT_DOUBLE, UINT64_MAX);
    memcpy(&bits, &number, sizeof(bits));
    return hash_number(HASH_SORT_DOUBLE, bits);
}

static uint64_t hash_string(struct isle__string *string)
{
    uint32_t hash = string->hash;

    if (hash != 0)
        return hash;
    hash = (uint32_t)isle__hash_string(string->text, string->size);
    if (!isle__is_frozen_cell(&string->cell))
        string->hash = hash;
    return hash;
}

uint64_t isle__hash_string(const char *text, size_t size)
{
    uint64_t hash = isle__hash_bytes(text, size);

    return (uint32_t)hash != 0 ? hash : 1;
}

/* The place of a cell's identity; NULL: its kind has none. */
static uint32_t *hash_identity(struct isle__cell *cell, isle_kind kind)
{
    switch (kind) {
    case ISLE_LIST:
        return &((struct isle__list *)cell)->identity;
    case ISLE_MAP:
    case ISLE_SET:
        return &((struct isle__map *)cell)->identity;
    case ISLE_BYTES:
        return &((struct isle__bytes *)cell)->identity;
    case ISLE_ERROR:
        return &((struct isle__error_cell *)cell)->identity;
    case ISLE_TRANSFERABLE:
        return &((struct isle__transferable_cell *)cell)->identity;
    case ISLE_RESOURCE:
        return &((struct isle__resource_cell *)cell)->identity;
    case ISLE_NULL:
    case ISLE_BOOL:
    case ISLE_INT:
    case ISLE_DOUBLE:
    case ISLE_STRING:
    case ISLE_SEND_PORT:
    case ISLE_CAPABILITY:
    case ISLE_ISOLATE:
    case ISLE_FUNCTION:
    case ISLE_OBJECT:
    case ISLE_POINTER:
        break;
    }
    return NULL;
}

static uint64_t hash_cell(struct isle__heap *heap, struct isle__cell *cell, isle_kind kind)
{
    uint32_t *identity = hash_identity(cell, kind);

    if (identity == NULL)
        return hash_number(HASH_SORT_ADDRESS, (uint64_t)kind);
    if (*identity == 0) {
        if (isle__is_frozen_cell(cell) || heap == NULL)
            return hash_number(HASH_SORT_ADDRESS, (uint64_t)(uintptr_t)cell);
        if (++heap->next_identity == 0)
            heap->next_identity = 1;
        *identity = heap->next_identity;
    }
    return hash_number(HASH_SORT_IDENTITY, *identity);
}

uint64_t isle__key_hash(struct isle__heap *heap, isle_value key)
{
    isle_value resolved = isle__resolve(key);
    isle_kind kind = isle_kind_of(resolved);
    struct isle__cell *cell;
    int64_t integer;
    double number;

    if (kind == ISLE_INT && isle_get_int(resolved, &integer))
        return hash_number(HASH_SORT_INT, (uint64_t)integer);
    if (kind == ISLE_DOUBLE && isle_get_double(resolved, &number))
        return hash_double(number);
    if (isle__is_immediate(resolved))
        return hash_number(HASH_SORT_BITS, resolved.bits);
    cell = isle__cell_of(resolved);
    if (kind == ISLE_STRING)
        return hash_string((struct isle__string *)cell);
    if (kind == ISLE_OBJECT) {
        const void *object = ((struct isle__object_cell *)cell)->object;
        return hash_number(HASH_SORT_ADDRESS, (uint64_t)(uintptr_t)object);
    }
    if (kind == ISLE_ISOLATE) {
        const isle_isolate *isolate = &((struct isle__isolate_cell *)cell)->isolate;
        return hash_number(HASH_SORT_BITS, isolate->control_port.id);
    }
    return hash_cell(heap, cell, kind);
}

bool isle__key_by_address(isle_value key)
{
    return isle_kind_of(key) == ISLE_OBJECT;
}

/* Exact: no int is rounded on the way. */
bool isle__int_equals_double(int64_t integer, double number)
{
    return number >= -0x1p63 && number < 0x1p63 && (int64_t)number == integer &&
           (double)(int64_t)number == number;
}

static bool hash_numbers_equal(isle_value a, isle_kind a_kind, isle_value b, isle_kind b_kind)
{
    int64_t a_int = 0, b_int = 0;
    double a_double = 0, b_double = 0;
    bool got_a = a_kind == ISLE_INT ? isle_get_int(a, &a_int) : isle_get_double(a, &a_double);
    bool got_b = b_kind == ISLE_INT ? isle_get_int(b, &b_int) : isle_get_double(b, &b_double);

    if (!got_a || !got_b)
        return false;
    if (a_kind == ISLE_INT)
        return b_kind == ISLE_INT ? a_int == b_int : isle__int_equals_double(a_int, b_double);
    if (b_kind == ISLE_INT)
        return isle__int_equals_double(b_int, a_double);
    return a_double == b_double || (a_double != a_double && b_double != b_double);
}

bool isle__isolates_equal(const isle_isolate *a, const isle_isolate *b)
{
    return a->control_port.id == b->control_port.id && a->default_port.id == b->default_port.id &&
           a->pause_capability.id == b->pause_capability.id &&
           a->terminate_capability.id == b->terminate_capability.id;
}

bool isle__key_equal(isle_value a, isle_value b)
{
    isle_value left = isle__resolve(a), right = isle__resolve(b);
    isle_kind left_kind, right_kind;

    if (left.bits == right.bits)
        return true;
    left_kind = isle_kind_of(left);
    right_kind = isle_kind_of(right);
    if ((left_kind == ISLE_INT || left_kind == ISLE_DOUBLE) &&
        (right_kind == ISLE_INT || right_kind == ISLE_DOUBLE))
        return hash_numbers_equal(left, left_kind, right, right_kind);
    if (left_kind != right_kind || isle__is_immediate(left) || isle__is_immediate(right))
        return false;
    if (left_kind == ISLE_STRING) {
        const struct isle__string *l = (struct isle__string *)isle__cell_of(left);
        const struct isle__string *r = (struct isle__string *)isle__cell_of(right);
        return l->size == r->size && memcmp(l->text, r->text, l->size) == 0;
    }
    if (left_kind == ISLE_ISOLATE)
        return isle__isolates_equal(&((struct isle__isolate_cell *)isle__cell_of(left))->isolate,
                                    &((struct isle__isolate_cell *)isle__cell_of(right))->isolate);
    return isle_identical(left, right);
}
