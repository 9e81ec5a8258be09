/* SPDX-License-Identifier: Apache-2.0 */
/* The graph copier: one pass, for messages, frozen blocks, outer scopes and the kept heap.
 *
 * How it works. A cell is copied shallowly, its original is marked with the address of the copy
 * (flags FORWARDED and VISITED, the word after the header), and an entry of the log remembers what
 * the mark overwrote. Each copy still holds the original's children, which are copied in their turn
 * and replaced: at once, while both lie in the cache, down to COPY_DEPTH levels; what is deeper
 * waits in the log, which is the work list as well, so no depth of a graph needs more C stack.
 * Structs of the program cannot be marked; a table of addresses knows them.
 *
 * Laws:
 *   1. While originals are marked, nothing throws, collects, or runs code of the program.
 *   2. At the end every original is as before, or (a copy within one heap, outwards) forwards for
 * good and the scope it lies in has a handle on a kept copy.
 *   3. Frozen cells are never written; they are referred to and held.
 *   4. Transferables change hands last, when nothing can fail any more.
 *   5. A short string in a message is not marked: strings are what they hold (isle_identical), so
 *      one that is met twice may arrive as two. A small cache makes that rare. */
#ifndef ISLE_COPY_H
#define ISLE_COPY_H

#include "value/cell.h"

enum isle__copy_target { ISLE__COPY_PARCEL, ISLE__COPY_FROZEN, ISLE__COPY_SCOPE, ISLE__COPY_KEPT };

#define ISLE__COPY_CELL UINT32_MAX /* owner of an entry that is a cell */
#define ISLE__COPY_ROOT UINT32_MAX /* parent of the root */
#define ISLE__COPY_LOG_INLINE 24
#define ISLE__COPY_STRINGS 16    /* of the cache of short strings, a power of two */
#define ISLE__COPY_STRING_MAX 48 /* bytes of a short one */

struct isle__copy_entry {
    void *source; /* a cell, or a struct */
    void *dest;
    union {
        struct {
            uint64_t word; /* after the header, as it was */
            bool done;     /* the children are copied */
        } cell;
        struct {
            const isle_type *type;
            uint32_t depth;    /* of OWNED fields above */
            uint32_t tortoise; /* an entry above: met again, the fields are a cycle */
        } object;
    } as;
    uint32_t parent; /* entry that led here first */
    uint32_t owner;  /* of a struct: the object cell in whose memory it lies */
};

/* A transferable on its way out: in the copy's memory, behind its cell. */
struct isle__moved {
    struct isle__moved *next;
    struct isle__transferable_cell *source;
    struct isle__transferable_cell *dest;
    struct isle__hold *source_hold;
    struct isle__transfer *transfer;
    struct isle__hold hold;
};

struct isle__copy {
    struct isle__heap *heap;
    enum isle__copy_target target;
    struct isle__scope *scope;         /* of ISLE__COPY_SCOPE */
    struct isle__chunk *chunks, *last; /* of a parcel or frozen block */
    struct isle__hold *holds;          /* the same; with their references, not linked */
    struct isle__kept *blocks;         /* made so far, not yet of the heap */
    struct isle__moved *moved;
    size_t size; /* chunks and what is held */
    struct isle__copy_entry *log;
    size_t count, capacity;
    struct isle__idmap ids; /* structs to entries, frozen blocks */
    struct isle__frozen *last_held;
    uint32_t depth;    /* of cells that are being looked into */
    bool has_strings;  /* `strings` is in use */
    bool owns_objects; /* objects are copied even from where they may stay: the struct may be gone
                          soon */
    bool rehash;       /* some map of the copy needs it */
    bool gives; /* a message: bytes outside of the heap go along uncopied; nobody else will write */
    /* What follows is not cleared before it is used. */
    /* The offender, when the copy is refused. */
    uint64_t offender; /* what the place that led to it holds */
    uint32_t offender_parent;
    char what[96];
    struct {
        const struct isle__cell *source;
        struct isle__cell *dest;
    } strings[ISLE__COPY_STRINGS];
    struct isle__copy_entry first[ISLE__COPY_LOG_INLINE];
};

/* copy.c */
isle_err isle__copy_slot(struct isle__copy *copy, isle_value *slot, uint32_t parent);
struct isle__copy_entry *isle__copy_log(struct isle__copy *copy);
isle_err isle__copy_refuse(struct isle__copy *copy, uint64_t offender, uint32_t parent,
                           isle_err err, const char *format, ...) ISLE_PRINTF(5, 6);
isle_err isle__copy_hold_frozen(struct isle__copy *copy, struct isle__frozen *frozen);
/* Memory of the copy that belongs to the cell of entry `owner`; NULL: none. */
void *isle__copy_data(struct isle__copy *copy, uint32_t owner, size_t size);
static inline bool isle__copy_is_message(const struct isle__copy *copy)
{
    return copy->target == ISLE__COPY_PARCEL || copy->target == ISLE__COPY_FROZEN;
}
void isle__copy_init(struct isle__copy *copy, struct isle__heap *heap,
                     enum isle__copy_target target);
/* Copies the graph below *root, replaced by the copy's. After a failure everything still stands,
 * marks included, so that isle__copy_path can be asked; then isle__copy_abort makes it as if
 * nothing had been. */
isle_err isle__copy_run(struct isle__copy *copy, isle_value *root);
void isle__copy_abort(struct isle__copy *copy);
void isle__copy_fini(struct isle__copy *copy);
struct isle__chunk *isle__copy_add_chunk(struct isle__copy *copy, size_t size);
size_t isle__copy_estimate(isle_value root);

/* copy_quick.c: the same for the most usual messages. False: it is none, or there was no memory;
 * the originals are as before, and the copy must be aborted. */
bool isle__copy_quickly(struct isle__copy *copy, isle_value *root);

/* leaf.c: a parcel of one chunk: the header's place, and behind it `size` bytes of cells, not
 * filled in, which begin where its root does; NULL: no memory. */
struct isle__cell *isle__parcel_single(size_t header_size, size_t size,
                                       struct isle__parcel *ret_parcel);
/* Messages without a graph: a value of the heap that leads to no other, a struct that leads at most
 * to such. False: the copier must look. */
bool isle__parcel_leaf(struct isle__heap *heap, const struct isle__cell *source, size_t header_size,
                       struct isle__parcel *ret_parcel, isle_err *ret_err);
bool isle__parcel_struct(struct isle__heap *heap, const isle_type *type, const void *object,
                         size_t header_size, struct isle__parcel *ret_parcel, isle_err *ret_err);
/* A struct of this type as a parcel, neither it nor the `behind` bytes after it written yet: all
 * that it leads to lies there. Of a type without values. NULL: out of memory. */
void *isle__parcel_room(const isle_type *type, size_t behind, size_t header_size,
                        struct isle__parcel *ret_parcel, char **ret_behind);
/* A string, a number or a transferable from one scope of the heap to another, as
 * isle__copy_to_scope. */
bool isle__leaf_to_scope(struct isle__heap *heap, struct isle__scope *scope,
                         struct isle__cell *source, isle_value *ret_value, isle_err *ret_err);

/* copy_cell.c: the shallow copy of one cell in new memory of the target. */
isle_err isle__copy_cell(struct isle__copy *copy, const struct isle__cell *source, uint32_t parent,
                         struct isle__cell **ret_dest);
/* A hold in the copy's memory on a reference that is passed over. */
void isle__copy_enter_hold(struct isle__copy *copy, struct isle__cell *owner,
                           struct isle__hold *hold, struct isle__shared *shared);

/* copy_object.c */
isle_err isle__copy_object(struct isle__copy *copy, uint32_t at);
/* Reads the member that counts an array with elements `stride` apart. False: no count that memory
 * could have. */
bool isle__copy_count(const char *counter, size_t counter_size, size_t stride, size_t *ret_count);
isle_err isle__copy_struct(struct isle__copy *copy, uint32_t at);

/* copy_path.c: the text of a refusal, into memory of the platform; NULL: none. */
char *isle__copy_path(const struct isle__copy *copy, size_t *ret_size);

/* move.c: gives a parcel's chunks back to the scope that they came from. */
void isle__parcel_return(struct isle__parcel *parcel);

/* Where what stands behind a cell begins: aligned as a cell is. */
static inline size_t isle__copy_round(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/* copy.c; the first: or they are one */
static inline bool isle__scope_encloses(const struct isle__scope *outer,
                                        const struct isle__scope *inner)
{
    return outer->frame == inner->frame && outer->id <= inner->id;
}
isle_err isle__copy_to_scope(struct isle__heap *heap, struct isle__scope *scope, isle_value value,
                             isle_value *ret_value);
isle_err isle__copy_object_to_scope(struct isle__heap *heap, struct isle__scope *scope,
                                    isle_value value, isle_value *ret_value);
isle_err isle__copy_to_kept(struct isle__heap *heap, isle_value value, isle_value *ret_value);

#endif
