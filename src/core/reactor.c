/* SPDX-License-Identifier: Apache-2.0 */
/* The reactor: one thread for all isolates that waits for deadlines, descriptors and signals, and
 * turns each into attention or mail. Without threads the root's loop calls it when it has nothing
 * else to do; a program alone on one thread calls it in the same way (alone.c).
 *
 * Deadlines: a heap of isolates by the earliest deadline that each told (timer.c). When one passes,
 * its isolate is woken and looks itself. Descriptors: a table by descriptor; a key is descriptor
 * and generation, so that an event of a watch that is gone is dropped. One lock for all; it is held
 * for a few instructions, never while something is posted. What the runtime itself attends to is a
 * watch with a function, which runs under a lock of its own: who dismisses it waits for that. */
#include "core/reactor.h"

#include <string.h>

#include "core/control.h"
#include "core/index.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/program.h"
#include "core/simulate.h"

enum { SIGNAL_MAX = 64, SIGNAL_PORTS_FIRST = 4, EVENTS_AT_ONCE = 64 };

/* What another thread wants done on the reactor's. On that thread's stack. */
struct errand {
    struct errand *next;
    void (*fn)(void *context);
    void *context;
    struct isle__parker parker;
    bool done; /* under the lock, as is the list */
};

struct watch {
    struct isle__watch_request request;
    uint32_t generation;
    bool open;
};

/* In the order in which they were opened; 0 where one was closed. */
struct signal_ports {
    uint64_t *ports;
    size_t count, capacity; /* with those that were closed */
    size_t open;
    struct isle__index places; /* + 1, of more than ISLE__INDEX_FEW; or it has no memory */
    bool firing;               /* places stay what they are */
};

static struct {
    struct isle__mutex lock;
    struct isle__poller *poller;
    struct isle__thread thread;
    bool threaded;
    _Atomic uint64_t thread_id; /* 0: there is none, or it has not begun */
    struct errand *errands;     /* the oldest first */
    _Atomic bool stopping;
    struct isle__mutex attending;    /* held while a function runs; before `lock` */
    _Atomic uint64_t attendant;      /* the thread that runs it; 0: none does */
    struct isle__clock_entry **heap; /* by deadline */
    size_t count, capacity;
    struct watch *watches; /* by descriptor */
    size_t watch_capacity;
    struct signal_ports signals[SIGNAL_MAX];
    int pipe[2]; /* of signals; -1: not open */
} reactor;

/* --- the clock's heap, under the lock */

static size_t clock_position(const struct isle__clock_entry *entry)
{
    return atomic_load_explicit(&entry->position, memory_order_relaxed);
}

static void clock_put(size_t position, struct isle__clock_entry *entry)
{
    reactor.heap[position - 1] = entry;
    atomic_store_explicit(&entry->position, position, memory_order_relaxed);
}

static void clock_rise(size_t position, struct isle__clock_entry *entry)
{
    while (position > 1 && entry->deadline < reactor.heap[position / 2 - 1]->deadline) {
        clock_put(position, reactor.heap[position / 2 - 1]);
        position /= 2;
    }
    clock_put(position, entry);
}

static void clock_sink(size_t position, struct isle__clock_entry *entry)
{
    size_t child;
    while ((child = position * 2) <= reactor.count) {
        if (child < reactor.count &&
            reactor.heap[child]->deadline < reactor.heap[child - 1]->deadline)
            child++;
        if (reactor.heap[child - 1]->deadline >= entry->deadline)
            break;
        clock_put(position, reactor.heap[child - 1]);
        position = child;
    }
    clock_put(position, entry);
}

static void clock_remove(struct isle__clock_entry *entry)
{
    size_t position = clock_position(entry);
    if (position == 0)
        return;
    atomic_store_explicit(&entry->position, 0, memory_order_relaxed);
    struct isle__clock_entry *last = reactor.heap[--reactor.count];
    if (last == entry)
        return;
    if (position > 1 && last->deadline < reactor.heap[position / 2 - 1]->deadline)
        clock_rise(position, last);
    else
        clock_sink(position, last);
}

static bool clock_grow(void)
{
    if (reactor.count < reactor.capacity)
        return true;
    size_t old = reactor.capacity, new = old == 0 ? 64 : old * 2;
    void *heap =
        isle__memory_resize(reactor.heap, old * sizeof *reactor.heap, new * sizeof *reactor.heap);
    if (heap == NULL)
        return false;
    reactor.heap = heap;
    reactor.capacity = new;
    return true;
}

/* Only the isolate itself puts it there and changes its deadline, so it may look without the lock:
 * if the clock takes it off meanwhile, it wakes it as well. */
void isle__clock_set(struct isle__isolate *isolate, int64_t deadline)
{
    struct isle__clock_entry *entry = &isle__isolate_has_cold(isolate)->clock;
    if (clock_position(entry) != 0 && entry->deadline <= deadline)
        return;
    isle__mutex_lock(&reactor.lock);
    bool earlier = clock_position(entry) == 0 || deadline < entry->deadline;
    bool first = false;
    if (earlier && (clock_position(entry) != 0 || clock_grow())) {
        size_t position = clock_position(entry);
        if (position == 0)
            position = ++reactor.count;
        entry->isolate = isolate;
        entry->deadline = deadline;
        clock_rise(position, entry);
        first = clock_position(entry) == 1;
    } else if (earlier) {
        /* No memory for an entry: the isolate stays awake and looks at the time itself. */
        atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_TIMER, memory_order_seq_cst);
    }
    isle__mutex_unlock(&reactor.lock);
    if (first && reactor.threaded)
        isle__poller_wake(reactor.poller);
}

/* Under the lock if it was ever set: the entry's memory goes next, and the clock may just be
 * looking at it. */
void isle__clock_unset(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || cold->clock.isolate == NULL)
        return;
    isle__mutex_lock(&reactor.lock);
    clock_remove(&cold->clock);
    isle__mutex_unlock(&reactor.lock);
}

/* Wakes all whose time has come; the time until the next. */
static int64_t clock_fire(void)
{
    for (;;) {
        int64_t now = isle__now();
        struct isle__isolate *due = NULL;
        int64_t wait = ISLE_FOREVER;
        isle__mutex_lock(&reactor.lock);
        if (reactor.count > 0) {
            wait = reactor.heap[0]->deadline - now;
            if (wait <= 0) {
                due = reactor.heap[0]->isolate;
                clock_remove(reactor.heap[0]);
                /* Under the lock: an isolate that ends takes itself off first, so it is alive here.
                 */
                atomic_fetch_or_explicit(&due->attention, ISLE__ATTEND_TIMER, memory_order_seq_cst);
            }
        }
        isle__mutex_unlock(&reactor.lock);
        if (due == NULL)
            return wait;
        isle__isolate_wake(due);
    }
}

/* --- descriptors */

static uint64_t watch_key(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

static struct watch *watch_find(uint64_t key)
{
    size_t fd = (uint32_t)key;
    if (fd >= reactor.watch_capacity || !reactor.watches[fd].open ||
        reactor.watches[fd].generation != (uint32_t)(key >> 32))
        return NULL;
    return &reactor.watches[fd];
}

static bool watches_grow(size_t fd)
{
    size_t old = reactor.watch_capacity, new = old == 0 ? 64 : old;
    while (new <= fd)
        new *= 2;
    if (new == old)
        return true;
    void *memory = isle__memory_resize(reactor.watches, old * sizeof *reactor.watches,
                                       new * sizeof *reactor.watches);
    if (memory == NULL)
        return false;
    reactor.watches = memory;
    memset(reactor.watches + old, 0, (new - old) * sizeof *reactor.watches);
    reactor.watch_capacity = new;
    return true;
}

static enum isle__poll_mode watch_mode(const struct isle__watch_request *request)
{
    if (request->level)
        return ISLE__POLL_LEVEL;
    return request->once ? ISLE__POLL_ONCE : ISLE__POLL_EDGE;
}

isle_err isle__reactor_watch(const struct isle__watch_request *request, uint64_t *ret_key)
{
    size_t fd = (size_t)request->fd;
    if (!isle__platform_has(ISLE__HAS_POLLER))
        return ISLE_EUNSUPPORTED;
    isle__mutex_lock(&reactor.lock);
    if (!watches_grow(fd)) {
        isle__mutex_unlock(&reactor.lock);
        return ISLE_ENOMEM;
    }
    if (reactor.watches[fd].open) {
        isle__mutex_unlock(&reactor.lock);
        return ISLE_EUSED;
    }
    struct watch *watch = &reactor.watches[fd];
    watch->request = *request;
    watch->generation++;
    watch->open = true;
    *ret_key = watch_key(request->fd, watch->generation);
    isle_err err = isle__poller_add(reactor.poller, request->fd, request->events,
                                    watch_mode(request), *ret_key);
    if (err != ISLE_OK)
        watch->open = false;
    isle__mutex_unlock(&reactor.lock);
    return err;
}

void isle__reactor_unwatch(uint64_t key)
{
    isle__mutex_lock(&reactor.lock);
    struct watch *watch = watch_find(key);
    struct isle__mail *mail = NULL;
    if (watch != NULL) {
        isle__poller_remove(reactor.poller, watch->request.fd);
        watch->open = false;
        mail = watch->request.mail;
    }
    isle__mutex_unlock(&reactor.lock);
    isle__mail_drop(mail);
}

struct watch_event {
    int fd;
    unsigned events;
};

static isle_value watch_build(void *context)
{
    struct watch_event *event = context;
    isle_value pair = isle_list_fixed(2);
    isle_list_set(pair, 0, isle_int(event->fd));
    isle_list_set(pair, 1, isle_int((int64_t)event->events));
    return pair;
}

static void watch_post(const struct isle__watch_request *request, unsigned events, uint64_t key)
{
    struct watch_event event = {request->fd, events};
    struct isle__parcel parcel;
    if (isle__parcel_build(watch_build, &event, sizeof(struct isle__mail), &parcel) != ISLE_OK) {
        /* No memory now: registered anew, an edge-triggered descriptor reports once more. */
        isle__mutex_lock(&reactor.lock);
        if (watch_find(key) != NULL) {
            isle__poller_remove(reactor.poller, request->fd);
            (void)!isle__poller_add(reactor.poller, request->fd, request->events, ISLE__POLL_EDGE,
                                    key);
        }
        isle__mutex_unlock(&reactor.lock);
        return;
    }
    isle__mail_post_reserved(isle__mail_of(&parcel, ISLE__MAIL_DATA, request->target));
}

/* --- what the runtime attends to */

isle_err isle__reactor_attend(int fd, unsigned events, void (*call)(void *context, unsigned events),
                              void *context, uint64_t *ret_key)
{
    struct isle__watch_request request = {
        .fd = fd, .events = events, .call = call, .context = context, .level = true};
    return isle__reactor_watch(&request, ret_key);
}

void isle__reactor_dismiss(uint64_t key)
{
    isle__reactor_unwatch(key);
    /* Whoever runs has looked under `attending` whether the watch is open. */
    if (atomic_load_explicit(&reactor.attendant, memory_order_relaxed) == isle__thread_id())
        return;
    isle__mutex_lock(&reactor.attending);
    isle__mutex_unlock(&reactor.attending);
}

static void attend_fire(const struct isle__watch_request *request, uint64_t key, unsigned events)
{
    isle__mutex_lock(&reactor.attending);
    isle__mutex_lock(&reactor.lock);
    bool is_open = watch_find(key) != NULL;
    isle__mutex_unlock(&reactor.lock);
    atomic_store_explicit(&reactor.attendant, isle__thread_id(), memory_order_relaxed);
    if (is_open)
        request->call(request->context, events);
    atomic_store_explicit(&reactor.attendant, 0, memory_order_relaxed);
    isle__mutex_unlock(&reactor.attending);
}

static void watch_fire(uint64_t key, unsigned events)
{
    isle__mutex_lock(&reactor.lock);
    struct watch *watch = watch_find(key);
    if (watch == NULL) {
        isle__mutex_unlock(&reactor.lock);
        return;
    }
    struct isle__watch_request request = watch->request;
    if (request.once) {
        isle__poller_remove(reactor.poller, request.fd);
        watch->open = false;
    }
    isle__mutex_unlock(&reactor.lock);
    if (request.call != NULL) {
        attend_fire(&request, key, events);
    } else if (request.once) {
        (void)isle__small_int((int64_t)events, &request.mail->root);
        isle__mail_post_reserved(request.mail);
    } else {
        watch_post(&request, events, key);
    }
}

/* --- signals */

enum { SIGNAL_KEY = 1 }; /* no watch has generation 0 */

/* Under the lock, as all of these. */
static void signal_ports_note(struct signal_ports *list)
{
    if (list->open <= ISLE__INDEX_FEW && list->places.capacity == 0)
        return;
    size_t place = list->places.capacity == 0 ? 0 : list->count - 1;
    for (; place < list->count; place++)
        if (list->ports[place] != 0 &&
            !isle__index_put(&list->places, list->ports[place], place + 1)) {
            isle__index_fini(&list->places);
            return;
        }
}

static size_t signal_ports_find(const struct signal_ports *list, uint64_t port)
{
    if (list->places.capacity > 0) {
        uintptr_t place = isle__index_find(&list->places, port);
        return place == 0 ? list->count : place - 1;
    }
    size_t place = 0;
    while (place < list->count && list->ports[place] != port)
        place++;
    return place;
}

/* Once most were closed, so that each is moved for one that was. */
static void signal_ports_close_up(struct signal_ports *list)
{
    if (list->firing || list->count - list->open <= list->open)
        return;
    size_t count = 0;
    isle__index_fini(&list->places);
    for (size_t i = 0; i < list->count; i++)
        if (list->ports[i] != 0)
            list->ports[count++] = list->ports[i];
    list->count = count;
    signal_ports_note(list);
}

isle_err isle__reactor_signal_add(int signal, uint64_t port)
{
    if (!isle__platform_has(ISLE__HAS_POLLER) || isle__alone_on)
        return ISLE_EUNSUPPORTED;
    if (signal <= 0 || signal >= SIGNAL_MAX)
        return ISLE_EINVAL;
    isle_err err = ISLE_OK;
    isle__mutex_lock(&reactor.lock);
    struct signal_ports *list = &reactor.signals[signal];
    if (list->count == list->capacity) {
        size_t new = list->capacity == 0 ? SIGNAL_PORTS_FIRST : list->capacity * 2;
        void *ports = isle__memory_resize(list->ports, list->capacity * sizeof(uint64_t),
                                          new * sizeof(uint64_t));
        if (ports == NULL)
            err = ISLE_ENOMEM;
        else
            list->ports = ports, list->capacity = new;
    }
    if (err == ISLE_OK && list->open == 0)
        err = isle__signal_watch(signal, reactor.pipe[1]);
    if (err == ISLE_OK) {
        list->ports[list->count++] = port;
        list->open++;
        signal_ports_note(list);
    }
    isle__mutex_unlock(&reactor.lock);
    return err;
}

void isle__reactor_signal_remove(int signal, uint64_t port)
{
    isle__mutex_lock(&reactor.lock);
    struct signal_ports *list = &reactor.signals[signal];
    size_t place = signal_ports_find(list, port);
    if (place < list->count) {
        list->ports[place] = 0;
        isle__index_remove(&list->places, port);
        if (--list->open == 0)
            isle__signal_unwatch(signal);
        signal_ports_close_up(list);
    }
    isle__mutex_unlock(&reactor.lock);
}

static void signal_post(unsigned char signal, uint64_t port)
{
    isle_value number = isle_null();
    (void)isle__small_int(signal, &number);
    isle__mail_post_reserved(isle__mail_make(number, ISLE__MAIL_DATA, port));
}

/* Who closes its port because of the signal has nobody else miss it: places stay meanwhile. */
static void signal_fire(unsigned char signal)
{
    if (signal >= SIGNAL_MAX)
        return;
    struct signal_ports *list = &reactor.signals[signal];
    isle__mutex_lock(&reactor.lock);
    list->firing = true;
    size_t count = list->count;
    for (size_t i = 0; i < count; i++) {
        uint64_t port = list->ports[i];
        isle__mutex_unlock(&reactor.lock);
        if (port != 0)
            signal_post(signal, port);
        isle__mutex_lock(&reactor.lock);
    }
    list->firing = false;
    signal_ports_close_up(list);
    isle__mutex_unlock(&reactor.lock);
}

static void signals_read(void)
{
    unsigned char bytes[64];
    size_t count;
    while ((count = isle__pipe_read(reactor.pipe[0], bytes, sizeof bytes)) > 0)
        for (size_t i = 0; i < count; i++)
            signal_fire(bytes[i]);
}

/* --- the loop */

unsigned isle__reactor_poll(int64_t timeout)
{
    struct isle__poll_event events[EVENTS_AT_ONCE];
    unsigned count = isle__poller_wait(reactor.poller, timeout, events, EVENTS_AT_ONCE);
    for (unsigned i = 0; i < count; i++) {
        if (events[i].key == SIGNAL_KEY)
            signals_read();
        else
            watch_fire(events[i].key, events[i].events);
    }
    return count;
}

int64_t isle__reactor_fire(void)
{
    return clock_fire();
}

bool isle__reactor_is_watched(void)
{
    for (int i = 0; i < SIGNAL_MAX; i++)
        if (reactor.signals[i].open > 0)
            return true;
    for (size_t i = 0; i < reactor.watch_capacity; i++)
        if (reactor.watches[i].open)
            return true;
    return false;
}

static void errands_run(void)
{
    isle__mutex_lock(&reactor.lock);
    for (struct errand *errand; (errand = reactor.errands) != NULL;) {
        reactor.errands = errand->next;
        isle__mutex_unlock(&reactor.lock);
        errand->fn(errand->context);
        isle__mutex_lock(&reactor.lock);
        errand->done = true;
        isle__parker_unpark(&errand->parker); /* under the lock: it lives on its owner's stack */
    }
    isle__mutex_unlock(&reactor.lock);
}

static bool errand_is_done(const struct errand *errand)
{
    isle__mutex_lock(&reactor.lock);
    bool done = errand->done;
    isle__mutex_unlock(&reactor.lock);
    return done;
}

bool isle__reactor_run(void (*fn)(void *context), void *context)
{
    struct errand errand = {.fn = fn, .context = context};
    if (!reactor.threaded)
        return false;
    if (atomic_load_explicit(&reactor.thread_id, memory_order_relaxed) == isle__thread_id()) {
        fn(context);
        return true;
    }
    isle__mutex_lock(&reactor.lock);
    struct errand **at = &reactor.errands;
    while (*at != NULL)
        at = &(*at)->next;
    *at = &errand;
    isle__mutex_unlock(&reactor.lock);
    isle__poller_wake(reactor.poller);
    while (!errand_is_done(&errand))
        isle__parker_park(&errand.parker, ISLE_FOREVER);
    return true;
}

static void reactor_main(void *unused)
{
    (void)unused;
    atomic_store_explicit(&reactor.thread_id, isle__thread_id(), memory_order_relaxed);
    isle__thread_be_punctual();
    while (!atomic_load_explicit(&reactor.stopping, memory_order_acquire)) {
        (void)isle__reactor_poll(clock_fire());
        errands_run();
    }
}

/* Nothing is fired by a look that may say that there is nothing: what became due since its isolate
 * went idle is something. */
bool isle__reactor_wait_inline(void)
{
    struct isle__parker parker = {0};
    isle__mutex_lock(&reactor.lock);
    int64_t wait = reactor.count > 0 ? reactor.heap[0]->deadline - isle__now() : ISLE_FOREVER;
    isle__mutex_unlock(&reactor.lock);
    if (wait == ISLE_FOREVER)
        return false;
    if (wait > 0)
        isle__parker_park(&parker, wait);
    (void)clock_fire();
    return true;
}

static isle_err reactor_open(void)
{
    isle_err err = isle__poller_open(&reactor.poller);
    if (err != ISLE_OK)
        return err;
    err = isle__pipe_open(reactor.pipe);
    if (err == ISLE_OK)
        err = isle__poller_add(reactor.poller, reactor.pipe[0], ISLE_READABLE, ISLE__POLL_EDGE,
                               SIGNAL_KEY);
    if (err != ISLE_OK || isle__simulating())
        return err;
    err = isle__thread_start(&reactor.thread, "isle-reactor", reactor_main, NULL);
    reactor.threaded = err == ISLE_OK;
    return err;
}

isle_err isle__reactor_start(void)
{
    memset(&reactor, 0, sizeof reactor);
    isle__mutex_init(&reactor.lock);
    isle__mutex_init(&reactor.attending);
    reactor.pipe[0] = reactor.pipe[1] = -1;
    if (!isle__platform_has(ISLE__HAS_POLLER) || !isle__platform_has(ISLE__HAS_THREADS))
        return ISLE_OK;
    isle_err err = isle__alone_on ? isle__poller_open_plain(&reactor.poller) : reactor_open();
    if (err != ISLE_OK)
        isle__reactor_stop();
    return err;
}

isle_err isle__reactor_forked(void)
{
    return isle__poller_forked(reactor.poller);
}

void isle__reactor_stop(void)
{
    if (reactor.threaded) {
        atomic_store_explicit(&reactor.stopping, true, memory_order_release);
        isle__poller_wake(reactor.poller);
        isle__thread_join(&reactor.thread);
        reactor.threaded = false;
    }
    for (int i = 0; i < SIGNAL_MAX; i++) {
        if (reactor.signals[i].open > 0)
            isle__signal_unwatch(i);
        isle__index_fini(&reactor.signals[i].places);
        isle__memory_free(reactor.signals[i].ports, reactor.signals[i].capacity * sizeof(uint64_t));
    }
    if (reactor.poller != NULL)
        isle__poller_close(reactor.poller);
    for (int i = 0; i < 2; i++)
        if (reactor.pipe[i] >= 0)
            isle__fd_close(reactor.pipe[i]);
    isle__memory_free(reactor.heap, reactor.capacity * sizeof *reactor.heap);
    isle__memory_free(reactor.watches, reactor.watch_capacity * sizeof *reactor.watches);
    isle__mutex_destroy(&reactor.attending);
    isle__mutex_destroy(&reactor.lock);
    memset(&reactor, 0, sizeof reactor);
}

void isle__reactor_wake(void)
{
    isle__poller_wake(reactor.poller);
}
