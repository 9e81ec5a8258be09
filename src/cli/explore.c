/* SPDX-License-Identifier: Apache-2.0 */
/* `isle explore`: runs a program under many seeds, several at a time, until one fails.
 *
 * Each run is a process with ISLE_SEED in its environment; what it writes goes to a file without a
 * name. Seeds are given out in order, and when one fails, those before it that still run are waited
 * for: so the seed that is reported is the smallest that fails, whatever the jobs. */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

const char isle__cli_explore_help[] =
    "Usage: isle explore [OPTION]... PROGRAM [OPTION]... [-- ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM in deterministic mode (ISLE_SEED=n) under many seeds, several at a time, stops "
    "at\n"
    "the first seed with which it fails (an exit status other than 0, a signal, a timeout), shows\n"
    "what it wrote then and prints the command that replays that run.\n"
    "\n"
    "  --seeds N         how many seeds, 1000 unless told\n"
    "  --from N          the first seed, 1 unless told\n"
    "  --jobs N          runs at a time, one per core unless told\n"
    "  --faults LIST     faults that are injected, such as kill:0.01,spawn:0.01,alloc:0.001,\n"
    "                    full:0.1,late:0.2: kinds and their probabilities\n"
    "  --timeout SECONDS real time that a run may take, 60 unless told\n"
    "  --quiet           no progress\n"
    "\n"
    "Exit status: 0 no seed failed, 1 one did, 2 the program could not be run.\n";

struct explore_job {
    pid_t pid; /* 0: none */
    uint64_t seed;
    int64_t until; /* ns of the monotonic clock */
    bool late;     /* killed for want of time */
    int output;    /* a file without a name */
};

struct explore {
    uint64_t seeds, first, jobs, timeout;
    const char *faults;
    bool quiet;
    char **command; /* NULL at its end */
    struct explore_job *running;
    uint64_t started, done;
    uint64_t failed; /* the smallest seed that failed; UINT64_MAX: none */
    int failed_status;
    bool failed_late;
    int failed_output;
    int64_t began;
    bool progress_shown;
};

/* --- the command line */

static bool explore_number(const char *option, const char *text, uint64_t least, uint64_t *ret)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || !isdigit((unsigned char)*text) ||
        number < least) {
        isle__cli_trouble("explore: %s: '%s' is not a number of at least %" PRIu64, option, text,
                          least);
        return false;
    }
    *ret = number;
    return true;
}

/* One option with its value; false: said on stderr. */
static bool explore_option(struct explore *explore, const char *option, const char *value)
{
    if (strcmp(option, "--faults") == 0) {
        explore->faults = value;
        return true;
    }
    if (strcmp(option, "--seeds") == 0)
        return explore_number(option, value, 1, &explore->seeds);
    if (strcmp(option, "--from") == 0)
        return explore_number(option, value, 0, &explore->first);
    if (strcmp(option, "--jobs") == 0)
        return explore_number(option, value, 1, &explore->jobs);
    return explore_number(option, value, 1, &explore->timeout);
}

static bool explore_takes_value(const char *option)
{
    static const char *const options[] = {"--seeds", "--from", "--jobs", "--faults", "--timeout"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(option, options[i]) == 0)
            return true;
    return false;
}

/* Leaves in argv what is run; the program's own arguments stand behind "--". */
static bool explore_parse(struct explore *explore, int argc, char **argv)
{
    char *program = NULL;
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (strcmp(argv[at], "--quiet") == 0) {
            explore->quiet = true;
        } else if (explore_takes_value(argv[at])) {
            if (at + 1 >= argc)
                return isle__cli_trouble("explore: %s needs a value", argv[at]), false;
            if (!explore_option(explore, argv[at], argv[at + 1]))
                return false;
            at++;
        } else if (argv[at][0] == '-') {
            return isle__cli_trouble("explore: no option '%s'", argv[at]), false;
        } else if (program != NULL) {
            return isle__cli_trouble("explore: '%s': the program's arguments stand behind --",
                                     argv[at]),
                   false;
        } else {
            program = argv[at];
        }
    }
    if (program == NULL)
        return isle__cli_trouble("explore needs a program; 'isle help explore' tells"), false;
    if (at == argc)
        at--; /* no "--": its place is the last argument's, which was read */
    argv[at] = program;
    explore->command = &argv[at];
    return true;
}

/* --- one run */

static int64_t explore_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int explore_output(void)
{
    FILE *file = tmpfile();
    int fd = file == NULL ? -1 : dup(fileno(file));
    if (file != NULL)
        fclose(file);
    return fd;
}

static bool explore_start(struct explore *explore, struct explore_job *job)
{
    char seed[32];
    posix_spawn_file_actions_t actions;
    (void)snprintf(seed, sizeof seed, "%" PRIu64, explore->first + explore->started);
    if (setenv("ISLE_SEED", seed, 1) != 0 || ftruncate(job->output, 0) != 0 ||
        lseek(job->output, 0, SEEK_SET) != 0 || posix_spawn_file_actions_init(&actions) != 0)
        return isle__cli_trouble("explore: %s", strerror(errno)), false;
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, job->output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, job->output, STDERR_FILENO);
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int err = posix_spawnp(&job->pid, explore->command[0], &actions, &attributes, explore->command,
                           environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (err != 0) {
        job->pid = 0;
        return isle__cli_trouble("explore: %s: %s", explore->command[0], strerror(err)), false;
    }
    job->seed = explore->first + explore->started++;
    job->late = false;
    job->until = explore_now() + (int64_t)explore->timeout * 1000000000;
    return true;
}

static void explore_failed(struct explore *explore, struct explore_job *job, int status)
{
    if (job->seed > explore->failed)
        return;
    int output = explore->failed_output; /* the job's from now on */
    explore->failed = job->seed;
    explore->failed_status = status;
    explore->failed_late = job->late;
    explore->failed_output = job->output;
    job->output = output;
}

static void explore_kill_after(struct explore *explore, uint64_t seed)
{
    for (uint64_t i = 0; i < explore->jobs; i++)
        if (explore->running[i].pid != 0 && explore->running[i].seed > seed)
            kill(explore->running[i].pid, SIGKILL);
}

/* Takes in one run that has ended; false: none has. */
static bool explore_reap(struct explore *explore)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0)
        return false;
    for (uint64_t i = 0; i < explore->jobs; i++) {
        struct explore_job *job = &explore->running[i];
        if (job->pid != pid)
            continue;
        job->pid = 0;
        explore->done++;
        if (status != 0) {
            explore_failed(explore, job, status);
            explore_kill_after(explore, explore->failed);
        }
    }
    return true;
}

/* Waits until a run ends or the first has taken too long. */
static void explore_wait(struct explore *explore)
{
    sigset_t child;
    int64_t now = explore_now(), until = now + 1000000000;
    for (uint64_t i = 0; i < explore->jobs; i++) {
        struct explore_job *job = &explore->running[i];
        if (job->pid != 0 && job->until <= now) {
            job->late = true;
            kill(job->pid, SIGKILL);
        } else if (job->pid != 0 && job->until < until) {
            until = job->until;
        }
    }
    struct timespec time = {(until - now) / 1000000000, (until - now) % 1000000000};
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigtimedwait(&child, NULL, &time);
}

/* --- what is told */

static void explore_progress(struct explore *explore, bool last)
{
    uint64_t step = explore->seeds < 10 ? 1 : explore->seeds / 10;
    bool terminal = isatty(STDERR_FILENO) == 1;
    bool due = explore->done % step == 0;
    if (explore->quiet || (!terminal && due == last))
        return;
    double seconds = (double)(explore_now() - explore->began) / 1e9;
    fprintf(stderr, "%s%" PRIu64 " of %" PRIu64 " seeds, %.0f a second%s", terminal ? "\r" : "",
            explore->done, explore->seeds, (double)explore->done / (seconds > 0 ? seconds : 1),
            terminal && !last ? "" : "\n");
    fflush(stderr);
}

/* A word as the shell reads it. */
static void explore_print_word(const char *word)
{
    if (*word != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_./:,=+-@%") == strlen(word)) {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word != '\0'; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

static void explore_print_output(int fd)
{
    enum { MOST = 16 * 1024 };
    char bytes[4096];
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > MOST)
        puts("...");
    (void)!lseek(fd, size > MOST ? size - MOST : 0, SEEK_SET);
    ssize_t got;
    char final = '\n';
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        (void)fwrite(bytes, 1, (size_t)got, stdout);
        final = bytes[got - 1];
    }
    if (final != '\n')
        putchar('\n');
}

static void explore_tell(const struct explore *explore)
{
    int status = explore->failed_status;
    explore_print_output(explore->failed_output);
    printf("seed %" PRIu64 " fails: ", explore->failed);
    if (explore->failed_late)
        printf("it did not end within %" PRIu64 " s", explore->timeout);
    else if (WIFSIGNALED(status))
        printf("signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("exit status %d", WEXITSTATUS(status));
    printf("\nreplay it with: ISLE_SEED=%" PRIu64, explore->failed);
    if (explore->faults != NULL) {
        fputs(" ISLE_FAULTS=", stdout);
        explore_print_word(explore->faults);
    }
    for (char **word = explore->command; *word != NULL; word++) {
        putchar(' ');
        explore_print_word(*word);
    }
    putchar('\n');
}

/* --- all of them */

/* False: a run could not be started. */
static bool explore_run(struct explore *explore)
{
    bool able = true;
    for (;;) {
        bool busy = false;
        for (uint64_t i = 0; i < explore->jobs; i++) {
            struct explore_job *job = &explore->running[i];
            if (job->pid == 0 && able && explore->failed == UINT64_MAX &&
                explore->started < explore->seeds)
                able = explore_start(explore, job);
            busy |= job->pid != 0;
        }
        if (!busy)
            return able;
        if (explore_reap(explore))
            explore_progress(explore, false);
        else
            explore_wait(explore);
    }
}

static bool explore_prepare(struct explore *explore)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGCHLD, SIG_DFL);
    unsetenv("ISLE_TRACE");
    if (explore->faults != NULL)
        setenv("ISLE_FAULTS", explore->faults, 1);
    else
        unsetenv("ISLE_FAULTS");
    if (explore->jobs > explore->seeds)
        explore->jobs = explore->seeds;
    explore->running = calloc(explore->jobs, sizeof *explore->running);
    explore->failed_output = explore_output();
    bool able = explore->running != NULL && explore->failed_output >= 0;
    for (uint64_t i = 0; able && i < explore->jobs; i++)
        able = (explore->running[i].output = explore_output()) >= 0;
    if (!able)
        isle__cli_trouble("explore: %s", strerror(errno));
    return able;
}

static void explore_finish(struct explore *explore)
{
    for (uint64_t i = 0; explore->running != NULL && i < explore->jobs; i++)
        if (explore->running[i].output > 0)
            close(explore->running[i].output);
    if (explore->failed_output > 0)
        close(explore->failed_output);
    free(explore->running);
}

/* What was asked for, once it is understood. */
static enum cli_status explore_all(struct explore *explore)
{
    if (!explore_prepare(explore) || !explore_run(explore))
        return CLI_TROUBLE;
    explore_progress(explore, true);
    if (explore->failed == UINT64_MAX) {
        printf("no seed from %" PRIu64 " to %" PRIu64 " fails\n", explore->first,
               explore->first + explore->seeds - 1);
        return CLI_CLEAN;
    }
    explore_tell(explore);
    return CLI_FOUND;
}

enum cli_status isle__cli_explore(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct explore explore = {
        .seeds = 1000,
        .first = 1,
        .jobs = cores < 1 ? 1 : (uint64_t)cores,
        .timeout = 60,
        .failed = UINT64_MAX,
        .began = explore_now(),
    };
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(isle__cli_explore_help, stdout);
            return CLI_CLEAN;
        }
    if (!explore_parse(&explore, argc, argv))
        return CLI_TROUBLE;
    enum cli_status status = explore_all(&explore);
    explore_finish(&explore);
    return status;
}
