/* SPDX-License-Identifier: Apache-2.0 */
/* Where code of this program is, told so that another process of the same program finds it: the
 * object by its build-id, the place in it by its distance from the object's base.
 *
 * An object without a GNU build-id note is known by a hash of what the linker wrote about it: its
 * headers, and the table of its functions' frames, which differs when any function's size does.
 *
 * Law: nothing is allocated and nothing is kept. The loader's list of objects is read under the
 * loader's own lock, by any thread, also in the only thread of a forked child. A place that comes
 * from elsewhere leads only to executable memory of an object with that very id. */
#include "platform/linux/linux.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* since Linux 5.14 */
#endif

#define IMAGE_HASH_SEED UINT64_C(0xcbf29ce484222325)
#define IMAGE_HASH_PRIME UINT64_C(0x100000001b3)

/* Told apart from a build-id, of which none is so short. */
enum { IMAGE_HASH_SIZE = sizeof(uint64_t) };
enum { IMAGE_SMALL = 1 << 20 };

struct image_search {
    uintptr_t address;                    /* of the code, when a place is wanted */
    ElfW(Word) flags;                     /* that its memory must have */
    const struct isle__code_place *place; /* when an address is wanted; else NULL */
    struct isle__code_place found;
    bool is_found;
};

static uintptr_t image_address(const struct dl_phdr_info *info, const ElfW(Phdr) * header)
{
    return (uintptr_t)info->dlpi_addr + (uintptr_t)header->p_vaddr;
}

static bool image_holds(const struct dl_phdr_info *info, uintptr_t address, ElfW(Word) flags)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & flags) == flags &&
            address - image_address(info, header) < header->p_memsz)
            return true;
    }
    return false;
}

/* The notes of one segment: each a header, a name and a content, padded to `align`. */
static bool image_read_notes(const unsigned char *at, size_t size, size_t align,
                             struct isle__code_place *place)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        size_t name = ((size_t)note.n_namesz + align - 1) & ~(align - 1);
        size_t content = ((size_t)note.n_descsz + align - 1) & ~(align - 1);
        if (name > size - sizeof note || content > size - sizeof note - name)
            return false;
        const unsigned char *text = at + sizeof note, *id = text + name;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(text, "GNU", 4) == 0 &&
            note.n_descsz > IMAGE_HASH_SIZE && note.n_descsz <= ISLE__CODE_ID_MAX) {
            memcpy(place->id, id, note.n_descsz);
            place->id_size = note.n_descsz;
            return true;
        }
        at += sizeof note + name + content;
        size -= sizeof note + name + content;
    }
    return false;
}

static bool image_read_id(const struct dl_phdr_info *info, struct isle__code_place *place)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        size_t align = header->p_align == 8 ? 8 : 4;
        if (header->p_type == PT_NOTE &&
            image_read_notes((const unsigned char *)image_address(info, header), header->p_memsz,
                             align, place))
            return true;
    }
    return false;
}

static uint64_t image_hash(uint64_t hash, const void *memory, size_t size)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * IMAGE_HASH_PRIME;
    return hash;
}

static void image_make_id(const struct dl_phdr_info *info, struct isle__code_place *place)
{
    uint64_t hash =
        image_hash(IMAGE_HASH_SEED, info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr);
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_GNU_EH_FRAME)
            hash = image_hash(hash, (const void *)image_address(info, header), header->p_memsz);
    }
    memcpy(place->id, &hash, sizeof hash);
    place->id_size = IMAGE_HASH_SIZE;
}

static void image_identify(const struct dl_phdr_info *info, struct isle__code_place *place)
{
    memset(place, 0, sizeof *place);
    if (!image_read_id(info, place))
        image_make_id(info, place);
}

static int image_place_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct image_search *search = argument;
    (void)size;
    if (!image_holds(info, search->address, search->flags))
        return 0;
    image_identify(info, &search->found);
    search->found.offset = search->address - (uintptr_t)info->dlpi_addr;
    search->is_found = true;
    return 1;
}

/* Of several instances of one object, the first that was loaded. */
static int image_find_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct image_search *search = argument;
    const struct isle__code_place *place = search->place;
    struct isle__code_place own;
    (void)size;
    image_identify(info, &own);
    if (own.id_size != place->id_size || memcmp(own.id, place->id, own.id_size) != 0)
        return 0;
    search->address = (uintptr_t)info->dlpi_addr + (uintptr_t)place->offset;
    search->is_found = image_holds(info, search->address, search->flags);
    return 1;
}

static bool image_place(uintptr_t address, ElfW(Word) flags, struct isle__code_place *ret_place)
{
    struct image_search search = {.address = address, .flags = flags};
    dl_iterate_phdr(image_place_object, &search);
    if (search.is_found)
        *ret_place = search.found;
    return search.is_found;
}

static uintptr_t image_at(const struct isle__code_place *place, ElfW(Word) flags)
{
    struct image_search search = {.place = place, .flags = flags};
    if (place->id_size == 0 || place->id_size > ISLE__CODE_ID_MAX)
        return 0;
    dl_iterate_phdr(image_find_object, &search);
    return search.is_found ? search.address : 0;
}

bool isle__code_place(isle__code *code, struct isle__code_place *ret_place)
{
    return image_place((uintptr_t)code, PF_X, ret_place);
}

isle__code *isle__code_at(const struct isle__code_place *place)
{
    return (isle__code *)image_at(place, PF_X);
}

bool isle__data_place(const void *data, struct isle__code_place *ret_place)
{
    return image_place((uintptr_t)data, PF_R, ret_place);
}

const void *isle__data_at(const struct isle__code_place *place)
{
    return (const void *)image_at(place, PF_R);
}

/* --- forks */

struct image_settling {
    int memory; /* /proc/self/mem */
    size_t page;
};

/* A fork copies the page table of a mapping that has a page of the process's own, and leaves all
 * others to faults, one for some pages each. So the first page becomes our own: a byte of it is
 * written, as it is. The mapping stays read-only. */
static void image_settle_segment(const struct image_settling *settling, uintptr_t address,
                                 size_t size, bool is_own)
{
    uintptr_t first = address & ~(uintptr_t)(settling->page - 1);
    volatile const unsigned char *at = (volatile const unsigned char *)address;
    unsigned char byte = *at;
    if (pwrite(settling->memory, &byte, 1, (off_t)address) != 1)
        return;
    if (is_own && size <= IMAGE_SMALL)
        (void)madvise((void *)first, address + size - first, MADV_POPULATE_READ);
}

static int image_settle_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    const struct image_settling *settling = argument;
    bool is_own = image_holds(info, (uintptr_t)isle__image_settle, PF_X);
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & (PF_R | PF_W)) == PF_R &&
            header->p_filesz > 0)
            image_settle_segment(settling, image_address(info, header), header->p_filesz, is_own);
    }
    return 0;
}

void isle__image_settle(void)
{
    struct image_settling settling = {.memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC),
                                      .page = (size_t)sysconf(_SC_PAGESIZE)};
    if (settling.memory < 0)
        return;
    dl_iterate_phdr(image_settle_object, &settling);
    close(settling.memory);
}
