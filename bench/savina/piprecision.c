/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 23, Precise Pi: 5,000 digits by a master and 20 workers. A worker is asked for one term of
 * the series of Bailey, Borwein and Plouffe,
 *
 *     pi = sum over k of 16^-k (4/(8k+1) - 2/(8k+4) - 1/(8k+5) - 1/(8k+6)),
 *
 * and for another as soon as it has replied; the master adds them up. Operation: a term. Nothing is
 * shared in the original; here a term is copied, without the zeros that it begins with.
 *
 * Checked against Machin's formula, computed in decimal. */
#include "savina.h"

enum { WORKERS = 20, DECIMAL_DIGITS = 9 };
static const int64_t BINARY = INT64_C(1) << 32, DECIMAL = 1000000000;

/* Long numbers are arrays of words, the first before the point, each worth a base of those after
 * it. A sum carries only when it is settled: until then its words may be negative or larger than
 * the base, and there is room for 2^28 summands. */

static void divide(int64_t *quotient, const int64_t *dividend, size_t count, int64_t base,
                   int64_t divisor)
{
    int64_t rest = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t part = rest * base + dividend[i];
        quotient[i] = part / divisor;
        rest = part % divisor;
    }
}

static void add(int64_t *sum, const int64_t *words, size_t count, int64_t factor)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += factor * words[i];
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Settles words · factor; returns what is carried out of the first. */
static int64_t settle(int64_t *words, size_t count, int64_t base, int64_t factor)
{
    int64_t carry = 0;
    for (size_t i = count; i-- > 0;) {
        carry += words[i] * factor;
        int64_t above = floor_divide(carry, base);
        words[i] = carry - above * base;
        carry = above;
    }
    return carry;
}

struct worker {
    size_t count;   /* of words */
    int64_t *power; /* 16^-k, from its first word on */
    int64_t *quotient;
    int64_t *term;
};

/* k → the words of its term, the last one last. Null is the end. */
static isle_value term(isle_value message, void *context)
{
    static const int64_t factors[] = {4, -2, -1, -1}, addends[] = {1, 4, 5, 6};
    const struct worker *worker = context;
    int64_t k;
    if (!isle_get_int(message, &k)) {
        isle_port_close(isle_default_port());
        return isle_null();
    }
    size_t first = (size_t)(k + 7) / 8, count = worker->count - first;
    worker->power[0] = INT64_C(1) << (32 * (int64_t)first - 4 * k);
    for (size_t i = 0; i < count; i++)
        worker->term[i] = 0;
    for (int i = 0; i < 4; i++) {
        divide(worker->quotient, worker->power, count, BINARY, 8 * k + addends[i]);
        add(worker->term, worker->quotient, count, factors[i]);
    }
    return isle_array(ISLE_I64, worker->term, count);
}

static void worker_main(isle_value count)
{
    struct worker *worker = isle_new(struct worker);
    worker->count = (size_t)isle_as_int(count);
    worker->power = isle_alloc(worker->count * sizeof(int64_t));
    worker->quotient = isle_alloc(worker->count * sizeof(int64_t));
    worker->term = isle_alloc(worker->count * sizeof(int64_t));
    isle_port_serve(isle_default_port(), term, worker);
}

struct master {
    int64_t next, terms;
    int64_t busy; /* workers */
    isle_future *finished;
    size_t count;
    int64_t *sum;
};

/* A worker as the master sees it. */
struct member {
    struct master *master;
    isle_send_port port;
};

static void member_ask(struct member *member);

static void member_replied(isle_value words, void *context)
{
    struct member *member = context;
    struct master *master = member->master;
    size_t count;
    const int64_t *term = isle_as_array(words, ISLE_I64, &count);
    add(master->sum + master->count - count, term, count, 1);
    member_ask(member);
}

static void member_ask(struct member *member)
{
    struct master *master = member->master;
    if (master->next < master->terms) {
        isle_future *reply = isle_call(member->port, isle_int(master->next++), ISLE_FOREVER);
        isle_then(reply, member_replied, NULL, member);
        return;
    }
    isle_send(member->port, isle_null());
    if (--master->busy == 0)
        isle_future_complete(master->finished, isle_null());
}

static int64_t digit_count(void)
{
    return savina_size(5000, 1);
}

/* The digits' bits, and two words for what the divisions of the terms leave. */
static size_t word_count(void)
{
    return 1 + (size_t)(digit_count() * 3322 / 32000 + 1) + 2;
}

static isle_value run(void)
{
    size_t count = word_count();
    isle_value sum = isle_array(ISLE_I64, NULL, count);
    struct master master = {.terms = 8 * (int64_t)(count - 1), /* the next is 0 in all words */
                            .busy = WORKERS,
                            .finished = isle_future_new(),
                            .count = count,
                            .sum = isle_bytes_data(sum)};
    struct member members[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        isle_isolate worker = isle_spawn(worker_main, isle_int((int64_t)count), NULL);
        members[i] = (struct member){&master, worker.default_port};
        member_ask(&members[i]);
    }
    isle_await(master.finished);
    settle(master.sum, count, BINARY, 1);
    return sum;
}

/* sum += factor · arctan(1 / x), in decimal words */
static void add_arctan(int64_t *sum, size_t count, int64_t factor, int64_t x)
{
    int64_t *power = isle_alloc(count * sizeof(*power));
    int64_t *summand = isle_alloc(count * sizeof(*summand));
    power[0] = 1;
    divide(power, power, count, DECIMAL, x);
    /* Each power is smaller by x² ≥ 25: more than one digit, until none is left. */
    for (int64_t m = 0; m < (int64_t)count * DECIMAL_DIGITS; m++) {
        divide(summand, power, count, DECIMAL, 2 * m + 1);
        add(sum, summand, count, m % 2 == 0 ? factor : -factor);
        divide(power, power, count, DECIMAL, x * x);
    }
    isle_free(power);
    isle_free(summand);
}

static int64_t verify(isle_value outcome)
{
    size_t decimals = (size_t)(digit_count() - 1) / DECIMAL_DIGITS + 1;
    size_t count = decimals + 3;
    int64_t *expected = isle_alloc(count * sizeof(*expected));
    add_arctan(expected, count, 16, 5);
    add_arctan(expected, count, -4, 239);
    settle(expected, count, DECIMAL, 1);

    int64_t *pi = isle_bytes_data(outcome);
    savina_expect(pi[0] == 3, "pi begins with %" PRId64, pi[0]);
    for (size_t i = 1; i <= decimals; i++) {
        int64_t digits = settle(pi + 1, word_count() - 1, BINARY, DECIMAL);
        savina_expect(digits == expected[i], "the digits after %zu are %09" PRId64,
                      (i - 1) * DECIMAL_DIGITS, digits);
    }
    return 8 * (int64_t)(word_count() - 1);
}

SAVINA_PROGRAM(.name = "piprecision", .run = run, .verify = verify);
