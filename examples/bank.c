/* SPDX-License-Identifier: Apache-2.0 */
/* A bank with a mistake that shows once in a blue moon, and how to find it.
 *
 * The account is an isolate that answers "what is the balance?" and obeys "the balance is now n". A
 * teller who pays something in asks, adds and writes; between the two another teller may have done
 * the same, and one of the payments is lost.
 *
 * Here it all but never is. The customer pays at one teller and, with the receipt in hand, walks
 * over to another, which takes a while; and a teller sends the receipt in the moment before it
 * writes the balance. It would have to be held up in just that moment for as long as the customer
 * walks. No test by hand sees that; on a server, some night, a customer will.
 *
 *     ./bank                                     prints 150, always, or so it seems
 *     isle explore ./bank                        finds a seed that loses a payment
 *     ISLE_SEED=n ./bank                         replays it, as often as one likes
 *     ISLE_SEED=n ISLE_TRACE=/dev/stdout ./bank  shows who did what, in which order
 *
 * The mistake is meant: docs/guide/14-replaying-schedules.md walks through it. */
#include <inttypes.h>
#include <stdio.h>

#include <isle.h>

enum { OPENING = 100, FIRST_PAYMENT = 20, SECOND_PAYMENT = 30 };
#define WALK ISLE_MS(20)
#define PATIENCE ISLE_SECONDS(5)

static isle_isolate hire(isle_entry *entry, isle_value message, const char *name)
{
    return isle_spawn(entry, message, &(isle_options){.debug_name = name});
}

/* --- the account: null asks for the balance, an int sets it */

ISLE_LOCAL(int64_t, balance);

static isle_value account_answer(isle_value request, void *context)
{
    (void)context;
    int64_t amount;
    if (isle_get_int(request, &amount))
        *balance() = amount;
    return isle_int(*balance());
}

static void account_entry(isle_value opening)
{
    *balance() = isle_as_int(opening);
    isle_port_serve(isle_default_port(), account_answer, NULL);
}

/* --- a teller: [account, amount, where the receipt goes] */

static isle_value teller_answer(isle_value order, void *context)
{
    (void)context;
    isle_send_port account, receipts;
    int64_t amount;
    isle_unpack(order, "[p,i,p]", &account, &amount, &receipts);
    int64_t before = isle_as_int(isle_await(isle_call(account, isle_null(), PATIENCE)));
    isle_value after = isle_int(before + amount);
    isle_send(receipts, isle_int(amount));
    isle_send(account, after); /* what was read may be old by now */
    return isle_null();
}

static void teller_entry(isle_value nothing)
{
    (void)nothing;
    isle_port_serve(isle_default_port(), teller_answer, NULL);
}

/* --- the customer pays twice, at two tellers */

static isle_value customer_run(isle_value account)
{
    static const int64_t amounts[] = {FIRST_PAYMENT, SECOND_PAYMENT};
    isle_receive_port *receipts = isle_port_open();
    isle_future *paid[2];
    for (size_t i = 0; i < 2; i++) {
        isle_isolate teller = hire(teller_entry, isle_null(), i == 0 ? "one" : "other");
        isle_value order = isle_pack("[o,i,o]", account, amounts[i], isle_port_value(receipts));
        paid[i] = isle_call(teller.default_port, order, PATIENCE);
        (void)isle_port_receive(receipts);
        isle_sleep(WALK);
    }
    (void)isle_await(isle_future_all(paid, 2));
    isle_port_close(receipts);
    return isle_null();
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate account = hire(account_entry, isle_int(OPENING), "account");
    isle_value port = isle_port(account.default_port);
    (void)isle_await(isle_run(customer_run, port, &(isle_options){.debug_name = "customer"}));
    int64_t left = isle_as_int(isle_await(isle_call(account.default_port, isle_null(), PATIENCE)));
    printf("%" PRId64 "\n", left);
    return left == OPENING + FIRST_PAYMENT + SECOND_PAYMENT ? 0 : 1;
}

ISLE_MAIN(app);
