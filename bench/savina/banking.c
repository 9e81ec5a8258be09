/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 16, Bank Transaction: a teller has 50,000 transfers done between 1,000 accounts; the
 * account that pays waits until the other has the money, and serves nobody meanwhile: nested
 * request and reply, with a stash. Operation: a transfer. Nothing is shared in the original.
 *
 * The stash is the default port itself: while an account waits for the receipt on a port of its
 * own, other messages stay where they are. Money goes only to accounts with higher numbers, so
 * nobody waits in a circle. */
#include "savina.h"

enum { ACCOUNTS = 1000, SEED = 123456, AMOUNT_MAX = 100000 };

struct order {
    int64_t from, to;
    int64_t amount; /* cents */
};

/* The teller's orders, one after the other: from the lower eight tenths to anybody above. */
static struct order order_next(savina_random *random)
{
    int64_t from = savina_random_below(random, ACCOUNTS / 10 * 8);
    int64_t to = from + 1 + savina_random_below(random, ACCOUNTS - from - 1);
    return (struct order){from, to, savina_random_below(random, AMOUNT_MAX)};
}

/* Two messages in one: the amount goes to `to`, or stays here if that is none. */
struct transfer {
    int64_t amount;
    isle_send_port to;
    isle_send_port receipt; /* gets null when it is done */
};
ISLE_TYPE(transfer_type, struct transfer, ISLE_FIELD(struct transfer, amount),
          ISLE_FIELD(struct transfer, to), ISLE_FIELD(struct transfer, receipt));

/* Pays and takes; the port of an auditor ends it, who gets [number, balance]. */
static void account_main(isle_value message)
{
    int64_t balance = 0, number = isle_as_int(message);
    isle_receive_port *requests = isle_default_port(), *receipts = isle_port_open();
    isle_send_port auditor;
    for (;;) {
        ISLE_SCOPE;
        isle_value request = isle_port_receive(requests);
        if (isle_get_port(request, &auditor))
            break;
        const struct transfer *transfer = isle_as_object(request, &transfer_type);
        if (isle_send_port_is_none(transfer->to)) {
            balance += transfer->amount;
        } else {
            balance -= transfer->amount;
            struct transfer part = {.amount = transfer->amount,
                                    .receipt = isle_port_send_port(receipts)};
            isle_send_object(transfer->to, &transfer_type, &part);
            isle_port_receive(receipts);
        }
        isle_send(transfer->receipt, isle_null());
    }
    isle_send(auditor, isle_pack("[i,i]", number, balance));
    isle_port_close(requests);
    isle_port_close(receipts);
}

static int64_t transfers(void)
{
    return savina_size(50000, 1);
}

static void order_all(const isle_send_port *accounts, isle_send_port receipt)
{
    savina_random random = {SEED};
    for (int64_t i = transfers(); i > 0; i--) {
        struct order order = order_next(&random);
        struct transfer transfer = {order.amount, accounts[order.to], receipt};
        isle_send_object(accounts[order.from], &transfer_type, &transfer);
    }
}

/* The teller; returns the list of all balances. */
static isle_value run(void)
{
    isle_receive_port *receipts = isle_port_open(), *balances = isle_port_open();
    isle_send_port accounts[ACCOUNTS];
    for (int i = 0; i < ACCOUNTS; i++)
        accounts[i] = isle_spawn(account_main, isle_int(i), NULL).default_port;
    order_all(accounts, isle_port_send_port(receipts));
    for (int64_t i = transfers(); i > 0; i--) {
        ISLE_SCOPE;
        isle_port_receive(receipts);
    }

    isle_value outcome = isle_list_fixed(ACCOUNTS);
    for (int i = 0; i < ACCOUNTS; i++)
        isle_send(accounts[i], isle_port_value(balances));
    for (int i = 0; i < ACCOUNTS; i++) {
        isle_value balance = isle_port_receive(balances);
        isle_list_set(outcome, (size_t)isle_as_int(isle_list_get(balance, 0)),
                      isle_list_get(balance, 1));
    }
    isle_port_close(receipts);
    isle_port_close(balances);
    return outcome;
}

static int64_t verify(isle_value outcome)
{
    int64_t expected[ACCOUNTS] = {0};
    savina_random random = {SEED};
    for (int64_t i = transfers(); i > 0; i--) {
        struct order order = order_next(&random);
        expected[order.from] -= order.amount;
        expected[order.to] += order.amount;
    }
    for (size_t i = 0; i < ACCOUNTS; i++) {
        int64_t balance = isle_as_int(isle_list_get(outcome, i));
        savina_expect(balance == expected[i], "account %zu has %" PRId64, i, balance);
    }
    return transfers();
}

SAVINA_PROGRAM(.name = "banking", .run = run, .verify = verify);
