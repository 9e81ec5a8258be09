/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 2, Counting Actor: one producer sends 1,000,000 increments to a counter and then asks it
 * for the count: one-way throughput. Operation: a message. Nothing is shared in the original. */
#include "savina.h"

/* An increment is an int, the question the port that wants to know. */
static void counter_handle(isle_value message, void *context)
{
    int64_t *count = context, increment;
    if (isle_get_int(message, &increment)) {
        *count += increment;
        return;
    }
    isle_send(isle_as_port(message), isle_int(*count));
    isle_port_close(isle_default_port());
}

static void counter_main(isle_value unused)
{
    (void)unused;
    isle_port_listen(isle_default_port(), counter_handle, isle_new(int64_t));
}

static int64_t messages(void)
{
    return savina_size(1000000, 1);
}

/* The producer does not wait for the counter, so all its messages may wait there. */
static isle_value run(void)
{
    isle_options roomy = {.mailbox_max_messages = ISLE_UNLIMITED,
                          .mailbox_max_bytes = ISLE_UNLIMITED};
    isle_send_port counter = isle_spawn(counter_main, isle_null(), &roomy).default_port;
    for (int64_t i = messages(); i > 0; i--)
        isle_send(counter, isle_int(1));

    isle_receive_port *answer = isle_port_open();
    isle_send(counter, isle_port_value(answer));
    isle_value count = isle_port_receive(answer);
    isle_port_close(answer);
    return count;
}

static int64_t verify(isle_value count)
{
    savina_expect(isle_as_int(count) == messages(), "the count is %" PRId64, isle_as_int(count));
    return messages();
}

SAVINA_PROGRAM(.name = "count", .run = run, .verify = verify,
               .figure = SAVINA_OPERATIONS_PER_SECOND);
