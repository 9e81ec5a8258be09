/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 15, Logistic Map: 10 series of 25,000 terms each, the rates 3.46 and on by 0.0025; a
 * series asks an actor of its own for each next term and waits for it, while requests queue up
 * behind: a request and its reply inside an actor. Operation: a term. Nothing is shared in the
 * original.
 *
 * In direct style to wait is to stand still: what else comes stays in the default port. */
#include "savina.h"

enum { SERIES = 10 };
static const double rate_first = 3.46, rate_step = 0.0025;

static double logistic(double rate, double term)
{
    return rate * term * (1 - term);
}

/* Answers a term with the next one; null ends it. */
static isle_value computer_answer(isle_value term, void *context)
{
    const double *rate = context;
    if (!isle_is_null(term))
        return isle_double(logistic(*rate, isle_as_double(term)));
    isle_port_close(isle_default_port());
    return isle_null();
}

static void computer_main(isle_value rate)
{
    double *state = isle_new(double);
    *state = isle_as_double(rate);
    isle_port_serve(isle_default_port(), computer_answer, state);
}

static double series_rate(int64_t index)
{
    return rate_first + (double)index * rate_step;
}

static double series_start(int64_t index)
{
    return (double)index * rate_step;
}

/* A null asks for the next term to be computed; a port wants [index, last term], and no more. */
static void series_main(isle_value message)
{
    int64_t index = isle_as_int(message);
    double term = series_start(index);
    isle_value rate = isle_double(series_rate(index));
    isle_send_port computer = isle_spawn(computer_main, rate, NULL).default_port, asker;
    isle_receive_port *port = isle_default_port();
    for (;;) {
        ISLE_SCOPE;
        if (isle_get_port(isle_port_receive(port), &asker))
            break;
        term = isle_as_double(isle_await(isle_call(computer, isle_double(term), ISLE_FOREVER)));
    }
    isle_send(computer, isle_null());
    isle_send(asker, isle_pack("[i,f]", index, term));
    isle_port_close(port);
}

static int64_t terms(void)
{
    return savina_size(25000, 1);
}

static isle_value run(void)
{
    isle_receive_port *results = isle_port_open();
    isle_send_port series[SERIES];
    for (int i = 0; i < SERIES; i++)
        series[i] = isle_spawn(series_main, isle_int(i), NULL).default_port;
    for (int64_t k = terms(); k > 0; k--)
        for (int i = 0; i < SERIES; i++)
            isle_send(series[i], isle_null());

    isle_value outcome = isle_list();
    for (int i = 0; i < SERIES; i++)
        isle_send(series[i], isle_port_value(results));
    for (int i = 0; i < SERIES; i++)
        isle_list_add(outcome, isle_port_receive(results));
    isle_port_close(results);
    return outcome;
}

static int64_t verify(isle_value outcome)
{
    bool seen[SERIES] = {false};
    for (size_t i = 0; i < SERIES; i++) {
        int64_t index;
        double last;
        isle_unpack(isle_list_get(outcome, i), "[i,f]", &index, &last);
        double term = series_start(index);
        for (int64_t k = terms(); k > 0; k--)
            term = logistic(series_rate(index), term);
        savina_expect(!seen[index] && last == term, "series %" PRId64 " ends with %.17g", index,
                      last);
        seen[index] = true;
    }
    return SERIES * terms();
}

SAVINA_PROGRAM(.name = "logmap", .run = run, .verify = verify);
