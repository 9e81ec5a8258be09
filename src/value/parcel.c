/* SPDX-License-Identifier: Apache-2.0 */
/* Parcels: graphs on their way, and frozen blocks, which are parcels that stay.
 *
 * Law: a parcel owns its chunks and one reference for each of its holds. Whoever has it last drops
 * or adopts it. Transferables that it took from their cells can be given back until
 * isle__parcel_commit; the sender's scope must not have been left by then. */
#include <string.h>

#include "value/copy.h"

void *isle__parcel_header(const struct isle__parcel *parcel)
{
    return parcel->chunks + 1;
}

static void parcel_free_chunks(struct isle__chunk *chunk)
{
    while (chunk != NULL) {
        struct isle__chunk *next = chunk->next;
        isle__memory_free(chunk, chunk->size);
        chunk = next;
    }
}

/* The header's place at the begin of the first chunk, and room for `size` bytes of cells. */
static bool parcel_begin(struct isle__copy *copy, size_t header_size, size_t size)
{
    header_size = (header_size + 15) & ~(size_t)15;
    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)64 * 1024)
        size = (size_t)64 * 1024;
    struct isle__chunk *chunk = isle__copy_add_chunk(copy, header_size + size);
    if (chunk == NULL)
        return false;
    chunk->used += header_size;
    return true;
}

/* Quickly or, failing that, in the general way. */
static isle_err parcel_run(struct isle__copy *copy, size_t header_size, isle_value *root)
{
    size_t size = isle__copy_estimate(*root);
    if (!parcel_begin(copy, header_size, size))
        return ISLE_ENOMEM;
    if (copy->gives)
        return isle__copy_run(copy, root);
    if (isle__copy_quickly(copy, root))
        return ISLE_OK;
    isle__copy_abort(copy);
    isle__copy_fini(copy);
    isle__copy_init(copy, copy->heap, copy->target);
    return parcel_begin(copy, header_size, size) ? isle__copy_run(copy, root) : ISLE_ENOMEM;
}

static isle_err parcel_fail(struct isle__copy *copy, isle_err err)
{
    size_t size;
    char *text = NULL;
    if (err == ISLE_EUNSENDABLE || err == ISLE_ERANGE)
        text = isle__copy_path(copy, &size);
    isle__copy_abort(copy);
    if (text != NULL)
        isle__fail(err, "%s", text);
    else if (err == ISLE_EINVAL)
        isle__fail(err, "a value of another isolate");
    else
        isle__fail(err, "%s", isle_err_text(err));
    if (text != NULL)
        isle__memory_free(text, size);
    return err;
}

isle_err isle__parcel_immediate(isle_value immediate, size_t header_size,
                                struct isle__parcel *ret_parcel)
{
    if (isle__parcel_single(header_size, 0, ret_parcel) == NULL)
        return ISLE_ENOMEM;
    ret_parcel->root = immediate;
    return ISLE_OK;
}

static isle_err parcel_graph(struct isle__heap *heap, isle_value value, size_t header_size,
                             bool gives, struct isle__parcel *ret_parcel)
{
    struct isle__copy copy;
    isle_err err;
    isle__copy_init(&copy, heap, ISLE__COPY_PARCEL);
    copy.gives = gives;
    err = parcel_run(&copy, header_size, &value);
    if (err == ISLE_OK)
        *ret_parcel =
            (struct isle__parcel){value, copy.chunks, copy.holds, copy.size, copy.moved, NULL};
    else
        parcel_fail(&copy, err);
    isle__copy_fini(&copy);
    return err;
}

/* Without the copier; false: it must look. */
static inline bool parcel_plain(struct isle__heap *heap, isle_value value, size_t header_size,
                                struct isle__parcel *ret_parcel, isle_err *ret_err)
{
    if (isle__is_immediate(value)) {
        *ret_err = isle__parcel_immediate(value, header_size, ret_parcel);
        return true;
    }
    const struct isle__cell *cell = isle__cell_of(value);
    if (cell->kind == ISLE_LIST || cell->kind == ISLE_MAP)
        return false;
    const struct isle__region *region = isle__region_of(cell);
    if (region == NULL || region->heap != heap)
        return false;
    const struct isle__object_cell *object = (const struct isle__object_cell *)cell;
    return cell->kind == ISLE_OBJECT
               ? isle__parcel_struct(heap, object->type, object->object, header_size, ret_parcel,
                                     ret_err)
               : isle__parcel_leaf(heap, cell, header_size, ret_parcel, ret_err);
}

isle_err isle__parcel_copy(struct isle__heap *heap, isle_value value, size_t header_size,
                           struct isle__parcel *ret_parcel)
{
    isle_err err;
    value = isle__resolve(value);
    if (isle__tag_of(value) == ISLE__TAG_POINTER ||
        !parcel_plain(heap, value, header_size, ret_parcel, &err))
        return parcel_graph(heap, value, header_size, false, ret_parcel);
    return err == ISLE_OK ? err : isle__fail(err, "%s", isle_err_text(err));
}

isle_err isle__parcel_give(struct isle__heap *heap, isle_value value, size_t header_size,
                           struct isle__parcel *ret_parcel)
{
    return parcel_graph(heap, isle__resolve(value), header_size, true, ret_parcel);
}

isle_err isle__parcel_copy_object(struct isle__heap *heap, const isle_type *type,
                                  const void *object, size_t header_size,
                                  struct isle__parcel *ret_parcel)
{
    struct {
        _Alignas(16) struct isle__chunk chunk;
        struct isle__object_cell cell;
        struct isle__region region;
    } local;
    isle_err err;
    if (isle__parcel_struct(heap, type, object, header_size, ret_parcel, &err))
        return err == ISLE_OK ? err : isle__fail(err, "%s", isle_err_text(err));
    local.region = (struct isle__region){ISLE__REGION_SCOPE, heap};
    local.chunk = (struct isle__chunk){&local.region, NULL, sizeof(local), sizeof(local)};
    local.cell = (struct isle__object_cell){{.kind = ISLE_OBJECT}, type, (void *)(uintptr_t)object};
    local.cell.cell.offset = sizeof(struct isle__chunk) / 16;
    return parcel_graph(heap, isle__value_of(&local.cell), header_size, false, ret_parcel);
}

void isle__parcel_commit(struct isle__parcel *parcel)
{
    parcel->moved = NULL;
    parcel->donor = NULL;
}

/* The transfers go back to the cells that they came from, and their references with them. */
static void parcel_give_back(struct isle__moved *moved)
{
    for (; moved != NULL; moved = moved->next) {
        moved->source->transfer = moved->transfer;
        moved->hold.shared = NULL;
        if (moved->source_hold == NULL) {
            isle__shared_unref(&moved->transfer->shared);
            continue;
        }
        moved->source_hold->shared = &moved->transfer->shared;
        isle__hold_link(isle__region_of(&moved->source->cell)->heap, moved->source_hold);
    }
}

void isle__parcel_undo(struct isle__parcel *parcel)
{
    parcel_give_back(parcel->moved);
    parcel->moved = NULL;
    if (parcel->donor != NULL)
        isle__parcel_return(parcel);
    isle__parcel_drop(parcel);
}

void isle__parcel_drop(struct isle__parcel *parcel)
{
    isle__holds_drop(NULL, parcel->holds);
    parcel_free_chunks(parcel->chunks);
    *parcel = (struct isle__parcel){{0}, NULL, NULL, 0, NULL, NULL};
}

isle_value isle__parcel_adopt(struct isle__parcel *parcel, struct isle__scope *scope)
{
    struct isle__heap *heap = scope->region.heap;
    struct isle__chunk *last = NULL;
    isle_value root = parcel->root;
    size_t size = 0;
    for (struct isle__chunk *chunk = parcel->chunks; chunk != NULL; chunk = chunk->next) {
        chunk->region = &scope->region;
        size += chunk->size;
        last = chunk;
    }
    isle__heap_charge_always(heap, size);
    scope->charged += size;
    if (scope->chunks == NULL) {
        scope->chunks = parcel->chunks;
    } else {
        last->next = scope->chunks->next;
        scope->chunks->next = parcel->chunks;
    }
    for (struct isle__hold *hold = parcel->holds, *next; hold != NULL; hold = next) {
        next = hold->next;
        isle__hold_link(heap, hold);
        hold->next = scope->holds;
        scope->holds = hold;
    }
    *parcel = (struct isle__parcel){{0}, NULL, NULL, 0, NULL, NULL};
    return root;
}

static void parcel_set_region(struct isle__parcel *parcel, struct isle__region *region)
{
    for (struct isle__chunk *chunk = parcel->chunks; chunk != NULL; chunk = chunk->next)
        chunk->region = region;
}

isle_value isle__parcel_peek(struct isle__parcel *parcel, struct isle__region *region)
{
    parcel_set_region(parcel, region);
    return parcel->root;
}

void isle__parcel_unpeek(struct isle__parcel *parcel)
{
    parcel_set_region(parcel, NULL);
}

struct parcel_build {
    struct isle__heap *heap;
    isle_value (*build)(void *context);
    void *context;
    isle_value root;
};

static void parcel_build_run(void *argument)
{
    struct parcel_build *build = argument;
    build->root = isle__move_to_scope(build->heap, build->heap->frame->catcher->scope,
                                      build->build(build->context));
}

isle_err isle__parcel_build(isle_value (*build)(void *context), void *context, size_t header_size,
                            struct isle__parcel *ret_parcel)
{
    struct isle__heap *outer = isle__heap_current();
    struct isle__heap heap = {0};
    struct isle__frame frame;
    struct isle__scope scope;
    struct isle__catch catch;
    struct parcel_build call = {&heap, build, context, {0}};
    isle__heap_init(&heap, SIZE_MAX);
    isle__frame_init(&frame, &heap);
    isle__scope_init(&scope, &frame);
    heap.frame = &frame;
    isle__heap_set_current(&heap);
    isle_err err = ISLE_ECANCELED;
    switch (isle__catch_do(&heap, &catch, ISLE__CATCH_PROTECT, parcel_build_run, &call)) {
    case ISLE__UNWIND_NONE:
        err = isle__parcel_copy(&heap, call.root, header_size, ret_parcel);
        break;
    case ISLE__UNWIND_ERROR:
        err = isle__fail_with(catch.error);
        break;
    case ISLE__UNWIND_END:
        break;
    }
    if (err == ISLE_OK)
        isle__parcel_commit(ret_parcel);
    isle__scope_fini(&scope, NULL);
    isle__heap_fini(&heap);
    isle__heap_set_current(outer);
    return err;
}

static void frozen_destroy(struct isle__shared *shared)
{
    struct isle__frozen *frozen = (struct isle__frozen *)shared;
    isle__frozen_files_drop(frozen);
    isle__holds_drop(NULL, frozen->holds);
    parcel_free_chunks(frozen->chunks);
    isle__memory_free(frozen, sizeof(*frozen));
}

static isle_err frozen_copy(struct isle__heap *heap, isle_value value, bool gives,
                            struct isle__frozen **ret_frozen)
{
    struct isle__copy copy;
    isle_err err = ISLE_ENOMEM;
    struct isle__frozen *frozen = isle__memory_alloc(sizeof(*frozen));
    if (frozen == NULL)
        return isle__fail(err, "%s", isle_err_text(err));
    value = isle__resolve(value);
    isle__copy_init(&copy, heap, ISLE__COPY_FROZEN);
    copy.gives = gives;
    err = parcel_run(&copy, 0, &value);
    if (err != ISLE_OK) {
        parcel_fail(&copy, err);
        isle__memory_free(frozen, sizeof(*frozen));
    } else {
        atomic_init(&frozen->shared.references, 1);
        frozen->shared.size = sizeof(*frozen) + copy.size;
        frozen->shared.destroy = frozen_destroy;
        frozen->region = (struct isle__region){ISLE__REGION_FROZEN, NULL};
        frozen->chunks = copy.chunks;
        frozen->holds = copy.holds;
        frozen->root = value;
        atomic_init(&frozen->files, NULL);
        for (struct isle__chunk *chunk = frozen->chunks; chunk != NULL; chunk = chunk->next)
            chunk->region = &frozen->region;
        *ret_frozen = frozen;
    }
    isle__copy_fini(&copy);
    return err;
}

isle_err isle__frozen_make(struct isle__heap *heap, isle_value value,
                           struct isle__frozen **ret_frozen)
{
    return frozen_copy(heap, value, false, ret_frozen);
}

isle_err isle__frozen_give(struct isle__heap *heap, isle_value value,
                           struct isle__frozen **ret_frozen)
{
    return frozen_copy(heap, value, true, ret_frozen);
}
