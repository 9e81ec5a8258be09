/* SPDX-License-Identifier: Apache-2.0 */
/* `isle run`: spawns the isolate of a plug-in, feeds it standard input line by line, prints what it
 * sends, and tells how it ended.
 *
 * The only part of the command that uses the library, and only by its public headers. The isolate's
 * `message` is the port that it prints to; lines come to its default port as strings, and null
 * after the last. */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isle.h"

const char isle__cli_run_help[] =
    "Usage: isle run [OPTION]... URI [ARGUMENT...]\n"
    "\n"
    "Runs the code of a plug-in in an isolate of its own, in a sandboxed process unless told "
    "otherwise.\n"
    "URI is a shared object, \"file:plugin.so#entry\" or a path; the entry is isle_main unless "
    "told. Lines of\n"
    "standard input go to the isolate's default port, as bytes where they are no UTF-8, then null; "
    "what it sends\n"
    "to the port that is its message is printed, a text as it is, everything else as JSON.\n"
    "\n"
    "  --backend KIND      process (the default) or thread: for code that you trust like your own\n"
    "  --memory SIZE       memory that it may use: 64M, 1G; 256M unless told, on threads none\n"
    "  --cpu TIME          processor time that it may use: 2s, 500ms\n"
    "  --deadline TIME     time after which it is ended\n"
    "  --allow-read PATH   it may read what is there; may be repeated\n"
    "  --threads N         threads that it may start besides its own; none unless told\n"
    "  --log               what it prints itself comes to standard error, else it is dropped\n"
    "  --insecure          where this system lacks the sandbox: a process without one\n"
    "  --json              prints every message, and the end, as a line of JSON\n"
    "  --quiet             does not tell how it ended\n"
    "\n"
    "Exit status: 0 it returned, 1 it ended with an error, 2 it could not be run, 3 it was killed, "
    "4 a signal\n"
    "ended it, 5 it made a forbidden call, 6 too much memory, 7 too much processor time, 8 the "
    "deadline,\n"
    "9 it broke the protocol, 10 it was lost.\n";

enum { READ_PATHS_MAX = 16, LINE_MAX_BYTES = 1 << 20, THREADS_MAX = 1 << 16 };

struct run {
    isle_options options;
    isle_sandbox sandbox;
    const char *read_paths[READ_PATHS_MAX + 1];
    size_t read_path_count;
    const char *uri;
    char **arguments; /* NULL at its end */
    bool json, quiet;

    isle_isolate isolate;
    char *line; /* what has come of the next one */
    size_t line_size, line_capacity;
    isle_future *waiting; /* for standard input; NULL: it does not */
    bool is_over;
};

/* isle_main takes no context. */
static struct run run_state;

/* --- the command line */

/* A number and one of the units; 0 after a complaint. */
struct run_unit {
    const char *name;
    int64_t factor;
};

static int64_t run_amount(const char *option, const char *text, const struct run_unit *units)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    for (const struct run_unit *unit = units; unit->name != NULL; unit++)
        if (strcmp(end, unit->name) == 0 && end != text && errno == 0 && number > 0 &&
            number * (double)unit->factor < 9e18 && isdigit((unsigned char)*text))
            return (int64_t)(number * (double)unit->factor);
    isle__cli_trouble("run: %s: '%s' is nothing like '%s'", option, text,
                      strcmp(option, "--memory") == 0    ? "64M"
                      : strcmp(option, "--threads") == 0 ? "4"
                                                         : "2s");
    return 0;
}

static int64_t run_size(const char *option, const char *text)
{
    static const struct run_unit units[] = {{"", 1},          {"K", 1 << 10},   {"M", 1 << 20},
                                            {"G", 1 << 30},   {"KiB", 1 << 10}, {"MiB", 1 << 20},
                                            {"GiB", 1 << 30}, {NULL, 0}};
    return run_amount(option, text, units);
}

static int64_t run_time(const char *option, const char *text)
{
    static const struct run_unit units[] = {
        {"s", 1000000000},           {"ms", 1000000}, {"us", 1000}, {"", 1000000000},
        {"m", INT64_C(60000000000)}, {NULL, 0}};
    return run_amount(option, text, units);
}

static bool run_threads(struct run *run, const char *option, const char *text)
{
    static const struct run_unit units[] = {{"", 1}, {NULL, 0}};
    int64_t count = run_amount(option, text, units);
    run->sandbox.thread_max = count < THREADS_MAX ? (unsigned)count : THREADS_MAX;
    return count != 0;
}

static bool run_backend(struct run *run, const char *name)
{
    bool is_thread = strcmp(name, "thread") == 0;
    if (!is_thread && strcmp(name, "process") != 0) {
        isle__cli_trouble("run: --backend: '%s' is neither process nor thread", name);
        return false;
    }
    run->options.backend = is_thread ? ISLE_THREAD : ISLE_PROCESS;
    return true;
}

static bool run_allow_read(struct run *run, const char *path)
{
    if (run->read_path_count == READ_PATHS_MAX) {
        isle__cli_trouble("run: at most %d paths may be read", READ_PATHS_MAX);
        return false;
    }
    run->read_paths[run->read_path_count++] = path;
    return true;
}

/* An option with its value; false: said on stderr. */
static bool run_option(struct run *run, const char *option, const char *value)
{
    static const char *const known[] = {"--backend",  "--memory",     "--cpu",
                                        "--deadline", "--allow-read", "--threads"};
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        is_known |= strcmp(option, known[i]) == 0;
    if (!is_known || value == NULL) {
        isle__cli_trouble(is_known ? "run: %s needs a value"
                                   : "run: no option '%s'; 'isle help run' lists them",
                          option);
        return false;
    }
    if (strcmp(option, "--backend") == 0)
        return run_backend(run, value);
    if (strcmp(option, "--memory") == 0)
        return (run->options.memory_max = (size_t)run_size(option, value)) != 0;
    if (strcmp(option, "--cpu") == 0)
        return (run->options.cpu_time_max_ns = run_time(option, value)) != 0;
    if (strcmp(option, "--deadline") == 0)
        return (run->options.deadline_ns = run_time(option, value)) != 0;
    if (strcmp(option, "--allow-read") == 0)
        return run_allow_read(run, value);
    return run_threads(run, option, value);
}

/* One without; false: it is none of those. */
static bool run_flag(struct run *run, const char *option)
{
    if (strcmp(option, "--json") == 0)
        return run->json = true;
    if (strcmp(option, "--quiet") == 0)
        return run->quiet = true;
    if (strcmp(option, "--log") == 0)
        return run->sandbox.log = true;
    if (strcmp(option, "--insecure") == 0)
        return run->sandbox.insecure = true;
    return false;
}

/* A grant is no wall: who gives one to a thread thinks that there is one. */
static bool run_is_consistent(const struct run *run)
{
    const isle_sandbox *sandbox = &run->sandbox;
    const char *option = run->read_path_count > 0  ? "--allow-read"
                         : sandbox->thread_max > 0 ? "--threads"
                         : sandbox->log            ? "--log"
                         : sandbox->insecure       ? "--insecure"
                                                   : NULL;
    if (run->options.backend != ISLE_THREAD || option == NULL)
        return true;
    isle__cli_trouble("run: %s is of processes: with '--backend thread' the plug-in may do all "
                      "that you may",
                      option);
    return false;
}

static bool run_parse(struct run *run, int argc, char **argv)
{
    int at = 1;
    run->options.backend = ISLE_PROCESS;
    for (; at < argc && argv[at][0] == '-' && strcmp(argv[at], "--") != 0; at++) {
        if (run_flag(run, argv[at]))
            continue;
        char option[32] = "";
        size_t length = strcspn(argv[at], "=");
        const char *equals = argv[at][length] == '=' ? argv[at] + length : NULL;
        memcpy(option, argv[at], length < sizeof option ? length : sizeof option - 1);
        const char *next = at + 1 < argc ? argv[at + 1] : NULL;
        if (!run_option(run, option, equals == NULL ? next : equals + 1))
            return false;
        at += equals == NULL;
    }
    if (at < argc && strcmp(argv[at], "--") == 0)
        at++;
    if (at == argc) {
        isle__cli_trouble("run: which plug-in? 'isle help run' tells");
        return false;
    }
    run->uri = argv[at];
    run->arguments = argv + at + 1;
    run->sandbox.read_paths = run->read_path_count > 0 ? run->read_paths : NULL;
    if (run->options.backend == ISLE_PROCESS)
        run->options.sandbox = &run->sandbox;
    run->options.debug_name = run->uri;
    return run_is_consistent(run);
}

/* --- standard input */

static isle_value run_line_string(isle_value unused)
{
    (void)unused;
    return isle_string_sized(run_state.line, run_state.line_size);
}

/* What is no text comes as the bytes that it is. */
static void run_feed_line(struct run *run)
{
    ISLE_SCOPE;
    isle_value line;
    if (isle_try(run_line_string, isle_null(), &line) != ISLE_OK)
        line = isle_bytes(run->line, run->line_size);
    run->line_size = 0;
    while (!run->is_over && isle_try_send(run->isolate.default_port, line) == ISLE_EFULL)
        isle_sleep(ISLE_MS(1)); /* it reads slower than we do */
}

static void run_feed(struct run *run, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || run->line_size == LINE_MAX_BYTES)
            run_feed_line(run);
        if (data[i] == '\n')
            continue;
        if (run->line_size == run->line_capacity) {
            run->line_capacity = run->line_capacity == 0 ? 256 : run->line_capacity * 2;
            run->line = isle_realloc(run->line, run->line_capacity);
        }
        run->line[run->line_size++] = data[i];
    }
}

static isle_value run_wait_for_input(isle_value unused)
{
    (void)unused;
    run_state.waiting = isle_fd_wait(STDIN_FILENO, ISLE_READABLE);
    return isle_await(run_state.waiting);
}

/* An activity of its own, so that the isolate's messages are printed meanwhile. Of a file no poller
 * knows anything: it is read without a wait. */
static void run_input(void *context)
{
    struct run *run = context;
    char buffer[BUFSIZ];
    ssize_t got = 1;
    while (got > 0 && !run->is_over) {
        ISLE_SCOPE;
        isle_value unused;
        isle_err err = isle_try(run_wait_for_input, isle_null(), &unused);
        run->waiting = NULL;
        if (err != ISLE_OK && err != ISLE_ESYSTEM)
            return; /* it is over */
        got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (got > 0)
            run_feed(run, buffer, (size_t)got);
    }
    if (run->line_size > 0)
        run_feed_line(run);
    isle_send(run->isolate.default_port, isle_null());
}

/* --- what it says, and its end */

/* A stranger's text where a terminal would take its controls for commands: those become '?', all
 * but `kept`. U+0080 to U+009F are some too. */
static void run_put_tame(FILE *file, const char *text, const char *kept)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        bool is_wide = at[0] == 0xc2 && (at[1] & 0xe0) == 0x80;
        bool is_control = (*at < ' ' && strchr(kept, *at) == NULL) || *at == 0x7f || is_wide;
        fputc(is_control ? '?' : *at, file);
        at += is_wide;
    }
}

/* As it is into a file or a pipe. */
static void run_put(const char *text)
{
    if (isatty(STDOUT_FILENO) == 1)
        run_put_tame(stdout, text, "\t\n");
    else
        fputs(text, stdout);
}

static void run_print(isle_value message, void *context)
{
    const struct run *run = context;
    bool is_text = !run->json && isle_kind_of(message) == ISLE_STRING;
    if (run->json)
        fputs("{\"message\": ", stdout);
    run_put(isle_as_string(is_text ? message : isle_json(message)));
    puts(run->json ? "}" : "");
    fflush(stdout);
}

static int run_status(isle_reason reason)
{
    switch (reason) {
    case ISLE_RETURNED:
        return 0;
    case ISLE_FAILED:
        return 1;
    case ISLE_KILLED:
        return 3;
    case ISLE_SIGNALED:
        return 4;
    case ISLE_VIOLATION:
        return 5;
    case ISLE_MEMORY:
        return 6;
    case ISLE_CPU:
        return 7;
    case ISLE_DEADLINE:
        return 8;
    case ISLE_PROTOCOL:
        return 9;
    case ISLE_OVERFLOWED:
        return 11;
    case ISLE_LOST:
    case ISLE_LINKED:
    case ISLE_UNSPAWNED: /* which is said otherwise */
        break;
    }
    return 10;
}

static void run_tell_end(const struct run *run, const isle_end *end)
{
    const char *text = end->text == NULL ? "" : end->text;
    if (run->json) {
        isle_value told = isle_pack("{s:{s:s,s:s,s:i,s:i}}", "end", "reason",
                                    isle_reason_text(end->reason), "text", text, "cpu_time_ns",
                                    end->cpu_time_ns, "memory_peak", end->memory_peak);
        run_put(isle_as_string(isle_json(told)));
        putchar('\n');
        return;
    }
    if (run->quiet)
        return;
    fflush(stdout);
    fprintf(stderr, "isle: %s%s", isle_reason_text(end->reason), *text == '\0' ? "" : ": ");
    run_put_tame(stderr, text, "\t");
    if (end->memory_peak > 0) /* else nobody counted: threads are the program's */
        fprintf(stderr, "; %.1f ms of processor time, %.1f MB of memory at most",
                (double)end->cpu_time_ns / 1e6, (double)end->memory_peak / 1e6);
    fputc('\n', stderr);
}

static isle_value run_spawn(isle_value output)
{
    struct run *run = &run_state;
    isle_value arguments = isle_list();
    for (char **argument = run->arguments; *argument != NULL; argument++)
        isle_list_add(arguments, isle_string(*argument));
    run->isolate = isle_spawn_uri(run->uri, arguments, output, &run->options);
    return isle_null();
}

/* The end says the same. */
static void run_hear_error(isle_value notice, void *context)
{
    (void)notice, (void)context;
}

static int run_until_end(struct run *run, isle_receive_port *ends)
{
    isle_end end = isle_as_end(isle_port_receive(ends));
    run->is_over = true;
    if (run->waiting != NULL)
        isle_future_cancel(run->waiting);
    if (end.reason == ISLE_UNSPAWNED) {
        fputs("isle: run: ", stderr);
        run_put_tame(stderr, end.text, "\t");
        fputc('\n', stderr);
        return CLI_TROUBLE;
    }
    run_tell_end(run, &end);
    return run_status(end.reason);
}

static int run_app(int argc, char **argv)
{
    struct run *run = &run_state;
    int status;
    (void)argc, (void)argv;
    isle_receive_port *output = isle_port_open(), *ends = isle_port_open();
    isle_receive_port *errors = isle_port_open();
    isle_value unused;
    run->options.monitor = isle_port_send_port(ends);
    run->options.on_error = isle_port_send_port(errors);
    isle_port_listen(output, run_print, run);
    isle_port_listen(errors, run_hear_error, run);
    if (isle_try(run_spawn, isle_port_value(output), &unused) != ISLE_OK) {
        isle__cli_trouble("run: %s", isle_error_text(isle_last_error()));
        status = CLI_TROUBLE;
    } else {
        /* What is over before it could be asked may have stood. */
        if (isle_try_await(isle_spawn_wait(run->isolate), ISLE_FOREVER, NULL) != ISLE_ESPAWN)
            isle_schedule_microtask(run_input, run);
        status = run_until_end(run, ends);
    }
    isle_port_close(ends);
    isle_port_close(errors);
    isle_port_close(output);
    return status;
}

static bool run_wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

enum cli_status isle__cli_run(int argc, char **argv)
{
    if (run_wants_help(argc, argv)) {
        fputs(isle__cli_run_help, stdout);
        return 0;
    }
    if (!run_parse(&run_state, argc, argv))
        return CLI_TROUBLE;
    return (enum cli_status)isle_main(argc, argv, run_app);
}
