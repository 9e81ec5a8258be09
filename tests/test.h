/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of every test program: one file, one program, one behaviour a test.
 *
 *     #include "test.h"
 *     TEST(list_grows) { ... }            plain code on the main thread, not in an isolate
 *     TEST_ROOT(port_closes) { ... }      the body is the root isolate's app (under isle_main)
 *     TEST_TIMEOUT(port_closes, 60);      seconds; 30 unless told
 *     TEST_MEMORY(port_closes, 2048);     MiB that must be free, else "not run"
 *     TEST_TIER(port_closes, TEST_SOAK);  below that tier the runner leaves it out
 *     TEST_ALONE(port_closes);            it measures: nothing else runs beside it
 *     TEST_WAITS(port_closes);            it waits for seconds and computes nothing
 *     TEST_MAIN()
 *
 * `prog --list` prints the names, `prog --describe` the names with what was declared about them,
 * `prog NAME` runs one, `prog` all of them in this one process. tools/run-tests gives each test a
 * process of its own. With ISLE_TEST_COUNT in the environment `prog NAME` ends with a line that
 * says how many checks it made.
 *
 * Law: any thread and any isolate may check. A check that fails ends the whole process at once with
 * status 1, skip with 77; nothing here unwinds, forks or touches signals, so that the same file
 * runs where there are none. A test refers to the library only through what it calls itself:
 * without TEST_ROOT and CHECK_VALUE nothing but libc is needed. */
#ifndef ISLE_TEST_H
#define ISLE_TEST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "isle/base.h"
#include "isle/error.h"
#include "isle/program.h"
#include "isle/value.h"

enum test_place {
    TEST_BESIDE,       /* as many at a time as there are cores */
    TEST_BY_ITSELF,    /* nothing else runs meanwhile */
    TEST_WAITING_ROOM, /* beside those that run beside each other, and takes nobody's place */
};

enum test_tier {
    TEST_QUICK, /* make test: every behaviour once, sweeps sampled */
    TEST_FULL,  /* .ci/run: sweeps complete */
    TEST_SOAK   /* make soak: hours */
};

struct test {
    const char *name;
    void (*body)(void);
    int (*run)(const struct test *test, int argc, char **argv); /* returns the exit status */
    struct test *next;
    int line;
    int timeout; /* seconds */
    int memory;  /* MiB */
    enum test_place place;
    enum test_tier tier;
};

static struct test *test_first;
static const struct test *test_current;
static unsigned long test_checks; /* made so far, by any thread */

static inline void test_count_check(void)
{
    __atomic_fetch_add(&test_checks, 1, __ATOMIC_RELAXED);
}

/* Constructors of one file may run in any order; the list is by line. */
static inline void test_register(struct test *test)
{
    struct test **at = &test_first;

    while (*at && (*at)->line < test->line)
        at = &(*at)->next;
    test->next = *at;
    *at = test;
}

static inline int test_run_plain(const struct test *test, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    test->body();
    return 0;
}

static inline int test_app(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    test_current->body();
    return 0;
}

static inline int test_run_root(const struct test *test, int argc, char **argv)
{
    int status;

    test_current = test;
    status = isle_main(argc, argv, test_app);
    if (status)
        fprintf(stderr, "%s: the root isolate ended with %d\n", test->name, status);
    return status;
}

#define TEST__DEFINE(test_name, runner)                                                            \
    static void test__##test_name(void);                                                           \
    static struct test test__##test_name##_record = {                                              \
        #test_name, test__##test_name, runner, NULL, __LINE__, 30, 0, TEST_BESIDE, TEST_QUICK};    \
    __attribute__((constructor)) static void test__##test_name##_register(void)                    \
    {                                                                                              \
        test_register(&test__##test_name##_record);                                                \
    }                                                                                              \
    static void test__##test_name(void)

#define TEST(name) TEST__DEFINE(name, test_run_plain)
#define TEST_ROOT(name) TEST__DEFINE(name, test_run_root)

#define TEST__DECLARE(test_name, member, value)                                                    \
    __attribute__((constructor)) static void test__##test_name##_##member(void)                    \
    {                                                                                              \
        test__##test_name##_record.member = (value);                                               \
    }                                                                                              \
    struct test

#define TEST_TIMEOUT(name, seconds) TEST__DECLARE(name, timeout, seconds)
#define TEST_MEMORY(name, mebibytes) TEST__DECLARE(name, memory, mebibytes)
#define TEST_TIER(name, tier_wanted) TEST__DECLARE(name, tier, tier_wanted)
#define TEST_ALONE(name) TEST__DECLARE(name, place, TEST_BY_ITSELF)
#define TEST_WAITS(name) TEST__DECLARE(name, place, TEST_WAITING_ROOM)

/* What slows this build down or watches its memory: a bound in seconds or in threads may differ. */
#if defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define TEST_SANITIZER "thread"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_SANITIZER "address"
#elif __has_feature(thread_sanitizer)
#define TEST_SANITIZER "thread"
#endif
#endif
#ifndef TEST_SANITIZER
#define TEST_SANITIZER ""
#endif

/* The tier this run was asked for; a sweep takes its step from it. */
static inline enum test_tier test_tier(void)
{
    const char *tier = getenv("ISLE_TEST_TIER");

    if (tier && !strcmp(tier, "soak"))
        return TEST_SOAK;
    return tier && !strcmp(tier, "full") ? TEST_FULL : TEST_QUICK;
}

/* Ends the test as "not run". */
ISLE_NORETURN static inline void skip(const char *reason)
{
    fflush(stdout);
    fprintf(stderr, "not run: %s\n", reason);
    fflush(stderr);
    _Exit(77);
}

/* Ends the test as failed. */
ISLE_NORETURN static inline void fail(const char *format, ...) ISLE_PRINTF(1, 2);
ISLE_NORETURN static inline void fail(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    if (getenv("ISLE_SEED"))
        fprintf(stderr, "seed %s\n", getenv("ISLE_SEED"));
    fflush(stderr);
    _Exit(1);
}

static inline void test_check_int(const char *at, const char *what, int64_t got, int64_t expected)
{
    test_count_check();
    if (got != expected)
        fail("%s: %s is %" PRId64 ", expected %" PRId64, at, what, got, expected);
}

static inline void test_check_uint(const char *at, const char *what, uint64_t got,
                                   uint64_t expected)
{
    test_count_check();
    if (got != expected)
        fail("%s: %s is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")", at,
             what, got, got, expected, expected);
}

static inline void test_check_string(const char *at, const char *what, const char *got,
                                     const char *expected)
{
    const char *got_mark = got ? "\"" : "", *expected_mark = expected ? "\"" : "";

    test_count_check();
    if (got == expected || (got && expected && !strcmp(got, expected)))
        return;
    fail("%s: %s is %s%s%s, expected %s%s%s", at, what, got_mark, got ? got : "NULL", got_mark,
         expected_mark, expected ? expected : "NULL", expected_mark);
}

/* Same bits, so that -0.0 differs from 0.0; every NaN equals every other. */
static inline void test_check_double(const char *at, const char *what, double got, double expected)
{
    uint64_t got_bits, expected_bits;

    test_count_check();
    memcpy(&got_bits, &got, sizeof(got));
    memcpy(&expected_bits, &expected, sizeof(expected));
    if (got_bits != expected_bits && !(__builtin_isnan(got) && __builtin_isnan(expected)))
        fail("%s: %s is %.17g (%a), expected %.17g (%a)", at, what, got, got, expected, expected);
}

static inline void test_check_near(const char *at, const char *what, double got, double expected,
                                   double tolerance)
{
    test_count_check();
    if (!(got >= expected - tolerance && got <= expected + tolerance))
        fail("%s: %s is %.17g, expected %.17g to within %g", at, what, got, expected, tolerance);
}

static inline const char *test_err_name(int err)
{
    switch (err) {
#define TEST__NAME(name, number, text)                                                             \
    case number:                                                                                   \
        return "ISLE_" #name;
        ISLE_ERRORS(TEST__NAME)
#undef TEST__NAME
    default:
        return "no code of Isle's";
    }
}

static inline void test_check_err(const char *at, const char *what, int got, int expected)
{
    test_count_check();
    if (got != expected)
        fail("%s: %s is %s (%d), expected %s (%d)", at, what, test_err_name(got), got,
             test_err_name(expected), expected);
}

static inline void test_print_bytes(const char *label, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;

    fprintf(stderr, "  %s %zu bytes:", label, size);
    for (size_t i = 0; i < size && i < 64; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fputs(size > 64 ? " ...\n" : "\n", stderr);
}

static inline void test_check_bytes(const char *at, const char *what, const void *got,
                                    size_t got_size, const void *expected, size_t expected_size)
{
    test_count_check();
    if (got_size == expected_size && (!got_size || !memcmp(got, expected, got_size)))
        return;
    fflush(stdout);
    test_print_bytes("got     ", got, got_size);
    test_print_bytes("expected", expected, expected_size);
    fail("%s: %s has other bytes than expected", at, what);
}

static inline void test_check_value(const char *at, const char *what, isle_value got,
                                    isle_value expected)
{
    test_count_check();
    if (isle_equal(got, expected))
        return;
    fflush(stdout);
    fprintf(stderr, "%s: %s is\n  ", at, what);
    isle_value_print(got, stderr);
    fputs("\nexpected\n  ", stderr);
    isle_value_print(expected, stderr);
    fail("%s", "");
}

#define TEST__TEXT2(line) #line
#define TEST__TEXT(line) TEST__TEXT2(line)
#define TEST__AT __FILE__ ":" TEST__TEXT(__LINE__)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        test_count_check();                                                                        \
        if (!(condition))                                                                          \
            fail("%s: not so: %s", TEST__AT, #condition);                                          \
    } while (0)
#define CHECK_INT(got, expected) test_check_int(TEST__AT, #got, (int64_t)(got), (int64_t)(expected))
#define CHECK_UINT(got, expected)                                                                  \
    test_check_uint(TEST__AT, #got, (uint64_t)(got), (uint64_t)(expected))
#define CHECK_STRING(got, expected) test_check_string(TEST__AT, #got, got, expected)
#define CHECK_DOUBLE(got, expected) test_check_double(TEST__AT, #got, got, expected)
#define CHECK_NEAR(got, expected, tolerance)                                                       \
    test_check_near(TEST__AT, #got, got, expected, tolerance)
#define CHECK_ERR(got, expected) test_check_err(TEST__AT, #got, (int)(got), (int)(expected))
#define CHECK_BYTES(got, got_size, expected, expected_size)                                        \
    test_check_bytes(TEST__AT, #got, got, got_size, expected, expected_size)
/* Equal as isle_equal has it. */
#define CHECK_VALUE(got, expected) test_check_value(TEST__AT, #got, got, expected)

static inline void test_list(bool describe)
{
    for (const struct test *test = test_first; test; test = test->next)
        if (describe)
            printf("%s %d %d %d %d\n", test->name, test->timeout, test->memory, (int)test->tier,
                   (int)test->place);
        else
            puts(test->name);
}

/* Under many seeds, in this one process: ISLE_TEST_SEEDS is "first count milliseconds". Ends with a
 * line that says how many there was time for. */
static inline int test_run_seeds(const struct test *test, int argc, char **argv)
{
    uint64_t first, count, done = 0;
    int64_t most;
    struct timespec began, now;

    if (sscanf(getenv("ISLE_TEST_SEEDS"), "%" SCNu64 " %" SCNu64 " %" SCNd64, &first, &count,
               &most) != 3)
        return 2;
    timespec_get(&began, TIME_UTC);
    do {
        char seed[32];

        snprintf(seed, sizeof seed, "%" PRIu64, first + done);
        setenv("ISLE_SEED", seed, 1);
        int status = test->run(test, argc, argv);
        if (status) {
            fprintf(stderr, "%s: seed %s\n", test->name, seed);
            return status;
        }
        timespec_get(&now, TIME_UTC);
    } while (++done < count &&
             (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 < most);
    printf("seeds: %" PRIu64 "\n", done);
    return 0;
}

static inline int test_run_named(const char *name, int argc, char **argv)
{
    for (const struct test *test = test_first; test; test = test->next)
        if (!strcmp(test->name, name)) {
            int status = getenv("ISLE_TEST_SEEDS") ? test_run_seeds(test, argc, argv)
                                                   : test->run(test, argc, argv);

            if (getenv("ISLE_TEST_COUNT"))
                printf("assertions: %lu\n", test_checks);
            return status;
        }
    fprintf(stderr, "%s: no such test\n", name);
    return 2;
}

static inline int test_run_all(int argc, char **argv)
{
    int status = 0;

    for (const struct test *test = test_first; test && !status; test = test->next) {
        printf("%s\n", test->name);
        fflush(stdout);
        status = test->run(test, argc, argv);
    }
    return status;
}

static inline int test_main(int argc, char **argv)
{
    if (argc < 2)
        return test_run_all(argc, argv);
    if (!strcmp(argv[1], "--list") || !strcmp(argv[1], "--describe")) {
        test_list(!strcmp(argv[1], "--describe"));
        return 0;
    }
    return test_run_named(argv[1], argc, argv);
}

/* A semicolon may follow or not: pedantry about it is off from here on. */
#define TEST_MAIN()                                                                                \
    _Pragma("GCC diagnostic ignored \"-Wpedantic\"") int main(int argc, char **argv)               \
    {                                                                                              \
        return test_main(argc, argv);                                                              \
    }

#endif
