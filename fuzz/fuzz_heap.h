/* SPDX-License-Identifier: Apache-2.0 */
/* A heap for one input: opened before it, gone with all memory after it. */
#ifndef ISLE_FUZZ_HEAP_H
#define ISLE_FUZZ_HEAP_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "isle/error.h"
#include "value/heap.h"

/* Memory that one input may take. */
#define FUZZ_HEAP_LIMIT ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that does not hold. */
static inline void fuzz_need(bool holds)
{
    if (!holds)
        abort();
}

struct fuzz_heap {
    struct isle__heap heap;
    struct isle__frame frame;
    struct isle__scope scope;
    uint64_t live; /* before it was opened */
};

static inline void fuzz_heap_open(struct fuzz_heap *fuzz)
{
    memset(fuzz, 0, sizeof *fuzz); /* isle__heap_init leaves the counters of a former life */
    fuzz->live = isle__memory_live();
    isle__heap_init(&fuzz->heap, FUZZ_HEAP_LIMIT);
    isle__frame_init(&fuzz->frame, &fuzz->heap);
    isle__heap_set_current(&fuzz->heap);
    fuzz->heap.frame = &fuzz->frame;
    isle__scope_init(&fuzz->scope, &fuzz->frame);
}

static inline void fuzz_heap_close(struct fuzz_heap *fuzz)
{
    isle__scope_fini(&fuzz->scope, NULL);
    isle__frame_fini(&fuzz->frame);
    isle__heap_fini(&fuzz->heap);
    isle__heap_set_current(NULL);
    fuzz_need(isle__memory_live() == fuzz->live);
}

#endif
