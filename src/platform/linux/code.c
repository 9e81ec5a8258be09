/* SPDX-License-Identifier: Apache-2.0 */
/* Which code is the program's own: its executable and the objects it loaded, but not the C library,
 * the dynamic loader, the sanitizers' runtimes and Isle itself when it is a shared library.
 *
 * The C library is asked at the time of the question where it can tell in a signal handler (glibc
 * since 2.35). So nothing is kept of what is loaded, and an object is never looked at but by a
 * thread that runs in it. Elsewhere there is a table, made anew whenever an object of ours comes or
 * goes: the callback looks at an object while the loader's lock keeps it.
 *
 * Law: the question is a signal handler's, so what it reads is atomic. code_lock is for who writes;
 * the handler never takes it. */
#include "platform/linux/linux.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>

/* Set to 1 to test the table where it is not needed. */
#ifndef ISLE__CODE_TABLE
#ifdef DLFO_STRUCT_HAS_EH_DBASE
#define ISLE__CODE_TABLE 0
#else
#define ISLE__CODE_TABLE 1
#endif
#endif

static bool code_name_is_system(const char *path)
{
    static const char *const names[] = {
        "libc.so", "libc-",   "libc.musl",  "ld-",        "ld.so",      "ld64.so",
        "libm.so", "libm-",   "libpthread", "linux-vdso", "linux-gate", "libisle.",
        "libasan", "libtsan", "libubsan",   "liblsan",    "libclang_rt"};
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

#if !ISLE__CODE_TABLE
static _Atomic bool code_has_libc; /* as an object of its own */

static int code_find_system(struct dl_phdr_info *info, size_t size, void *argument)
{
    size_t *object = argument;
    (void)size;
    return (*object)++ != 0 && code_name_is_system(info->dlpi_name);
}

/* In a static program libc cannot be told from the rest: then nothing is the program's. */
void isle__code_look(void)
{
    size_t object = 0; /* 0: the executable comes first */
    bool has_libc = dl_iterate_phdr(code_find_system, &object) != 0;
    atomic_store_explicit(&code_has_libc, has_libc, memory_order_relaxed);
}

void isle__code_changed(void)
{
}

/* The executable's name is empty. */
bool isle__code_is_programs(uintptr_t pc)
{
    struct dl_find_object found;
    return atomic_load_explicit(&code_has_libc, memory_order_relaxed) &&
           _dl_find_object((void *)pc, &found) == 0 &&
           !code_name_is_system(found.dlfo_link_map->l_name);
}
#else
enum { CODE_RANGES = 512 };

static pthread_mutex_t code_lock = PTHREAD_MUTEX_INITIALIZER;

/* The text of the program's own code, sorted. An odd version: being written. */
static struct {
    _Atomic uintptr_t begin, end;
} code_ranges[CODE_RANGES];
static _Atomic size_t code_range_count;
static _Atomic unsigned code_version;
static _Atomic uint64_t code_writer; /* the thread that writes, or was the last to */
static bool code_looked;             /* under code_lock */

struct code_scan {
    uintptr_t begin[CODE_RANGES], end[CODE_RANGES];
    size_t count;
    size_t object; /* 0: the executable comes first */
    bool has_libc; /* as an object of its own */
};

static void code_scan_insert(struct code_scan *scan, uintptr_t begin, uintptr_t end)
{
    if (scan->count == CODE_RANGES)
        return; /* code that is not listed counts as the system's, the careful answer */
    size_t at = scan->count++;
    for (; at > 0 && scan->begin[at - 1] > begin; at--) {
        scan->begin[at] = scan->begin[at - 1];
        scan->end[at] = scan->end[at - 1];
    }
    scan->begin[at] = begin;
    scan->end[at] = end;
}

static int code_scan_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct code_scan *scan = argument;
    (void)size;
    if (scan->object++ != 0 && code_name_is_system(info->dlpi_name)) {
        scan->has_libc = true;
        return 0;
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = (uintptr_t)(info->dlpi_addr + header->p_vaddr);
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0)
            code_scan_insert(scan, begin, begin + header->p_memsz);
    }
    return 0;
}

/* Under code_lock. In a static program libc cannot be told from the rest: then nothing is the
 * program's. */
static void code_scan(void)
{
    static struct code_scan scan;
    scan = (struct code_scan){0};
    dl_iterate_phdr(code_scan_object, &scan);
    size_t count = scan.has_libc ? scan.count : 0;
    unsigned version = atomic_load_explicit(&code_version, memory_order_relaxed);
    atomic_store_explicit(&code_writer, isle__thread_id(), memory_order_seq_cst);
    atomic_store_explicit(&code_version, version + 1, memory_order_seq_cst);
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&code_ranges[i].begin, scan.begin[i], memory_order_seq_cst);
        atomic_store_explicit(&code_ranges[i].end, scan.end[i], memory_order_seq_cst);
    }
    atomic_store_explicit(&code_range_count, count, memory_order_seq_cst);
    atomic_store_explicit(&code_version, version + 2, memory_order_seq_cst);
}

void isle__code_look(void)
{
    pthread_mutex_lock(&code_lock);
    code_looked = true;
    code_scan();
    pthread_mutex_unlock(&code_lock);
}

void isle__code_changed(void)
{
    pthread_mutex_lock(&code_lock);
    if (code_looked)
        code_scan();
    pthread_mutex_unlock(&code_lock);
}

static bool code_find(uintptr_t pc)
{
    size_t low = 0, high = atomic_load_explicit(&code_range_count, memory_order_seq_cst);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pc < atomic_load_explicit(&code_ranges[middle].begin, memory_order_seq_cst))
            high = middle;
        else if (pc >= atomic_load_explicit(&code_ranges[middle].end, memory_order_seq_cst))
            low = middle + 1;
        else
            return true;
    }
    return false;
}

/* A table that another thread writes is looked at again: that thread waits for nobody. One that
 * this very thread writes gives the careful answer. */
bool isle__code_is_programs(uintptr_t pc)
{
    for (unsigned rounds = 0;; isle__thread_give_way(&rounds)) {
        unsigned version = atomic_load_explicit(&code_version, memory_order_seq_cst);
        bool found = code_find(pc);
        if (version % 2 == 0 &&
            version == atomic_load_explicit(&code_version, memory_order_seq_cst))
            return found;
        if (version % 2 != 0 &&
            atomic_load_explicit(&code_writer, memory_order_seq_cst) == isle__thread_id())
            return false;
    }
}
#endif
