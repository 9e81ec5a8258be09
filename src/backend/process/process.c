/* SPDX-License-Identifier: Apache-2.0 */
/* The process backend: an isolate is a sandboxed child of the zygote, behind a wall. This file has
 * the table of operations, makes a policy of the options, asks for the child, and says what its
 * death means.
 *
 * Who calls. prepare and admit run in the spawner's call; open, greet, kill, send_fd and close in
 * turns of the proxy, one at a time; told and died on the reactor's thread or inside open. What
 * told writes is read by turns after isle__wall_stands, which orders them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/process/zygote.h"
#include "backend/wall/wall.h"
#include "core/reactor.h"
#include "core/uncaught.h"
#include "isle/program.h"

enum { MEMORY_DEFAULT = 256 << 20, MEMORY_OWN = 16 << 20, RING = 256 * 1024, LOG_LINE = 512 };
enum { LOG_LINES = 10000 }; /* in a second */

struct process {
    struct isle__birth birth;
    struct isle__wall *wall;
    struct isle__channel *channel; /* the wall's; for a last word of who was killed by its filter */
    char *path, *symbol;           /* of code at a URI; NULL: a function of the program */
    int reads[ISLE__SANDBOX_PATHS];
    uint32_t read_count;
    int64_t cpu_time_max_ns;
    isle_sandbox sandbox; /* as it was asked for, without paths: its children have the same */
    size_t memory_max;
    int courier; /* of turns alone: a death releases what the birth still has */
    /* Its log, a line at a time. The reactor's. */
    int log;
    uint64_t log_watch;
    char name[64], line[LOG_LINE];
    size_t line_size;
    struct isle__lines lines;
};

/* --- its log */

static void log_put(struct process *process)
{
    char text[sizeof process->name + LOG_LINE + 8];
    (void)snprintf(text, sizeof text, "%s: %.*s", process->name, (int)process->line_size,
                   process->line);
    isle__line_tame(text);
    isle__lines_write(&process->lines, LOG_LINES, process->name, text);
    process->line_size = 0;
}

static void log_add(struct process *process, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_print = (unsigned char)text[i] >= 32 || text[i] == '\t';
        if (text[i] != '\n')
            process->line[process->line_size++] = is_print ? text[i] : '?';
        if (text[i] == '\n' || process->line_size == LOG_LINE)
            log_put(process);
    }
}

static void log_read(void *context, unsigned events)
{
    struct process *process = context;
    char text[4096];
    ssize_t size;
    (void)events;
    size = read(process->log, text, sizeof text);
    if (size > 0)
        log_add(process, text, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        isle__reactor_dismiss(process->log_watch);
}

static void log_open(struct process *process)
{
    process->log = process->birth.log;
    process->birth.log = -1;
    if (process->log < 0)
        return;
    (void)fcntl(process->log, F_SETFL, O_NONBLOCK);
    if (isle__reactor_attend(process->log, ISLE_READABLE, log_read, process, &process->log_watch) !=
        ISLE_OK)
        isle__report("isle: an isolate's output cannot be read");
}

/* What it had written before it ended is there. */
static void log_close(struct process *process)
{
    char text[4096];
    ssize_t size;
    if (process->log < 0)
        return;
    isle__reactor_dismiss(process->log_watch);
    for (int i = 0; i < 64 && (size = read(process->log, text, sizeof text)) > 0; i++)
        log_add(process, text, (size_t)size);
    if (process->line_size > 0)
        log_put(process);
    isle__lines_end(&process->lines, process->name);
    close(process->log);
}

/* --- what a death means */

static const char *signal_name(int signal)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGHUP, "SIGHUP"},
        {SIGILL, "SIGILL"},   {SIGINT, "SIGINT"},   {SIGKILL, "SIGKILL"}, {SIGPIPE, "SIGPIPE"},
        {SIGQUIT, "SIGQUIT"}, {SIGSEGV, "SIGSEGV"}, {SIGSYS, "SIGSYS"},   {SIGTERM, "SIGTERM"},
        {SIGTRAP, "SIGTRAP"}, {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGALRM, "SIGALRM"},
        {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == signal)
            return names[i].name;
    return NULL;
}

static void end_by_signal(const struct process *process, const struct isle__death *death,
                          struct isle__wall_end *end)
{
    const char *name = signal_name(death->status);
    bool over_cpu = process->cpu_time_max_ns > 0 && death->cpu_ns >= process->cpu_time_max_ns;
    end->reason = ISLE_SIGNALED;
    if (name != NULL)
        (void)snprintf(end->text, sizeof end->text, "%s", name);
    else
        (void)snprintf(end->text, sizeof end->text, "signal %d", death->status);
    if (death->ran_out) {
        end->reason = ISLE_MEMORY;
        (void)snprintf(end->text, sizeof end->text, "Out of Memory");
    }
    if (death->status == SIGXCPU || (death->status == SIGKILL && over_cpu))
        end->reason = ISLE_CPU;
    if (death->status != SIGSYS)
        return;
    int call = process->channel == NULL ? -1 : isle__death_call(death, process->channel);
    const char *called = call < 0 ? NULL : isle__sandbox_call_name(call);
    end->reason = ISLE_VIOLATION;
    if (called != NULL)
        (void)snprintf(end->text, sizeof end->text, "%s", called);
    else if (call >= 0)
        (void)snprintf(end->text, sizeof end->text, "system call %d", call);
    else
        (void)snprintf(end->text, sizeof end->text, "a forbidden system call");
}

static void end_of(const struct process *process, const struct isle__death *death,
                   struct isle__wall_end *end)
{
    end->cpu_time_ns = death->cpu_ns;
    end->memory_peak = death->memory_peak;
    if (!death->is_known) {
        end->reason = ISLE_LOST;
        (void)snprintf(end->text, sizeof end->text, "%s",
                       death->is_late ? "its zygote does not tell how it ended"
                                      : "its zygote has gone");
    } else if (death->ran_out) {
        end->reason = ISLE_MEMORY;
        (void)snprintf(end->text, sizeof end->text, "Out of Memory");
    } else if (death->code != CLD_EXITED) {
        end_by_signal(process, death, end);
    } else if (death->status != 0) {
        end->reason = ISLE_FAILED;
        (void)snprintf(end->text, sizeof end->text, "exit status %d", death->status);
    }
}

/* --- the birth */

static void process_told(struct isle__birth *birth, void *context)
{
    struct process *process = context;
    if (birth->pidfd < 0) {
        isle__wall_refused(process->wall, birth->error);
        return;
    }
    process->channel = birth->channel;
    birth->channel = NULL;
    process->courier = birth->courier;
    birth->courier = -1;
    log_open(process);
    isle__wall_stands(process->wall, process->channel, birth->is_prompt);
}

static void process_died(struct isle__birth *birth, const struct isle__death *death, void *context)
{
    struct process *process = context;
    struct isle__wall_end end = {.reason = ISLE_RETURNED};
    (void)birth;
    end_of(process, death, &end);
    isle__wall_died(process->wall, &end);
}

/* What comes in pieces lies here, counted nowhere, until the last: no more than it can have. */
static size_t process_record_max(const struct isle__policy *policy)
{
    bool is_less = policy->memory_max != 0 && policy->memory_max < ISLE__WALL_RECORD_MAX;
    return is_less ? (size_t)policy->memory_max : ISLE__WALL_RECORD_MAX;
}

static isle_err process_open(void *context, struct isle__wall *wall, char *text, size_t text_size)
{
    struct process *process = context;
    struct isle__birth *birth = &process->birth;
    struct isle__birth_code code = {.object = process->path, .entry = process->symbol};
    process->wall = wall;
    birth->ring_out = birth->ring_in = RING;
    birth->record_max = process_record_max(&birth->policy);
    birth->told = process_told;
    birth->died = process_died;
    birth->context = process;
    isle_err err = isle__birth_ask(birth, process->path != NULL ? &code : NULL, process->reads,
                                   process->read_count);
    if (err != ISLE_OK)
        (void)snprintf(text, text_size, "%s", birth->error);
    return err;
}

static enum isle__channel_state process_greet(void *context, struct isle__channel *channel,
                                              char *text, size_t text_size)
{
    struct process *process = context;
    enum isle__channel_state state = isle__birth_greet(&process->birth, channel);
    if (state == ISLE__CHANNEL_FULL)
        (void)snprintf(text, text_size, "%s", process->birth.error);
    return state;
}

static void process_kill(void *context)
{
    struct process *process = context;
    isle__birth_kill(&process->birth);
}

static void process_settled(void *context)
{
    struct process *process = context;
    isle__birth_settled(&process->birth);
}

static isle_err process_send_fds(void *context, const int *fds, size_t count)
{
    const struct process *process = context;
    return isle__courier_send(process->courier, fds, count);
}

/* No more than its parent has, and none of the paths that it may read. */
static void process_sibling(void *context, isle_options *options)
{
    const struct process *process = context;
    int64_t cpu = process->cpu_time_max_ns;
    options->sandbox = &process->sandbox;
    if (options->memory_max == 0 || options->memory_max > process->memory_max)
        options->memory_max = process->memory_max;
    if (cpu > 0 && (options->cpu_time_max_ns == 0 || options->cpu_time_max_ns > cpu))
        options->cpu_time_max_ns = cpu;
}

static void text_free(char *text)
{
    if (text != NULL)
        isle__memory_free(text, strlen(text) + 1);
}

static void process_free(struct process *process)
{
    for (uint32_t i = 0; i < process->read_count; i++)
        close(process->reads[i]);
    text_free(process->path);
    text_free(process->symbol);
    isle__memory_free(process, sizeof *process);
}

static void process_close(void *context)
{
    struct process *process = context;
    log_close(process);
    if (process->courier >= 0)
        close(process->courier);
    process_free(process);
}

static const struct isle__wall_ops process_wall = {
    .open = process_open,
    .greet = process_greet,
    .kill = process_kill,
    .settled = process_settled,
    .sibling = process_sibling,
    .send_fds = process_send_fds,
    .close = process_close,
};

/* --- the spawner's call */

static isle_err process_read_paths(struct process *process, const isle_sandbox *sandbox)
{
    const char *const *path = sandbox->read_paths;
    for (; path != NULL && *path != NULL; path++) {
        if (process->read_count == ISLE__SANDBOX_PATHS)
            return isle__fail(ISLE_ERANGE, "a sandbox has at most %d read_paths",
                              ISLE__SANDBOX_PATHS);
        int fd = open(*path, O_PATH | O_CLOEXEC);
        if (fd < 0)
            return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: %s: %s", *path,
                              errno == ENOENT ? "no such file or folder" : "cannot be opened");
        process->reads[process->read_count++] = fd;
    }
    return ISLE_OK;
}

/* As many as a process's table has from the beginning, so they cost nothing: its own six, and what
 * it is sent. */
enum { DESCRIPTORS = 64 };

/* What the process may have. The runtime's own is beside what the isolate may have: its own limit
 * is met first, asked for or not (process_prepare). The default is the heap's, as the host admits
 * mail by the mailbox's own limit alone; so there is room for that too. */
static uint64_t process_memory(const isle_options *options, size_t memory)
{
    uint64_t beside = MEMORY_OWN;
    if (options->memory_max == 0) {
        bool is_less =
            options->mailbox_max_bytes != 0 && options->mailbox_max_bytes < MEMORY_DEFAULT;
        beside += is_less ? options->mailbox_max_bytes : MEMORY_DEFAULT;
    }
    return memory > ISLE_UNLIMITED - beside ? 0 : (uint64_t)memory + beside;
}

static isle_err process_policy(struct process *process, const isle_options *options)
{
    struct isle__policy *policy = &process->birth.policy;
    const isle_sandbox *sandbox = options->sandbox;
    size_t memory = options->memory_max == 0 ? MEMORY_DEFAULT : options->memory_max;
    policy->memory_max = process_memory(options, memory);
    policy->cpu_time_max_ns = process->cpu_time_max_ns = options->cpu_time_max_ns;
    policy->audit = 1;
    policy->descriptor_max = DESCRIPTORS;
    process->memory_max = memory;
    if (sandbox == NULL)
        return ISLE_OK;
    process->sandbox = *sandbox;
    process->sandbox.read_paths = NULL;
    policy->required = sandbox->required;
    policy->threads_max = sandbox->thread_max;
    policy->strict = sandbox->strict;
    policy->insecure = sandbox->insecure;
    process->birth.wants_log = sandbox->log;
    isle_err err = process_read_paths(process, sandbox);
    policy->reads = process->read_count > 0;
    return err;
}

static isle_err process_new(const isle_options *options, struct process **ret_process)
{
    struct process *process = isle__memory_alloc(sizeof *process);
    if (process == NULL)
        return ISLE_ENOMEM;
    memset(process, 0, sizeof *process);
    process->birth.courier = process->birth.log = process->birth.pidfd = -1;
    process->courier = process->log = -1;
    (void)snprintf(process->name, sizeof process->name, "%s",
                   options->debug_name != NULL ? options->debug_name : "isolate");
    isle_err err = process_policy(process, options);
    if (err != ISLE_OK)
        process_free(process);
    else
        *ret_process = process;
    return err;
}

static isle_err process_prepare(struct isle__isolate *isolate, const isle_options *options)
{
    struct process *process;
    char text[ISLE__WALL_TEXT] = "";
    if (isle__wall_is_inside())
        return isle__wall_open(isolate, NULL, NULL, false);
    isle_err err = isle__zygote_need(text, sizeof text);
    if (err != ISLE_OK)
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: %s", text);
    err = process_new(options, &process);
    if (err != ISLE_OK)
        return err;
    err = isle__wall_open(isolate, &process_wall, process, options->paused);
    if (err == ISLE_OK && options->memory_max == 0)
        atomic_store_explicit(&isolate->heap.limit, process->memory_max, memory_order_relaxed);
    if (err != ISLE_OK)
        process_free(process);
    return err;
}

static char *text_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = isle__memory_alloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

static isle_err process_admit(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                              isle_value message)
{
    if (what->kind != ISLE__ENTRY_URI)
        return isle__wall_admit(isolate, what, message);
    struct process *process = isle__wall_of(isolate)->context;
    char path[PATH_MAX];
    if (realpath(what->path, path) == NULL)
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: %s: %s", what->path,
                          errno == ENOENT ? "no such file" : "cannot be opened");
    /* The dynamic loader calls an object for another machine a file that is not there. */
    char text[512];
    if (isle__library_check(path, text, sizeof text) != ISLE_OK)
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: %s", text);
    process->path = text_copy(path);
    process->symbol = text_copy(what->symbol);
    return process->path == NULL || process->symbol == NULL
               ? isle__fail(ISLE_ENOMEM, "Out of Memory")
               : ISLE_OK;
}

static bool process_inside_begin(struct isle__channel *channel)
{
    return isle__wall_inside_begin(channel, ISLE_PROCESS);
}

static int process_inside_run(struct isle__channel *channel, int courier, void *loaded)
{
    (void)channel;
    return isle__wall_inside_run(courier, loaded);
}

static void process_image(int argc, char **argv)
{
    isle__zygote_prepares = isle__wall_inside_prepare;
    isle__child_begins = process_inside_begin;
    isle__child_runs = process_inside_run;
    isle__zygote_image(argc, argv);
}

/* --- what the machine gives */

uint32_t isle_sandbox_reached(void)
{
    char text[ISLE__WALL_TEXT];
    (void)isle__isolate_need(__func__);
    if (isle__wall_is_inside() || isle__zygote_need(text, sizeof text) != ISLE_OK)
        return 0;
    return isle__zygote_reached();
}

const struct isle__backend_ops isle__backend_process = {
    .name = "process",
    .enforces = ISLE__ENFORCES_CPU_TIME | ISLE__ENFORCES_SANDBOX,
    .message_max = ISLE__WALL_MESSAGE_MAX,
    .message_file_max = ISLE__WALL_FILES_MAX,
    .prepare = process_prepare,
    .wake = isle__wall_wake,
    .ended = isle__wall_ended,
    .turn = isle__wall_turn,
    .control = isle__wall_control,
    .admit = process_admit,
    .forget = isle__wall_forget,
    .image = process_image,
    .count = isle__births_count,
    .awaits = isle__births_are_awaited,
    .stop = isle__zygote_stop,
};
