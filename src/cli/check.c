/* SPDX-License-Identifier: Apache-2.0 */
/* `isle check`: reads options, walks the files (and the members of archives), prints what
 * isle__globals_read found, as text or JSON.
 *
 * Law: names come from hostile files, so they are never printed as they are: control bytes become
 * '?', in JSON escapes. */
#include "cli/cli.h"
#include "cli/globals.h"
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char isle__cli_check_help[] =
    "Usage: isle check [--json] [--all] [--allow SYMBOL]... FILE...\n"
    "\n"
    "Lists the variables with static storage that the code in FILE (an object file, archive,\n"
    "shared object or executable, in ELF) can write to: globals, file statics and statics inside\n"
    "functions. Isolates on threads live in one address space, so all of them share these\n"
    "variables, and using them from two isolates is a data race. Constants are left out. Make a\n"
    "variable an isolate's own with ISLE_LOCAL, or say with --allow that sharing is meant.\n"
    "\n"
    "Thread-local variables are listed apart: a thread runs many isolates, and an isolate may be\n"
    "on another thread after each await or receive, so such a variable is neither the isolate's\n"
    "own nor sure to keep its value.\n"
    "\n"
    "  --allow SYMBOL   do not count SYMBOL, which may be a pattern with * ? [...]; repeatable\n"
    "  --all            also list what is not counted, and why: allowed, Isle's own, the\n"
    "                   compiler's, a library's\n"
    "  --json           print one JSON document\n"
    "\n"
    "Lines of source come from debugging information (compile with -g).\n"
    "A stripped shared object shows only its dynamic symbols: that is said, and it is never\n"
    "reported as clean.\n"
    "\n"
    "Exit status: 0 none, 1 some (shared or per thread), 2 a file could not be checked.\n";

struct check_run {
    char **allowed;
    size_t allowed_count;
    bool json, all;
    bool found;       /* shared or per thread, in any file */
    bool partial;     /* a file was stripped */
    bool trouble;     /* a file could not be checked */
    bool first_file;  /* in JSON: no comma yet */
    const char *path; /* of the file being checked */
};

/* --- printing ----------------------------------------------------------------------------------
 */

/* Length of the valid UTF-8 sequence that begins here, 0 if there is none. */
static size_t check_utf8_size(const unsigned char *text)
{
    if (text[0] < 0x80)
        return 1;
    size_t size = text[0] >= 0xf0 && text[0] < 0xf5   ? 4
                  : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                  : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                                                      : 0;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
    bool beyond = text[0] == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : size;
}

static void check_print_json_string(const char *text)
{
    if (text == NULL) {
        fputs("null", stdout);
        return;
    }
    const unsigned char *at = (const unsigned char *)text;
    putchar('"');
    while (*at != '\0') {
        size_t size = check_utf8_size(at);
        if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (size == 0)
            fputs("\\ufffd", stdout);
        else if (*at < 0x20 || *at == 0x7f)
            printf("\\u%04x", *at);
        else
            fwrite(at, 1, size, stdout);
        at += size == 0 ? 1 : size;
    }
    putchar('"');
}

/* What can reach a terminal of such a text, padded with blanks to `width` columns (bytes). */
static void check_print_text(const char *text, int width)
{
    int column = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++, column++)
        putchar(*at < 0x20 || *at >= 0x7f ? '?' : *at);
    for (; column < width; column++)
        putchar(' ');
}

static const char *const check_keys[ISLE__GLOBAL_CLASSES] = {
    [ISLE__GLOBAL_SHARED] = "shared",   [ISLE__GLOBAL_PER_THREAD] = "per_thread",
    [ISLE__GLOBAL_ALLOWED] = "allowed", [ISLE__GLOBAL_ISLE] = "isle",
    [ISLE__GLOBAL_RUNTIME] = "runtime", [ISLE__GLOBAL_COPIED] = "library",
};

static size_t check_count(const struct isle__globals *globals, enum isle__global_class kind)
{
    size_t count = 0;
    for (size_t i = 0; i < globals->count; i++)
        count += globals->items[i].kind == kind;
    return count;
}

static bool check_is_listed(const struct check_run *run, enum isle__global_class kind)
{
    return run->all || kind == ISLE__GLOBAL_SHARED || kind == ISLE__GLOBAL_PER_THREAD;
}

static void check_print_json_class(const struct isle__globals *globals,
                                   enum isle__global_class kind)
{
    bool first = true;
    printf(",\n     \"%s\": [", check_keys[kind]);
    for (size_t i = 0; i < globals->count; i++) {
        const struct isle__global *global = &globals->items[i];
        if (global->kind != kind)
            continue;
        fputs(first ? "\n      {\"name\": " : ",\n      {\"name\": ", stdout);
        first = false;
        check_print_json_string(global->name);
        printf(", \"size\": %" PRIu64 ", \"section\": ", global->size);
        check_print_json_string(global->section);
        fputs(", \"source\": ", stdout);
        check_print_json_string(global->source);
        if (global->line != 0)
            printf(", \"line\": %u", global->line);
        else
            fputs(", \"line\": null", stdout);
        fputs(", \"function\": ", stdout);
        check_print_json_string(global->function);
        putchar('}');
    }
    putchar(']');
}

static void check_print_json(struct check_run *run, const char *name,
                             const struct isle__globals *globals)
{
    fputs(run->first_file ? "\n    {\"file\": " : ",\n    {\"file\": ", stdout);
    run->first_file = false;
    check_print_json_string(name);
    printf(", \"complete\": %s", globals->dynamic_only ? "false" : "true");
    for (int kind = 0; kind < ISLE__GLOBAL_CLASSES; kind++) {
        if (check_is_listed(run, (enum isle__global_class)kind))
            check_print_json_class(globals, (enum isle__global_class)kind);
    }
    putchar('}');
}

/* Wide enough for every text that is not very long. */
static int check_widen(int width, const char *text)
{
    size_t size = strlen(text);
    return size <= 40 && (int)size > width ? (int)size : width;
}

static void check_print_row(const struct isle__global *global, int name_width, int section_width)
{
    fputs("  ", stdout);
    check_print_text(global->name, name_width);
    printf("  %8" PRIu64 " %s  ", global->size, global->size == 1 ? "byte " : "bytes");
    check_print_text(global->section, global->source != NULL ? section_width : 0);
    if (global->source != NULL) {
        fputs("  ", stdout);
        check_print_text(global->source, 0);
    }
    if (global->line != 0)
        printf(":%u", global->line);
    if (global->function != NULL) {
        fputs(", in ", stdout);
        check_print_text(global->function, 0);
        fputs("()", stdout);
    }
    putchar('\n');
}

static void check_print_rows(const struct isle__globals *globals, enum isle__global_class kind)
{
    int name_width = 0, section_width = 0;
    for (size_t i = 0; i < globals->count; i++) {
        if (globals->items[i].kind != kind)
            continue;
        name_width = check_widen(name_width, globals->items[i].name);
        section_width = check_widen(section_width, globals->items[i].section);
    }
    for (size_t i = 0; i < globals->count; i++) {
        if (globals->items[i].kind == kind)
            check_print_row(&globals->items[i], name_width, section_width);
    }
}

static void check_print_class(const char *file, const struct isle__globals *globals,
                              enum isle__global_class kind)
{
    static const char *const one[ISLE__GLOBAL_CLASSES] = {
        [ISLE__GLOBAL_SHARED] = "variable that isolates on threads share",
        [ISLE__GLOBAL_PER_THREAD] =
            "variable per thread, not per isolate: does not survive a suspension",
        [ISLE__GLOBAL_ALLOWED] = "shared variable, allowed",
        [ISLE__GLOBAL_ISLE] = "variable of which every isolate has its own (ISLE_LOCAL)",
        [ISLE__GLOBAL_RUNTIME] = "variable of the compiler's runtime",
        [ISLE__GLOBAL_COPIED] = "variable of a library, placed here by the linker",
    };
    static const char *const many[ISLE__GLOBAL_CLASSES] = {
        [ISLE__GLOBAL_SHARED] = "variables that isolates on threads share",
        [ISLE__GLOBAL_PER_THREAD] =
            "variables per thread, not per isolate: do not survive a suspension",
        [ISLE__GLOBAL_ALLOWED] = "shared variables, allowed",
        [ISLE__GLOBAL_ISLE] = "variables of which every isolate has its own (ISLE_LOCAL)",
        [ISLE__GLOBAL_RUNTIME] = "variables of the compiler's runtime",
        [ISLE__GLOBAL_COPIED] = "variables of libraries, placed here by the linker",
    };
    size_t count = check_count(globals, kind);
    if (count == 0)
        return;
    check_print_text(file, 0);
    printf(": %zu %s\n", count, count == 1 ? one[kind] : many[kind]);
    check_print_rows(globals, kind);
}

/* --- files -------------------------------------------------------------------------------------
 */

/* Says what is wrong, after what was printed so far. */
static void check_say(const char *file, const char *text)
{
    fflush(stdout);
    isle__cli_trouble("%s: %s", file, text);
}

static void check_trouble(struct check_run *run, const char *file, const char *text)
{
    run->trouble = true;
    check_say(file, text);
}

static void check_object(struct check_run *run, Elf *elf, const char *name, bool lines)
{
    struct isle__globals globals;
    const char *trouble = isle__globals_read(elf, run->allowed, run->allowed_count, &globals);
    if (trouble != NULL) {
        check_trouble(run, name, trouble);
        isle__globals_fini(&globals);
        return;
    }
    if (lines)
        isle__lines_find(run->path, &globals);
    if (check_count(&globals, ISLE__GLOBAL_SHARED) +
            check_count(&globals, ISLE__GLOBAL_PER_THREAD) >
        0)
        run->found = true;
    if (run->json)
        check_print_json(run, name, &globals);
    for (int kind = 0; !run->json && kind < ISLE__GLOBAL_CLASSES; kind++) {
        if (check_is_listed(run, (enum isle__global_class)kind))
            check_print_class(name, &globals, (enum isle__global_class)kind);
    }
    if (globals.dynamic_only) {
        run->partial = true;
        check_say(name, "is stripped: only its dynamic symbols could be seen, not its static and "
                        "hidden variables");
    }
    isle__globals_fini(&globals);
}

static void check_archive(struct check_run *run, Elf *archive, int fd)
{
    Elf_Cmd command = ELF_C_READ;
    Elf *member;
    size_t objects = 0;
    while (command != ELF_C_NULL && (member = elf_begin(fd, command, archive)) != NULL) {
        Elf_Arhdr *header = elf_getarhdr(member);
        const char *member_name = header != NULL && header->ar_name != NULL ? header->ar_name : "?";
        size_t size = strlen(run->path) + strlen(member_name) + 3;
        char *name = malloc(size);
        if (name != NULL && elf_kind(member) == ELF_K_ELF) {
            snprintf(name, size, "%s(%s)", run->path, member_name);
            check_object(run, member, name, false);
            objects++;
        }
        if (name == NULL)
            check_trouble(run, run->path, "out of memory");
        free(name);
        command = elf_next(member);
        elf_end(member);
    }
    if (objects == 0)
        check_trouble(run, run->path, "is an archive without ELF objects, or a damaged one");
}

static void check_descriptor(struct check_run *run, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        check_trouble(run, run->path,
                      S_ISDIR(status.st_mode) ? "is a directory" : "is no regular file");
        return;
    }
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    if (elf == NULL)
        check_trouble(run, run->path, elf_errmsg(-1));
    else if (elf_kind(elf) == ELF_K_ELF)
        check_object(run, elf, run->path, true);
    else if (elf_kind(elf) == ELF_K_AR)
        check_archive(run, elf, fd);
    else
        check_trouble(run, run->path, "is not an ELF file");
    elf_end(elf);
}

static void check_file(struct check_run *run, const char *path)
{
    run->path = path;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        check_trouble(run, path, strerror(errno));
        return;
    }
    check_descriptor(run, fd);
    close(fd);
}

/* Takes the options out of argv, leaving the files. Returns their number, or -1 after a complaint.
 */
static int check_options(struct check_run *run, int argc, char **argv)
{
    int files = 0;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[files++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (strcmp(argv[i], "--json") == 0) {
            run->json = true;
        } else if (strcmp(argv[i], "--all") == 0) {
            run->all = true;
        } else if (strcmp(argv[i], "--allow") == 0 && i + 1 < argc) {
            run->allowed[run->allowed_count++] = argv[++i];
        } else if (strncmp(argv[i], "--allow=", 8) == 0) {
            run->allowed[run->allowed_count++] = argv[i] + 8;
        } else {
            isle__cli_trouble(strcmp(argv[i], "--allow") == 0 ? "--allow needs a symbol"
                                                              : "check has no option '%s'",
                              argv[i]);
            return -1;
        }
    }
    if (files == 0) {
        isle__cli_trouble("check needs a file; 'isle help check' tells more");
        return -1;
    }
    return files;
}

enum cli_status isle__cli_check(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(isle__cli_check_help, stdout);
        return CLI_CLEAN;
    }
    if (elf_version(EV_CURRENT) == EV_NONE)
        return isle__cli_trouble("libelf is too old");
    struct check_run run = {.first_file = true, .allowed = calloc((size_t)argc, sizeof(char *))};
    if (run.allowed == NULL)
        return isle__cli_trouble("out of memory");
    int files = check_options(&run, argc, argv);
    if (files > 0 && run.json)
        fputs("{\"files\": [", stdout);
    for (int i = 0; i < files; i++)
        check_file(&run, argv[i]);
    if (files > 0 && run.json)
        fputs("\n]}\n", stdout);
    free(run.allowed);
    if (files < 0 || run.trouble || (run.partial && !run.found))
        return CLI_TROUBLE;
    return run.found ? CLI_FOUND : CLI_CLEAN;
}
