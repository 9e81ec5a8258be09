/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way out through a wall: windows, and the stores that they look at.
 *
 * Law: what no window shows does not travel. A store with one window is that window, plain bytes of
 * CBOR; one with several is written where the first of them stands, as what they show together, and
 * the rest between zero: memory that the receiver could not reach must not reach his process. So is
 * one that is frozen where its window is not. A store's bytes are in the order of this machine,
 * which both sides share. */
#include <stdlib.h>
#include <string.h>

#include "value/cell.h"
#include "value/wire_encode.h"

/* The bytes of one store that somebody looks at. */
struct views_store {
    const struct isle__store *store;
    size_t low, high; /* bounds of all windows */
    size_t windows;
    bool has_gaps;
    int64_t number; /* that refers to it; -1: not written yet */
};
struct views_window {
    size_t store; /* index */
    size_t low, high;
};

/* Where the store of the message begins in the sender's: all elements stay aligned. */
static size_t views_base(const struct views_store *store)
{
    return store->low & ~(size_t)15;
}

static struct views_store *views_store_at(const struct isle__wire_encoder *encoder, size_t index)
{
    return (struct views_store *)(void *)encoder->stores.data + index;
}

static struct views_window *views_windows(const struct isle__wire_encoder *encoder)
{
    return (struct views_window *)(void *)encoder->windows.data;
}

/* The store's place in the list, new or not; SIZE_MAX: out of memory. */
static size_t views_place(struct isle__wire_encoder *encoder, const struct isle__store *store)
{
    uintptr_t *known = isle__idmap_at(&encoder->store_ids, store, NULL);

    if (known == NULL)
        return SIZE_MAX;
    if (*known == 0) {
        struct views_store *made = isle__buffer_room(&encoder->stores, sizeof *made);
        if (made == NULL)
            return SIZE_MAX;
        *made = (struct views_store){.store = store, .number = -1};
        *known = encoder->stores.size / sizeof *made;
    }
    return *known - 1;
}

isle_err isle__wire_meet_bytes(struct isle__walk *walk, const struct isle__bytes *bytes)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    size_t index = views_place(encoder, isle__bytes_store(bytes));
    struct views_window *window = isle__buffer_room(&encoder->windows, sizeof *window);

    if (index == SIZE_MAX || window == NULL)
        return ISLE_ENOMEM;
    *window = (struct views_window){index, bytes->offset, bytes->offset + bytes->size};
    struct views_store *store = views_store_at(encoder, index);
    if (store->windows++ == 0) {
        store->low = window->low;
        store->high = window->high;
        return ISLE_OK;
    }
    if (window->low > store->high || window->high < store->low)
        store->has_gaps = true;
    if (window->low < store->low)
        store->low = window->low;
    if (window->high > store->high)
        store->high = window->high;
    return ISLE_OK;
}

static int views_compare(const void *a, const void *b)
{
    const struct views_window *left = a, *right = b;

    if (left->store != right->store)
        return left->store < right->store ? -1 : 1;
    return (left->low > right->low) - (left->low < right->low);
}

/* The first window of that store among the sorted ones. */
static size_t views_first(const struct isle__wire_encoder *encoder, size_t index)
{
    const struct views_window *windows = views_windows(encoder);
    size_t low = 0, high = encoder->windows.size / sizeof *windows;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (windows[middle].store < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the windows show, each byte once, to where the sender's store goes on from `base`. */
static void views_copy_windows(struct isle__wire_encoder *encoder, size_t index, uint8_t *room,
                               size_t base)
{
    const struct views_store *store = views_store_at(encoder, index);
    struct views_window *windows = views_windows(encoder);
    size_t done = store->low;

    if (!encoder->sorted)
        qsort(windows, encoder->windows.size / sizeof *windows, sizeof *windows, views_compare);
    encoder->sorted = true;
    size_t first = views_first(encoder, index);
    for (size_t i = first; i < first + store->windows; i++) {
        size_t from = windows[i].low > done ? windows[i].low : done;
        if (windows[i].high <= from)
            continue;
        memcpy(room + (from - base), store->store->data + from, windows[i].high - from);
        done = windows[i].high;
    }
}

static void views_encode_store(struct isle__walk *walk, size_t index)
{
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    struct views_store *store = views_store_at(encoder, index);
    size_t base = views_base(store), size = store->high - base;

    if (store->number >= 0) {
        isle__encode_reference(walk, store->number);
        return;
    }
    if (store->windows > 1) {
        store->number = walk->numbers++;
        isle__wire_encode_number(walk, store->number);
    }
    if (isle__wire_is_frozen(&store->store->cell))
        isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_FROZEN);
    if (!store->has_gaps && store->low == base &&
        isle__wire_encode_aside(walk, true, ISLE_U8, &store->store->cell, store->store->data + base,
                                size))
        return;
    isle__encode_head(walk, ISLE__CBOR_BYTES, size);
    uint8_t *room = size != 0 ? isle__buffer_room(&walk->out, size) : NULL;
    if (room == NULL)
        return;
    memset(room, 0, store->has_gaps ? size : store->low - base);
    if (store->has_gaps)
        views_copy_windows(encoder, index, room, base);
    else
        memcpy(room + (store->low - base), store->store->data + store->low,
               store->high - store->low);
}

isle_err isle__wire_encode_bytes(struct isle__walk *walk, const struct isle__bytes *bytes)
{
    const struct isle__store *store = isle__bytes_store(bytes);
    struct isle__wire_encoder *encoder = isle__wire_encoder_of(walk);
    size_t index = views_place(encoder, store);

    if (index == SIZE_MAX)
        return ISLE_ENOMEM;
    if (views_store_at(encoder, index)->windows == 1 &&
        isle__wire_is_frozen(&store->cell) == isle__wire_is_frozen(&bytes->cell)) {
        const void *data = bytes->size != 0 ? store->data + bytes->offset : NULL;
        isle_element element = (isle_element)bytes->cell.element;
        if (!isle__wire_encode_aside(walk, true, element, &store->cell, data, bytes->size))
            isle__encode_elements(walk, element, data, bytes->size);
        return ISLE_OK;
    }
    isle__encode_head(walk, ISLE__CBOR_TAG, ISLE__WIRE_TAG_VIEW);
    isle__encode_head(walk, ISLE__CBOR_ARRAY, 4);
    views_encode_store(walk, index);
    isle__encode_head(walk, ISLE__CBOR_UINT, bytes->cell.element);
    isle__encode_head(walk, ISLE__CBOR_UINT,
                      bytes->offset - views_base(views_store_at(encoder, index)));
    isle__encode_head(walk, ISLE__CBOR_UINT, bytes->size);
    return ISLE_OK;
}

void isle__wire_views_fini(struct isle__wire_encoder *encoder)
{
    isle__buffer_fini(&encoder->stores);
    isle__buffer_fini(&encoder->windows);
    isle__idmap_fini(&encoder->store_ids);
}
