/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: children that are born ahead, stand in their sandbox and wait for their first record.
 *
 * A limit is set before the last filter, so one that is born ahead has the policy that it will
 * have. The pool holds children of one kind: that of the birth which the program asked for first,
 * until another kind was asked for twice running. So a program whose isolates are alike finds them
 * warm, and one that asks for many kinds pays for none.
 *
 * Each is a birth of its own, with memory of the pool's, until somebody takes what it is made of.
 */
#include "backend/process/host.h"

#include <string.h>

#include "core/isolate.h"
#include "isle/program.h"

enum { WARM_DEFAULT = 4, WARM_MAX = 64 };

/* What must be equal for a child to be another's. */
struct warm_kind {
    struct isle__policy policy;
    size_t ring_out, ring_in, record_max;
};

/* Under the host's lock. */
static struct {
    struct isle__birth *first; /* born, the oldest first: it has had most time to lock itself in */
    uint32_t count;            /* born */
    uint32_t coming;           /* asked for */
    bool is_wanted;            /* `kind` says what */
    bool is_raised;            /* isle__warm_fill is on its way */
    bool was_missed;           /* lately, of the kind `missed` */
    struct warm_kind kind, missed;
} warm;

static void warm_lock(void)
{
    pthread_mutex_lock(&isle__host.lock);
}

static void warm_unlock(void)
{
    pthread_mutex_unlock(&isle__host.lock);
}

static struct warm_kind warm_kind_of(const struct isle__birth *birth)
{
    struct warm_kind kind;
    memset(&kind, 0, sizeof kind); /* the padding as well */
    memcpy(&kind.policy, &birth->policy, sizeof kind.policy);
    kind.ring_out = birth->ring_out;
    kind.ring_in = birth->ring_in;
    kind.record_max = birth->record_max;
    return kind;
}

static bool warm_is_alike(const struct warm_kind *one, const struct warm_kind *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

static uint32_t warm_wanted(void)
{
    unsigned asked = isle__program.warm_process_count;
    if (!warm.is_wanted || asked == ISLE_NO_WARM_PROCESSES)
        return 0;
    return asked == 0 ? WARM_DEFAULT : asked < WARM_MAX ? asked : WARM_MAX;
}

/* --- their life, on the reactor's thread */

static void warm_free(struct isle__birth *birth)
{
    isle__memory_free(birth, sizeof *birth);
}

static void warm_leave(struct isle__birth *birth)
{
    for (struct isle__birth **at = &warm.first; *at != NULL; at = &(*at)->next)
        if (*at == birth) {
            *at = birth->next;
            birth->next = NULL;
            warm.count--;
            return;
        }
}

/* One that is born for a kind that is wanted no more ends at once: its death frees it. */
static void warm_told(struct isle__birth *birth, void *unused)
{
    (void)unused;
    struct warm_kind kind = warm_kind_of(birth);
    warm_lock();
    warm.coming--;
    bool born = birth->pidfd >= 0;
    bool keep = born && isle__host.runs && warm.is_wanted && warm_is_alike(&kind, &warm.kind);
    if (keep) {
        struct isle__birth **at = &warm.first;
        while (*at != NULL)
            at = &(*at)->next;
        *at = birth;
        birth->next = NULL;
        warm.count++;
    }
    warm_unlock();
    if (!born)
        warm_free(birth);
    else if (!keep)
        isle__birth_kill(birth);
}

static void warm_died(struct isle__birth *birth, const struct isle__death *death, void *unused)
{
    (void)death, (void)unused;
    warm_lock();
    warm_leave(birth);
    warm_unlock();
    warm_free(birth);
}

/* Nobody is told of a refusal: who asks next asks the zygote. */
static bool warm_order(const struct warm_kind *kind)
{
    struct isle__birth *birth = isle__memory_alloc(sizeof *birth);
    if (birth == NULL)
        return false;
    memset(birth, 0, sizeof *birth);
    memcpy(&birth->policy, &kind->policy, sizeof birth->policy);
    birth->ring_out = kind->ring_out;
    birth->ring_in = kind->ring_in;
    birth->record_max = kind->record_max;
    birth->told = warm_told;
    birth->died = warm_died;
    birth->courier = birth->log = birth->pidfd = birth->group = -1;
    isle_err err = isle__birth_prepare(birth, NULL, NULL, 0);
    if (err == ISLE_OK) {
        isle__channel_ready(birth->channel);
        err = isle__birth_enter(birth);
    }
    if (err != ISLE_OK)
        warm_free(birth);
    return err == ISLE_OK;
}

void isle__warm_fill(void *unused, unsigned events)
{
    (void)unused, (void)events;
    for (bool more = true; more;) {
        warm_lock();
        warm.is_raised = false;
        struct warm_kind kind = warm.kind;
        more = isle__host.runs && warm.count + warm.coming < warm_wanted();
        if (more)
            warm.coming++;
        warm_unlock();
        if (more && !warm_order(&kind)) {
            warm_lock();
            warm.coming--;
            warm_unlock();
            more = false;
        }
    }
}

/* --- taking, any thread */

/* Births come faster than the pool is filled. */
static bool warm_is_low(void)
{
    return warm.count < warm_wanted() / 2;
}

bool isle__warm_is_full(void)
{
    return warm.count >= warm_wanted();
}

void isle__warm_look_locked(void)
{
    if (warm.is_raised || !isle__host.runs || warm.count + warm.coming >= warm_wanted())
        return;
    warm.is_raised = true;
    isle__notifier_raise(isle__host.wake);
}

bool isle__warm_take(struct isle__birth *birth)
{
    struct warm_kind kind = warm_kind_of(birth);
    warm_lock();
    struct isle__birth *child = warm.first;
    /* One that has left the account is here until its death is told (birth_over, warm_died). */
    bool lives = child != NULL && child->state == ISLE__BIRTH_BORN && child->gone_at == 0;
    if (!lives || !warm_is_alike(&kind, &warm.kind)) {
        warm_unlock();
        return false;
    }
    warm_leave(child);
    birth->is_prompt = isle__host.young_count == 0 && !warm_is_low();
    birth->channel = child->channel;
    birth->courier = child->courier;
    birth->pidfd = child->pidfd;
    birth->group = child->group;
    birth->serial = child->serial;
    birth->state = child->state;
    birth->gone_at = child->gone_at;
    birth->watch = child->watch;
    birth->telling = birth->is_young = true;
    isle__host.young_count++;
    isle__host.births[isle__serial_slot(birth->serial)] = birth;
    if (warm_is_low()) /* else that waits until this one has settled */
        isle__warm_look_locked();
    warm_unlock();
    warm_free(child);
    return true;
}

/* Under the lock. */
static void warm_change(const struct warm_kind *kind)
{
    memcpy(&warm.kind, kind, sizeof warm.kind);
    warm.is_wanted = true;
    for (struct isle__birth *at = warm.first; at != NULL; at = at->next)
        isle__birth_kill_locked(at);
    while (warm.first != NULL)
        warm_leave(warm.first);
}

void isle__warm_missed(const struct isle__birth *birth)
{
    struct warm_kind kind = warm_kind_of(birth);
    warm_lock();
    if (!warm.is_wanted || (!warm_is_alike(&kind, &warm.kind) && warm.was_missed &&
                            warm_is_alike(&kind, &warm.missed)))
        warm_change(&kind);
    memcpy(&warm.missed, &kind, sizeof warm.missed);
    warm.was_missed = true;
    isle__warm_look_locked();
    warm_unlock();
}

void isle__warm_forget(void)
{
    warm.is_wanted = warm.was_missed = warm.is_raised = false;
    while (warm.first != NULL)
        warm_leave(warm.first);
}

uint32_t isle__warm_count(void)
{
    warm_lock();
    uint32_t count = warm.count;
    warm_unlock();
    return count;
}
