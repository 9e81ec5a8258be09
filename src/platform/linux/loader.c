/* SPDX-License-Identifier: Apache-2.0 */
/* Shared objects, each opening a private instance with globals of its own.
 *
 * The dynamic loader gives the same instance for the same file and for the same name. So the object
 * is copied into an anonymous file, and opened by a name of /proc that was never used before: the
 * bits of a counter, spelled as "/" and "/." before the descriptor's number. $ORIGIN in the object
 * means /proc and leads nowhere; its other dependencies are found as usual and are shared. */
#include "platform/linux/linux.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOADER_NAME_SIZE = 192 };

/* The header of the object that holds this code: what it is built for is what can be loaded. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct loader_text {
    const char *path;
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void loader_say(const struct loader_text *out,
                                                             const char *format, ...)
{
    va_list arguments;
    int used = snprintf(out->text, out->size, "%s: ", out->path);
    if (used < 0 || (size_t)used >= out->size)
        return;
    va_start(arguments, format);
    vsnprintf(out->text + used, out->size - (size_t)used, format, arguments);
    va_end(arguments);
}

static isle_err loader_say_errno(const struct loader_text *out, const char *what)
{
    char reason[64];
    int error_number = errno;
    loader_say(out, "%s: %s", what, strerror_r(error_number, reason, sizeof reason));
    errno = error_number;
    return ISLE_ESYSTEM;
}

static const char *loader_machine(unsigned machine)
{
    switch (machine) {
    case EM_386:
        return "x86 (32 bits)";
    case EM_X86_64:
        return "x86-64";
    case EM_ARM:
        return "ARM (32 bits)";
    case EM_AARCH64:
        return "AArch64";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "POWER (64 bits)";
    case EM_S390:
        return "S/390";
    default:
        return "another processor";
    }
}

/* e_type and e_machine lie at the same place in both classes. */
static isle_err loader_check_header(int fd, const struct loader_text *out)
{
    Elf32_Ehdr header;
    const ElfW(Ehdr) *own = &__ehdr_start;
    ssize_t got = pread(fd, &header, sizeof header, 0);
    if (got < 0)
        return loader_say_errno(out, "cannot be read");
    if ((size_t)got < sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        loader_say(out, "is not a shared object (no ELF header)");
        return ISLE_EMALFORMED;
    }
    if (header.e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
        header.e_ident[EI_DATA] != own->e_ident[EI_DATA] || header.e_machine != own->e_machine) {
        bool foreign_order = header.e_ident[EI_DATA] != own->e_ident[EI_DATA];
        loader_say(out, "is built for %s, this program for %s",
                   foreign_order ? "another byte order" : loader_machine(header.e_machine),
                   loader_machine(own->e_machine));
        return ISLE_EUNSUPPORTED;
    }
    if (header.e_type != ET_DYN) {
        loader_say(out, "is an ELF file, but not a shared object");
        return ISLE_EMALFORMED;
    }
    return ISLE_OK;
}

/* Pages beyond a file's end cannot be read: of one that was cut short its first look there would be
 * the last of who loads it. */
static isle_err loader_check_size(int fd, off_t size, const struct loader_text *out)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) part;
    bool is_whole = pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
                    header.e_phentsize == sizeof part;
    for (unsigned i = 0; is_whole && i < header.e_phnum; i++) {
        uint64_t at, end;
        is_whole = !__builtin_add_overflow(header.e_phoff, i * sizeof part, &at) &&
                   at <= (uint64_t)size &&
                   pread(fd, &part, sizeof part, (off_t)at) == (ssize_t)sizeof part &&
                   (part.p_type != PT_LOAD ||
                    (!__builtin_add_overflow(part.p_offset, part.p_filesz, &end) &&
                     end <= (uint64_t)size));
    }
    if (is_whole)
        return ISLE_OK;
    loader_say(out, "is no whole shared object (cut short?)");
    return ISLE_EMALFORMED;
}

static isle_err loader_copy(int from, int to, const struct loader_text *out)
{
    for (;;) {
        ssize_t sent = sendfile(to, from, NULL, 1 << 30);
        if (sent == 0)
            return ISLE_OK;
        if (sent < 0 && errno != EINTR)
            return loader_say_errno(out, "cannot be copied");
    }
}

/* A file that can be one, open for reading; on an error nothing is open. */
static isle_err loader_open(const struct loader_text *out, int *ret_fd)
{
    struct stat status;
    int fd = open(out->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return loader_say_errno(out, "cannot be opened");
    isle_err err = ISLE_EMALFORMED;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        loader_say(out, "is not a file");
    else
        err = loader_check_header(fd, out);
    if (err == ISLE_OK)
        err = loader_check_size(fd, status.st_size, out);
    if (err == ISLE_OK)
        *ret_fd = fd;
    else
        isle__fd_close(fd);
    return err;
}

/* A copy in memory, in *ret_fd. */
static isle_err loader_take_copy(const struct loader_text *out, int *ret_fd)
{
    int from = -1, to = -1;
    isle_err err = loader_open(out, &from);
    if (err != ISLE_OK)
        return err;
    to = memfd_create("isle-plugin", MFD_CLOEXEC);
    if (to < 0) {
        err = loader_say_errno(out, "no memory file for a copy");
        goto done;
    }
    err = loader_copy(from, to, out);
done:
    isle__fd_close(from);
    if (err == ISLE_OK)
        *ret_fd = to;
    else
        isle__fd_close(to);
    return err;
}

static void loader_name(int fd, char name[LOADER_NAME_SIZE])
{
    static _Atomic uint64_t opened;
    uint64_t bits = atomic_fetch_add_explicit(&opened, 1, memory_order_relaxed) + 1;
    char *at = stpcpy(name, "/proc/self/fd");
    for (; bits > 1; bits >>= 1)
        at = stpcpy(at, (bits & 1) != 0 ? "/." : "/");
    snprintf(at, LOADER_NAME_SIZE - (size_t)(at - name), "/%d", fd);
}

/* dlerror's sentence, with the user's path where it has ours. */
static void loader_say_dlerror(const struct loader_text *out, const char *name)
{
    const char *reason = dlerror();
    if (reason == NULL)
        reason = "cannot be loaded";
    size_t skipped = strncmp(reason, name, strlen(name)) == 0 ? strlen(name) : 0;
    reason += skipped;
    reason += strspn(reason, ": ");
    loader_say(out, "%s", reason);
}

/* dlsym looks into an object's dependencies as well; what lies there is not the object's own. */
static bool loader_owns(void *library, const void *symbol)
{
    struct link_map *map;
    Dl_info info;
    return dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && dladdr(symbol, &info) != 0 &&
           (uintptr_t)info.dli_fbase == map->l_addr;
}

isle_err isle__library_check(const char *path, char *ret_text, size_t text_size)
{
    struct loader_text out = {path, ret_text, text_size};
    int fd = -1;
    isle_err err = loader_open(&out, &fd);
    isle__fd_close(fd);
    return err;
}

isle_err isle__library_open(const char *path, const char *symbol, void **ret_library,
                            void **ret_symbol, char *ret_text, size_t text_size)
{
    struct loader_text out = {path, ret_text, text_size};
    char name[LOADER_NAME_SIZE];
    int fd = -1;
    isle_err err = loader_take_copy(&out, &fd);
    if (err != ISLE_OK)
        return err;
    loader_name(fd, name);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    isle__fd_close(fd);
    if (library == NULL) {
        loader_say_dlerror(&out, name);
        return ISLE_ESYSTEM;
    }
    void *found = dlsym(library, symbol);
    if (found == NULL || !loader_owns(library, found)) {
        loader_say(&out, "has no symbol \"%s\"", symbol);
        dlclose(library);
        return ISLE_EINVAL;
    }
    isle__code_changed();
    *ret_library = library;
    *ret_symbol = found;
    return ISLE_OK;
}

void isle__library_close(void *library)
{
    if (library == NULL)
        return;
    dlclose(library);
    isle__code_changed();
}
