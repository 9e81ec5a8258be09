/* SPDX-License-Identifier: Apache-2.0 */
/* Reads symbol tables with libelf. A variable is a symbol of an allocated, writable section (or of
 * COMMON) that is not constant after the linker's relocations; the rest of the work is to tell the
 * program's own from what compilers and linkers add. */
#include "cli/globals.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* What is known of the file before its symbols are walked. */
struct globals_file {
    Elf *elf;
    GElf_Ehdr header;
    size_t section_names;            /* index of the string table */
    uint64_t relro_begin, relro_end; /* constant once the loader is done; equal: none */
    uint64_t *copied;                /* sorted addresses of copy relocations */
    size_t copied_count, copied_capacity;
    char *const *allowed;
    size_t allowed_count;
};

static const char globals_no_memory[] = "out of memory";

static bool globals_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool globals_ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text), end_size = strlen(end);
    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

static int globals_compare_addresses(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int globals_compare(const void *left, const void *right)
{
    const struct isle__global *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    if (a->section_index != b->section_index)
        return a->section_index < b->section_index ? -1 : 1;
    return (a->address > b->address) - (a->address < b->address);
}

static bool globals_is_copy_relocation(unsigned machine, uint64_t type)
{
    switch (machine) {
    case EM_X86_64:
        return type == R_X86_64_COPY;
    case EM_386:
        return type == R_386_COPY;
    case EM_AARCH64:
        return type == R_AARCH64_COPY;
    case EM_ARM:
        return type == R_ARM_COPY;
    case EM_RISCV:
        return type == R_RISCV_COPY;
    case EM_PPC64:
        return type == R_PPC64_COPY;
    default:
        return false;
    }
}

static const char *globals_add_copied(struct globals_file *file, uint64_t address)
{
    if (file->copied_count == file->copied_capacity) {
        size_t capacity = file->copied_capacity == 0 ? 16 : 2 * file->copied_capacity;
        uint64_t *copied = realloc(file->copied, capacity * sizeof *copied);
        if (copied == NULL)
            return globals_no_memory;
        file->copied = copied;
        file->copied_capacity = capacity;
    }
    file->copied[file->copied_count++] = address;
    return NULL;
}

static const char *globals_read_copies(struct globals_file *file, Elf_Scn *section,
                                       const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Type type = header->sh_type == SHT_RELA ? ELF_T_RELA : ELF_T_REL;
    size_t entry_size = gelf_fsize(file->elf, type, 1, EV_CURRENT);
    if (data == NULL || entry_size == 0)
        return NULL;
    int count =
        data->d_size / entry_size > INT32_MAX ? INT32_MAX : (int)(data->d_size / entry_size);
    for (int i = 0; i < count; i++) {
        GElf_Rela rela;
        GElf_Rel rel;
        uint64_t offset, info;
        if (type == ELF_T_RELA && gelf_getrela(data, i, &rela) != NULL) {
            offset = rela.r_offset;
            info = rela.r_info;
        } else if (type == ELF_T_REL && gelf_getrel(data, i, &rel) != NULL) {
            offset = rel.r_offset;
            info = rel.r_info;
        } else {
            return NULL;
        }
        if (!globals_is_copy_relocation(file->header.e_machine, GELF_R_TYPE(info)))
            continue;
        const char *trouble = globals_add_copied(file, offset);
        if (trouble != NULL)
            return trouble;
    }
    return NULL;
}

static void globals_read_relro(struct globals_file *file)
{
    size_t count;
    if (elf_getphdrnum(file->elf, &count) != 0)
        return;
    for (size_t i = 0; i < count && i < INT32_MAX; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(file->elf, (int)i, &segment) == NULL)
            return;
        if (segment.p_type == PT_GNU_RELRO && segment.p_memsz <= UINT64_MAX - segment.p_vaddr) {
            file->relro_begin = segment.p_vaddr;
            file->relro_end = segment.p_vaddr + segment.p_memsz;
        }
    }
}

/* Sections that are writable only until relocations are done, or that the program's own code never
 * names. */
static bool globals_is_machinery(const char *section)
{
    static const char *const starts[] = {".data.rel.ro",
                                         ".init_array",
                                         ".fini_array",
                                         ".preinit_array",
                                         ".ctors",
                                         ".dtors",
                                         ".dynamic",
                                         ".got",
                                         ".jcr",
                                         ".eh_frame",
                                         ".tm_clone",
                                         "__llvm_",
                                         "__sancov_",
                                         "asan_globals",
                                         ".gcov",
                                         ".plt",
                                         "__sanitizer",
                                         ".note",
                                         ".gcc_except_table"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (globals_starts_with(section, starts[i]))
            return true;
    }
    return false;
}

/* Names that compilers, linkers, start-up files, sanitizers and coverage tools define; reserved to
 * them by the language. */
static bool globals_is_runtime_name(const char *name)
{
    static const char *const exact[] = {"__dso_handle", "_DYNAMIC",      "_GLOBAL_OFFSET_TABLE_",
                                        "__TMC_END__",  "__data_start",  "data_start",
                                        "_edata",       "_end",          "__bss_start",
                                        "__JCR_LIST__", "__JCR_END__",   "__gnu_lto_slim",
                                        "__gnu_lto_v1", "_ZStL8__ioinit"};
    static const char *const starts[] = {
        "__asan_",  "___asan_", "__odr_asan", "__ubsan",    "__tsan_", "__msan_",  "__hwasan_",
        "__lsan_",  "__sancov", "__llvm_",    "__gcov",     "__prof",  "__covrec", "_ZGV",
        "__start_", "__stop_",  "__emutls_",  "__unnamed_", "..LASAN", "lprof"};
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        if (strcmp(name, exact[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (globals_starts_with(name, starts[i]))
            return true;
    }
    return false;
}

/* The start-up file's flag, in a linked file whose file symbols were stripped. */
static bool globals_is_startup_flag(const struct globals_file *file, const char *name,
                                    const GElf_Sym *symbol)
{
    return file->header.e_type != ET_REL && symbol->st_size == 1 &&
           globals_starts_with(name, "completed.");
}

static bool globals_is_isle_slot(const struct globals_file *file, const char *name, uint64_t size)
{
    uint64_t slot_size = file->header.e_ident[EI_CLASS] == ELFCLASS64 ? 16 : 8;
    return size == slot_size && globals_ends_with(name, "_isle_local");
}

static bool globals_is_allowed(const struct globals_file *file, const char *name)
{
    for (size_t i = 0; i < file->allowed_count; i++) {
        if (fnmatch(file->allowed[i], name, 0) == 0)
            return true;
    }
    return false;
}

static enum isle__global_class globals_classify(const struct globals_file *file,
                                                const GElf_Sym *symbol, const char *name,
                                                const char *source, bool thread_local_section)
{
    bool startup = source != NULL && GELF_ST_BIND(symbol->st_info) == STB_LOCAL &&
                   strcmp(source, "crtstuff.c") == 0;
    if (startup || globals_is_runtime_name(name) || globals_is_startup_flag(file, name, symbol))
        return ISLE__GLOBAL_RUNTIME;
    if (globals_is_isle_slot(file, name, symbol->st_size))
        return ISLE__GLOBAL_ISLE;
    if (file->header.e_type != ET_REL && file->copied_count > 0 &&
        bsearch(&symbol->st_value, file->copied, file->copied_count, sizeof(uint64_t),
                globals_compare_addresses) != NULL)
        return ISLE__GLOBAL_COPIED;
    if (globals_is_allowed(file, name))
        return ISLE__GLOBAL_ALLOWED;
    return thread_local_section ? ISLE__GLOBAL_PER_THREAD : ISLE__GLOBAL_SHARED;
}

static const char *globals_add(struct isle__globals *globals, const struct isle__global *global)
{
    if (globals->count == globals->capacity) {
        size_t capacity = globals->capacity == 0 ? 64 : 2 * globals->capacity;
        struct isle__global *items = realloc(globals->items, capacity * sizeof *items);
        if (items == NULL)
            return globals_no_memory;
        globals->items = items;
        globals->capacity = capacity;
    }
    globals->items[globals->count++] = *global;
    return NULL;
}

/* True and the section's name and kind, if symbols of this section are variables. */
static bool globals_is_writable(const struct globals_file *file, const GElf_Sym *symbol,
                                size_t index, const char **ret_section, bool *ret_thread_local)
{
    *ret_thread_local = GELF_ST_TYPE(symbol->st_info) == STT_TLS;
    if (symbol->st_shndx == SHN_COMMON) {
        *ret_section = "COMMON";
        return true;
    }
    if (index == SHN_UNDEF || (symbol->st_shndx >= SHN_LORESERVE && symbol->st_shndx != SHN_XINDEX))
        return false;
    GElf_Shdr header;
    Elf_Scn *section = elf_getscn(file->elf, index);
    if (section == NULL || gelf_getshdr(section, &header) == NULL)
        return false;
    if ((header.sh_flags & SHF_ALLOC) == 0 || (header.sh_flags & SHF_WRITE) == 0)
        return false;
    const char *name = elf_strptr(file->elf, file->section_names, header.sh_name);
    if (name == NULL || *name == '\0')
        name = "?";
    if (globals_is_machinery(name))
        return false;
    *ret_section = name;
    *ret_thread_local |= (header.sh_flags & SHF_TLS) != 0;
    return *ret_thread_local || symbol->st_value < file->relro_begin ||
           symbol->st_value >= file->relro_end;
}

static const char *globals_take_symbol(const struct globals_file *file,
                                       struct isle__globals *globals, const GElf_Sym *symbol,
                                       size_t section_index, const char *name, const char *source)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    bool variable = type == STT_OBJECT || type == STT_COMMON || type == STT_TLS ||
                    (type == STT_NOTYPE && symbol->st_size > 0);
    if (!variable || name == NULL || *name == '\0')
        return NULL;
    struct isle__global global = {.name = name,
                                  .section_index = section_index,
                                  .address = symbol->st_value,
                                  .size = symbol->st_size};
    bool thread_local_section;
    if (!globals_is_writable(file, symbol, section_index, &global.section, &thread_local_section))
        return NULL;
    global.kind = globals_classify(file, symbol, name, source, thread_local_section);
    if (GELF_ST_BIND(symbol->st_info) == STB_LOCAL)
        global.source = source;
    return globals_add(globals, &global);
}

static const char *globals_read_table(const struct globals_file *file, Elf_Scn *table,
                                      Elf_Data *extended, struct isle__globals *globals)
{
    GElf_Shdr header;
    Elf_Data *data = elf_getdata(table, NULL);
    size_t entry_size = gelf_fsize(file->elf, ELF_T_SYM, 1, EV_CURRENT);
    if (gelf_getshdr(table, &header) == NULL || data == NULL || entry_size == 0)
        return "its symbol table is damaged";
    int count =
        data->d_size / entry_size > INT32_MAX ? INT32_MAX : (int)(data->d_size / entry_size);
    const char *source = NULL; /* of the local symbols that follow */
    for (int i = 0; i < count; i++) {
        GElf_Sym symbol;
        Elf32_Word extended_index = 0;
        if (gelf_getsymshndx(data, extended, i, &symbol, &extended_index) == NULL)
            return "its symbol table is damaged";
        const char *name = elf_strptr(file->elf, header.sh_link, symbol.st_name);
        if (GELF_ST_TYPE(symbol.st_info) == STT_FILE) {
            source = name != NULL && *name != '\0' ? name : NULL;
            continue;
        }
        size_t index = symbol.st_shndx == SHN_XINDEX ? extended_index : symbol.st_shndx;
        const char *trouble = globals_take_symbol(file, globals, &symbol, index, name, source);
        if (trouble != NULL)
            return trouble;
    }
    return NULL;
}

/* Finds the symbol tables, and the copy relocations on the way. */
static const char *globals_read_sections(struct globals_file *file, struct isle__globals *globals)
{
    Elf_Scn *symbols = NULL, *dynamic = NULL, *section = NULL;
    Elf_Data *extended = NULL;
    bool bitcode = false;
    while ((section = elf_nextscn(file->elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL)
            return "its section table is damaged";
        const char *name = elf_strptr(file->elf, file->section_names, header.sh_name);
        bitcode |= name != NULL && globals_starts_with(name, ".gnu.lto_");
        const char *trouble = NULL;
        if (header.sh_type == SHT_SYMTAB)
            symbols = section;
        else if (header.sh_type == SHT_DYNSYM)
            dynamic = section;
        else if (header.sh_type == SHT_SYMTAB_SHNDX)
            extended = elf_getdata(section, NULL);
        else if ((header.sh_type == SHT_RELA || header.sh_type == SHT_REL) &&
                 file->header.e_type != ET_REL)
            trouble = globals_read_copies(file, section, &header);
        if (trouble != NULL)
            return trouble;
    }
    if (file->copied_count > 0)
        qsort(file->copied, file->copied_count, sizeof(uint64_t), globals_compare_addresses);
    if (bitcode && file->header.e_type == ET_REL)
        return "holds code for link-time optimisation; check the linked file, or compile without "
               "-flto";
    if (symbols == NULL && dynamic == NULL)
        return "has no symbols (stripped?); check the file before it is stripped";
    globals->dynamic_only = symbols == NULL;
    return globals_read_table(file, symbols != NULL ? symbols : dynamic,
                              symbols != NULL ? extended : NULL, globals);
}

const char *isle__globals_read(Elf *elf, char *const *allowed, size_t allowed_count,
                               struct isle__globals *ret_globals)
{
    memset(ret_globals, 0, sizeof *ret_globals);
    struct globals_file file = {.elf = elf, .allowed = allowed, .allowed_count = allowed_count};
    if (gelf_getehdr(elf, &file.header) == NULL)
        return "its ELF header is damaged";
    if (file.header.e_type != ET_REL && file.header.e_type != ET_DYN &&
        file.header.e_type != ET_EXEC)
        return "is neither an object file nor a shared object nor an executable";
    if (elf_getshdrstrndx(elf, &file.section_names) != 0)
        return "its section table is damaged";
    if (file.header.e_type != ET_REL)
        globals_read_relro(&file);
    const char *trouble = globals_read_sections(&file, ret_globals);
    free(file.copied);
    if (trouble == NULL && ret_globals->count > 0)
        qsort(ret_globals->items, ret_globals->count, sizeof *ret_globals->items, globals_compare);
    return trouble;
}

void isle__globals_fini(struct isle__globals *globals)
{
    for (size_t i = 0; i < globals->count; i++) {
        free(globals->items[i].source_owned);
        free(globals->items[i].function);
    }
    free(globals->items);
    memset(globals, 0, sizeof *globals);
}
