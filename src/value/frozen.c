/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen bytes in memory files, for who shares no memory with this process: a copy that is made
 * once and lives as long as the frozen block.
 *
 * Writing a file costs more than sending the bytes by a ring, and mapping it much less than fresh
 * memory that they are copied to (docs/design/process.md has the figures). So the first to ask for
 * some bytes is told that there is none; the second has it made.
 *
 * Laws. A block's list only grows, at its head, until the block is destroyed; what an entry is for
 * never changes, and its file is set once. Any thread that holds the block may ask. A program has
 * at most FROZEN_FILES_MAX files, so that descriptors are left for others. */
#include "value/cell.h"

enum { FROZEN_FILES_MAX = 64, FROZEN_FILES_OF_ONE = 16 };

struct isle__frozen_file {
    struct isle__frozen_file *next;
    const void *data;
    size_t size;
    uint32_t nth;   /* of its block, from 0 */
    _Atomic int fd; /* -1: not made yet */
};

static _Atomic uint32_t frozen_files;

static struct isle__frozen_file *frozen_file_find(struct isle__frozen_file *file, const void *data,
                                                  size_t size)
{
    while (file != NULL && (file->data != data || file->size != size))
        file = file->next;
    return file;
}

/* Two that add at once may add two: the later is never found, and asked for again. */
static void frozen_file_add(struct isle__frozen *frozen, const void *data, size_t size)
{
    struct isle__frozen_file *head = atomic_load_explicit(&frozen->files, memory_order_acquire);
    uint32_t nth = head != NULL ? head->nth + 1 : 0;
    if (nth == FROZEN_FILES_OF_ONE)
        return;
    struct isle__frozen_file *file = isle__memory_alloc(sizeof *file);
    if (file == NULL)
        return;
    *file = (struct isle__frozen_file){.next = head, .data = data, .size = size, .nth = nth};
    atomic_init(&file->fd, -1);
    /* Release pairs with the acquire of whoever looks for it. */
    if (!atomic_compare_exchange_strong_explicit(&frozen->files, &head, file, memory_order_release,
                                                 memory_order_relaxed))
        isle__memory_free(file, sizeof *file);
}

/* -1: there are too many, or the system refuses. */
static int frozen_file_make(const void *data, size_t size)
{
    int fd = -1;
    if (atomic_fetch_add_explicit(&frozen_files, 1, memory_order_relaxed) >= FROZEN_FILES_MAX ||
        isle__shared_fill(data, size, &fd) != ISLE_OK)
        atomic_fetch_sub_explicit(&frozen_files, 1, memory_order_relaxed);
    return fd;
}

static void frozen_file_close(int fd)
{
    isle__fd_close(fd);
    atomic_fetch_sub_explicit(&frozen_files, 1, memory_order_relaxed);
}

int isle__frozen_file(struct isle__frozen *frozen, const void *data, size_t size)
{
    struct isle__frozen_file *file =
        frozen_file_find(atomic_load_explicit(&frozen->files, memory_order_acquire), data, size);
    if (file == NULL) {
        frozen_file_add(frozen, data, size);
        return -1;
    }
    int known = atomic_load_explicit(&file->fd, memory_order_relaxed);
    if (known >= 0)
        return known;
    int fd = frozen_file_make(data, size);
    if (fd < 0 || atomic_compare_exchange_strong_explicit(
                      &file->fd, &known, fd, memory_order_relaxed, memory_order_relaxed))
        return fd;
    frozen_file_close(fd); /* somebody else was faster */
    return known;
}

void isle__frozen_files_drop(struct isle__frozen *frozen)
{
    struct isle__frozen_file *file = atomic_load_explicit(&frozen->files, memory_order_acquire);
    while (file != NULL) {
        struct isle__frozen_file *next = file->next;
        int fd = atomic_load_explicit(&file->fd, memory_order_relaxed);
        if (fd >= 0)
            frozen_file_close(fd);
        isle__memory_free(file, sizeof *file);
        file = next;
    }
}
