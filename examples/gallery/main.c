/* SPDX-License-Identifier: Apache-2.0 */
/* gallery: a contact sheet of every PNG and JPEG under some folders, whatever they hold. Each file
 * is decoded in a sandboxed process; the root finds, hands out, shows how far it is and draws. Exit
 * code: 0; 1 if it could not be done; 2 on wrong usage; 130 after Ctrl-C, with a sheet of what was
 * done by then. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crew.h"
#include "find.h"
#include "number.h"
#include "sheet.h"
#include "terminal.h"

enum { HOSTILE_MAX = 1000 };

struct arguments {
    isle_value places; /* list of bytes */
    const char *output, *hostile;
    unsigned at_once, most;
    bool quiet, insecure, help;
};

struct program {
    struct arguments arguments;
    struct show show;
    struct crew crew;
    int64_t total_size;
    isle_receive_port *signals;
    bool interrupted;
};

static const char usage[] =
    "Usage: gallery [OPTION]... [FOLDER or FILE]...\n"
    "Decodes every PNG and JPEG below the folders, each in a sandboxed process of its own, and "
    "writes a\n"
    "contact sheet and a report. Default: /usr/share\n"
    "\n"
    "  --output FOLDER   where sheet-1.png and index.html go; default: gallery\n"
    "  --hostile FOLDER  files that were made to do harm, marked so on the sheet\n"
    "  --at-once N       so many processes at a time; default: two a core\n"
    "  --most N          at most so many files, the largest; default: 1000\n"
    "  --insecure        where this system lacks the sandbox: processes without one\n"
    "  --quiet           shows no progress\n"
    "  --help            shows this text\n"
    "\n"
    "A file that is damaged, crashes its decoder, runs on, takes all memory or attacks costs "
    "itself alone and\n"
    "stands on the sheet with what happened to it.\n";

/* false: the option is wrong, and that has been said. */
static bool program_take(struct arguments *arguments, int option)
{
    switch (option) {
    case 'o':
        return (arguments->output = optarg) != NULL;
    case 'x':
        return (arguments->hostile = optarg) != NULL;
    case 'n':
        return (arguments->at_once = number_read("gallery", optarg, 1024)) != 0;
    case 'm':
        return (arguments->most = number_read("gallery", optarg, 100000)) != 0;
    case 'i':
        return arguments->insecure = true;
    case 'q':
        return arguments->quiet = true;
    case 'h':
        return arguments->help = true;
    default:
        return false;
    }
}

static bool program_parse(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},  {"hostile", required_argument, NULL, 'x'},
        {"at-once", required_argument, NULL, 'n'}, {"most", required_argument, NULL, 'm'},
        {"insecure", no_argument, NULL, 'i'},      {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    static char *defaults[] = {"/usr/share", NULL};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    arguments->at_once = cores > 0 ? 2 * (unsigned)cores : 2;
    arguments->most = 1000;
    arguments->output = "gallery";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!program_take(arguments, option))
            return false;
    arguments->places = isle_list();
    for (char **place = optind < argc ? argv + optind : defaults; *place != NULL; place++)
        isle_list_add(arguments->places, isle_bytes(*place, strlen(*place) + 1));
    return true;
}

/* --- what there is */

static bool name_is_picture(const char *path, bool is_hostile)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL)
        return false;
    return strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
           strcasecmp(dot, ".jpeg") == 0 || (is_hostile && strcasecmp(dot, ".ppm") == 0);
}

/* Adds what lies below the places, until there are `most`. */
static void program_find(struct program *program, isle_value places, bool is_hostile, size_t most)
{
    struct crew *crew = &program->crew;
    isle_value found = isle_keep(
        isle_await(isle_run(find_files, places, &(isle_options){.debug_name = "finder"})));
    isle_value paths, sizes;
    isle_unpack(found, "{s:o,s:o}", "paths", &paths, "sizes", &sizes);
    size_t count;
    const int64_t *size = isle_as_array(sizes, ISLE_I64, &count);
    for (size_t i = 0; i < count && crew->count < most; i++) {
        const char *path = isle_as_bytes(isle_list_get(paths, i), NULL);
        if (!name_is_picture(path, is_hostile))
            continue;
        crew->items[crew->count++] =
            (struct item){.path = path, .size = size[i], .is_hostile = is_hostile};
        program->total_size += size[i];
    }
}

/* --- how far it is */

static void program_progress(struct program *program, bool last)
{
    const struct crew *crew = &program->crew;
    char files[64], failed[64], left[64];
    if (!show_is_time(&program->show, last))
        return;
    double seconds = show_seconds(&program->show);
    double part =
        program->total_size == 0 ? 1 : (double)crew->done_size / (double)program->total_size;
    snprintf(files, sizeof files, "  %s of %s files", show_count(crew->done),
             show_count(crew->count));
    snprintf(failed, sizeof failed, "  %s stopped or refused", show_count(crew->failed));
    snprintf(left, sizeof left, "  %-*s", program->show.terminal ? 10 : 0,
             part > 0 && part < 1 ? show_left(seconds * (1 - part) / part) : "");
    const char *numbers[] = {files, failed, left};
    show_part(&program->show, part, numbers, 3, last);
}

static void program_tick(void *context)
{
    program_progress(context, false);
}

static void program_done_one(struct crew *crew, void *context)
{
    (void)crew;
    program_progress(context, false);
}

static void program_interrupt(isle_value signal, void *context)
{
    struct program *program = context;
    (void)signal;
    program->interrupted = program->crew.is_stopping = true;
    isle_port_close(program->signals); /* a second Ctrl-C finds the default disposition */
}

/* --- the whole */

static void program_work(struct program *program)
{
    static const isle_sandbox insecure = {.insecure = true};
    struct crew *crew = &program->crew;
    crew->at_once = program->arguments.at_once;
    crew->limits = (isle_options){
        .backend = ISLE_PROCESS,
        .memory_max = (size_t)256 << 20,
        .cpu_time_max_ns = ISLE_SECONDS(1),
        .deadline_ns = ISLE_SECONDS(5),
        .sandbox = program->arguments.insecure ? &insecure : NULL,
    };
    crew->progress = program_done_one;
    crew->context = program;
    show_begin(&program->show, program->arguments.quiet);
    isle_timer *timer = isle_timer_periodic(ISLE_MS(100), program_tick, program);
    crew_run(crew);
    isle_timer_cancel(timer);
    program_progress(program, true);
    if (program->interrupted)
        crew->count = crew->begun;
}

static bool item_ended_as(const struct item *item, const char *verdict)
{
    return !item->is_shown && strcmp(item_verdict(item), verdict) == 0;
}

/* How many ended in this way, in the words of the sheet, unless an earlier one has told that. */
static void program_tell_kind(const struct program *program, size_t first)
{
    const struct item *items = program->crew.items;
    const char *verdict = item_verdict(&items[first]);
    size_t count = 0;
    for (size_t i = 0; i < first; i++)
        if (item_ended_as(&items[i], verdict))
            return;
    for (size_t i = first; i < program->crew.count; i++)
        count += item_ended_as(&items[i], verdict);
    show_row(&program->show, items[first].reason == ISLE_FAILED ? "Refused" : "Stopped", "%s: %s",
             show_count(count), verdict);
}

static void program_tell(const struct program *program, size_t pages)
{
    const struct crew *crew = &program->crew;
    double seconds = (double)crew->time_ns / 1e9;
    show_row(&program->show, "Decoded", "%s files in %.2f s, %s files/s, %u processes at once",
             show_count(crew->done), seconds, show_count((uint64_t)((double)crew->done / seconds)),
             crew->at_once);
    for (int reason = ISLE_RETURNED; reason <= ISLE_LOST; reason++)
        for (size_t i = 0; i < crew->count; i++)
            if (!crew->items[i].is_shown && (int)crew->items[i].reason == reason)
                program_tell_kind(program, i);
    show_row(&program->show, "Sheet", "%s/sheet-1.png%s", program->arguments.output,
             pages > 1 ? " and further pages" : "");
    show_row(&program->show, "Report", "%s/index.html", program->arguments.output);
}

static bool program_can_write(const char *folder)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return true;
    fprintf(stderr, "gallery: cannot make %s: %s\n", folder, strerror(errno));
    return false;
}

static int program_run(struct program *program)
{
    struct arguments *arguments = &program->arguments;
    program->crew.items = isle_alloc((arguments->most + HOSTILE_MAX) * sizeof(struct item));
    program_find(program, arguments->places, false, arguments->most);
    if (arguments->hostile != NULL) {
        isle_value hostile = isle_list();
        isle_list_add(hostile, isle_bytes(arguments->hostile, strlen(arguments->hostile) + 1));
        program_find(program, hostile, true, arguments->most + HOSTILE_MAX);
    }
    if (program->crew.count == 0) {
        fputs("gallery: no PNG or JPEG there\n", stderr);
        return 1;
    }
    program_work(program);
    size_t pages = sheet_draw(&program->crew, arguments->output, "Gallery");
    report_write(&program->crew, arguments->output, "Gallery", pages);
    program_tell(program, pages);
    return program->interrupted ? 130 : 0;
}

static int app(int argc, char **argv)
{
    struct program program = {0};
    if (!program_parse(&program.arguments, argc, argv)) {
        fputs("Try 'gallery --help'.\n", stderr);
        return 2;
    }
    if (program.arguments.help) {
        fputs(usage, stdout);
        return 0;
    }
    if (!program_can_write(program.arguments.output) ||
        isle_type_register(&picture_type) != ISLE_OK)
        return 1;
    program.signals = isle_signal_port(SIGINT);
    isle_port_listen(program.signals, program_interrupt, &program);
    int status = program_run(&program);
    isle_port_close(program.signals);
    return status;
}

ISLE_MAIN(app);
