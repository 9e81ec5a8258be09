/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the quick copier share: copy_quick.c for values, copy_quick_object.c for
 * structs of the program. */
#ifndef ISLE_COPY_QUICK_H
#define ISLE_COPY_QUICK_H

#include "value/copy.h"

#define ISLE__QUICK_DEPTH 64 /* of cells and structs in each other */
#define ISLE__QUICK_LOG 32
#define ISLE__QUICK_TYPES 4

struct isle__quick_mark {
    struct isle__forward *source;
    uint64_t word; /* after the header, as it was */
};

/* What a type's fields want: its bytes as runs, and what in the copy leads on, to be replaced. */
struct isle__quick_run {
    uint32_t offset, size; /* in the struct */
};
struct isle__quick_lead {
    int kind;                      /* of the field */
    bool counted;                  /* a pointer to an array */
    uint8_t counter_size;          /* of the member that counts it */
    uint32_t offset;               /* in the struct */
    uint32_t counter;              /* the same of the counting member */
    uint32_t size;                 /* of one element */
    uint32_t count;                /* of an array in the struct */
    size_t most;                   /* elements that memory could have */
    const isle_type *type;         /* of what it leads to */
    struct isle__quick_plan *plan; /* of that type, once it was needed */
};
#define ISLE__QUICK_RUNS 12
#define ISLE__QUICK_LEADS 12
struct isle__quick_plan {
    const isle_type *type;
    size_t size;
    uint32_t run_count, lead_count;
    struct isle__quick_run runs[ISLE__QUICK_RUNS]; /* the first with all bytes: nothing is zeroed */
    struct isle__quick_lead leads[ISLE__QUICK_LEADS];
};

/* A struct with an identity, to be copied or copied already. */
struct isle__quick_struct {
    const void *source;
    const isle_type *type;
    void *dest;
};
#define ISLE__QUICK_STRUCTS 8 /* so many are known without an index */

struct isle__quick {
    struct isle__copy *copy;
    char *at, *end;                   /* what is free of the copy's last chunk */
    const struct isle__region *plain; /* the region that was looked at last: its cells are copied */
    struct isle__quick_mark *log;     /* the last segment of it, with so many in use */
    size_t count, capacity;
    struct isle__quick_struct *structs; /* the work list, and what `index` leads to */
    uint32_t struct_count, struct_capacity, structs_done;
    uint32_t index_size; /* 0: there is none yet */
    uint32_t *index;     /* of structs by address; 0: empty, else the number plus 1 */
    uint32_t plan_count;
    struct {
        const struct isle__cell *source;
        struct isle__cell *dest;
    } strings[ISLE__COPY_STRINGS];
    struct isle__quick_struct first_structs[ISLE__QUICK_STRUCTS];
    struct isle__quick_mark first[ISLE__QUICK_LOG];
    struct isle__quick_plan plans[ISLE__QUICK_TYPES];
};

/* The last chunk knows how much of it is used only between these two. */
static inline void isle__quick_leave_chunk(struct isle__quick *quick)
{
    struct isle__chunk *chunk = quick->copy->last;
    chunk->used = (size_t)(quick->at - (char *)chunk);
}
static inline void isle__quick_enter_chunk(struct isle__quick *quick)
{
    struct isle__chunk *chunk = quick->copy->last;
    quick->at = (char *)chunk + chunk->used;
    quick->end = (char *)chunk + chunk->size;
}
/* A new last chunk; false: there was no memory. */
bool isle__quick_more(struct isle__quick *quick, size_t size);

/* Memory of the copy, 16-byte aligned, in its last chunk; NULL: none. */
static inline void *isle__quick_bump(struct isle__quick *quick, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (ISLE__UNLIKELY(size > (size_t)(quick->end - quick->at)) && !isle__quick_more(quick, size))
        return NULL;
    void *memory = quick->at;
    quick->at += size;
    return memory;
}

/* All return false to give up. The copy of a value into *slot; */
bool isle__quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot,
                      unsigned depth);
/* of a struct with an identity: its place at once, its content by isle__quick_structs. */
bool isle__quick_object(struct isle__quick *quick, const isle_type *type, const void *source,
                        void **ret_dest);
bool isle__quick_structs(struct isle__quick *quick);
void isle__quick_structs_fini(struct isle__quick *quick);

#endif
