/* SPDX-License-Identifier: Apache-2.0 */
/* Reads DWARF with libdw, which lays out relocatable files and applies their relocations. A
 * variable's entry is matched to its symbol by address, so that two functions' statics of one name
 * are told apart.
 *
 * Law: depth and number of the entries that are walked are bounded, whatever the file says; no
 * debugging information is searched for outside the file. */
#include "cli/lines.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_DEPTH_MAX = 64, LINES_ENTRIES_MAX = 20000000 };

struct lines_target {
    uint64_t address; /* as libdwfl lays the file out */
    struct isle__global *global;
};

struct lines_walk {
    struct lines_target *targets; /* by address */
    size_t count;
    size_t entries; /* seen so far */
    Dwarf_Addr bias;
};

static int lines_find_nothing(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                              const char *file, const char *link, GElf_Word crc, char **ret_name)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc,
        (void)ret_name;
    return -1;
}

static int lines_compare(const void *left, const void *right)
{
    const struct lines_target *a = left, *b = right;
    return (a->address > b->address) - (a->address < b->address);
}

/* libdw takes file number 0 for "none"; in DWARF 5 it is the unit's own source. */
static const char *lines_source(Dwarf_Die *variable)
{
    Dwarf_Attribute number;
    Dwarf_Word file;
    Dwarf_Die unit;
    const char *source = dwarf_decl_file(variable);
    if (source == NULL && dwarf_attr(variable, DW_AT_decl_file, &number) != NULL &&
        dwarf_formudata(&number, &file) == 0 && file == 0 &&
        dwarf_diecu(variable, &unit, NULL, NULL) != NULL)
        source = dwarf_diename(&unit);
    if (source == NULL)
        return NULL;
    const char *slash = strrchr(source, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : source;
}

static void lines_tell(struct isle__global *global, Dwarf_Die *variable, const char *function)
{
    int line = 0;
    const char *source = lines_source(variable);
    if (source == NULL || global->line != 0 || dwarf_decl_line(variable, &line) != 0 || line <= 0)
        return;
    char *copy = strdup(source);
    if (copy == NULL)
        return;
    free(global->source_owned);
    global->source = global->source_owned = copy;
    global->line = (unsigned)line;
    if (function != NULL && global->function == NULL)
        global->function = strdup(function);
}

/* Where the variable lies, if that is one fixed address. */
static bool lines_read_address(Dwarf_Die *variable, Dwarf_Addr *ret_address)
{
    Dwarf_Attribute location, indirect;
    Dwarf_Op *operations;
    size_t count;
    if (dwarf_attr(variable, DW_AT_location, &location) == NULL ||
        dwarf_getlocation(&location, &operations, &count) != 0 || count != 1)
        return false;
    switch (operations[0].atom) {
    case DW_OP_addr:
        *ret_address = operations[0].number;
        return true;
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return dwarf_getlocation_attr(&location, &operations[0], &indirect) == 0 &&
               dwarf_formaddr(&indirect, ret_address) == 0;
    default:
        return false;
    }
}

static void lines_take_variable(struct lines_walk *walk, Dwarf_Die *variable, const char *function)
{
    Dwarf_Addr address;
    if (!lines_read_address(variable, &address))
        return;
    struct lines_target key = {.address = address + walk->bias};
    struct lines_target *found =
        bsearch(&key, walk->targets, walk->count, sizeof key, lines_compare);
    if (found == NULL)
        return;
    while (found > walk->targets && found[-1].address == key.address)
        found--;
    for (; found < walk->targets + walk->count && found->address == key.address; found++)
        lines_tell(found->global, variable, function);
}

/* False: enough was walked. */
static bool lines_walk_children(struct lines_walk *walk, Dwarf_Die *parent, const char *function,
                                unsigned depth)
{
    Dwarf_Die die;
    if (depth > LINES_DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return true;
    do {
        if (++walk->entries > LINES_ENTRIES_MAX)
            return false;
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_variable)
            lines_take_variable(walk, &die, function);
        const char *inside = tag == DW_TAG_subprogram ? dwarf_diename(&die) : function;
        if ((tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || tag == DW_TAG_namespace) &&
            !lines_walk_children(walk, &die, inside, depth + 1))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

static size_t lines_fill_targets(struct lines_target *targets, struct isle__globals *globals,
                                 Elf *elf, GElf_Addr bias)
{
    GElf_Ehdr file;
    size_t count = 0;
    if (gelf_getehdr(elf, &file) == NULL)
        return 0;
    for (size_t i = 0; i < globals->count; i++) {
        struct isle__global *global = &globals->items[i];
        uint64_t address = global->address + bias;
        if (file.e_type == ET_REL) {
            GElf_Shdr section;
            if (gelf_getshdr(elf_getscn(elf, global->section_index), &section) == NULL)
                continue;
            address += section.sh_addr;
        }
        targets[count++] = (struct lines_target){.address = address, .global = global};
    }
    qsort(targets, count, sizeof *targets, lines_compare);
    return count;
}

static int lines_take_module(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr start,
                             void *argument)
{
    (void)user, (void)name, (void)start;
    struct isle__globals *globals = argument;
    GElf_Addr elf_bias;
    Elf *elf = dwfl_module_getelf(module, &elf_bias);
    struct lines_walk walk = {.targets = calloc(globals->count, sizeof(struct lines_target))};
    if (elf == NULL || walk.targets == NULL) {
        free(walk.targets);
        return DWARF_CB_ABORT;
    }
    Dwarf_Die *unit = NULL;
    Dwarf_Addr bias;
    bool more = dwfl_module_getdwarf(module, &bias) != NULL;
    walk.count = lines_fill_targets(walk.targets, globals, elf, elf_bias);
    while (more && (unit = dwfl_module_nextcu(module, unit, &bias)) != NULL) {
        walk.bias = bias;
        more = lines_walk_children(&walk, unit, NULL, 0);
    }
    free(walk.targets);
    return DWARF_CB_ABORT;
}

void isle__lines_find(const char *path, struct isle__globals *globals)
{
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = lines_find_nothing,
        .section_address = dwfl_offline_section_address,
    };
    if (globals->count == 0)
        return;
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (dwfl == NULL)
        return;
    if (dwfl_report_offline(dwfl, "", path, -1) != NULL && dwfl_report_end(dwfl, NULL, NULL) == 0)
        dwfl_getmodules(dwfl, lines_take_module, globals, 0);
    dwfl_end(dwfl);
}
