/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 18, Filter Bank: 34,816 samples pass eight channels, each a line of a delay, a filter of
 * 16,384 coefficients, a sampler that lets one value in 16,384 pass and makes the others 0, another
 * delay and another filter. An integrator puts the results of the channels together again and a
 * combiner adds them up. The source asks a producer before each sample. Operation: a sample.
 *
 * The original's filters share arrays of coefficients that nobody changes; here these are frozen.
 * Between channels and integrator it has actors that mark a value with its channel; here the
 * integrator has a port for each channel. Its filters forget where their window begins; ours weigh
 * the newest sample with the first coefficient.
 *
 * With the suite's sizes the one sample that is not 0 is still in the second delay at the end, so
 * all sums are 0. Therefore a filter tells a digest of what it has sent on as well. Checked against
 * sums over integers: coefficients are linear in their index, so that what a filter sends follows
 * from what it has sent before in a few steps. */
#include "savina.h"

#include <string.h>

enum { CHANNELS = 8, FILTERS = 2, SAMPLE_VALUES = 1000 };

/* A filter's coefficient i is rise · i + base. */
struct coefficients {
    int64_t rise, base;
};

static struct coefficients coefficients_of(int64_t filter, int64_t channel, int64_t columns)
{
    if (filter == 0)
        return (struct coefficients){columns + 1, channel * CHANNELS + 2 * channel + 1};
    return (struct coefficients){channel + 1, channel * channel + channel};
}

static uint64_t digest_add(uint64_t digest, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (digest + bits) * 0x9e3779b97f4a7c15;
}

/* What passes the bank is a double a sample; null is the end, which every actor hands on. */

static void hand_on_end(isle_send_port next)
{
    isle_send(next, isle_null());
    isle_port_close(isle_default_port());
}

/* Says whether there shall be another sample. */
static isle_value produce(isle_value unused, void *context)
{
    int64_t *left = context;
    (void)unused;
    if (*left == 0)
        isle_port_close(isle_default_port());
    return isle_bool((*left)-- > 0);
}

static void producer_main(isle_value samples)
{
    int64_t *left = isle_new(int64_t);
    *left = isle_as_int(samples);
    isle_port_serve(isle_default_port(), produce, left);
}

static void source_main(isle_value message)
{
    isle_send_port producer, next;
    isle_unpack(message, "[p,p]", &producer, &next);
    for (int64_t value = 0;; value = (value + 1) % SAMPLE_VALUES) {
        ISLE_SCOPE;
        if (!isle_as_bool(isle_await(isle_call(producer, isle_null(), ISLE_FOREVER))))
            break;
        isle_send(next, isle_double((double)value));
    }
    isle_send(next, isle_null());
}

struct branches {
    isle_send_port channels[CHANNELS];
};

static void branches_take(isle_value message, void *context)
{
    const struct branches *branches = context;
    for (int i = 0; i < CHANNELS; i++)
        isle_send(branches->channels[i], message);
    if (isle_is_null(message))
        isle_port_close(isle_default_port());
}

static void branches_main(isle_value ports)
{
    struct branches *branches = isle_new(struct branches);
    for (size_t i = 0; i < CHANNELS; i++)
        branches->channels[i] = isle_as_port(isle_list_get(ports, i));
    isle_port_listen(isle_default_port(), branches_take, branches);
}

/* Sends what came `count` values before, 0 at first. */
struct delay {
    isle_send_port next;
    int64_t count, at;
    double *values;
};

static void delay_take(isle_value message, void *context)
{
    struct delay *delay = context;
    double value;
    if (!isle_get_double(message, &value)) {
        hand_on_end(delay->next);
        return;
    }
    isle_send(delay->next, isle_double(delay->values[delay->at]));
    delay->values[delay->at] = value;
    delay->at = (delay->at + 1) % delay->count;
}

static void delay_main(isle_value message)
{
    struct delay *delay = isle_new(struct delay);
    isle_unpack(message, "[p,i]", &delay->next, &delay->count);
    delay->values = isle_alloc((size_t)delay->count * sizeof(double));
    isle_port_listen(isle_default_port(), delay_take, delay);
}

/* Once it has `columns` values, sends for each value the weighed sum of the last ones. */
struct filter {
    isle_send_port next, digests;
    int64_t number; /* among all filters */
    int64_t columns, seen;
    uint64_t digest;
    const double *coefficients; /* of a frozen array, kept */
    double *window; /* every value twice, `columns` apart: so the last ones stand in a row, */
    int64_t newest; /* from here on, the newest first */
};

/* Four sums, so that the processor need not wait for one addition before the next. */
static double dot(const double *a, const double *b, int64_t count)
{
    double sums[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (int64_t k = 0; k < 4; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < count; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void filter_end(struct filter *filter)
{
    isle_send(filter->digests, isle_pack("[i,i]", filter->number, (int64_t)filter->digest));
    hand_on_end(filter->next);
}

static void filter_take(isle_value message, void *context)
{
    struct filter *filter = context;
    double value;
    if (!isle_get_double(message, &value)) {
        filter_end(filter);
        return;
    }
    filter->newest = (filter->newest + filter->columns - 1) % filter->columns;
    filter->window[filter->newest] = filter->window[filter->newest + filter->columns] = value;
    if (++filter->seen < filter->columns)
        return;
    double sum = dot(filter->window + filter->newest, filter->coefficients, filter->columns);
    filter->digest = digest_add(filter->digest, sum);
    isle_send(filter->next, isle_double(sum));
}

static void filter_main(isle_value message)
{
    struct filter *filter = isle_new(struct filter);
    isle_value coefficients;
    isle_unpack(message, "[p,p,i,i,o]", &filter->next, &filter->digests, &filter->number,
                &filter->columns, &coefficients);
    filter->coefficients = isle_as_array(isle_keep(coefficients), ISLE_F64, NULL);
    filter->window = isle_alloc(2 * (size_t)filter->columns * sizeof(double));
    isle_port_listen(isle_default_port(), filter_take, filter);
}

struct sampler {
    isle_send_port next;
    int64_t rate, seen;
};

static void sampler_take(isle_value message, void *context)
{
    struct sampler *sampler = context;
    if (isle_is_null(message))
        hand_on_end(sampler->next);
    else
        isle_send(sampler->next, sampler->seen++ % sampler->rate == 0 ? message : isle_double(0));
}

static void sampler_main(isle_value message)
{
    struct sampler *sampler = isle_new(struct sampler);
    isle_unpack(message, "[p,i]", &sampler->next, &sampler->rate);
    isle_port_listen(isle_default_port(), sampler_take, sampler);
}

/* Tells `owner` its ports, then sends an array of a value from each channel for each sample. All
 * channels have the same number of values. */
static void integrator_main(isle_value message)
{
    isle_send_port owner, next;
    isle_receive_port *channels[CHANNELS];
    isle_value ports = isle_list();
    isle_unpack(message, "[p,p]", &owner, &next);
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = isle_port_open();
        isle_list_add(ports, isle_port_value(channels[i]));
    }
    isle_send(owner, ports);
    for (bool more = true; more;) {
        ISLE_SCOPE;
        double values[CHANNELS];
        for (int i = 0; i < CHANNELS; i++)
            more = isle_get_double(isle_port_receive(channels[i]), &values[i]);
        isle_send(next, more ? isle_array(ISLE_F64, values, CHANNELS) : isle_null());
    }
    for (int i = 0; i < CHANNELS; i++)
        isle_port_close(channels[i]);
}

static void combiner_take(isle_value message, void *context)
{
    const isle_send_port *next = context;
    if (isle_is_null(message)) {
        hand_on_end(*next);
        return;
    }
    const double *values = isle_as_array(message, ISLE_F64, NULL);
    double sum = 0;
    for (int i = 0; i < CHANNELS; i++)
        sum += values[i];
    isle_send(*next, isle_double(sum));
}

static void combiner_main(isle_value next)
{
    isle_send_port *port = isle_new(isle_send_port);
    *port = isle_as_port(next);
    isle_port_listen(isle_default_port(), combiner_take, port);
}

static int64_t column_count(void)
{
    return savina_size(16384, 16);
}

static int64_t sample_count(void)
{
    int64_t columns = column_count();
    return 2048 + 2 * (columns > 2048 ? columns : 2048);
}

/* How many sums come out: a filter is silent until its window is full. */
static int64_t sum_count(void)
{
    return sample_count() - FILTERS * (column_count() - 1);
}

static isle_send_port spawn_filter(isle_send_port next, isle_send_port digests, int64_t filter,
                                   int64_t channel)
{
    ISLE_SCOPE;
    int64_t columns = column_count();
    struct coefficients linear = coefficients_of(filter, channel, columns);
    isle_value array = isle_array(ISLE_F64, NULL, (size_t)columns);
    double *coefficients = isle_bytes_data(array);
    for (int64_t i = 0; i < columns; i++)
        coefficients[i] = (double)(linear.rise * i + linear.base);
    isle_value start = isle_pack("[p,p,i,i,o]", next, digests, filter * CHANNELS + channel, columns,
                                 isle_freeze(array));
    return isle_spawn(filter_main, start, NULL).default_port;
}

/* A channel is laid from its end; returns where it begins. */
static isle_send_port spawn_channel(isle_send_port next, isle_send_port digests, int64_t channel)
{
    int64_t columns = column_count();
    next = spawn_filter(next, digests, 1, channel);
    next = isle_spawn(delay_main, isle_pack("[p,i]", next, columns - 1), NULL).default_port;
    next = isle_spawn(sampler_main, isle_pack("[p,i]", next, columns), NULL).default_port;
    next = spawn_filter(next, digests, 0, channel);
    return isle_spawn(delay_main, isle_pack("[p,i]", next, columns - 1), NULL).default_port;
}

static void spawn_bank(isle_send_port sums, isle_send_port digests)
{
    isle_receive_port *ports = isle_port_open();
    isle_send_port combiner = isle_spawn(combiner_main, isle_port(sums), NULL).default_port;
    isle_value integrator = isle_pack("[p,p]", isle_port_send_port(ports), combiner);
    isle_spawn(integrator_main, integrator, NULL);
    isle_value ends = isle_port_receive(ports), channels = isle_list();
    isle_port_close(ports);
    for (int64_t i = 0; i < CHANNELS; i++) {
        isle_send_port end = isle_as_port(isle_list_get(ends, (size_t)i));
        isle_list_add(channels, isle_port(spawn_channel(end, digests, i)));
    }
    isle_send_port branches = isle_spawn(branches_main, channels, NULL).default_port;
    isle_isolate producer = isle_spawn(producer_main, isle_int(sample_count()), NULL);
    isle_spawn(source_main, isle_pack("[p,p]", producer.default_port, branches), NULL);
}

/* [the sums as F64, the filters' digests as I64] */
static isle_value run(void)
{
    isle_receive_port *sums = isle_port_open(), *digests = isle_port_open();
    spawn_bank(isle_port_send_port(sums), isle_port_send_port(digests));

    isle_value all_sums = isle_array(ISLE_F64, NULL, (size_t)sum_count());
    isle_value all_digests = isle_array(ISLE_I64, NULL, FILTERS * CHANNELS);
    double sum, *to = isle_bytes_data(all_sums);
    for (int64_t count = 0; isle_get_double(isle_port_receive(sums), &sum); count++) {
        savina_expect(count < sum_count(), "there are more than %" PRId64 " sums", count);
        to[count] = sum;
    }
    for (int i = 0; i < FILTERS * CHANNELS; i++) {
        int64_t number, digest, *values = isle_bytes_data(all_digests);
        isle_unpack(isle_port_receive(digests), "[i,i]", &number, &digest);
        values[number] = digest;
    }
    isle_port_close(sums);
    isle_port_close(digests);
    return isle_pack("[o,o]", all_sums, all_digests);
}

/* Sample n as it enters a first filter: delayed. */
static int64_t delayed_sample(int64_t n, int64_t columns)
{
    return n < columns - 1 ? 0 : (n - (columns - 1)) % SAMPLE_VALUES;
}

/* What a channel's first filter sends, `count` values, and its digest. For sample n, with the sums
 * s = Σ x[n - i] and t = Σ i x[n - i] over its window, it sends rise · t + base · s. The next
 * sample moves each x on by one place: t grows by s, and the oldest leaves both. */
static uint64_t expect_first(struct coefficients coefficients, int64_t columns, double *ret_values,
                             int64_t count)
{
    int64_t s = 0, t = 0;
    uint64_t digest = 0;
    for (int64_t n = 0; n < columns - 1 + count; n++) {
        int64_t oldest = n < columns ? 0 : delayed_sample(n - columns, columns);
        t += s - oldest * columns;
        s += delayed_sample(n, columns) - oldest;
        if (n < columns - 1)
            continue;
        double value = (double)(coefficients.rise * t + coefficients.base * s);
        ret_values[n - (columns - 1)] = value;
        digest = digest_add(digest, value);
    }
    return digest;
}

/* What its second filter adds to the sums, and its digest. Of what the first one sent, the sampler
 * has left the values whose number is a multiple of `columns`: one in every window. */
static uint64_t expect_second(struct coefficients coefficients, int64_t columns,
                              const double *firsts, double *sums, int64_t count)
{
    uint64_t digest = 0;
    for (int64_t n = 0; n < count; n++) {
        int64_t index = n % columns;
        double coefficient = (double)(coefficients.rise * index + coefficients.base);
        double value = coefficient * firsts[n - index];
        digest = digest_add(digest, value);
        sums[n] += value;
    }
    return digest;
}

static int64_t verify(isle_value outcome)
{
    int64_t columns = column_count(), count = sum_count();
    int64_t first_count = sample_count() - (columns - 1);
    double *firsts = isle_alloc((size_t)first_count * sizeof(double));
    double *expected = isle_alloc((size_t)count * sizeof(double));
    const int64_t *digests = isle_as_array(isle_list_get(outcome, 1), ISLE_I64, NULL);
    for (int64_t i = 0; i < CHANNELS; i++) {
        struct coefficients first = coefficients_of(0, i, columns);
        struct coefficients second = coefficients_of(1, i, columns);
        uint64_t digest = expect_first(first, columns, firsts, first_count);
        savina_expect(digests[i] == (int64_t)digest, "first filter %" PRId64 " is wrong", i);
        digest = expect_second(second, columns, firsts, expected, count);
        savina_expect(digests[CHANNELS + i] == (int64_t)digest,
                      "second filter %" PRId64 " is wrong", i);
    }
    const double *sums = isle_as_array(isle_list_get(outcome, 0), ISLE_F64, NULL);
    for (int64_t i = 0; i < count; i++)
        savina_expect(sums[i] == expected[i], "sum %" PRId64 " is %g", i, sums[i]);
    return sample_count();
}

SAVINA_PROGRAM(.name = "filterbank", .run = run, .verify = verify);
