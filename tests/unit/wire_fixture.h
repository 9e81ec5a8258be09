/* SPDX-License-Identifier: Apache-2.0 */
/* A wall between a heap and itself: its hooks keep books, so that a test can say what was given out
 * and what was taken back. What is sent through it arrives with the same ids, functions and files,
 * as it would by a copy. */
#ifndef ISLE_WIRE_FIXTURE_H
#define ISLE_WIRE_FIXTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/object.h"
#include "isle/port.h"
#include "value/cell.h"
#include "value/wire.h"

enum { WALL_NAMES = 64, WALL_FDS = 256, WIRE_BUDGET = 1 << 24, WIRE_HEADER = 40 };

struct wall {
    struct {
        enum isle__wire_kind kind;
        uint64_t id;
    } names[WALL_NAMES];
    size_t name_count;
    int fds[WALL_FDS]; /* of the record; -1: taken */
    size_t fd_count;
    size_t given;            /* by hooks that can be undone, since `undone` or a success */
    size_t undone;           /* calls of undo */
    size_t calls, refuse_at; /* the hook call that refuses, from 1; 0: none */
    isle_err refuse_with;
    bool closed; /* functions and descriptors do not pass */
    struct isle__wire wire;
};

static inline bool wall_refuses(struct wall *wall)
{
    return ++wall->calls == wall->refuse_at;
}

static inline isle_err wall_name_out(void *context, enum isle__wire_kind kind, uint64_t id,
                                     struct isle__wire_name *ret_name)
{
    struct wall *wall = context;
    size_t at = 0;

    if (wall_refuses(wall))
        return wall->refuse_with;
    while (at < wall->name_count && (wall->names[at].kind != kind || wall->names[at].id != id))
        at++;
    if (at == WALL_NAMES)
        return ISLE_EFULL;
    wall->names[at].kind = kind;
    wall->names[at].id = id;
    if (at == wall->name_count)
        wall->name_count++;
    *ret_name = (struct isle__wire_name){(uint64_t)at << 40 | 7, id % 2 == 0};
    wall->given++;
    return ISLE_OK;
}

static inline isle_err wall_name_in(void *context, enum isle__wire_kind kind,
                                    const struct isle__wire_name *name, uint64_t *ret_id)
{
    struct wall *wall = context;
    size_t at = (size_t)(name->name >> 40);

    if (wall_refuses(wall))
        return wall->refuse_with;
    if ((name->name & UINT64_C(0xffffffffff)) != 7 || at >= wall->name_count ||
        wall->names[at].kind != kind || name->comes_home != (wall->names[at].id % 2 == 0))
        return ISLE_EMALFORMED;
    *ret_id = wall->names[at].id;
    wall->given++;
    return ISLE_OK;
}

static inline isle_err wall_function_out(void *context, isle_function *function,
                                         struct isle__wire_function *ret_function)
{
    struct wall *wall = context;

    if (wall->closed || wall_refuses(wall))
        return ISLE_EUNSENDABLE;
    ret_function->size = sizeof function;
    memcpy(ret_function->bytes, &function, sizeof function);
    return ISLE_OK;
}

static inline isle_err wall_function_in(void *context, const struct isle__wire_function *function,
                                        isle_function **ret_function)
{
    if (wall_refuses(context) || function->size != sizeof *ret_function)
        return ISLE_EMALFORMED;
    memcpy(ret_function, function->bytes, sizeof *ret_function);
    return ISLE_OK;
}

static inline isle_err wall_descriptor_out(void *context, int fd, uint32_t *ret_index)
{
    struct wall *wall = context;

    if (wall->closed || wall_refuses(wall) || wall->fd_count == WALL_FDS)
        return ISLE_EUNSENDABLE;
    *ret_index = (uint32_t)wall->fd_count;
    wall->fds[wall->fd_count++] = dup(fd);
    wall->given++;
    return ISLE_OK;
}

static inline isle_err wall_descriptor_in(void *context, uint32_t index, int *ret_fd)
{
    struct wall *wall = context;

    if (wall_refuses(wall) || index >= wall->fd_count || wall->fds[index] < 0)
        return ISLE_EMALFORMED;
    *ret_fd = wall->fds[index];
    wall->fds[index] = -1 - wall->fds[index]; /* remembered, for undo */
    wall->given++;
    return ISLE_OK;
}

static inline void wall_undo(void *context)
{
    struct wall *wall = context;

    CHECK(wall->given > 0);
    wall->given = 0;
    wall->undone++;
    for (size_t i = 0; i < wall->fd_count; i++) {
        if (wall->fds[i] < 0)
            wall->fds[i] = -1 - wall->fds[i];
    }
}

static inline void wall_open(struct wall *wall)
{
    memset(wall, 0, sizeof *wall);
    wall->refuse_with = ISLE_EMALFORMED;
    wall->wire = (struct isle__wire){.context = wall,
                                     .name_out = wall_name_out,
                                     .name_in = wall_name_in,
                                     .function_out = wall_function_out,
                                     .function_in = wall_function_in,
                                     .descriptor_out = wall_descriptor_out,
                                     .descriptor_in = wall_descriptor_in,
                                     .undo = wall_undo};
}

/* What was encoded or decoded stays so. */
static inline void wall_commit(struct wall *wall)
{
    wall->given = 0;
}

/* The record and its descriptors are gone; those that nobody took are closed. */
static inline void wall_forget_fds(struct wall *wall)
{
    for (size_t i = 0; i < wall->fd_count; i++) {
        if (wall->fds[i] >= 0)
            close(wall->fds[i]);
    }
    wall->fd_count = 0;
}

/* --- messages */

/* Encodes into `out`, which is empty, a value of the heap (or of nobody: heap NULL). */
static inline isle_err wire_try(struct isle__heap *heap, isle_value value, struct wall *wall,
                                struct isle__buffer *out)
{
    isle_err err = isle__wire_encode(heap, value, &wall->wire, out, NULL);

    CHECK(err == ISLE_OK || (out->size == 0 && wall->given == 0));
    return err;
}

static inline void wire_encoded(struct isle__heap *heap, isle_value value, struct wall *wall,
                                struct isle__buffer *out)
{
    isle_err err = wire_try(heap, value, wall, out);

    if (err != ISLE_OK)
        fail("not encoded: %s %s", test_err_name(err),
             heap != NULL ? isle_error_text(isle_last_error()) : "");
    wall_commit(wall);
}

static inline isle_value wire_decoded(struct isle__heap *heap, const struct isle__buffer *bytes,
                                      struct wall *wall)
{
    isle_value value = isle_null();
    isle_err err =
        isle__wire_decode(heap, bytes->data, bytes->size, WIRE_BUDGET, &wall->wire, &value);

    if (err != ISLE_OK)
        fail("not decoded: %s", isle_error_text(isle_last_error()));
    wall_commit(wall);
    return value;
}

/* There and back. */
static inline isle_value wire_through(struct isle__heap *heap, isle_value value, struct wall *wall)
{
    struct isle__buffer bytes;

    isle__buffer_init(&bytes, heap);
    wire_encoded(heap, value, wall, &bytes);
    isle_value arrived = wire_decoded(heap, &bytes, wall);
    isle__buffer_fini(&bytes);
    return arrived;
}

/* --- the same shape: what isle_equal cannot tell */

enum { SHAPE_MAX = 4000 };
struct shape {
    isle_value left[SHAPE_MAX], right[SHAPE_MAX];
    size_t count;
};

static inline bool shape_has_identity(isle_kind kind)
{
    return kind == ISLE_LIST || kind == ISLE_MAP || kind == ISLE_SET || kind == ISLE_BYTES ||
           kind == ISLE_ERROR || kind == ISLE_TRANSFERABLE || kind == ISLE_RESOURCE ||
           kind == ISLE_OBJECT;
}

/* Met before at the same place of the other; else it is noted. False: looked at already. */
static inline bool shape_meet(struct shape *shape, isle_value left, isle_value right)
{
    for (size_t i = 0; i < shape->count; i++) {
        bool met = isle_identical(shape->left[i], left);
        CHECK(met == isle_identical(shape->right[i], right));
        if (met)
            return false;
    }
    CHECK(shape->count < SHAPE_MAX);
    shape->left[shape->count] = left;
    shape->right[shape->count++] = right;
    return true;
}

static inline void shape_bytes(struct shape *shape, isle_value left, isle_value right)
{
    const struct isle__bytes *l = (struct isle__bytes *)isle__cell_of(left);
    const struct isle__bytes *r = (struct isle__bytes *)isle__cell_of(right);
    const struct isle__store *store = isle__bytes_store(l);

    CHECK_INT(l->cell.element, r->cell.element);
    CHECK(isle__is_frozen_cell(&store->cell) == isle__is_frozen_cell(&isle__bytes_store(r)->cell));
    for (size_t i = 0; i < shape->count; i++) {
        isle_value other = isle__resolve(shape->left[i]);
        if (isle_kind_of(other) != ISLE_BYTES)
            continue;
        const struct isle__bytes *o = (struct isle__bytes *)isle__cell_of(other);
        const struct isle__bytes *p =
            (struct isle__bytes *)isle__cell_of(isle__resolve(shape->right[i]));
        bool same = isle__bytes_store(o) == store;
        CHECK(same == (isle__bytes_store(p) == isle__bytes_store(r)));
        if (same)
            CHECK_INT((int64_t)(o->offset - l->offset), (int64_t)(p->offset - r->offset));
    }
}

/* Of one pair; what they lead to is compared by who calls, with a stack of pairs. */
static inline void shape_cells(isle_value left, isle_value right)
{
    const struct isle__cell *l = isle__cell_of(left), *r = isle__cell_of(right);
    bool immortal = ((l->flags | r->flags) & ISLE__CELL_IMMORTAL) != 0;

    CHECK_INT(l->flags & ISLE__CELL_FIXED, r->flags & ISLE__CELL_FIXED);
    CHECK_INT(l->flags & ISLE__CELL_NUL, r->flags & ISLE__CELL_NUL);
    if (!immortal)
        CHECK(isle__is_frozen_cell(l) == isle__is_frozen_cell(r));
}

static inline void check_shape_of(struct shape *shape, isle_value left, isle_value right)
{
    size_t left_at = 0, right_at = 0;
    isle_value left_key, right_key, left_value, right_value;

    left = isle__resolve(left);
    right = isle__resolve(right);
    isle_kind kind = isle_kind_of(left);
    CHECK_INT(isle_kind_of(right), kind);
    if (isle__is_immediate(left)) {
        CHECK_UINT(right.bits, left.bits);
        return;
    }
    shape_cells(left, right);
    if (shape_has_identity(kind) && !shape_meet(shape, left, right))
        return;
    if (kind == ISLE_BYTES)
        shape_bytes(shape, left, right);
    if (kind != ISLE_LIST && kind != ISLE_MAP && kind != ISLE_SET)
        return;
    while (isle_next(left, &left_at, &left_key, &left_value)) {
        CHECK(isle_next(right, &right_at, &right_key, &right_value));
        check_shape_of(shape, left_key, right_key);
        check_shape_of(shape, left_value, right_value);
    }
    CHECK(!isle_next(right, &right_at, NULL, NULL));
}

/* Equal, in the same order, and with the same sharing, kind by kind. */
static inline void check_shape(isle_value left, isle_value right)
{
    static struct shape shape;

    shape.count = 0;
    check_shape_of(&shape, left, right);
}

#endif
