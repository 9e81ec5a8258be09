/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and scopes: what opens, what closes, what runs in between.
 *
 * Law: the scopes of a frame form a stack; ids ascend along it and are never used again in a heap,
 * so a stale isle_scope means nothing. A scope outside of the innermost boundary (catch) cannot be
 * closed from inside it. Deferred tasks run while their scope is still whole, each under a boundary
 * of its own. */
#include <string.h>

#include "value/cell.h"

void isle__frame_init(struct isle__frame *frame, struct isle__heap *heap)
{
    memset(frame, 0, offsetof(struct isle__frame, spare));
    frame->heap = heap;
    frame->spare.frame = NULL;
    isle__frame_link(frame);
}

void isle__frame_link(struct isle__frame *frame)
{
    struct isle__heap *heap = frame->heap;
    if (frame->linked)
        return;
    frame->linked = true;
    frame->previous = NULL;
    frame->next = heap->frames;
    if (heap->frames != NULL)
        heap->frames->previous = frame;
    heap->frames = frame;
}

/* Frees what a scope has; an empty one has nothing. */
static void scope_free_all(struct isle__scope *scope)
{
    struct isle__heap *heap = scope->region.heap;
    struct isle__chunk *chunk = scope->chunks;
    size_t charged = scope->charged;
    if (scope->holds != NULL)
        isle__holds_drop(heap, scope->holds);
    if (scope->handles != NULL)
        isle__memory_free(scope->handles, scope->handle_capacity * sizeof(*scope->handles));
    if (scope->opened && scope != &scope->frame->spare)
        isle__memory_free(scope, sizeof(*scope));
    while (chunk != NULL) {
        struct isle__chunk *next = chunk->next;
        isle__memory_free(chunk, chunk->size);
        chunk = next;
    }
    isle__heap_discharge(heap, charged);
}

/* Frees the innermost scope of its frame without running anything. What it holds is charged, or
 * holds. */
static inline void scope_free(struct isle__scope *scope)
{
    struct isle__frame *frame = scope->frame;
    frame->scope = scope->outer;
    if (scope->charged != 0 || scope->chunks != NULL || scope->holds != NULL)
        scope_free_all(scope);
    if (scope == &frame->spare)
        frame->spare.frame = NULL;
}

static void frame_forget(struct isle__frame *frame)
{
    if (frame->fail_text != NULL)
        isle__memory_free(frame->fail_text, frame->fail_size);
    frame->fail_text = NULL;
    frame->fail_size = 0;
    frame->fail_code = ISLE_OK;
}

void isle__frame_fini(struct isle__frame *frame)
{
    struct isle__heap *heap = frame->heap;
    while (frame->scope != NULL)
        scope_free(frame->scope);
    frame_forget(frame);
    if (frame->linked) {
        if (frame->next != NULL)
            frame->next->previous = frame->previous;
        if (frame->previous != NULL)
            frame->previous->next = frame->next;
        else
            heap->frames = frame->next;
        frame->linked = false;
    }
    if (heap->frame == frame)
        heap->frame = NULL;
}

void isle__scope_init(struct isle__scope *scope, struct isle__frame *frame)
{
    /* Below a frame's first there is room for one more: isle__scope_underlay. */
    frame->heap->next_scope_id += frame->scope == NULL;
    scope->region.kind = ISLE__REGION_SCOPE;
    scope->region.heap = frame->heap;
    scope->outer = frame->scope;
    scope->frame = frame;
    scope->id = frame->heap->next_scope_id++;
    scope->chunks = NULL;
    scope->holds = NULL;
    scope->defers = NULL;
    scope->handles = NULL;
    scope->handle_count = scope->handle_capacity = 0;
    scope->charged = 0;
    scope->opened = false;
    frame->scope = scope;
}

void isle__scope_renew(struct isle__scope *scope)
{
    struct isle__heap *heap = scope->region.heap;
    if (scope->charged != 0 || scope->chunks != NULL || scope->holds != NULL) {
        scope_free_all(scope);
        scope->chunks = NULL;
        scope->holds = NULL;
        scope->handles = NULL;
        scope->handle_count = scope->handle_capacity = 0;
        scope->charged = 0;
    }
    heap->next_scope_id += 2; /* as isle__scope_init */
    scope->id = heap->next_scope_id - 1;
}

void isle__scope_underlay(struct isle__scope *outer, struct isle__scope *scope)
{
    struct isle__frame *frame = scope->frame;
    *outer = (struct isle__scope){.region = scope->region, .frame = frame, .id = scope->id - 1};
    scope->outer = outer;
}

/* Runs the quiet ones that are last; true: none is left. */
static inline bool scope_run_quiet(struct isle__scope *scope)
{
    struct isle__defer *defer;
    while ((defer = scope->defers) != NULL && defer->is_quiet) {
        scope->defers = defer->next;
        defer->task(defer->context);
    }
    return defer == NULL;
}

static void scope_run_task(void *argument)
{
    struct isle__defer *defer = argument;
    defer->task(defer->context);
}

/* Runs the deferred tasks of the innermost scope; true: one of them threw, the first error is in
 * *ret_error. */
static bool scope_run_defers(struct isle__scope *scope, isle_value *ret_error)
{
    struct isle__frame *frame = scope->frame;
    bool threw = false;
    while (!scope_run_quiet(scope)) {
        struct isle__defer *defer = scope->defers;
        struct isle__catch catch;
        scope->defers = defer->next;
        frame->deferring++;
        enum isle__unwinding stopped =
            isle__catch_do(scope->region.heap, &catch, ISLE__CATCH_PROTECT, scope_run_task, defer);
        frame->deferring--;
        if (stopped == ISLE__UNWIND_END)
            frame->pending_end = true;
        if (stopped != ISLE__UNWIND_ERROR || threw)
            continue;
        threw = true;
        *ret_error = catch.error;
    }
    return threw;
}

/* The error of a scope that closes, for who is outside. */
static isle_value scope_rescue(struct isle__scope *scope, isle_value error)
{
    isle_value moved = error;
    if (isle__is_immediate(error))
        return error;
    if (scope->outer == NULL ||
        isle__try_store(scope->region.heap, &scope->outer->region, error, &moved) != ISLE_OK)
        return isle__error_out_of_memory();
    return moved;
}

/* With all inner ones, deferred tasks first. */
static ISLE__RARE bool scope_close_all(struct isle__scope *scope, isle_value *ret_error)
{
    struct isle__frame *frame = scope->frame;
    isle_value first = isle_null();
    bool threw = false;
    for (bool last = false; !last;) {
        struct isle__scope *inner = frame->scope;
        isle_value error;
        if (scope_run_defers(inner, &error) && !threw) {
            threw = true;
            first = error;
        }
        if (threw)
            first = scope_rescue(inner, first);
        last = inner == scope;
        scope_free(inner);
    }
    if (threw && ret_error != NULL)
        *ret_error = first;
    return threw;
}

bool isle__scope_fini(struct isle__scope *scope, isle_value *ret_error)
{
    if (scope->frame->scope != scope || !scope_run_quiet(scope))
        return scope_close_all(scope, ret_error);
    scope_free(scope);
    return false;
}

void isle__frame_abandon(struct isle__frame *frame)
{
    struct isle__heap *heap = frame->heap;
    struct isle__frame *running = heap->frame;
    heap->frame = frame;
    frame->catcher = NULL; /* the boundaries lie on a stack that is never continued */
    while (frame->scope != NULL)
        isle__scope_fini(frame->scope, NULL);
    heap->frame = running;
}

struct isle__scope *isle__scope_current(struct isle__heap *heap)
{
    if (heap->frame == NULL || heap->frame->scope == NULL)
        isle__throw(ISLE_EINVAL, "no scope is open");
    return heap->frame->scope;
}

/* Keeps the first of each cell; the others are of no use. */
static void scope_dedupe_handles(struct isle__scope *scope)
{
    uint64_t stamp = scope->region.heap->next_scope_id++;
    uint32_t count = 0;
    for (size_t i = 0; i < scope->handle_count; i++) {
        struct isle__kept *block = isle__kept_of(scope->handles[i]);
        if (block->as.exposed == stamp)
            continue;
        block->as.exposed = stamp;
        scope->handles[count++] = scope->handles[i];
    }
    for (size_t i = 0; i < count; i++)
        isle__kept_of(scope->handles[i])->as.exposed = scope->id;
    scope->handle_count = count;
}

static bool scope_grow_handles(struct isle__scope *scope)
{
    struct isle__heap *heap = scope->region.heap;
    uint32_t old = scope->handle_capacity;
    if (old >= 64)
        scope_dedupe_handles(scope);
    if (old != 0 && scope->handle_count <= old / 2)
        return true;
    if (old > UINT32_MAX / 2)
        return false;
    uint32_t capacity = old == 0 ? 8 : old * 2;
    size_t added = (capacity - old) * sizeof(*scope->handles);
    bool busy = heap->busy;
    heap->busy = true; /* the cell that asks is in no list yet */
    bool charged = isle__heap_try_charge(heap, added);
    heap->busy = busy;
    if (!charged)
        return false;
    struct isle__cell **handles = old == 0
                                      ? isle__memory_alloc(added)
                                      : isle__memory_resize(scope->handles, old * sizeof(*handles),
                                                            capacity * sizeof(*handles));
    if (handles == NULL) {
        isle__heap_discharge(heap, added);
        return false;
    }
    scope->charged += added;
    scope->handles = handles;
    scope->handle_capacity = capacity;
    return true;
}

bool isle__scope_handle(struct isle__scope *scope, struct isle__cell *cell)
{
    struct isle__kept *block = isle__kept_of(cell);
    if (block->as.exposed == scope->id)
        return true;
    if (scope->handle_count == scope->handle_capacity && !scope_grow_handles(scope))
        return false;
    scope->handles[scope->handle_count++] = cell;
    block->as.exposed = scope->id;
    return true;
}

/* Memory for a scope inside another that was opened. */
static ISLE__RARE struct isle__scope *scope_new(struct isle__heap *heap)
{
    struct isle__scope *scope = NULL;
    if (isle__heap_try_charge(heap, sizeof(*scope))) {
        scope = isle__memory_alloc(sizeof(*scope));
        if (scope == NULL)
            isle__heap_discharge(heap, sizeof(*scope));
    }
    if (scope == NULL)
        isle__throw(ISLE_ENOMEM, "isle_scope_open");
    return scope;
}

isle_scope isle_scope_open(void)
{
    struct isle__heap *heap = isle__heap_need("isle_scope_open");
    struct isle__scope *scope = &heap->frame->spare;
    size_t charged = 0;
    if (scope->frame != NULL) {
        scope = scope_new(heap);
        charged = sizeof(*scope);
    }
    isle__scope_init(scope, heap->frame);
    scope->charged = charged;
    scope->opened = true;
    return (isle_scope){scope->id};
}

static ISLE__RARE void scope_close_at(struct isle__frame *frame, const struct isle__scope *boundary,
                                      uint64_t id)
{
    struct isle__scope *scope = frame->scope;
    isle_value error;
    while (scope != NULL && scope != boundary && scope->id > id)
        scope = scope->outer;
    if (id == 0 || scope == NULL || scope == boundary || scope->id != id || !scope->opened)
        return;
    if (isle__scope_fini(scope, &error))
        isle_throw(error);
}

void isle_scope_close(isle_scope *handle)
{
    struct isle__heap *heap = isle__heap_need("isle_scope_close");
    if (handle == NULL)
        isle__throw(ISLE_EINVAL, "isle_scope_close: NULL");
    struct isle__frame *frame = heap->frame;
    const struct isle__scope *boundary = frame->catcher == NULL ? NULL : frame->catcher->scope;
    struct isle__scope *scope = frame->scope;
    uint64_t id = handle->id;
    handle->id = 0;
    /* Nearly always it is the innermost, and the program has deferred nothing. */
    if (ISLE__UNLIKELY(scope == NULL || scope->id != id || scope == boundary || !scope->opened ||
                       !scope_run_quiet(scope)))
        scope_close_at(frame, boundary, id);
    else
        scope_free(scope);
}

isle_value isle_escape(isle_value value)
{
    struct isle__heap *heap = isle__heap_need("isle_escape");
    struct isle__scope *scope = isle__scope_current(heap);
    if (scope->outer == NULL)
        isle__throw(ISLE_EINVAL, "isle_escape: no scope encloses this one");
    return isle__move_to_scope(heap, scope->outer, value);
}

bool isle__scope_try_defer(struct isle__scope *scope, isle_task *task, void *context)
{
    struct isle__defer *defer = isle__scope_try_alloc(scope, sizeof(*defer));
    if (defer == NULL)
        return false;
    *defer = (struct isle__defer){scope->defers, task, context, false};
    scope->defers = defer;
    return true;
}

void isle__scope_forget(struct isle__scope *scope, const struct isle__defer *defer)
{
    struct isle__defer **at = &scope->defers;
    while (*at != defer)
        at = &(*at)->next;
    *at = defer->next;
}

void isle_defer(isle_task *task, void *context)
{
    struct isle__heap *heap = isle__heap_need("isle_defer");
    if (task == NULL)
        isle__throw(ISLE_EINVAL, "isle_defer: NULL");
    struct isle__scope *scope = isle__scope_current(heap);
    struct isle__defer *defer = isle__scope_alloc(scope, sizeof(*defer));
    *defer = (struct isle__defer){scope->defers, task, context, false};
    scope->defers = defer;
}

isle_uninterrupted isle_uninterrupted_begin(void)
{
    struct isle__heap *heap = isle__heap_need("isle_uninterrupted_begin");
    return (isle_uninterrupted){++heap->frame->uninterrupted};
}

void isle_uninterrupted_end(isle_uninterrupted *section)
{
    struct isle__heap *heap = isle__heap_need("isle_uninterrupted_end");
    if (section == NULL)
        isle__throw(ISLE_EINVAL, "isle_uninterrupted_end: NULL");
    if (section->depth != 0 && section->depth <= heap->frame->uninterrupted)
        heap->frame->uninterrupted = section->depth - 1;
    section->depth = 0;
}
