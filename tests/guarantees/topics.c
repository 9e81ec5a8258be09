/* SPDX-License-Identifier: Apache-2.0 */
/* Topics (topic.h): all get all in order, who is slow misses what he is too slow for and harms
 * nobody, who dies leaves, and what is held has a bound. The topics here are the root's; publishers
 * and subscribers are isolates that were given one, on threads or behind a wall. */
#include "guarantees.h"

/* [topic, where to tell] */
static isle_value given(isle_topic topic, isle_receive_port *port)
{
    return isle_pack("[o,o]", isle_topic_value(topic), isle_port_value(port));
}

static isle_topic topic_of(isle_value list)
{
    return isle_as_topic(isle_list_get(list, 0));
}

static void tell(isle_value list, isle_value what)
{
    isle_send(isle_as_port(isle_list_get(list, 1)), what);
}

static isle_value next_of(isle_subscription *subscription)
{
    isle_value message;

    CHECK_ERR(isle_subscription_receive(subscription, ISLE_FOREVER, &message), ISLE_OK);
    return message;
}

static void wait_for_subscribers(isle_topic topic, size_t count)
{
    while (isle_topic_read_counts(topic).subscribers != count)
        isle_sleep(ISLE_US(50));
}

/* --- order */

enum { PUBLISHERS = 3, PUBLISHED = 200 };

static void publish_numbers(isle_value list)
{
    int64_t self = isle_as_int(isle_list_get(list, 2));

    for (int i = 0; i < PUBLISHED; i++) {
        ISLE_SCOPE;
        isle_topic_publish(topic_of(list), isle_pack("[i,i,s]", (int)self, i, "a string"));
    }
}

static void check_numbers(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);
    int next[PUBLISHERS] = {0};

    tell(list, isle_bool(true));
    for (int i = 0; i < PUBLISHERS * PUBLISHED; i++) {
        ISLE_SCOPE;
        isle_value message = next_of(subscription);
        int64_t publisher = isle_as_int(isle_list_get(message, 0));

        CHECK_INT(isle_as_int(isle_list_get(message, 1)), next[publisher]++);
        CHECK(isle_is_frozen(message));
    }
    CHECK_UINT(isle_subscription_missed(subscription), 0);
    isle_subscription_close(subscription);
    tell(list, isle_bool(true));
}

TEST_ROOT(all_subscribers_get_all_in_the_order_of_each_publisher)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);

    for (int i = 0; i < 3; i++) {
        isle_spawn(check_numbers, given(topic, port), NULL);
        CHECK(isle_as_bool(isle_port_receive(port)));
    }
    for (int i = 0; i < PUBLISHERS; i++)
        isle_spawn(publish_numbers,
                   isle_pack("[o,o,i]", isle_topic_value(topic), isle_port_value(port), i), NULL);
    for (int i = 0; i < 3; i++)
        CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 0);
    isle_topic_counts counts = isle_topic_read_counts(topic);
    CHECK_UINT(counts.published, PUBLISHERS * PUBLISHED);
    CHECK_UINT(counts.missed, 0);
    CHECK_UINT(counts.messages, 0);
    CHECK_UINT(counts.bytes, 0);
    isle_topic_close(topic);
    isle_port_close(port);
}

/* --- who is slow */

enum { HELD = 8, ALL = 500 };

static void receive_at_last(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(
        topic_of(list),
        &(isle_subscribe_options){.lag = (isle_lag)isle_as_int(isle_list_get(list, 2))});
    int64_t got = 0, last = -1;
    isle_value message;
    isle_err err;

    tell(list, isle_bool(true));
    (void)isle_port_receive(isle_default_port());
    while (last != ALL - 1 &&
           (err = isle_subscription_receive(subscription, ISLE_FOREVER, &message)) == ISLE_OK) {
        CHECK(isle_as_int(message) > last);
        last = isle_as_int(message);
        got++;
        CHECK_INT(last + 1, got + (int64_t)isle_subscription_missed(subscription));
    }
    tell(list, isle_int(last == ALL - 1 ? (int64_t)isle_subscription_missed(subscription) : err));
    isle_subscription_close(subscription);
    isle_port_close(isle_default_port());
}

/* The fast one is the root, which has each message before the next is published. */
static int64_t publish_past_a_slow_one(isle_lag lag)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(&(isle_topic_options){.max_messages = HELD});
    isle_subscription *fast = isle_topic_subscribe(topic, NULL);
    isle_isolate slow = isle_spawn(
        receive_at_last,
        isle_pack("[o,o,i]", isle_topic_value(topic), isle_port_value(port), (int)lag), NULL);

    CHECK(isle_as_bool(isle_port_receive(port)));
    for (int i = 0; i < ALL; i++) {
        ISLE_SCOPE;
        isle_topic_publish(topic, isle_int(i));
        CHECK_INT(isle_as_int(next_of(fast)), i);
        CHECK(isle_topic_read_counts(topic).messages <= HELD);
    }
    CHECK_UINT(isle_subscription_missed(fast), 0);
    isle_send(slow.default_port, isle_null());
    int64_t told = receive_int(port);
    isle_subscription_close(fast);
    isle_topic_close(topic);
    isle_port_close(port);
    return told;
}

TEST_ROOT(who_is_slow_misses_the_oldest_and_is_told_how_many)
{
    int64_t missed = publish_past_a_slow_one(ISLE_LAG_SKIP);

    CHECK(missed > 0 && missed <= ALL - HELD);
}

TEST_ROOT(who_is_too_slow_is_ended_if_he_wants_it_so)
{
    CHECK_INT(publish_past_a_slow_one(ISLE_LAG_END), ISLE_EFULL);
}

TEST_ROOT(a_subscriber_may_want_the_latest_alone)
{
    isle_topic topic = isle_topic_open(NULL);
    isle_subscription *latest =
        isle_topic_subscribe(topic, &(isle_subscribe_options){.max_behind = 1});

    wait_for_subscribers(topic, 1);
    for (int i = 0; i < 100; i++)
        isle_topic_publish(topic, isle_int(i)); /* the root serves nothing meanwhile */
    CHECK_INT(isle_as_int(next_of(latest)), 0);
    CHECK_INT(isle_as_int(next_of(latest)), 99);
    CHECK_UINT(isle_subscription_missed(latest), 98);
    CHECK_UINT(isle_topic_read_counts(topic).missed, 98);
    isle_topic_close(topic);
    CHECK_ERR(isle_subscription_receive(latest, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_subscription_close(latest);
}

static void never_receive(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);

    tell(list, isle_bool(true));
    (void)isle_port_receive(isle_default_port());
    isle_subscription_close(subscription);
    isle_port_close(isle_default_port());
}

TEST_ROOT(what_a_topic_holds_has_a_bound_in_bytes)
{
    enum { SIZE = 10000, MAX = 100000 };
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(&(isle_topic_options){.max_bytes = MAX});
    isle_isolate stuck = isle_spawn(never_receive, given(topic, port), NULL);

    CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 1);
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_topic_publish(topic, isle_bytes(NULL, SIZE));
        isle_topic_counts counts = isle_topic_read_counts(topic);
        CHECK(counts.bytes <= MAX);
        CHECK(counts.messages <= MAX / SIZE);
        isle_sleep(0);
    }
    isle_topic_publish(topic, isle_bytes(NULL, (size_t)2 * MAX)); /* one may be larger */
    isle_send(stuck.default_port, isle_null());
    wait_for_subscribers(topic, 0);
    CHECK_UINT(isle_topic_read_counts(topic).bytes, 0);
    isle_topic_close(topic);
    isle_port_close(port);
}

static void count_in_a_narrow_mailbox(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);

    tell(list, isle_bool(true));
    for (int i = 0; i < ALL; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(next_of(subscription)), i);
    }
    isle_subscription_close(subscription);
    tell(list, isle_bool(true));
}

TEST_ROOT(a_mailbox_of_two_is_wide_enough)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);

    isle_spawn(count_in_a_narrow_mailbox, given(topic, port),
               &(isle_options){.mailbox_max_messages = 2});
    CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 1);
    for (int i = 0; i < ALL; i++)
        isle_topic_publish(topic, isle_int(i));
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_topic_close(topic);
    isle_port_close(port);
}

static isle_value publishes_one(isle_value message, void *context)
{
    const isle_topic *topic = context;
    uint64_t published = isle_topic_read_counts(*topic).published;

    isle_topic_publish(*topic, message);
    while (isle_topic_read_counts(*topic).published == published)
        isle_sleep(ISLE_US(50));
    return isle_null();
}

ISLE_LOCAL(isle_topic, hosted);

static void publishes_on_demand(isle_value to)
{
    *hosted() = isle_topic_open(NULL);
    isle_port_serve(isle_default_port(), publishes_one, hosted());
    isle_send(isle_as_port(to), isle_topic_value(*hosted()));
}

/* [topic, where to tell, the topic's isolate]. An answer comes in whatever else waits; from behind
 * a wall too it comes behind the batch that finds no room. */
static void is_full_for_a_while(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);
    isle_send_port host = isle_as_isolate(isle_list_get(list, 2)).default_port;
    isle_receive_port *junk = isle_port_open();
    int64_t got = 0, last = 0;

    (void)isle_await(isle_call(host, isle_int(1), ISLE_FOREVER));
    CHECK_INT(isle_as_int(next_of(subscription)), 1);
    while (isle_try_send(isle_port_send_port(junk), isle_null()) == ISLE_OK)
        ;
    (void)isle_await(isle_call(host, isle_int(2), ISLE_FOREVER));
    isle_port_close(junk);
    (void)isle_await(isle_call(host, isle_int(3), ISLE_FOREVER));
    while (last != 3) {
        last = isle_as_int(next_of(subscription));
        got++;
    }
    CHECK_INT(got + (int64_t)isle_subscription_missed(subscription), 2);
    isle_subscription_close(subscription);
    tell(list, isle_bool(true));
}

TEST_ROOT(who_has_no_room_for_a_while_stays)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate host = isle_spawn(publishes_on_demand, isle_port_value(port), NULL);
    isle_value topic = isle_port_receive(port);

    isle_spawn(is_full_for_a_while,
               isle_pack("[o,o,o]", topic, isle_port_value(port), isle_isolate_value(host)),
               &(isle_options){.backend = ISLE_THREAD, .mailbox_max_messages = 4});
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_kill(host, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

enum { BACKLOG = 100, BACKLOG_SIZE = 4000 };

static void catch_up_in_little_room(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);

    tell(list, isle_bool(true));
    (void)isle_port_receive(isle_default_port());
    for (int i = 0; i < BACKLOG; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_count(next_of(subscription)), BACKLOG_SIZE + i);
    }
    CHECK_UINT(isle_subscription_missed(subscription), 0);
    isle_subscription_close(subscription);
    tell(list, isle_bool(true));
    isle_port_close(isle_default_port());
}

TEST_ROOT(a_backlog_wider_than_the_mailbox_comes_in_parts)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);
    isle_isolate narrow =
        isle_spawn(catch_up_in_little_room, given(topic, port),
                   &(isle_options){.backend = ISLE_THREAD, .mailbox_max_bytes = 65536});

    CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 1);
    for (int i = 0; i < BACKLOG; i++) {
        ISLE_SCOPE;
        isle_topic_publish(topic, isle_bytes(NULL, (size_t)BACKLOG_SIZE + (size_t)i));
    }
    while (isle_topic_read_counts(topic).published != BACKLOG)
        isle_sleep(ISLE_US(50));
    isle_send(narrow.default_port, isle_null());
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_topic_close(topic);
    isle_port_close(port);
}

static void hear_what_there_is_room_for(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);

    tell(list, isle_bool(true));
    for (int i = 0; i < 3; i++)
        CHECK_INT(isle_as_int(next_of(subscription)), i);
    CHECK_UINT(isle_subscription_missed(subscription), 2);
    isle_subscription_close(subscription);
    tell(list, isle_bool(true));
}

/* What is larger than his mailbox holds up nothing. */
TEST_ROOT(a_message_that_never_fits_is_missed)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);

    isle_spawn(hear_what_there_is_room_for, given(topic, port),
               &(isle_options){.mailbox_max_bytes = 65536});
    CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 1);
    for (int i = 0; i < 3; i++) {
        isle_topic_publish(topic, isle_int(i));
        if (i < 2)
            isle_topic_publish(topic, isle_bytes(NULL, 100000));
    }
    CHECK(isle_as_bool(isle_port_receive(port)));
    CHECK_UINT(isle_topic_read_counts(topic).missed, 2);
    isle_topic_close(topic);
    isle_port_close(port);
}

struct unknown {
    int number;
};
ISLE_TYPE(unknown_type, struct unknown, ISLE_FIELD(struct unknown, number));

static void hears_of_the_unknown(isle_value list)
{
    isle_subscription *subscription = isle_topic_subscribe(topic_of(list), NULL);

    tell(list, isle_bool(true));
    tell(list, isle_int(isle_subscription_receive(subscription, ISLE_FOREVER, NULL)));
    isle_subscription_close(subscription);
}

/* On threads it reaches all. */
TEST_ROOT(who_cannot_be_sent_a_message_is_told)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);
    struct unknown *unknown = isle_new(struct unknown);

    isle_spawn(hears_of_the_unknown, given(topic, port), NULL);
    CHECK(isle_as_bool(isle_port_receive(port)));
    wait_for_subscribers(topic, 1);
    isle_topic_publish(topic, isle_object(&unknown_type, unknown));
#ifdef GUARANTEES_PROCESS
    CHECK_INT(receive_int(port), ISLE_EUNSENDABLE);
#else
    CHECK_INT(receive_int(port), ISLE_OK);
#endif
    wait_for_subscribers(topic, 0);
    isle_free(unknown);
    isle_topic_close(topic);
    isle_port_close(port);
}

TEST_ROOT(all_subscribers_share_one_copy)
{
    isle_topic topic = isle_topic_open(NULL);
    isle_subscription *one = isle_topic_subscribe(topic, NULL);
    isle_subscription *two = isle_topic_subscribe(topic, NULL);

    isle_topic_publish(topic, isle_bytes("shared", 6));
    isle_value first = next_of(one), second = next_of(two);
    CHECK(isle_as_bytes(first, NULL) == isle_as_bytes(second, NULL));
    CHECK_INT(isle_frozen_size(first), isle_frozen_size(second));
    isle_subscription_close(one);
    isle_subscription_close(two);
    isle_topic_close(topic);
}

/* --- who goes */

static void subscribe_and_end(isle_value list)
{
    (void)isle_topic_subscribe(topic_of(list), NULL);
    tell(list, isle_bool(true));
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(subscribers_that_die_leave)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);

    for (int i = 0; i < 20; i++) {
        isle_spawn(subscribe_and_end, given(topic, port), NULL);
        CHECK(isle_as_bool(isle_port_receive(port)));
    }
    settle();
    isle_topic_publish(topic, isle_int(1));
    wait_for_subscribers(topic, 0);
    CHECK_UINT(isle_topic_read_counts(topic).messages, 0);
    isle_topic_close(topic);
    isle_port_close(port);
}

/* --- within a request */

ISLE_LOCAL(isle_send_port, teller);

static void hosts_one(isle_value to)
{
    isle_topic topic = isle_topic_open(NULL);

    isle_send(isle_as_port(to), isle_topic_value(topic));
    wait_for_subscribers(topic, 1);
    isle_topic_publish(topic, isle_string("heard"));
}

static void hears(isle_value message, void *context)
{
    (void)context;
    isle_send(*teller(), message);
}

static isle_value subscribes(isle_value topic, void *context)
{
    isle_subscription *subscription = isle_topic_subscribe(isle_as_topic(topic), NULL);

    (void)context;
    isle_subscription_listen(subscription, hears, hears, NULL);
    return isle_null();
}

static void serves_subscribing(isle_value to)
{
    *teller() = isle_as_port(to);
    isle_port_serve(isle_default_port(), subscribes, NULL);
}

/* The topic answers when the request's time is over. */
TEST_ROOT(a_subscription_outlives_the_request_that_it_was_made_in)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate host = isle_spawn(hosts_one, isle_port_value(port), NULL);
    isle_value topic = isle_port_receive(port);
    isle_isolate subscriber = isle_spawn(serves_subscribing, isle_port_value(port), NULL);
    isle_capability key = isle_pause(host, (isle_capability){0});
    isle_future *called = isle_call(subscriber.default_port, topic, ISLE_MS(40));

    isle_sleep(ISLE_MS(60));
    (void)!isle_try_await(called, 0, NULL);
    isle_resume(host, key);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "heard");
    isle_kill(subscriber, ISLE_IMMEDIATE);
    isle_kill(host, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

TEST_ROOT(the_dead_take_nobodys_place)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(&(isle_topic_options){.max_subscribers = 4});

    for (int i = 0; i < 50; i++) { /* nothing is published */
        isle_spawn(subscribe_and_end, given(topic, port), NULL);
        CHECK(isle_as_bool(isle_port_receive(port)));
        settle();
    }
    isle_subscription *living;
    for (;;) { /* each refusal looks who is there */
        living = isle_topic_subscribe(topic, NULL);
        isle_topic_publish(topic, isle_int(7));
        if (isle_subscription_receive(living, ISLE_FOREVER, NULL) == ISLE_OK)
            break;
        isle_subscription_close(living);
    }
    isle_subscription_close(living);
    isle_topic_close(topic);
    isle_port_close(port);
}

static void end_with_topic(isle_value list)
{
    isle_topic topic = isle_topic_open(NULL);

    tell(list, isle_topic_value(topic));
    (void)isle_port_receive(isle_default_port());
    isle_topic_publish(topic, isle_string("last"));
    if (isle_as_bool(isle_list_get(list, 0))) {
        isle_topic_close(topic);
        isle_port_close(isle_default_port());
        return;
    }
    wait_for_subscribers(topic, 1); /* until his first answer is here it may be on its way */
    tell(list, isle_bool(true));
    isle_sleep(ISLE_FOREVER / 2);
}

static void end_of_topic(bool by_closing)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(
        end_with_topic, isle_pack("[b,o]", (int)by_closing, isle_port_value(port)), NULL);
    isle_topic topic = isle_as_topic(isle_port_receive(port));
    isle_subscription *one = isle_topic_subscribe(topic, NULL);

    isle_send(isolate.default_port, isle_null());
    CHECK_STRING(isle_as_string(next_of(one)), "last");
    if (!by_closing) {
        CHECK(isle_as_bool(isle_port_receive(port)));
        isle_kill(isolate, ISLE_IMMEDIATE);
    }
    CHECK_ERR(isle_subscription_receive(one, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_subscription_receive(one, 0, NULL), ISLE_ECLOSED);
    isle_subscription *late = isle_topic_subscribe(topic, NULL);
    CHECK_ERR(isle_subscription_receive(late, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_topic_publish(topic, isle_null()); /* nothing */
    isle_subscription_close(late);
    isle_subscription_close(one);
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_topic_that_closes_ends_its_subscriptions)
{
    end_of_topic(true);
}

TEST_ROOT(a_topic_ends_with_its_isolate)
{
    end_of_topic(false);
}

/* --- callback style */

struct heard {
    isle_subscription *subscription;
    int64_t sum;
    isle_err end;
    isle_future *over;
};

static void hear(isle_value message, void *context)
{
    struct heard *heard = context;

    heard->sum += isle_as_int(message);
    if (isle_as_int(message) == 3)
        isle_throwf("at three");
    if (isle_as_int(message) == 5)
        isle_sleep(ISLE_US(1)); /* those behind it wait */
}

static void hear_end(isle_value error, void *context)
{
    struct heard *heard = context;

    heard->end = isle_error_code(error);
    isle_subscription_close(heard->subscription);
    isle_future_complete(heard->over, isle_null());
}

TEST_ROOT(a_handler_that_throws_or_waits_misses_nothing)
{
    isle_receive_port *errors = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);
    struct heard heard = {isle_topic_subscribe(topic, NULL), 0, ISLE_OK, isle_future_new()};

    isle_set_errors_fatal(isle_current(), false);
    isle_add_error_listener(isle_current(), isle_port_send_port(errors));
    isle_subscription_listen(heard.subscription, hear, hear_end, &heard);
    wait_for_subscribers(topic, 1);
    for (int i = 1; i <= 10; i++)
        isle_topic_publish(topic, isle_int(i));
    check_notice(isle_port_receive(errors), "at three");
    while (heard.sum != 55)
        isle_sleep(ISLE_US(10));
    isle_topic_close(topic);
    (void)isle_await(heard.over);
    CHECK_ERR(heard.end, ISLE_ECLOSED);
    isle_port_close(errors);
}

/* --- bad use, and bad company */

TEST_ROOT(handles_and_rights_are_checked)
{
    isle_topic topic = isle_topic_open(NULL);
    isle_topic listens = {.subscribe = topic.subscribe}, speaks = {.publish = topic.publish};
    isle_subscription *subscription = isle_topic_subscribe(listens, NULL);

    CHECK_ERR(isle_subscription_receive(subscription, 0, NULL), ISLE_ETIMEDOUT);
    CHECK_ERR(isle_subscription_receive(subscription, ISLE_US(1), NULL), ISLE_ETIMEDOUT);
    wait_for_subscribers(topic, 1);
    isle_topic_publish(speaks, isle_int(1));
    CHECK_INT(isle_as_int(next_of(subscription)), 1);
    isle_subscription_close(subscription);
    isle_subscription_close(subscription);
    isle_subscription_close(NULL);
    wait_for_subscribers(topic, 0);
    isle_topic_close(topic);
    isle_topic_close(topic);
}

struct asked {
    isle_subscription *subscription;
    int64_t timeout_ns;
    isle_err err;
};

static void ask_in_a_defer(void *context)
{
    struct asked *asked = context;

    asked->err = isle_subscription_receive(asked->subscription, asked->timeout_ns, NULL);
}

TEST_ROOT(who_cannot_wait_for_a_message_is_told)
{
    isle_topic topic = isle_topic_open(NULL);
    struct asked asked = {isle_topic_subscribe(topic, NULL), ISLE_FOREVER, ISLE_OK};

    {
        ISLE_SCOPE;
        isle_defer(ask_in_a_defer, &asked);
    }
    CHECK_ERR(asked.err, ISLE_ENOSUSPEND);
    asked.timeout_ns = 0;
    {
        ISLE_SCOPE;
        isle_defer(ask_in_a_defer, &asked);
    }
    CHECK_ERR(asked.err, ISLE_ETIMEDOUT);
    wait_for_subscribers(topic, 1);
    isle_topic_publish(topic, isle_int(1));
    CHECK_INT(isle_as_int(next_of(asked.subscription)), 1);
    isle_subscription_close(asked.subscription);
    isle_topic_close(topic);
}

static void send_nonsense(isle_value list)
{
    isle_topic topic = topic_of(list);
    isle_value token = isle_capability_value(isle_capability_new());
    isle_send_port own = isle_current().default_port;

    for (int what = -1; what < 4; what++) {
        ISLE_SCOPE;
        isle_value of[] = {
            isle_int(what),
            isle_pack("[i]", what),
            isle_pack("[i,o,i]", what, token, 5),
            isle_pack("[i,i,i]", what, 5, 5),
            isle_pack("[i,o,s]", what, token, "x"),
            isle_pack("[i,o,i,s,i,i]", what, token, 5, "x", 1, 1),
            isle_pack("[i,o,i,o,i,i]", what, token, 5, isle_port(isle_send_port_none()), 1, 1),
            isle_pack("[i,o,i,o,s,i]", what, token, 5, isle_port(own), "x", 1),
        };

        for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
            isle_send(topic.subscribe, of[i]);
            isle_future_cancel(isle_call(topic.subscribe, of[i], ISLE_FOREVER));
            isle_send_with_reply(topic.publish, of[i], own);
        }
    }
    isle_send(topic.publish, isle_string("last"));
}

TEST_ROOT(nonsense_does_a_topic_no_harm)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = isle_topic_open(NULL);
    isle_subscription *subscription = isle_topic_subscribe(topic, NULL);
    bool is_last = false;

    wait_for_subscribers(topic, 1);
    isle_spawn(send_nonsense, given(topic, port), NULL);
    while (!is_last) {
        ISLE_SCOPE;
        isle_value message = next_of(subscription);
        is_last = isle_kind_of(message) == ISLE_STRING;
    }
    CHECK_UINT(isle_topic_read_counts(topic).subscribers, 1);
    isle_subscription_close(subscription);
    isle_topic_close(topic);
    isle_port_close(port);
}

static isle_value lie(isle_value request, void *context)
{
    isle_send_port to = isle_as_port(isle_list_get(request, 3));
    isle_value token = isle_list_get(request, 1), number = isle_list_get(request, 2);
    isle_value none = isle_capability_value(isle_capability_new());

    (void)context;
    isle_send(to, isle_int(5));
    isle_send(to, isle_pack("[o,o]", number, token));
    isle_send(to, isle_pack("[o,o,i,i,i]", number, none, 0, 0, 1));
    isle_send(to, isle_pack("[i,o,i,i,i]", 12345, token, 0, 0, 2));
    isle_send(to, isle_pack("[o,o,s,s,i]", number, token, "x", "x", 3));
    for (int i = 10; i < 20; i++) /* two are heard */
        isle_send(to, isle_pack("[o,o,i,i,i]", number, token, -1, 0, i));
    isle_send(to, isle_pack("[o,o,i,i]", number, token, 0, 77));
    return isle_pack("[i,o]", 1, isle_isolate_value(isle_current()));
}

static void be_a_liar(isle_value list)
{
    isle_port_serve(isle_default_port(), lie, NULL);
    tell(list, isle_bool(true));
}

TEST_ROOT(a_topic_that_lies_harms_no_subscriber)
{
    isle_receive_port *port = isle_port_open();
    isle_topic topic = {{0}, {0}};
    isle_isolate liar = isle_spawn(be_a_liar, given(topic, port), NULL);

    CHECK(isle_as_bool(isle_port_receive(port)));
    topic.subscribe = liar.default_port;
    isle_subscription *subscription = isle_topic_subscribe(topic, NULL);
    isle_value message;
    isle_err err;
    int heard = 0;
    while ((err = isle_subscription_receive(subscription, ISLE_FOREVER, &message)) == ISLE_OK) {
        CHECK(isle_as_int(message) >= 10);
        heard++;
    }
    CHECK(heard >= 1 && heard <= 10);
    CHECK_ERR(err, ISLE_ECLOSED);
    CHECK_UINT(isle_subscription_missed(subscription), 0);
    isle_subscription_close(subscription);
    isle_kill(liar, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

static void use_a_topic(void)
{
    enum { COUNT = 20 };
    isle_topic topic = isle_topic_open(NULL);
    isle_subscription *subscriptions[COUNT];

    for (int i = 0; i < COUNT; i++)
        subscriptions[i] = isle_topic_subscribe(topic, NULL);
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_topic_publish(topic, isle_stringf("message %d", i));
    }
    CHECK_STRING(isle_as_string(next_of(subscriptions[0])), "message 0");
    for (int i = 0; i < COUNT; i += 2)
        isle_subscription_close(subscriptions[i]);
    isle_topic_close(topic);
    for (int i = 1; i < COUNT; i += 2) {
        while (isle_subscription_receive(subscriptions[i], ISLE_FOREVER, NULL) == ISLE_OK)
            ;
        isle_subscription_close(subscriptions[i]);
    }
    isle_sleep(ISLE_US(1));
}

/* Kept values are collected now and then. */
TEST_ROOT(topics_leave_nothing)
{
    size_t held = 0;

    for (int round = 0; round < 100; round++) {
        ISLE_SCOPE;
        use_a_topic();
        if (round == 10)
            held = isle_memory_used();
    }
    if (isle_memory_used() > 2 * held + 65536)
        fail("%zu bytes after 10 rounds, %zu after 100", held, isle_memory_used());
}

TEST_MAIN()
