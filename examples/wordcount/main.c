/* SPDX-License-Identifier: Apache-2.0 */
/* wordcount: counts the words of every text file under some directories, in a pool of isolates. The
 * root isolate draws the progress, keeps a 10 ms ticker whose lateness shows how responsive it
 * stays, and hears Ctrl-C; the work is done by others (find.c, crew.c). Exit code: 0; 1 if a worker
 * failed or --check found a difference; 2 on wrong usage; 130 after Ctrl-C. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "find.h"
#include "number.h"
#include "show.h"
#include "textfile.h"

#define TICK_NS ISLE_MS(10)
#define MEASURE_MIN                                                                                \
    50e6 /* bytes; the speed-up is measured over at least as much text if 50 rounds give it … */
#define MEASURE_MAX 400e6 /* … and over every n-th file if there is more than this */

struct arguments {
    isle_value places; /* list of bytes */
    unsigned worker_count;
    unsigned top_count;
    bool check;
    bool quiet;
    bool verbose;
    bool no_speed_up;
    bool help;
};

struct ticker {
    isle_timer *timer;
    int64_t start_ns;
    int64_t due_ns; /* of the next tick */
    int64_t latest_ns;
    uint64_t ticks;
};

/* The root's state; lives in app's frame, which stays until all callbacks are closed. */
struct program {
    struct arguments arguments;
    struct show show;
    struct ticker ticker;
    struct crew *crew;    /* whose progress is shown; NULL: none */
    struct crew *running; /* whom Ctrl-C stops; NULL: none */
    isle_future *finding;
    int64_t total_size;
    bool interrupted;
    isle_receive_port *signals;
};

static const char usage[] =
    "Usage: wordcount [OPTION]... [DIRECTORY or FILE]...\n"
    "Counts the words of every text file below the directories, in a pool of isolates.\n"
    "Default: /usr/share/common-licenses /usr/share/doc\n"
    "\n"
    "  --workers N    so many isolates count; default: one per core\n"
    "  --top N        lists the N most frequent words; default: 10\n"
    "  --check        counts again without isolates and compares every count\n"
    "  --no-speed-up  does not measure the speed-up over one worker\n"
    "  --quiet        shows no progress\n"
    "  --verbose      names every file that was skipped\n"
    "  --help         shows this text\n"
    "\n"
    "A word is a maximal run of letters; A to Z count as a to z. In a file that is valid UTF-8 "
    "every\n"
    "character beyond ASCII that is no punctuation or symbol is a letter, in any other file none "
    "is.\n"
    "Binary and unreadable files are named and skipped, symbolic links not followed. Ctrl-C ends\n"
    "with what is known so far; a second one ends at once.\n";

static void program_tick(void *context)
{
    struct program *program = context;
    struct ticker *ticker = &program->ticker;
    int64_t now = isle_now_ns();
    if (now - ticker->due_ns > ticker->latest_ns)
        ticker->latest_ns = now - ticker->due_ns;
    ticker->ticks++;
    ticker->due_ns = ticker->start_ns + ((now - ticker->start_ns) / TICK_NS + 1) * TICK_NS;
    if (program->crew != NULL)
        show_progress(&program->show, &program->crew->tally, program->total_size, false);
}

static void program_interrupt(isle_value signal, void *context)
{
    struct program *program = context;
    (void)signal;
    program->interrupted = true;
    isle_port_close(program->signals); /* a second Ctrl-C finds the default disposition */
    if (program->finding != NULL)
        isle_future_cancel(program->finding);
    if (program->running != NULL)
        crew_stop(program->running);
}

/* false: the option is wrong, and that has been said. */
static bool program_take(struct arguments *arguments, int option)
{
    switch (option) {
    case 'w':
        return (arguments->worker_count = number_read("wordcount", optarg, 1024)) != 0;
    case 't':
        return (arguments->top_count = number_read("wordcount", optarg, 1000000)) != 0;
    case 'c':
        return arguments->check = true;
    case 'n':
        return arguments->no_speed_up = true;
    case 'q':
        return arguments->quiet = true;
    case 'v':
        return arguments->verbose = true;
    case 'h':
        return arguments->help = true;
    default:
        return false;
    }
}

static bool program_parse(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'}, {"top", required_argument, NULL, 't'},
        {"check", no_argument, NULL, 'c'},         {"no-speed-up", no_argument, NULL, 'n'},
        {"quiet", no_argument, NULL, 'q'},         {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    static char *defaults[] = {"/usr/share/common-licenses", "/usr/share/doc", NULL};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    arguments->worker_count = cores > 0 ? (unsigned)cores : 1;
    arguments->top_count = 10;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!program_take(arguments, option))
            return false;
    arguments->places = isle_list();
    for (char **place = optind < argc ? argv + optind : defaults; *place != NULL; place++)
        isle_list_add(arguments->places, isle_bytes(*place, strlen(*place) + 1));
    return true;
}

static void program_begin(struct program *program)
{
    show_begin(&program->show, program->arguments.quiet);
    program->signals = isle_signal_port(SIGINT);
    isle_port_listen(program->signals, program_interrupt, program);
    program->ticker.start_ns = isle_now_ns();
    program->ticker.due_ns = program->ticker.start_ns + TICK_NS;
    program->ticker.timer = isle_timer_periodic(TICK_NS, program_tick, program);
}

/* Fills the plan; false if Ctrl-C came first. The list of what could not be read goes to `skipped`.
 */
static bool program_find(struct program *program, struct plan *plan, isle_value skipped)
{
    int64_t start = isle_now_ns();
    show_remark(&program->show, "looking for files ...");
    isle_options options = {.debug_name = "finder"};
    program->finding = isle_run(find_files, program->arguments.places, &options);
    isle_value found, failed, sizes;
    isle_err err = isle_try_await(program->finding, ISLE_FOREVER, &found);
    program->finding = NULL;
    show_remark(&program->show, NULL);
    if (program->interrupted)
        return false;
    if (err != ISLE_OK)
        isle_throw(isle_last_error());

    isle_unpack(isle_keep(found), "{s:o,s:o,s:o}", "paths", &plan->paths, "sizes", &sizes, "failed",
                &failed);
    plan->sizes = isle_as_array(sizes, ISLE_I64, &plan->count);
    plan->step = plan->rounds = 1;
    for (size_t i = 0; i < plan->count; i++)
        program->total_size += plan->sizes[i];
    for (size_t i = 0; i < isle_count(failed); i++)
        isle_list_add(skipped, isle_list_get(failed, i));
    if (!program->arguments.quiet)
        printf("Found %s files, %s, in %.2f s; counting with %u worker%s\n",
               show_count(plan->count), show_size((double)program->total_size),
               (double)(isle_now_ns() - start) / 1e9, program->arguments.worker_count,
               program->arguments.worker_count == 1 ? "" : "s");
    fflush(stdout);
    return true;
}

static void program_run(struct program *program, struct crew *crew)
{
    program->running = crew;
    if (program->interrupted)
        crew->stopping = true;
    crew_run(crew);
    program->running = NULL;
}

static void program_count(struct program *program, struct crew *crew)
{
    program->show.start_ns = program->show.last_ns = isle_now_ns();
    program->crew = crew;
    program_run(program, crew);
    program->crew = NULL;
    show_progress(&program->show, &crew->tally, program->total_size, true);
}

static void program_show_skipped(const struct program *program, isle_value skipped)
{
    size_t count = isle_count(skipped), binary = 0;
    for (size_t i = 0; i < count; i++)
        binary +=
            strcmp(isle_as_string(isle_list_get(isle_list_get(skipped, i), 1)), "binary") == 0;
    if (count == 0)
        return;
    show_row(&program->show, "Skipped", "%s files: %s binary, %s unreadable", show_count(count),
             show_count(binary), show_count(count - binary));
    size_t named = program->arguments.verbose || count <= 4 ? count : 3;
    for (size_t i = 0, at = 0; i < named; i++, at++) {
        const char *name, *reason;
        isle_unpack(isle_list_get(skipped, at), "[s,s]", &name, &reason);
        printf("             %s: %s\n", name, reason);
    }
    if (named < count)
        printf("             and %s more; --verbose names all\n", show_count(count - named));
}

/* Counts the same text with one worker and with all of them. It has just been read, so the disk
 * takes no part in either. */
static void program_show_speed_up(struct program *program, const struct crew *first)
{
    struct crew crew[2] = {
        {.plan = first->plan, .worker_count = 1, .top_count = 1},
        {.plan = first->plan, .worker_count = first->worker_count, .top_count = 1}};
    double text = (double)first->tally.text_size;
    size_t rounds = text > 0 && text < MEASURE_MIN ? (size_t)(MEASURE_MIN / text) + 1 : 1;
    show_remark(&program->show, "measuring the speed-up over one worker ...");
    for (int i = 0; i < 2; i++) {
        crew[i].plan.rounds = rounds < 50 ? rounds : 50;
        crew[i].plan.step = (size_t)(text / MEASURE_MAX) + 1;
        program_run(program, &crew[i]);
    }
    show_remark(&program->show, NULL);
    if (program->interrupted || crew[0].failed + crew[1].failed > 0)
        return;
    double alone = (double)crew[0].time_ns / 1e9, together = (double)crew[1].time_ns / 1e9;
    show_row(&program->show, "Speed-up",
             "%.2f over one worker (%s again: %.2f s by one, %.2f s by %u)", alone / together,
             show_size((double)crew[0].tally.text_size), alone, together, crew[1].worker_count);
}

/* Counts again, in the root alone, and compares. Returns how many counts differ. */
static uint64_t program_check(const struct crew *crew, const struct packed *packed)
{
    struct table table;
    struct file_reader *reader = isle_new(struct file_reader);
    table_init(&table, packed->used);
    reader->table = &table;
    for (size_t i = 0; i < crew->plan.count; i++) {
        ISLE_SCOPE;
        file_count(reader, isle_as_bytes(isle_list_get(crew->plan.paths, i), NULL));
    }
    uint64_t different = table.words == packed->total ? 0 : 1;
    different +=
        table.used > packed->used ? table.used - packed->used : 0; /* words that the crew missed */
    for (size_t i = 0; i < packed->used; i++) {
        const struct word *word = &packed->words[i];
        const char *text = packed->text + word->at;
        uint64_t count = table_count(&table, text, word->size, word->hash);
        if (count == word->count)
            continue;
        if (different++ < 10)
            fprintf(stderr, "wordcount: %.*s: %" PRIu64 " by the isolates, %" PRIu64 " without\n",
                    (int)word->size, text, word->count, count);
    }
    if (different == 0)
        printf("check: all %s counts agree\n", show_count(packed->used));
    else
        printf("check: %s counts differ\n", show_count(different));
    table_fini(&table);
    isle_free(reader);
    return different;
}

static void program_show_counts(const struct program *program, const struct crew *crew)
{
    int64_t total, different;
    isle_unpack(crew->result, "{s:i,s:i}", "total", &total, "different", &different);
    const struct tally *tally = &crew->tally;
    double seconds = (double)crew->time_ns / 1e9;
    if (program->interrupted)
        show_row(&program->show, "Stopped", "at %s of %s; what follows is what was known by then",
                 show_size((double)tally->done_size), show_size((double)program->total_size));
    show_row(&program->show, "Counted", "%s text files, %s, %s words, %s different",
             show_count((uint64_t)tally->files), show_size((double)tally->text_size),
             show_count((uint64_t)total), show_count((uint64_t)different));
    show_row(&program->show, "Rate", "%s files/s, %s/s of text: %.2f s with %u worker%s",
             show_count((uint64_t)((double)tally->files / seconds)),
             show_size((double)tally->text_size / seconds), seconds, crew->worker_count,
             crew->worker_count == 1 ? "" : "s");
}

static void program_report(struct program *program, struct crew *crew, isle_value skipped)
{
    isle_value top = isle_get(crew->result, "top");
    if (isle_count(top) > 0) {
        printf("\nThe most frequent words\n");
        show_words(&program->show, top);
        putchar('\n');
    }
    program_show_counts(program, crew);
    if (!program->interrupted && !program->arguments.no_speed_up && crew->worker_count > 1 &&
        crew->tally.text_size > 0)
        program_show_speed_up(program, crew);
    show_row(&program->show, "Ticker", "every 10 ms in the root: %s ticks, the latest %.2f ms late",
             show_count(program->ticker.ticks), (double)program->ticker.latest_ns / 1e6);
    program_show_skipped(program, skipped);
}

static int app(int argc, char **argv)
{
    struct program program = {0};
    if (!program_parse(&program.arguments, argc, argv)) {
        fputs("Try 'wordcount --help'.\n", stderr);
        return 2;
    }
    if (program.arguments.help) {
        fputs(usage, stdout);
        return 0;
    }
    program_begin(&program);

    struct crew crew = {
        .worker_count = program.arguments.worker_count,
        .top_count = program.arguments.top_count,
        .skipped = isle_keep(isle_list()),
    };
    bool same = true;
    if (program_find(&program, &crew.plan, crew.skipped)) {
        program_count(&program, &crew);
        program_report(&program, &crew, crew.skipped);
        isle_timer_cancel(
            program.ticker.timer); /* the check runs in the root and would only make it late */
        if (program.arguments.check && !program.interrupted) {
            struct packed packed = table_unpack(isle_get(crew.result, "table"));
            same = program_check(&crew, &packed) == 0;
        }
    }
    isle_timer_cancel(program.ticker.timer);
    isle_port_close(program.signals);
    fflush(stdout);
    if (program.interrupted)
        return 130;
    return same && crew.failed == 0 ? 0 : 1;
}

ISLE_MAIN(app);
