/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads for calls that block: started when work waits and none is free, HELPERS_MAX at
 * most, gone after they have idled for a second. */
#include "core/blocking.h"

#include <string.h>

#include "core/isolate.h"
#include "core/mail.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/simulate.h"

enum { HELPERS_MAX = 64 };
#define LINGER_NS ISLE_SECONDS(1)
#define YIELD_MOST_NS ISLE_MS(1) /* of a yield: more is time that this thread had no core */

struct job {
    struct job *next;
    isle_blocking_work *work;
    void *context;
    void (*on_done)(void *context);
    struct isle__mail *mail; /* the reply, made before the work begins */
};

struct helper {
    struct helper *next_idle;
    struct isle__parker parker;
    struct job *job;
};

static struct {
    struct isle__mutex lock;
    _Atomic bool ready; /* the lock is initialised */
    struct job *first, *last;
    struct helper *idle;
    unsigned threads;
    bool stopping;
} helpers;

void isle__blocking_start(void)
{
    memset(&helpers, 0, sizeof helpers);
    isle__mutex_init(&helpers.lock);
}

uint64_t isle__blocking_thread_count(void)
{
    isle__mutex_lock(&helpers.lock);
    unsigned threads = helpers.threads;
    isle__mutex_unlock(&helpers.lock);
    return threads;
}

static isle_value job_build(void *context)
{
    return isle_int(*(int64_t *)context);
}

static void job_run(struct job *job)
{
    int64_t result = job->work(job->context);
    if (job->on_done != NULL)
        job->on_done(job->context);
    struct isle__mail *mail = job->mail;
    isle__memory_free(job, sizeof *job);
    if (isle__small_int(result, &mail->root)) {
        isle__mail_post_reserved(mail);
        return;
    }
    struct isle__parcel parcel; /* too large for an immediate value */
    if (isle__parcel_build(job_build, &result, sizeof(struct isle__mail), &parcel) == ISLE_OK) {
        isle__mail_post_reserved(isle__mail_of(&parcel, ISLE__MAIL_REPLY, mail->target));
        isle__mail_drop(mail);
    } else {
        mail->kind = ISLE__MAIL_REPLY_ERROR;
        mail->code = ISLE_ENOMEM;
        isle__mail_post_reserved(mail);
    }
}

/* Under the lock. */
static struct job *job_take(void)
{
    struct job *job = helpers.first;
    if (job != NULL) {
        helpers.first = job->next;
        if (helpers.first == NULL)
            helpers.last = NULL;
    }
    return job;
}

static void helper_leave_idle(struct helper *self)
{
    struct helper **at = &helpers.idle;
    while (*at != NULL && *at != self)
        at = &(*at)->next_idle;
    if (*at != NULL)
        *at = self->next_idle;
}

static void helper_main(void *unused)
{
    (void)unused;
    struct helper self = {0};
    isle__mutex_lock(&helpers.lock);
    for (;;) {
        struct job *job = job_take();
        if (job == NULL && !helpers.stopping) {
            self.next_idle = helpers.idle;
            helpers.idle = &self;
            int64_t until = isle__clock_now() + LINGER_NS;
            while (self.job == NULL && !helpers.stopping && isle__clock_now() < until) {
                isle__mutex_unlock(&helpers.lock);
                isle__parker_park(&self.parker, until - isle__clock_now());
                isle__mutex_lock(&helpers.lock);
            }
            helper_leave_idle(&self);
            job = self.job;
            self.job = NULL;
        }
        if (job == NULL)
            break;
        isle__mutex_unlock(&helpers.lock);
        job_run(job);
        isle__mutex_lock(&helpers.lock);
    }
    helpers.threads--;
    isle__mutex_unlock(&helpers.lock);
}

/* Where there is one thread and will be no other, the caller's own does the work, in the call: the
 * future is complete soon after. Outside of isolates, as on a helper. */
static void job_run_here(struct job *job)
{
    struct isle__heap *heap = isle__heap_current();
    isle__heap_set_current(NULL);
    job_run(job);
    isle__heap_set_current(heap);
}

/* Under the lock. False: no thread could be had, and there is none that will come to it. */
static bool job_give(struct job *job)
{
    struct helper *idle = helpers.idle;
    if (idle != NULL) {
        helpers.idle = idle->next_idle;
        idle->job = job;
        isle__parker_unpark(&idle->parker);
        return true;
    }
    if (helpers.threads < HELPERS_MAX) {
        struct isle__thread thread;
        if (isle__thread_start(&thread, "isle-blocking", helper_main, NULL) == ISLE_OK) {
            isle__thread_detach(&thread);
            helpers.threads++;
        } else if (helpers.threads == 0) {
            return false;
        }
    }
    job->next = NULL;
    if (helpers.last != NULL)
        helpers.last->next = job;
    else
        helpers.first = job;
    helpers.last = job;
    return true;
}

isle_future *isle_blocking(isle_blocking_work *work, void *context, void (*on_done)(void *context))
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (work == NULL)
        isle__throw(ISLE_EINVAL, "isle_blocking: the work is NULL");
    isle__simulate_refuse(__func__, "its work would run on another thread");
    if (!isle__platform_has(ISLE__HAS_THREADS))
        isle__throw(ISLE_EUNSUPPORTED, "isle_blocking: this system has no threads");
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    uint64_t id = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    struct job *job = isle__memory_alloc(sizeof *job);
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, id);
    bool given = false;
    if (job != NULL && mail != NULL) {
        *job = (struct job){.work = work, .context = context, .on_done = on_done, .mail = mail};
        if (isle__alone_on) {
            job_run_here(job);
            return isle__promise_future(promise);
        }
        isle__mutex_lock(&helpers.lock);
        given = job_give(job);
        isle__mutex_unlock(&helpers.lock);
    }
    if (!given) {
        bool memory = job != NULL && mail != NULL;
        isle__mail_drop(mail);
        isle__memory_free(job, sizeof *job);
        isle__promise_discard(promise);
        if (!memory)
            isle__throw(ISLE_ENOMEM, "Out of Memory");
        isle__throw(ISLE_ESYSTEM, "isle_blocking: the system refuses a thread");
    }
    return isle__promise_future(promise);
}

bool isle__blocking_stop(int64_t patience)
{
    int64_t looked = isle__clock_now(), now;
    isle__mutex_lock(&helpers.lock);
    helpers.stopping = true;
    while (helpers.threads > 0 && patience > 0) {
        for (struct helper *idle = helpers.idle; idle != NULL; idle = idle->next_idle)
            isle__parker_unpark(&idle->parker);
        isle__mutex_unlock(&helpers.lock);
        isle__thread_yield();
        now = isle__clock_now();
        patience -= now - looked < YIELD_MOST_NS ? now - looked : YIELD_MOST_NS;
        looked = now;
        isle__mutex_lock(&helpers.lock);
    }
    bool all = helpers.threads == 0;
    isle__mutex_unlock(&helpers.lock);
    if (all)
        isle__mutex_destroy(&helpers.lock);
    return all;
}
