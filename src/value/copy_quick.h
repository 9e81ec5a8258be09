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

/* One thing to do for a struct: a run of bytes, or fields that lead on. */
enum isle__quick_code {
    ISLE__QUICK_WORD, /* 8 bytes */
    ISLE__QUICK_BYTES,
    ISLE__QUICK_STRING,
    ISLE__QUICK_COUNTED, /* a pointer to an array */
    ISLE__QUICK_INLINE   /* elements in the struct itself */
};
struct isle__quick_op {
    enum isle__quick_code code;
    int kind;            /* of the field; 0: bytes */
    bool counted;        /* a pointer to an array */
    uint8_t count_size;  /* of the member that counts it */
    uint32_t offset;     /* in the struct */
    uint32_t size;       /* of one element, or of all bytes */
    uint32_t count;      /* of an array in the struct */
    size_t count_offset; /* of the counting member */
    const isle_field *field;
};
#define ISLE__QUICK_OPS 12
struct isle__quick_plan {
    const isle_type *type;
    uint32_t count;
    bool whole; /* every byte is copied: nothing need be zeroed */
    struct isle__quick_op ops[ISLE__QUICK_OPS];
};

/* A struct with an identity, to be copied or copied already. */
struct isle__quick_struct {
    const void *source;
    const isle_type *type;
    void *dest;
};

struct isle__quick {
    struct isle__copy *copy;
    const struct isle__region *plain; /* the region that was looked at last: its cells are copied */
    struct isle__quick_mark *log;
    size_t count, capacity;
    struct isle__quick_struct *structs; /* the work list, and what `index` leads to */
    uint32_t struct_count, struct_capacity, structs_done;
    uint32_t *index; /* of structs by address; 0: empty, else the number plus 1 */
    uint32_t index_size;
    uint32_t plan_count;
    struct {
        const struct isle__cell *source;
        struct isle__cell *dest;
    } strings[ISLE__COPY_STRINGS];
    struct isle__quick_mark first[ISLE__QUICK_LOG];
    struct isle__quick_plan plans[ISLE__QUICK_TYPES];
};

/* Memory of the copy, 16-byte aligned; NULL: none. */
static inline void *isle__quick_bump(struct isle__quick *quick, size_t size,
                                     struct isle__chunk **ret_chunk)
{
    struct isle__chunk *chunk = quick->copy->last;
    size = (size + 15) & ~(size_t)15;
    if (ISLE__UNLIKELY(size > chunk->size - chunk->used)) {
        chunk = isle__copy_add_chunk(quick->copy, size);
        if (chunk == NULL)
            return NULL;
    }
    void *memory = (char *)chunk + chunk->used;
    chunk->used += size;
    *ret_chunk = chunk;
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
