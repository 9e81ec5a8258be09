/* SPDX-License-Identifier: Apache-2.0 */
/* Topics, the side that passes on (topic.h).
 *
 * A topic is a log: a ring of frozen messages with a number each, and for each subscriber the
 * number of the next that he is to be sent, his *place*. A place is counted with the message that
 * stands there, or with the end; the oldest message goes when no place is counted with it, or when
 * the log has its bound: then the places there go on to the next, which is done by moving a count.
 * Whose place that was finds out when he is sent something: the messages in between are what he
 * missed.
 *
 * So a publication costs what those cost who wait for it; who is behind costs nothing until he
 * answers. A subscriber is *idle* (all was sent and answered), *busy* (a batch is on its way), or
 * *refused* (his mailbox took no batch: it is tried again by a timer).
 *
 * Law: what comes to the two ports may be anything, and an error thrown there would end the isolate
 * that serves: so it is read by asking forms, and whatever throws is tried. Called, as all of this
 * folder, on the isolate's own thread. */
#include "systems/topic.h"

#include "isle/bytes.h"
#include "isle/error.h"
#include "isle/future.h"
#include "isle/isolate.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "value/failure.h"

enum {
    TOPIC_MESSAGES = 1024,
    TOPIC_SUBSCRIBERS = 65536,
    TOPIC_LOG_FIRST = 16,
    BATCH_MESSAGES = 256,
    PROBES = 2,
    WIDEN_ANSWERS = 16
};
#define TOPIC_BYTES ((size_t)16 << 20)
#define BATCH_BYTES ((size_t)1 << 20)
#define RETRY_NS ISLE_MS(5)
#define FAREWELL_NS ISLE_SECONDS(10)

enum subscriber_state { SUBSCRIBER_IDLE, SUBSCRIBER_BUSY, SUBSCRIBER_REFUSED };

struct subscriber {
    struct subscriber *next, *previous; /* of the topic's */
    struct topic *topic;                /* NULL: it has left, and its batch is on its way yet */
    void *handle;                       /* its number */
    isle_send_port port;
    int64_t number; /* his own for it */
    isle_capability token;
    uint64_t place, missed;
    uint64_t batch_place; /* where the batch of a busy one begins */
    uint64_t asked_place; /* behind the message for which it was asked whether it ever has room */
    uint64_t max_behind;  /* UINT64_MAX: as many as there are */
    isle_lag lag;
    enum subscriber_state state;
    isle_future *batch; /* of a busy one, or the question for room */
    unsigned narrow;    /* what a batch may hold is so often halved: it found no room */
    unsigned answers;   /* since it was halved or doubled */
    unsigned on_way;    /* batches of which it has yet to hear: until then it is not freed */
    bool is_narrowest;  /* a wall has refused a message alone */
    isle_err end;       /* it is to be told, and then it is gone */
};

struct entry {
    isle_value message; /* kept */
    size_t size;
    size_t places; /* of subscribers, here */
};

struct topic {
    struct topic *next; /* of the isolate's */
    isle_receive_port *publish, *subscribe;
    isle_topic self;
    isle_topic_options bounds;
    struct entry *log; /* a ring, by number; capacity is a power of two */
    size_t capacity;
    uint64_t first, end; /* numbers: of the oldest, of the next to come */
    size_t end_places;
    struct subscriber *subscribers; /* a ring; the one that was probed last */
    isle_timer *retry;
    int64_t farewell; /* of a closed one: until when it tries to tell; 0 */
    isle_topic_counts counts;
};

ISLE_LOCAL(struct topic *, topics);

static struct topic *topic_of(isle_topic topic)
{
    struct topic *at = *topics();
    while (at != NULL && !isle_send_port_equal(at->self.publish, topic.publish) &&
           !isle_send_port_equal(at->self.subscribe, topic.subscribe))
        at = at->next;
    return at;
}

/* --- the log */

static struct entry *log_at(const struct topic *topic, uint64_t number)
{
    return &topic->log[number & (topic->capacity - 1)];
}

static size_t *places_at(struct topic *topic, uint64_t place)
{
    uint64_t at = place < topic->first ? topic->first : place;
    return at == topic->end ? &topic->end_places : &log_at(topic, at)->places;
}

static void log_drop_oldest(struct topic *topic)
{
    struct entry *oldest = log_at(topic, topic->first);
    size_t places = oldest->places;
    topic->counts.bytes -= oldest->size;
    topic->counts.messages--;
    topic->first++;
    *places_at(topic, topic->first) += places;
    isle_cell_set(&oldest->message, isle_null());
}

/* What nobody is to be sent any more. */
static void log_trim(struct topic *topic)
{
    while (topic->first < topic->end && log_at(topic, topic->first)->places == 0)
        log_drop_oldest(topic);
}

static void log_grow(struct topic *topic)
{
    size_t capacity = topic->capacity == 0 ? TOPIC_LOG_FIRST : 2 * topic->capacity;
    struct entry *log = isle_alloc(capacity * sizeof *log);
    for (uint64_t number = topic->first; number < topic->end; number++)
        log[number & (capacity - 1)] = *log_at(topic, number);
    isle_free(topic->log);
    topic->log = log;
    topic->capacity = capacity;
}

/* Throws ISLE_ENOMEM; nothing was added then. */
static void log_add(struct topic *topic, isle_value message, size_t size)
{
    while (topic->first < topic->end && (topic->counts.messages >= topic->bounds.max_messages ||
                                         topic->counts.bytes + size > topic->bounds.max_bytes))
        log_drop_oldest(topic);
    if (topic->end - topic->first == topic->capacity)
        log_grow(topic);
    struct entry *entry = log_at(topic, topic->end);
    isle_cell_set(&entry->message, message);
    entry->size = size;
    entry->places = topic->end_places;
    topic->end_places = 0;
    topic->end++;
    topic->counts.bytes += size;
    topic->counts.messages++;
    topic->counts.published++;
}

/* --- subscribers */

static void subscriber_move(struct subscriber *subscriber, uint64_t place)
{
    struct topic *topic = subscriber->topic;
    (*places_at(topic, subscriber->place))--;
    (*places_at(topic, place))++;
    subscriber->place = place;
}

static void topic_settle(struct topic *topic);

static void subscriber_free(struct subscriber *subscriber)
{
    if (subscriber->topic == NULL && subscriber->on_way == 0)
        isle_free(subscriber);
}

/* It is forgotten, and freed once nothing of it is on its way. */
static void subscriber_leave(struct subscriber *subscriber)
{
    struct topic *topic = subscriber->topic;
    (*places_at(topic, subscriber->place))--;
    subscriber->next->previous = subscriber->previous;
    subscriber->previous->next = subscriber->next;
    if (topic->subscribers == subscriber)
        topic->subscribers = subscriber->next == subscriber ? NULL : subscriber->next;
    topic->counts.subscribers--;
    isle__system_close(ISLE__SYSTEM_SUBSCRIBER, subscriber->handle);
    subscriber->topic = NULL;
    if (subscriber->state == SUBSCRIBER_BUSY)
        isle_future_cancel(subscriber->batch);
    subscriber_free(subscriber);
    log_trim(topic);
    topic_settle(topic);
}

static void subscriber_send(struct subscriber *subscriber, bool is_probe);
static void subscriber_refused(struct subscriber *subscriber);

/* A batch of so many has found no room. False: one of a single message is the least. */
static bool batch_narrow(struct subscriber *subscriber, uint64_t count)
{
    if (count <= 1)
        return false;
    subscriber->narrow++;
    subscriber->answers = 0;
    return true;
}

/* Seldom, since a wall may lose what finds no room. */
static void batch_widen(struct subscriber *subscriber)
{
    if (subscriber->narrow == 0 || ++subscriber->answers < WIDEN_ANSWERS)
        return;
    subscriber->narrow--;
    subscriber->answers = 0;
}

static void batch_answered(isle_value answer, void *context)
{
    struct subscriber *subscriber = context;
    struct topic *topic = subscriber->topic;
    (void)answer;
    subscriber->on_way--;
    if (topic == NULL) {
        subscriber_free(subscriber);
    } else if (subscriber->state == SUBSCRIBER_BUSY && subscriber->on_way == 0) {
        batch_widen(subscriber);
        subscriber_send(subscriber, false);
        log_trim(topic);
    }
}

/* A wall tells it later than a send would. What the log still holds of the batch is sent again, the
 * rest was missed. */
static void batch_refused(struct subscriber *subscriber)
{
    subscriber->is_narrowest =
        !batch_narrow(subscriber, subscriber->place - subscriber->batch_place);
    subscriber_move(subscriber, subscriber->batch_place);
    subscriber_refused(subscriber);
}

/* What was sent has failed: the subscriber is no more; or it did not reach him; or the topic has
 * cancelled it, to tell an end. True, and why: he has not heard of it and is still there. */
static bool subscriber_unheard(struct subscriber *subscriber, isle_value error, isle_err *ret_err)
{
    *ret_err = isle_kind_of(error) == ISLE_ERROR ? isle_error_code(error) : ISLE_ETHROWN;
    subscriber->on_way--;
    if (subscriber->topic == NULL) {
        subscriber_free(subscriber);
        return false;
    }
    if (subscriber->end != ISLE_OK)
        return false;
    subscriber->state = SUBSCRIBER_IDLE;
    if (*ret_err == ISLE_ECLOSED)
        subscriber_leave(subscriber);
    return *ret_err != ISLE_ECLOSED;
}

static void batch_lost(isle_value error, void *context)
{
    struct subscriber *subscriber = context;
    struct topic *topic = subscriber->topic; /* he may leave it below */
    isle_err err;
    if (!subscriber_unheard(subscriber, error, &err))
        return;
    if (err == ISLE_EFULL || err == ISLE_ENOMEM) {
        batch_refused(subscriber);
    } else {
        subscriber->end = err;
        subscriber_send(subscriber, false);
        log_trim(topic);
    }
}

struct batch {
    struct subscriber *subscriber;
    uint64_t end; /* the number behind its last message */
    bool is_alone;
};

static isle_value batch_build(struct batch *batch, isle_capability token)
{
    const struct subscriber *subscriber = batch->subscriber;
    const struct topic *topic = subscriber->topic;
    isle_value list = isle_list();
    isle_list_add(list, isle_int(subscriber->number));
    isle_list_add(list, isle_capability_value(token));
    isle_list_add(list, isle_int((int64_t)subscriber->missed));
    isle_list_add(list, isle_int(subscriber->end));
    size_t bytes = 0, count = 0;
    for (batch->end = subscriber->place; batch->end < topic->end; batch->end++) {
        const struct entry *entry = log_at(topic, batch->end);
        if (subscriber->end != ISLE_OK || (batch->is_alone && count == 1) ||
            count == (size_t)BATCH_MESSAGES >> subscriber->narrow ||
            (count > 0 && bytes + entry->size > BATCH_BYTES >> subscriber->narrow))
            break;
        isle_list_add(list, entry->message);
        bytes += entry->size;
        count++;
    }
    return list;
}

static isle_value batch_send(isle_value argument)
{
    struct batch *batch = isle_as_pointer(argument);
    struct subscriber *subscriber = batch->subscriber;
    isle_value list = batch_build(batch, subscriber->token);
    subscriber->batch = isle_call(subscriber->port, list, ISLE_FOREVER);
    subscriber->state = SUBSCRIBER_BUSY;
    isle_then(subscriber->batch, batch_answered, batch_lost, subscriber);
    subscriber->on_way++;
    return isle_null();
}

/* How it went with the widest batch that finds room. */
static isle_err batch_try(struct batch *batch)
{
    for (;;) {
        ISLE_SCOPE;
        batch->end = batch->subscriber->place;
        isle_err err = isle_try(batch_send, isle_pointer(batch), NULL);
        if (err != ISLE_EFULL ||
            !batch_narrow(batch->subscriber, batch->end - batch->subscriber->place))
            return err;
    }
}

static void topic_retry(void *context)
{
    struct topic *topic = context;
    topic->retry = NULL;
    bool is_over = topic->farewell != 0 && isle_now_ns() >= topic->farewell;
    for (size_t left = topic->counts.subscribers; left > 0; left--) {
        struct subscriber *subscriber = topic->subscribers;
        bool is_last = left == 1; /* with it a closed topic may go */
        topic->subscribers = subscriber->next;
        if (is_over)
            subscriber_leave(subscriber);
        else if (subscriber->state == SUBSCRIBER_REFUSED)
            subscriber_send(subscriber, false);
        if (is_last)
            return;
    }
}

static isle_value retry_start(isle_value pointer)
{
    struct topic *topic = isle_as_pointer(pointer);
    topic->retry = isle_timer_start(RETRY_NS, topic_retry, topic);
    return isle_null();
}

static void subscriber_refused(struct subscriber *subscriber)
{
    struct topic *topic = subscriber->topic;
    subscriber->state = SUBSCRIBER_REFUSED;
    if (topic->retry == NULL) /* without memory for it, the next publication tries again */
        (void)!isle_try(retry_start, isle_pointer(topic), NULL);
}

/* He is sent nothing before that place. What he has missed is told with the next batch, or ends it.
 */
static void subscriber_skip(struct subscriber *subscriber, uint64_t place)
{
    uint64_t missed = place - subscriber->place;
    if (missed == 0)
        return;
    subscriber->missed += missed;
    subscriber->topic->counts.missed += missed;
    subscriber_move(subscriber, place);
    if (subscriber->lag == ISLE_LAG_END && subscriber->end == ISLE_OK)
        subscriber->end = ISLE_EFULL;
}

static void subscriber_catch_up(struct subscriber *subscriber)
{
    const struct topic *topic = subscriber->topic;
    uint64_t place = subscriber->place < topic->first ? topic->first : subscriber->place;
    if (topic->end - place > subscriber->max_behind)
        place = topic->end - subscriber->max_behind;
    subscriber_skip(subscriber, place);
}

/* --- a message that alone finds no room */

static void room_asked(isle_value nothing, void *context)
{
    struct subscriber *subscriber = context;
    (void)nothing;
    subscriber->on_way--;
    if (subscriber->topic == NULL)
        subscriber_free(subscriber);
    else if (subscriber->state == SUBSCRIBER_BUSY && subscriber->on_way == 0)
        subscriber_refused(subscriber);
}

/* He never has room for it, if the log still holds it. */
static void room_lacks(struct subscriber *subscriber)
{
    if (subscriber->place + 1 == subscriber->asked_place &&
        subscriber->place >= subscriber->topic->first)
        subscriber_skip(subscriber, subscriber->asked_place);
}

static void room_lost(isle_value error, void *context)
{
    struct subscriber *subscriber = context;
    struct topic *topic = subscriber->topic; /* he may leave it below */
    isle_err err;
    if (!subscriber_unheard(subscriber, error, &err))
        return;
    if (err == ISLE_EFULL)
        room_lacks(subscriber);
    else
        subscriber->asked_place = 0; /* not known, so it is asked again */
    subscriber_refused(subscriber);
    log_trim(topic);
}

/* The same batch with a token that is none of his, so that he drops it. */
static isle_value room_ask(isle_value argument)
{
    struct batch *batch = isle_as_pointer(argument);
    struct subscriber *subscriber = batch->subscriber;
    isle_value list = batch_build(batch, isle_capability_new());
    subscriber->batch = isle_send_wait(subscriber->port, list, ISLE_FOREVER);
    subscriber->state = SUBSCRIBER_BUSY;
    isle_then(subscriber->batch, room_asked, room_lost, subscriber);
    subscriber->on_way++;
    return isle_null();
}

/* Of a message alone that found no room: whether it ever does, is asked once. True: it does not, or
 * that is on its way. */
static bool subscriber_asks_for_room(struct subscriber *subscriber)
{
    ISLE_SCOPE;
    struct batch batch = {.subscriber = subscriber, .is_alone = true};
    uint64_t behind = subscriber->place + 1;
    if (subscriber->asked_place == behind)
        return false;
    subscriber->asked_place = behind;
    isle_err err = isle_try(room_ask, isle_pointer(&batch), NULL);
    if (err == ISLE_OK)
        return true;
    if (err == ISLE_EFULL) {
        room_lacks(subscriber);
        return true;
    }
    subscriber->asked_place = 0;
    if (subscriber->state == SUBSCRIBER_BUSY) { /* asked, and not heard */
        isle_future_cancel(subscriber->batch);
        subscriber->state = SUBSCRIBER_IDLE;
    }
    return false;
}

/* True: once more, a message was passed over. */
static bool subscriber_try(struct subscriber *subscriber, bool is_probe)
{
    struct batch batch = {.subscriber = subscriber};
    subscriber_catch_up(subscriber);
    subscriber->state = SUBSCRIBER_IDLE;
    bool has_mail = subscriber->place < subscriber->topic->end && subscriber->end == ISLE_OK;
    if (!has_mail && subscriber->end == ISLE_OK && !is_probe)
        return false;
    bool is_narrowest = has_mail && subscriber->is_narrowest;
    isle_err err = is_narrowest ? ISLE_EFULL : batch_try(&batch);
    subscriber->is_narrowest = false;
    if (err == ISLE_ERANGE && subscriber->end == ISLE_OK) { /* no wall lets it through */
        subscriber->end = err;
        err = batch_try(&batch);
    }
    if (err == ISLE_EFULL && (is_narrowest || batch.end == subscriber->place + 1) &&
        subscriber_asks_for_room(subscriber))
        return subscriber->state != SUBSCRIBER_BUSY;
    if (err != ISLE_OK) {
        if (subscriber->state == SUBSCRIBER_BUSY) { /* sent, and no memory to hear of it */
            isle_future_cancel(subscriber->batch);
            subscriber->end = ISLE_ENOMEM;
        }
        subscriber_refused(subscriber);
    } else if (subscriber->end != ISLE_OK) {
        subscriber_leave(subscriber);
    } else {
        subscriber->batch_place = subscriber->place;
        subscriber_move(subscriber, batch.end);
    }
    return false;
}

/* To one that is not busy: what there is for him, or, to a probe, a batch of nothing. */
static void subscriber_send(struct subscriber *subscriber, bool is_probe)
{
    while (subscriber_try(subscriber, is_probe))
        ;
}

/* --- publishing */

static void topic_publish(struct topic *topic, isle_value message)
{
    isle_value frozen = isle_freeze(message);
    log_add(topic, frozen, isle_frozen_size(frozen));
    struct subscriber *subscriber = topic->subscribers;
    for (size_t left = topic->counts.subscribers; left > 0; left--) {
        struct subscriber *next = subscriber->next;
        bool is_stuck = subscriber->state == SUBSCRIBER_REFUSED && topic->retry == NULL;
        if (subscriber->state == SUBSCRIBER_IDLE || is_stuck)
            subscriber_send(subscriber, false);
        subscriber = next;
    }
    log_trim(topic);
}

struct publication {
    struct topic *topic;
    isle_value message;
};

static isle_value publication_take(isle_value argument)
{
    const struct publication *publication = isle_as_pointer(argument);
    topic_publish(publication->topic, publication->message);
    return isle_null();
}

static void on_publication(isle_value message, void *context)
{
    struct topic *topic = context;
    struct publication publication = {topic, message};
    if (isle_try(publication_take, isle_pointer(&publication), NULL) != ISLE_OK)
        topic->counts.refused++;
}

/* --- subscribing */

/* Of those that are idle, and may have gone without the topic's hearing of it: as many come to go
 * as come. In an event of its own: what is called in a request has the request's deadline
 * (isle_call_deadline), which is none of theirs. By then the topic may be closed. */
static void topic_probe(void *context)
{
    struct topic *topic = *topics();
    while (topic != NULL && topic != context)
        topic = topic->next;
    /* The last that has come stands first, and needs none. */
    for (size_t i = 0; i < PROBES && topic != NULL && i + 1 < topic->counts.subscribers; i++) {
        struct subscriber *subscriber = topic->subscribers->next;
        topic->subscribers = subscriber;
        if (subscriber->state == SUBSCRIBER_IDLE)
            subscriber_send(subscriber, true);
    }
}

static isle_value welcome_build(const struct subscriber *subscriber)
{
    isle_value list = isle_list();
    isle_list_add(list, isle_int((int64_t)(uintptr_t)subscriber->handle));
    isle_isolate self = {.control_port = isle_current().control_port};
    isle_list_add(list, isle_isolate_value(self));
    return list;
}

static isle_err request_read(isle_value request, struct subscriber *ret_subscriber)
{
    int64_t behind, lag;
    isle_value token = isle_list_get(request, ISLE__ASK_TOKEN);
    if (!isle_get_int(isle_list_get(request, ISLE__ASK_NUMBER), &ret_subscriber->number) ||
        isle_kind_of(token) != ISLE_CAPABILITY)
        return ISLE_EINVAL;
    ret_subscriber->token = isle_as_capability(token);
    if (isle_count(request) == ISLE__ASK_PORT)
        return ISLE_OK;
    if (!isle_get_port(isle_list_get(request, ISLE__ASK_PORT), &ret_subscriber->port) ||
        isle_send_port_is_none(ret_subscriber->port) ||
        !isle_get_int(isle_list_get(request, ISLE__ASK_BEHIND), &behind) ||
        !isle_get_int(isle_list_get(request, ISLE__ASK_LAG), &lag))
        return ISLE_EINVAL;
    ret_subscriber->max_behind = behind > 0 ? (uint64_t)behind : UINT64_MAX;
    ret_subscriber->lag = lag == ISLE_LAG_END ? ISLE_LAG_END : ISLE_LAG_SKIP;
    return ISLE_OK;
}

struct request {
    struct topic *topic;
    isle_value message;
    struct subscriber *half; /* made, and not yet the topic's */
};

static isle_value topic_add(struct request *request, const struct subscriber *as)
{
    struct topic *topic = request->topic;
    if (topic->counts.subscribers >= topic->bounds.max_subscribers) {
        isle_schedule_microtask(topic_probe, topic);
        return isle_int(ISLE_EFULL);
    }
    struct subscriber *subscriber = request->half = isle_new(struct subscriber);
    *subscriber = *as;
    subscriber->handle = isle__system_open(ISLE__SYSTEM_SUBSCRIBER, subscriber);
    isle_value welcome = welcome_build(subscriber);
    isle_schedule_microtask(topic_probe, topic);
    struct subscriber *last = topic->subscribers;
    subscriber->next = last == NULL ? subscriber : last->next;
    subscriber->previous = last == NULL ? subscriber : last;
    subscriber->next->previous = subscriber->previous->next = subscriber;
    topic->subscribers = subscriber;
    subscriber->topic = topic;
    subscriber->place = topic->end;
    topic->end_places++;
    topic->counts.subscribers++;
    request->half = NULL;
    return welcome;
}

static void topic_remove(const struct topic *topic, const struct subscriber *as)
{
    struct subscriber *subscriber =
        isle__system_find(ISLE__SYSTEM_SUBSCRIBER, (const void *)(uintptr_t)as->number);
    if (subscriber != NULL && subscriber->topic == topic &&
        isle_capability_equal(subscriber->token, as->token))
        subscriber_leave(subscriber);
}

/* An answer for every request; who waits for none gets none. */
static isle_value request_take(isle_value argument)
{
    struct request *request = isle_as_pointer(argument);
    struct subscriber as = {0};
    int64_t what;
    if (isle_kind_of(request->message) != ISLE_LIST ||
        (isle_count(request->message) != ISLE__ASK_PORT &&
         isle_count(request->message) != ISLE__ASK_COUNT) ||
        !isle_get_int(isle_list_get(request->message, ISLE__ASK_WHAT), &what) ||
        request_read(request->message, &as) != ISLE_OK)
        return isle_int(ISLE_EINVAL);
    if (what == ISLE__TOPIC_SUBSCRIBE && isle_count(request->message) == ISLE__ASK_COUNT)
        return topic_add(request, &as);
    if (what == ISLE__TOPIC_UNSUBSCRIBE)
        topic_remove(request->topic, &as);
    return isle_null();
}

static isle_value on_request(isle_value message, void *context)
{
    struct request request = {.topic = context, .message = message};
    isle_value answer;
    isle_err err = isle_try(request_take, isle_pointer(&request), &answer);
    if (request.half != NULL) {
        isle__system_close(ISLE__SYSTEM_SUBSCRIBER, request.half->handle);
        isle_free(request.half);
    }
    return err == ISLE_OK ? answer : isle_int(err);
}

/* --- opening and closing */

static size_t bound_or(size_t given, size_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static isle_value topic_make(isle_value pointer)
{
    struct topic *topic = isle_as_pointer(pointer);
    topic->publish = isle_port_open();
    topic->subscribe = isle_port_open();
    topic->self.publish = isle_port_send_port(topic->publish);
    topic->self.subscribe = isle_port_send_port(topic->subscribe);
    isle_port_listen(topic->publish, on_publication, topic);
    isle_port_serve(topic->subscribe, on_request, topic);
    topic->next = *topics();
    return isle_null();
}

isle_topic isle_topic_open(const isle_topic_options *options)
{
    static const isle_topic_options none;
    isle__inside_need(__func__);
    if (options == NULL)
        options = &none;
    struct topic *topic = isle_new(struct topic);
    topic->bounds = (isle_topic_options){
        .max_messages = bound_or(options->max_messages, TOPIC_MESSAGES),
        .max_bytes = bound_or(options->max_bytes, TOPIC_BYTES),
        .max_subscribers = bound_or(options->max_subscribers, TOPIC_SUBSCRIBERS),
    };
    if (isle_try(topic_make, isle_pointer(topic), NULL) != ISLE_OK) {
        isle_port_close(topic->publish);
        isle_port_close(topic->subscribe);
        isle_free(topic);
        isle_throw(isle_last_error());
    }
    *topics() = topic;
    return topic->self;
}

/* A closed one goes with its last subscriber. */
static void topic_settle(struct topic *topic)
{
    if (topic->farewell == 0 || topic->subscribers != NULL)
        return;
    isle_timer_cancel(topic->retry);
    isle_free(topic->log);
    isle_free(topic);
}

static void topic_forget_log(struct topic *topic)
{
    for (; topic->first < topic->end; topic->first++)
        isle_cell_set(&log_at(topic, topic->first)->message, isle_null());
    topic->end_places = topic->counts.subscribers;
}

/* What was published before goes out, to those who wait for it. */
static isle_value topic_drain(isle_value pointer)
{
    struct topic *topic = isle_as_pointer(pointer);
    isle_port_listen(topic->publish, NULL, NULL);
    for (bool is_more = true; is_more;) {
        ISLE_SCOPE;
        isle_value message;
        is_more = isle_port_try_receive(topic->publish, 0, &message) == ISLE_OK;
        if (is_more)
            on_publication(message, topic);
    }
    return isle_null();
}

/* The end overtakes the answer to a batch that is on its way. */
static void subscriber_end(struct subscriber *subscriber)
{
    if (subscriber->state == SUBSCRIBER_BUSY)
        isle_future_cancel(subscriber->batch);
    subscriber->end = ISLE_ECLOSED;
    subscriber_send(subscriber, false);
}

void isle_topic_close(isle_topic handle)
{
    isle__inside_need(__func__);
    struct topic *topic = topic_of(handle), **at = topics();
    if (topic == NULL)
        return;
    while (*at != topic)
        at = &(*at)->next;
    *at = topic->next;
    (void)!isle_try(topic_drain, isle_pointer(topic), NULL);
    isle_port_close(topic->publish);
    isle_port_close(topic->subscribe);
    topic_forget_log(topic);
    size_t left = topic->counts.subscribers;
    struct subscriber *subscriber = topic->subscribers;
    for (; left > 0; left--) {
        struct subscriber *next = subscriber->next;
        subscriber->place = topic->end;
        subscriber_end(subscriber);
        subscriber = next;
    }
    topic->farewell = isle_now_ns() + FAREWELL_NS;
    topic_settle(topic);
}

isle_topic_counts isle_topic_read_counts(isle_topic handle)
{
    isle__inside_need(__func__);
    const struct topic *topic = topic_of(handle);
    if (topic == NULL)
        isle__throw(ISLE_EINVAL, "%s: no topic of this isolate", __func__);
    return topic->counts;
}

void isle_topic_publish(isle_topic topic, isle_value message)
{
    isle__inside_need(__func__);
    if (isle_send_port_is_none(topic.publish))
        isle__throw(ISLE_EINVAL, "%s: no right to publish", __func__);
    isle_send(topic.publish, isle_freeze(message)); /* behind the requests that are there */
}

isle_value isle_topic_value(isle_topic topic)
{
    isle_value list = isle_list_fixed(2);
    isle_list_set(list, 0, isle_port(topic.publish));
    isle_list_set(list, 1, isle_port(topic.subscribe));
    return list;
}

isle_topic isle_as_topic(isle_value value)
{
    isle__inside_need(__func__);
    if (isle_kind_of(value) != ISLE_LIST)
        isle__throw(ISLE_ETYPE, "%s: expected a list of two ports, got %s", __func__,
                    isle_kind_name(isle_kind_of(value)));
    if (isle_count(value) != 2)
        isle__throw(ISLE_EINVAL, "%s: expected a list of two ports", __func__);
    return (isle_topic){isle_as_port(isle_list_get(value, 0)),
                        isle_as_port(isle_list_get(value, 1))};
}
