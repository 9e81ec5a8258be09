/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a message is larger than what a wall takes, before it is on its way. It is encoded for
 * nobody: the bytes beside it are counted where they lie, names and functions are as short as none
 * is. So what is said to be too large is, and what is not may be all the same. */
#include "value/wire.h"

enum {
    SIZE_OF_ASIDE = 16, /* at most so much more than in the message is said of bytes beside it */
    SIZE_OF_FILE = 1 << 20, /* no smaller bytes become a file */
};

struct size {
    size_t asides;
    size_t file, file_most; /* of them the largest that could be one */
};

static isle_err size_name(void *context, enum isle__wire_kind kind, uint64_t id,
                          struct isle__wire_name *ret_name)
{
    (void)context, (void)kind, (void)id;
    *ret_name = (struct isle__wire_name){0, false};
    return ISLE_OK;
}

static isle_err size_function(void *context, isle_function *function,
                              struct isle__wire_function *ret_function)
{
    (void)context, (void)function;
    ret_function->size = 0;
    return ISLE_OK;
}

static isle_err size_descriptor(void *context, int fd, uint32_t *ret_index)
{
    (void)context, (void)fd;
    *ret_index = 0;
    return ISLE_OK;
}

static isle_err size_aside(void *context, const void *data, size_t size,
                           struct isle__frozen *frozen, struct isle__wire_aside *ret_aside)
{
    struct size *sizes = context;
    size_t least = size - SIZE_OF_ASIDE;
    bool may_be_file = frozen != NULL && size >= SIZE_OF_FILE && size <= sizes->file_most;
    (void)data;
    sizes->asides += least;
    if (may_be_file && least > sizes->file)
        sizes->file = least;
    *ret_aside = (struct isle__wire_aside){0};
    return ISLE_OK;
}

/* An encode that fails begins its sums anew. */
static void size_undo(void *context)
{
    struct size *sizes = context;
    sizes->asides = sizes->file = 0;
}

bool isle__wire_is_over(isle_value value, size_t most, size_t file_most)
{
    struct size sizes = {.file_most = file_most};
    const struct isle__wire wire = {
        .context = &sizes,
        .name_out = size_name,
        .function_out = size_function,
        .descriptor_out = size_descriptor,
        .aside_out = size_aside,
        .undo = size_undo,
    };
    struct isle__buffer out;
    isle__buffer_init(&out, NULL);
    isle_err err = isle__wire_encode(NULL, value, &wire, &out, NULL);
    size_t size = out.size + sizes.asides - sizes.file;
    isle__buffer_fini(&out);
    return err == ISLE_OK && !out.failed && size > most;
}
