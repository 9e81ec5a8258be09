/* SPDX-License-Identifier: Apache-2.0 */
/* The variables of one ELF object that a program may write to, and what each means for isolates on
 * threads.
 *
 * Law: the file is hostile. Every offset, count and name in it is checked (by libelf, or here)
 * before it is used; a file that makes no sense gives an error text, never a crash. */
#ifndef ISLE_CLI_GLOBALS_H
#define ISLE_CLI_GLOBALS_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum isle__global_class {
    ISLE__GLOBAL_SHARED,     /* one for all isolates on threads */
    ISLE__GLOBAL_PER_THREAD, /* one for each thread: another one after a suspension */
    ISLE__GLOBAL_ALLOWED,    /* the user said that it may be shared */
    ISLE__GLOBAL_ISLE,       /* an ISLE_LOCAL's slot */
    ISLE__GLOBAL_RUNTIME,    /* the compiler's, linker's, or a sanitizer's */
    ISLE__GLOBAL_COPIED,     /* a library's, which the linker placed in the executable */
    ISLE__GLOBAL_CLASSES
};

struct isle__global {
    const char *name;    /* these two belong to the Elf */
    const char *section; /* "COMMON" for a tentative definition */
    const char *source;  /* the Elf's (STT_FILE), or *_owned below; NULL: unknown */
    char *source_owned;
    char *function; /* owned; the function whose static it is; NULL: none or unknown */
    unsigned line;  /* 0: unknown */
    size_t section_index;
    uint64_t address; /* in a relocatable file, the offset in its section */
    uint64_t size;
    enum isle__global_class kind;
};

struct isle__globals {
    struct isle__global *items; /* by name, then by address */
    size_t count, capacity;
    bool dynamic_only; /* the file is stripped: hidden and static variables cannot be seen */
};

/* NULL, or what is wrong with the file, static. The names in *ret_globals live as long as `elf`.
 * `allowed` are `allowed_count` patterns of fnmatch. Also on an error, end with isle__globals_fini.
 */
const char *isle__globals_read(Elf *elf, char *const *allowed, size_t allowed_count,
                               struct isle__globals *ret_globals);
void isle__globals_fini(struct isle__globals *globals);

#endif
