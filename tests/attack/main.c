/* SPDX-License-Identifier: Apache-2.0 */
/* The suite's front: its rows as tests of the ordinary runner, and their outcomes as a table.
 *
 * `--describe`, `--list` and NAME as tests/test.h has it. A row is a test that runs it with nothing
 * and with all layers, and one more for each layer that claims to stop it alone, so that a layer
 * that the machine lacks skips exactly what it would have shown. `--rows` prints the rows with
 * their expectations and `--measure` with what came out here, tab-separated, for page.py. */
#include "attack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct attack_group *const main_groups[] = {
    &attack_files,     &attack_sockets, &attack_code,    &attack_processes,
    &attack_others,    &attack_kernel,  &attack_entries, &attack_descriptors,
    &attack_resources, &attack_crashes, &attack_grants,
};
enum { MAIN_GROUPS = sizeof(main_groups) / sizeof(main_groups[0]), MAIN_SECONDS = 240 };

static const struct attack_row *main_row(size_t group, size_t index)
{
    return index < main_groups[group]->count ? &main_groups[group]->rows[index] : NULL;
}

#define MAIN_EACH_ROW(group, row)                                                                  \
    for (size_t group = 0; group < MAIN_GROUPS; group++)                                           \
        for (size_t row##_index = 0; row##_index < main_groups[group]->count; row##_index++)       \
            for (const struct attack_row *row = main_row(group, row##_index); row; row = NULL)

/* "001a_opens_a_file": the list's number first, with zeros, so that names sort as the list does. */
static void main_name(const struct attack_row *row, enum attack_setting setting, char *name,
                      size_t size)
{
    int number = atoi(row->number);
    const char *letter = row->number + strspn(row->number, "0123456789");

    snprintf(name, size, "row_%03d%s_%s%s%s", number, letter, row->name,
             setting == ATTACK_ALL ? "" : "_by_",
             setting == ATTACK_ALL ? "" : attack_setting_name(setting));
}

static void main_list(bool describe)
{
    MAIN_EACH_ROW(group, row)
    {
        for (int setting = ATTACK_ALL; setting < ATTACK_SETTINGS; setting++) {
            char name[128];

            if (!attack_claim(row, (enum attack_setting)setting))
                continue;
            main_name(row, (enum attack_setting)setting, name, sizeof name);
            if (describe)
                printf("%s %d 0 0 0\n", name, MAIN_SECONDS);
            else
                puts(name);
        }
    }
}

__attribute__((noreturn, format(printf, 2, 3))) static void main_end(int status, const char *format,
                                                                     ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _exit(status);
}

enum { MAIN_FAILED = 1, MAIN_NOT_RUN = 77 };

static void main_show(const struct attack_row *row, enum attack_setting setting,
                      const struct attack_result *result, const char *expectation)
{
    printf("%s %-11s %s%s%s (expected %s)\n", row->number, attack_setting_name(setting),
           result->outcome[0] ? result->outcome : result->broken, result->call[0] ? " " : "",
           result->call, expectation ? expectation : "anything");
}

/* Runs and checks a claim; ends the process where the machine lacks the layer or the claim is
 * false. */
static void main_claim(const struct attack_row *row, enum attack_setting setting,
                       struct attack_result *result)
{
    const char *claim = attack_claim(row, setting), *missing;

    attack_run(row, setting, result);
    if (setting == ATTACK_ALL)
        attack_name_call(row, setting, result);
    main_show(row, setting, result, claim);
    missing =
        attack_missing(row, setting, result, setting == ATTACK_LANDLOCK ? row->landlock_abi : 0);
    if (missing)
        main_end(MAIN_NOT_RUN, "not run: no such layer here: %s", missing);
    if (!result->outcome[0])
        main_end(MAIN_FAILED, "the sandbox did not stand: %s", result->broken);
    if (!attack_outcome_is(result->outcome, claim))
        main_end(MAIN_FAILED, "row %s, %s: %s, expected %s", row->number,
                 attack_setting_name(setting), result->outcome, claim);
    if (result->core)
        main_end(MAIN_FAILED, "row %s left a core file", row->number);
}

/* A run without the sandbox: does it say anything? */
static bool main_says_something(const struct attack_row *row, struct attack_result *without)
{
    const char *expectation = row->without ? row->without : "works";

    attack_run(row, ATTACK_WITHOUT, without);
    main_show(row, ATTACK_WITHOUT, without, expectation);
    if (!without->outcome[0])
        main_end(MAIN_FAILED, "the attempt did not run: %s", without->broken);
    if (attack_outcome_is(without->outcome, "lacks"))
        main_end(MAIN_NOT_RUN, "not run: this machine has no such thing: %s", row->text);
    if (!attack_outcome_is(without->outcome, expectation) && attack_machine_filters() &&
        attack_outcome_is(without->outcome, "EPERM|ENOSYS|EACCES"))
        main_end(MAIN_NOT_RUN, "not run: says nothing here: this container refuses it: %s",
                 without->outcome);
    if (!attack_outcome_is(without->outcome, expectation))
        main_end(MAIN_FAILED, "row %s: without a sandbox %s, expected %s", row->number,
                 without->outcome, expectation);
    return !strcmp(without->outcome, "works");
}

static void main_run(const struct attack_row *row, enum attack_setting setting)
{
    struct attack_result without = {.outcome = "works"}, result;
    bool says = true;

    /* That it works without is shown once where every machine must show it. */
    if (setting == ATTACK_ALL || row->without)
        says = main_says_something(row, &without);
    main_claim(row, setting, &result);
    /* What fails anyway is only worth a pass where the sandbox stops it earlier and otherwise. */
    if (!says && !row->harmless && !strcmp(without.outcome, result.outcome))
        main_end(MAIN_NOT_RUN, "not run: says nothing here: %s without a sandbox as well (%s)",
                 without.outcome, row->why ? row->why : row->text);
}

static int main_run_named(const char *wanted)
{
    MAIN_EACH_ROW(group, row)
    {
        for (int setting = ATTACK_ALL; setting < ATTACK_SETTINGS; setting++) {
            char name[128];

            main_name(row, (enum attack_setting)setting, name, sizeof name);
            if (strcmp(name, wanted) || !attack_claim(row, (enum attack_setting)setting))
                continue;
            attack_become_ordinary();
            main_run(row, (enum attack_setting)setting);
            return 0;
        }
    }
    fprintf(stderr, "%s: no such test\n", wanted);
    return 2;
}

static void main_print_row(size_t group, const struct attack_row *row)
{
    printf("row\t%s\t%s\t%s\t%s\t%s\t%s\n", main_groups[group]->title, row->number, row->text,
           row->without ? row->without : "works", row->why ? row->why : "",
           row->measure ? row->measure : "");
    for (int setting = ATTACK_ALL; setting < ATTACK_SETTINGS; setting++) {
        const char *claim = attack_claim(row, (enum attack_setting)setting);

        if (claim)
            printf("claim\t%s\t%s\t%s\t%d\n", row->number,
                   attack_setting_name((enum attack_setting)setting), claim,
                   setting == ATTACK_LANDLOCK ? row->landlock_abi : 0);
    }
}

/* One row's outcomes in every setting, "-" where the machine lacks a layer. */
static void main_measure_row(const struct attack_row *row, int *abi)
{
    for (int setting = 0; setting < ATTACK_SETTINGS; setting++) {
        struct attack_result result;
        const char *missing;

        attack_run(row, (enum attack_setting)setting, &result);
        attack_name_call(row, (enum attack_setting)setting, &result);
        missing = attack_missing(row, (enum attack_setting)setting, &result, 0);
        if (result.landlock_abi > *abi)
            *abi = result.landlock_abi;
        printf("measured\t%s\t%s\t%s\t%s\t%lld\t%lld\n", row->number,
               attack_setting_name((enum attack_setting)setting), missing ? "-" : result.outcome,
               result.call, (long long)result.value, (long long)result.cpu_ns);
        fflush(stdout);
    }
}

static int main_print(bool measure, const char *only)
{
    struct utsname name;
    int abi = 0;

    if (measure)
        attack_become_ordinary();
    MAIN_EACH_ROW(group, row)
    {
        if (only && strcmp(only, row->number))
            continue;
        main_print_row(group, row);
        if (measure)
            main_measure_row(row, &abi);
    }
    uname(&name);
    printf("machine\t%s %s\t%s\t%d\n", name.sysname, name.release, name.machine, abi);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) {
        fprintf(stderr, "usage: %s --list | --describe | --rows | --measure [ROW] | NAME\n",
                argv[0]);
        return 2;
    }
    if (!strcmp(argv[1], "--list") || !strcmp(argv[1], "--describe")) {
        main_list(!strcmp(argv[1], "--describe"));
        return 0;
    }
    if (!strcmp(argv[1], "--rows") || !strcmp(argv[1], "--measure"))
        return main_print(!strcmp(argv[1], "--measure"), argc > 2 ? argv[2] : NULL);
    return main_run_named(argv[1]);
}
