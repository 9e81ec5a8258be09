/* SPDX-License-Identifier: Apache-2.0 */
/* Children that are born ahead, and what births and deaths cost. */
#include "zygote.h"

#include <sched.h>

#include "core/reactor.h"

/* --- the pool */

static void pool_fills(uint32_t count)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(10);

    while (isle__warm_count() != count && isle_now_ns() < until)
        isle_sleep(ISLE_MS(1));
    CHECK_UINT(isle__warm_count(), count);
}

TEST_ROOT(the_pool_fills_after_the_first_birth_and_gives_at_once)
{
    struct kid *kid = kid_born(), *warm;

    pool_fills(4);
    warm = kid_new();
    kid_ask(warm);
    CHECK_INT(atomic_load(&warm->times_told), 1);
    CHECK(warm->was_told_inside);
    kid_stands(warm);
    kid_greet(warm);
    CHECK_INT(kid_asked(warm, COMMAND_ECHO, 9), 9);
    pool_fills(4);
    kid_do(warm, COMMAND_RETURN, 3);
    kid_ended(warm, CLD_EXITED, 3);
    kid_kill(kid);
    kid_free(warm);
    kid_free(kid);
}

TEST_ROOT(the_pool_has_the_kind_that_is_asked_for_again)
{
    struct kid *kid = kid_born();

    pool_fills(4);
    kid_kill(kid);
    kid_free(kid);
    for (int i = 0; i < 3; i++) {
        kid = kid_new();
        kid->birth.policy.cpu_time_max_ns = ISLE_SECONDS(7);
        kid_ask(kid);
        kid_stands(kid);
        CHECK_INT(kid->was_told_inside, i == 2); /* of the pool is the third */
        kid_greet(kid);
        pool_fills(4);
        kid_kill(kid);
        kid_free(kid);
    }
}

static void nothing(void *unused)
{
    (void)unused;
}

/* One is taken, and not settled yet. */
static struct kid *kid_taken(void)
{
    struct kid *kid = kid_new();

    pool_fills(4);
    kid_ask(kid);
    CHECK(kid->was_told_inside);
    kid_stands(kid);
    return kid;
}

TEST_ROOT(the_pool_fills_after_what_a_lone_birth_has_to_do)
{
    struct kid *kid = kid_born(), *warm = kid_taken();

    for (int i = 0; i < 3; i++) /* what would have been asked of it is done */
        CHECK(isle__reactor_run(nothing, NULL));
    CHECK_UINT(isle__warm_count(), 3);
    pthread_mutex_lock(&isle__host.lock);
    CHECK_UINT(isle__host.asked, 0);
    CHECK_UINT(isle__host.young_count, 1);
    pthread_mutex_unlock(&isle__host.lock);
    isle__birth_settled(&warm->birth);
    isle__birth_settled(&warm->birth);
    CHECK_UINT(isle__host.young_count, 0);
    pool_fills(4);
    kid_kill(warm);
    kid_kill(kid);
    kid_free(warm);
    kid_free(kid);
}

TEST_ROOT(the_pool_waits_for_nobody_that_dies_or_hangs)
{
    struct kid *kid = kid_born(), *warm[3] = {kid_taken()};

    CHECK(warm[0]->birth.is_prompt);
    kid_kill(warm[0]);
    kid_free(warm[0]);
    pool_fills(4);
    for (int i = 0; i < 3; i++) {
        warm[i] = kid_new();
        kid_ask(warm[i]);
        CHECK(warm[i]->was_told_inside);
        kid_stands(warm[i]);
        CHECK_INT(warm[i]->birth.is_prompt, i == 0);
    }
    pool_fills(4); /* there is less than half, whatever has settled */
    for (int i = 0; i < 3; i++)
        kid_kill(warm[i]);
    kid_kill(kid);
    CHECK_UINT(isle__host.young_count, 0);
    for (int i = 0; i < 3; i++)
        kid_free(warm[i]);
    kid_free(kid);
}

/* Dies, and the reactor's thread knows, before its owner is told that it was born. */
static void told_late(struct isle__birth *birth, void *context)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(20);
    bool has_died = false;

    CHECK_INT(syscall(SYS_pidfd_send_signal, birth->pidfd, SIGKILL, NULL, 0), 0);
    while (!has_died && isle_now_ns() < until) {
        pthread_mutex_lock(&isle__host.lock);
        has_died = birth->has_died;
        pthread_mutex_unlock(&isle__host.lock);
        sched_yield();
    }
    CHECK(has_died);
    kid_was_told(birth, context);
}

TEST_ROOT(one_of_the_pool_that_dies_while_it_is_told_was_born)
{
    int before;

    births_and_kills(2);
    pool_fills(4);
    before = held_descriptors();
    for (int i = 0; i < 10; i++) {
        struct kid *kid = kid_new();

        kid->birth.told = told_late;
        kid_ask(kid);
        CHECK(kid->was_told_inside);
        CHECK(kid->is_born);
        kid_ended(kid, CLD_KILLED, SIGKILL);
        kid_free(kid);
        pool_fills(4);
    }
    CHECK_INT(held_descriptors(), before);
}

TEST(a_program_that_wants_no_pool_has_none)
{
    struct kid *kid;

    program_starts(&none_warm);
    kid = kid_born();
    isle_sleep(ISLE_MS(20));
    CHECK_UINT(isle__warm_count(), 0);
    kid_kill(kid);
    kid_free(kid);
    program_stops();
}

TEST_ROOT(children_of_the_pool_that_die_are_nobodys_news)
{
    struct kid *kid = kid_born();

    pool_fills(4);
    pthread_mutex_lock(&isle__host.lock);
    for (uint32_t slot = 0; slot < isle__host.used; slot++)
        if (isle__host.births[slot] != NULL && isle__host.births[slot] != &kid->birth)
            isle__birth_kill_locked(isle__host.births[slot]);
    pthread_mutex_unlock(&isle__host.lock);
    pool_fills(0);
    CHECK_INT(kid_asked(kid, COMMAND_ECHO, 1), 1);
    births_and_kills(1);
    kid_kill(kid);
    kid_free(kid);
}

/* --- figures */

static int by_size(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

    return a < b ? -1 : a > b;
}

enum { SAMPLES = 300 };

static double median_us(int64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_size);
    return (double)samples[count / 2] / 1e3;
}

static void figures_of_births(const char *what, const isle_program_options *options)
{
    static int64_t births[SAMPLES], deaths[SAMPLES];

    program_starts(options);
    births_and_kills(3);
    for (int i = 0; i < SAMPLES; i++) {
        int64_t began;
        struct kid *kid;
        int pidfd;

        if (options == NULL)
            pool_fills(4);
        began = isle_now_ns();
        kid = kid_born();
        births[i] = isle_now_ns() - began;
        pidfd = isle__fd_duplicate(kid->pidfd); /* the birth closes its own */
        began = isle_now_ns();
        isle__birth_kill(&kid->birth);
        CHECK(pidfd_dies(pidfd, 5000));
        deaths[i] = isle_now_ns() - began;
        close(pidfd);
        kid_ended(kid, CLD_KILLED, SIGKILL);
        kid_free(kid);
    }
    double born = median_us(births, SAMPLES), dead = median_us(deaths, SAMPLES);
    printf("measured: %s: to the first record %.0f us (best %.0f), kill to dead %.0f us\n", what,
           born, (double)births[0] / 1e3, dead);
    /* The best of many, sorted by now: the others are the machine's as well. */
    CHECK(births[0] < ISLE_MS(20));
    CHECK(deaths[0] < ISLE_MS(10));
    program_stops();
}

static void figures_sustained(void)
{
    enum { AT_ONCE = 8 };
    struct kid *kids[AT_ONCE] = {0};
    int64_t began, all = rounds(1000, 4000, 4000);

    program_starts(&none_warm);
    births_and_kills(3);
    began = isle_now_ns();
    for (int64_t i = 0; i < all + AT_ONCE; i++) {
        struct kid **at = &kids[i % AT_ONCE];

        if (*at != NULL) {
            kid_stands(*at);
            kid_greet(*at);
            kid_kill(*at);
            kid_free(*at);
        }
        *at = i < all ? kid_new() : NULL;
        if (*at != NULL)
            kid_ask(*at);
    }
    printf("measured: %.0f births and kills a second\n",
           (double)all / ((double)(isle_now_ns() - began) / 1e9));
    program_stops();
}

/* Kibibytes of one line of /proc/ID/smaps_rollup; -1: it may not be read. */
static long memory_of(pid_t pid, const char *line)
{
    char path[64], text[128];
    long found = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(text, sizeof text, file) != NULL)
        if (strncmp(text, line, strlen(line)) == 0)
            found = strtol(text + strlen(line), NULL, 10);
    if (file != NULL)
        fclose(file);
    return found;
}

static void figures_of_memory(void)
{
    struct kid *kid;
    pid_t pid;

    program_starts(&none_warm);
    kid = kid_born();
    CHECK_INT(kid_asked(kid, COMMAND_ECHO, 1), 1);
    pid = pid_of(kid->pidfd);
    printf("measured: an idle child has %ld KiB private dirty, %ld KiB of its own in all\n",
           memory_of(pid, "Private_Dirty:"), memory_of(pid, "Pss:"));
    kid_kill(kid);
    kid_free(kid);
    program_stops();
}

TEST(births_are_quick)
{
    figures_of_births("cold", &none_warm);
    figures_of_births("from the pool", NULL);
    figures_sustained();
    figures_of_memory();
}
TEST_ALONE(births_are_quick);
TEST_TIMEOUT(births_are_quick, 120);
