/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 19, Sieve of Eratosthenes: the primes to 100,000 by a line of actors that grows. Each
 * holds up to 1,000 primes. A number that none of them divides is its next prime, or, when it is
 * full, the next actor's business, which is spawned for the first such number. Operation: a number
 * tried. Nothing is shared in the original.
 *
 * Checked, prime by prime, against a sieve over an array. */
#include "savina.h"

enum { PRIMES_EACH = 1000 };

struct filter {
    isle_send_port next; /* none while it is the last */
    isle_send_port results;
    size_t count;
    int64_t primes[PRIMES_EACH];
};

static void filter_main(isle_value message);

static bool filter_passes(const struct filter *filter, int64_t number)
{
    for (size_t i = 0; i < filter->count; i++)
        if (number % filter->primes[i] == 0)
            return false;
    return true;
}

static void filter_hand_on(struct filter *filter, isle_value number)
{
    if (isle_send_port_is_none(filter->next))
        filter->next = isle_spawn(filter_main, isle_port(filter->results), NULL).default_port;
    isle_send(filter->next, number);
}

/* The end is a list on its way down the line, to which each adds its primes. */
static void filter_end(struct filter *filter, isle_value lists)
{
    isle_list_add(lists, isle_array(ISLE_I64, filter->primes, filter->count));
    bool last = isle_send_port_is_none(filter->next);
    isle_send(last ? filter->results : filter->next, lists);
    isle_port_close(isle_default_port());
}

static void filter_take(isle_value message, void *context)
{
    struct filter *filter = context;
    int64_t number;
    if (!isle_get_int(message, &number))
        filter_end(filter, message);
    else if (!filter_passes(filter, number))
        return;
    else if (filter->count < PRIMES_EACH)
        filter->primes[filter->count++] = number;
    else
        filter_hand_on(filter, message);
}

static void filter_main(isle_value results)
{
    struct filter *filter = isle_new(struct filter);
    filter->results = isle_as_port(results);
    isle_port_listen(isle_default_port(), filter_take, filter);
}

static int64_t limit(void)
{
    return savina_size(100000, 2);
}

static isle_value run(void)
{
    isle_receive_port *results = isle_port_open();
    isle_send_port first = isle_spawn(filter_main, isle_port_value(results), NULL).default_port;
    isle_send(first, isle_int(2));
    for (int64_t number = 3, last = limit(); number <= last; number += 2)
        isle_send(first, isle_int(number));
    isle_send(first, isle_list());
    isle_value lists = isle_port_receive(results);
    isle_port_close(results);
    return lists;
}

/* The next prime after `prime`, where composite[n] tells whether n is known to have a divisor below
 * it; the prime's own multiples are noted on the way. */
static int64_t next_prime(bool *composite, int64_t prime, int64_t last)
{
    for (int64_t n = prime * prime; n <= last; n += prime)
        composite[n] = true;
    do
        prime++;
    while (prime <= last && composite[prime]);
    return prime;
}

static int64_t verify(isle_value lists)
{
    int64_t last = limit(), prime = 2;
    bool *composite = isle_alloc((size_t)last + 1);
    for (size_t i = 0; i < isle_count(lists); i++) {
        size_t count;
        const int64_t *primes = isle_as_array(isle_list_get(lists, i), ISLE_I64, &count);
        for (size_t k = 0; k < count; k++, prime = next_prime(composite, prime, last))
            savina_expect(primes[k] == prime, "%" PRId64 " instead of %" PRId64, primes[k], prime);
    }
    savina_expect(prime > last, "the prime %" PRId64 " is missing", prime);
    return last / 2;
}

SAVINA_PROGRAM(.name = "sieve", .run = run, .verify = verify);
