/* SPDX-License-Identifier: Apache-2.0 */
/* The wall from outside: the life of a proxy, its turn, its end.
 *
 * Wakes. Mail and control wake the proxy as they do any isolate. What comes from the other side
 * rings a bell that the reactor watches; what its backend has to say (it has died) sets a flag:
 * both set attention first and wake then, so that a turn that is about to rest sees the one or the
 * other.
 *
 * An end. Somebody ends the inside (a kill, a deadline, a violation, its own end); its backend
 * tells that it has died; a turn delivers what it had published before; then the proxy ends like
 * any isolate, calls without an answer are told, and listeners and monitors after them. */
#include "backend/wall/wall.h"

#include <string.h>

#include "core/control.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/simulate.h"
#include "core/uncaught.h"

enum { GRACE_NS = 100 * 1000 * 1000 }; /* on a busy machine an answer takes a while */
#define START_LOOK_NS ISLE_US(200)     /* who is prompt has answered by then, if he has a core */

/* --- life */

static bool wall_init_names(struct isle__wall *wall)
{
    isle_isolate self = isle__isolate_handle(wall->proxy);
    struct isle__imports *imports = &wall->imports;
    const struct {
        enum isle__name_kind kind;
        uint64_t id;
    } names[ISLE__SELF_COUNT] = {
        [ISLE__SELF_CONTROL] = {ISLE__NAME_CONTROL, self.control_port.id},
        [ISLE__SELF_DEFAULT] = {ISLE__NAME_PORT, self.default_port.id},
        [ISLE__SELF_PAUSE] = {ISLE__NAME_CAPABILITY, self.pause_capability.id},
        [ISLE__SELF_TERMINATE] = {ISLE__NAME_CAPABILITY, self.terminate_capability.id},
    };
    for (uint32_t i = 0; i < ISLE__SELF_COUNT; i++)
        if (isle__import_fixed(imports, names[i].kind, isle__name_of(i, 1), names[i].id) != ISLE_OK)
            return false;
    return true;
}

static void wall_free(struct isle__wall *wall)
{
    isle__imports_fini(&wall->imports);
    isle__exports_fini(&wall->exports);
    isle__buffer_fini(&wall->body);
    isle__buffer_fini(&wall->record);
    isle__index_fini(&wall->types);
    isle__wall_own_fini(wall);
    isle__wall_descriptors_close(wall);
    isle__wall_asides_clear(wall);
    isle__memory_free(wall->releases, wall->release_capacity * sizeof(uint64_t));
    isle__memory_free(wall->credits.amounts, wall->credits.capacity * sizeof(uint64_t));
    isle__gates_forget(wall->share); /* the names of those that wait are gone */
    isle__share_release(wall->share);
    isle__memory_free(wall, sizeof *wall);
}

/* Bytes of memory files that the inside may get: no limit counts them there. */
static size_t wall_files_most(const struct isle__isolate *proxy)
{
    size_t most = atomic_load_explicit(&proxy->heap.limit, memory_order_relaxed);
    return most < ISLE__WALL_FILES_MAX ? most : ISLE__WALL_FILES_MAX;
}

isle_err isle__wall_open(struct isle__isolate *proxy, const struct isle__wall_ops *ops,
                         void *context, bool paused)
{
    struct isle__cold *cold = isle__isolate_cold(proxy);
    struct isle__wall *wall = cold == NULL ? NULL : isle__memory_alloc(sizeof *wall);
    if (wall == NULL)
        return ISLE_ENOMEM;
    memset(wall, 0, sizeof *wall);
    wall->proxy = proxy;
    wall->ops = ops;
    wall->context = context;
    wall->paused = paused;
    wall->courier = -1;
    wall->exports.max = ISLE__WALL_EXPORTS;
    if (ops != NULL && ops->send_fds != NULL)
        wall->files_left = wall_files_most(proxy);
    isle__imports_init(&wall->imports, proxy, ISLE__WALL_IMPORTS);
    isle__buffer_init(&wall->body, NULL);
    isle__buffer_init(&wall->record, NULL);
    isle__wall_wire_init(wall);
    if (ops != NULL && !wall_init_names(wall)) {
        wall_free(wall);
        return ISLE_ENOMEM;
    }
    cold->wall = wall;
    return ISLE_OK;
}

/* --- waking */

/* The body is there as long as the program: who comes late wakes another life of it, in vain. */
static void proxy_look(struct isle__isolate *proxy)
{
    atomic_fetch_or_explicit(&proxy->attention, ISLE__ATTEND_TIMER, memory_order_seq_cst);
    isle__isolate_wake(proxy);
}

static void wall_rung(void *context, unsigned events)
{
    struct isle__wall *wall = context;
    (void)events;
    isle__channel_bell_clear(wall->channel);
    proxy_look(wall->proxy);
}

void isle__wall_stands(struct isle__wall *wall, struct isle__channel *channel, bool is_prompt)
{
    struct isle__isolate *proxy = wall->proxy;
    wall->start_until = is_prompt ? isle__clock_now() + START_LOOK_NS : 0;
    atomic_store_explicit(&wall->given, channel, memory_order_release);
    proxy_look(proxy);
}

void isle__wall_refused(struct isle__wall *wall, const char *text)
{
    struct isle__isolate *proxy = wall->proxy;
    (void)snprintf(wall->death.text, sizeof wall->death.text, "%s", text);
    atomic_store_explicit(&wall->refused, true, memory_order_release);
    proxy_look(proxy);
}

void isle__wall_died(struct isle__wall *wall, const struct isle__wall_end *end)
{
    struct isle__isolate *proxy = wall->proxy;
    wall->death = *end;
    /* Release: the turn that sees it reads the end, and the wall may be gone after that. */
    atomic_store_explicit(&wall->dead, true, memory_order_release);
    proxy_look(proxy);
}

void isle__wall_violate(struct isle__wall *wall, const char *what)
{
    if (wall->violation == NULL)
        wall->violation = what != NULL ? what : "a broken channel";
}

void isle__wall_lack(struct isle__wall *wall)
{
    wall->lacks_memory = wall->violation == NULL;
    isle__wall_violate(wall, "Out of Memory");
}

/* --- control */

/* Of the isolate itself: a request without the capability that it needs is ignored, as by any. */
static bool control_is_permitted(const struct isle__wall *wall, const struct isle__control *control)
{
    if ((control->target & ~ISLE__ID_CONTROL) != wall->proxy->id)
        return true;
    switch (control->kind) {
    case ISLE__CONTROL_PAUSE:
    case ISLE__CONTROL_RESUME:
        return control->capability == isle__isolate_capability(wall->proxy->id, 1).id;
    case ISLE__CONTROL_KILL:
    case ISLE__CONTROL_ERRORS_FATAL:
    case ISLE__CONTROL_SHUTDOWN:
        return control->capability == isle__isolate_capability(wall->proxy->id, 2).id;
    case ISLE__CONTROL_PING:
    case ISLE__CONTROL_ADD_EXIT:
    case ISLE__CONTROL_REMOVE_EXIT:
    case ISLE__CONTROL_ADD_ERROR:
    case ISLE__CONTROL_REMOVE_ERROR:
    case ISLE__CONTROL_STARTED:
    case ISLE__CONTROL_MONITOR:
    case ISLE__CONTROL_UNMONITOR:
    case ISLE__CONTROL_LINK:
    case ISLE__CONTROL_UNLINK:
    case ISLE__CONTROL_LINKED:
        break;
    }
    return true;
}

/* Links are between bodies that are here. */
static bool control_crosses(const struct isle__control *control)
{
    return control->kind <= ISLE__CONTROL_SHUTDOWN;
}

struct refusal {
    isle_err err;
    const char *text;
};

static isle_value refusal_build(void *context)
{
    const struct refusal *refusal = context;
    return isle_error(refusal->err, refusal->text, NULL);
}

/* The same mail as an error with that text; NULL, or without memory: with the error's own. */
static struct isle__mail *mail_refused(struct isle__mail *mail, isle_err err, const char *text)
{
    struct refusal refusal = {err, text};
    struct isle__parcel parcel;
    if (text != NULL && isle__parcel_build(refusal_build, &refusal, sizeof(struct isle__mail),
                                           &parcel) == ISLE_OK) {
        uint64_t target = mail->target;
        isle__mail_drop(mail);
        return isle__mail_of(&parcel, ISLE__MAIL_REPLY_ERROR, target);
    }
    mail->kind = ISLE__MAIL_REPLY_ERROR;
    mail->code = err;
    isle__mail_set_root(mail, isle_null());
    return mail;
}

static void control_answered(struct isle__control *control, isle_err err, const char *text)
{
    isle__mail_post_reserved(err == ISLE_OK ? control->mail
                                            : mail_refused(control->mail, err, text));
    control->mail = NULL;
    isle__control_free(control);
}

bool isle__wall_control(struct isle__isolate *isolate, struct isle__control *control)
{
    struct isle__wall *wall = isle__wall_of(isolate);
    bool is_own = (control->target & ~ISLE__ID_CONTROL) == isolate->id;
    control->next = NULL;
    if (!control_crosses(control))
        return false;
    if (!control_is_permitted(wall, control)) {
        isle__control_free(control);
    } else if (is_own && control->kind == ISLE__CONTROL_STARTED && wall->stands) {
        control_answered(control, ISLE_OK, NULL);
    } else if (is_own && control->kind == ISLE__CONTROL_STARTED) {
        control->next = wall->waiting;
        wall->waiting = control;
    } else {
        if (is_own && control->kind == ISLE__CONTROL_ERRORS_FATAL)
            isolate->errors_fatal = control->flag;
        /* It waits on, so it counts on: who does not read piles up nothing. */
        atomic_fetch_add_explicit(&isolate->control_count, 1, memory_order_relaxed);
        if (wall->controls_last != NULL)
            wall->controls_last->next = control;
        else
            wall->controls = control;
        wall->controls_last = control;
    }
    return true;
}

/* In the order in which they asked. */
void isle__wall_tell_waiting(struct isle__wall *wall, isle_err err, const char *text)
{
    struct isle__control *control = wall->waiting, *oldest = NULL;
    wall->waiting = NULL;
    while (control != NULL) {
        struct isle__control *next = control->next;
        control->next = oldest;
        oldest = control;
        control = next;
    }
    while (oldest != NULL) {
        struct isle__control *next = oldest->next;
        control_answered(oldest, err, text);
        oldest = next;
    }
}

/* --- the end */

static void export_tell(void *context, const struct isle__export *entry)
{
    const struct isle__wall *wall = context;
    bool is_run = wall->run_name != 0 && wall->proxy->run_mail != NULL &&
                  entry->id == wall->proxy->run_mail->target;
    if (entry->kind == ISLE__NAME_REPLY && !is_run)
        isle__reply_closed(entry->id);
}

static void credits_return(struct isle__wall *wall)
{
    struct isle__wall_credits *credits = &wall->credits;
    atomic_fetch_add_explicit(&isle__program.dropped_dead, credits->count, memory_order_relaxed);
    for (; credits->count > 0; credits->count--) {
        wall->proxy->heap.data_out += credits->amounts[credits->first];
        credits->first = (credits->first + 1) & (credits->capacity - 1);
    }
    isle__mail_show(wall->proxy);
}

static void controls_refuse(struct isle__wall *wall)
{
    while (wall->controls != NULL)
        isle__control_refuse(isle__wall_control_take(wall));
    isle__wall_tell_waiting(wall, ISLE_ECLOSED, NULL);
}

static void wall_lines_end(struct isle__wall *wall)
{
    char name[64];
    isle__isolate_name(wall->proxy, name, sizeof name);
    isle__lines_end(&wall->lines, name);
}

/* From isle__isolate_finish, before the listeners are told; or of one that never started. */
void isle__wall_ended(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__wall *wall = cold == NULL ? NULL : cold->wall;
    if (wall == NULL)
        return;
    cold->wall = NULL;
    isle__reactor_dismiss(wall->bell);
    isle__wall_children_end(wall);
    isle__wall_owned_end(&wall->owned);
    wall_lines_end(wall);
    if (wall->channel == NULL)
        wall->channel = atomic_load_explicit(&wall->given, memory_order_acquire);
    controls_refuse(wall);
    isle__exports_each(&wall->exports, export_tell, wall);
    credits_return(wall);
    isle__channel_close(wall->channel);
    if (wall->ops != NULL)
        wall->ops->close(wall->context);
    wall_free(wall);
}

/* "Unable to spawn isolate: …", as an end, unless somebody has ended it before. */
static void wall_fail(struct isle__wall *wall, const char *text)
{
    if (wall->proxy->ending)
        return;
    char line[ISLE__WALL_TEXT + 32];
    (void)snprintf(line, sizeof line, "Unable to spawn isolate: %s", text);
    if (wall->proxy->run_mail != NULL)
        wall->proxy->run_mail = mail_refused(wall->proxy->run_mail, ISLE_ESPAWN, line);
    isle__wall_tell_waiting(wall, ISLE_ESPAWN, line);
    isle__uncaught_told(wall->proxy, line, NULL, true);
    isle__isolate_end_as(wall->proxy, ISLE_UNSPAWNED, line);
    wall->proxy->ending = wall->proxy->failed = true;
}

static void wall_end_as(struct isle__wall *wall)
{
    struct isle__isolate *proxy = wall->proxy;
    isle__isolate_cost(proxy, wall->death.cpu_time_ns, wall->death.memory_peak);
    if (wall->violation != NULL)
        isle__isolate_end_as(proxy, wall->lacks_memory ? ISLE_MEMORY : ISLE_PROTOCOL,
                             wall->violation);
    else if (wall->has_end)
        isle__isolate_end_as(proxy, wall->stands ? (isle_reason)wall->end_reason : ISLE_UNSPAWNED,
                             wall->end_text);
    else if (!proxy->ending && wall->death.reason == ISLE_FAILED && wall->channel != NULL &&
             isle__channel_marked(wall->channel) == ISLE__WALL_MARK_MEMORY)
        isle__isolate_end_as(proxy, ISLE_MEMORY, "Out of Memory");
    else if (!proxy->ending && wall->death.reason == ISLE_RETURNED) /* its code has called exit */
        isle__isolate_end_as(proxy, ISLE_FAILED, "exit status 0 without an end");
    else if (!proxy->ending) /* else the core has said why */
        isle__isolate_end_as(proxy, wall->death.reason, wall->death.text);
    if (wall->death.reason != ISLE_RETURNED || wall->end_reason != ISLE_RETURNED)
        proxy->failed = true;
}

static void wall_finish(struct isle__wall *wall)
{
    struct isle__isolate *proxy = wall->proxy;
    if (wall->death.is_unborn)
        wall_fail(wall, wall->death.text);
    wall_end_as(wall);
    proxy->ending = true;
    isle__isolate_finish(proxy);
}

/* --- the turn */

/* There never was an inside. */
static void wall_end_unborn(struct isle__wall *wall, const char *text)
{
    wall_fail(wall, text);
    wall->proxy->ending = true;
    isle__isolate_finish(wall->proxy);
}

/* False: the proxy has ended. */
static bool wall_begin(struct isle__wall *wall)
{
    char text[ISLE__WALL_TEXT] = "";
    wall->opened = true;
    isle_err err = wall->ops->open(wall->context, wall, text, sizeof text);
    if (err == ISLE_OK)
        return true;
    wall_end_unborn(wall, text[0] != '\0' ? text : isle_err_text(err));
    return false;
}

/* Takes the channel once it is there. */
static void wall_attach(struct isle__wall *wall)
{
    if (wall->channel != NULL)
        return;
    /* Acquire: who gave it has made it. */
    wall->channel = atomic_load_explicit(&wall->given, memory_order_acquire);
    if (wall->channel == NULL)
        return;
    isle_err err = isle__reactor_attend(isle__channel_bell(wall->channel), ISLE_READABLE, wall_rung,
                                        wall, &wall->bell);
    if (err != ISLE_OK) /* nobody would hear it */
        wall_fail(wall, isle_err_text(err));
}

/* True: what comes is the inside's. */
static bool wall_greet(struct isle__wall *wall)
{
    char text[ISLE__WALL_TEXT] = "";
    if (wall->greeted || wall->ops->greet == NULL)
        return true;
    switch (wall->ops->greet(wall->context, wall->channel, text, sizeof text)) {
    case ISLE__CHANNEL_OK:
        wall->greeted = true;
        return true;
    case ISLE__CHANNEL_EMPTY:
        return false;
    case ISLE__CHANNEL_FULL:
        wall_fail(wall, text);
        return false;
    case ISLE__CHANNEL_BROKEN:
        break;
    }
    isle__wall_violate(wall, "a greeting that no isolate sends");
    return false;
}

static void wall_kill(struct isle__wall *wall)
{
    if (!wall->killed)
        wall->ops->kill(wall->context);
    wall->killed = true;
}

static void grace_over(struct isle__isolate *proxy, struct isle__timer_node *node)
{
    (void)proxy, (void)node; /* the turn looks at the time */
}

/* Control messages of one sender are done in their order: what was asked before a kill has a moment
 * to be answered. */
static bool wall_grants_grace(struct isle__wall *wall)
{
    struct isle__isolate *proxy = wall->proxy;
    if (!proxy->killed || wall->violation != NULL || wall->has_end ||
        (wall->asked == 0 && wall->controls == NULL))
        return false;
    if (wall->grace_until == 0) {
        wall->grace_until = isle__now() + GRACE_NS;
        wall->grace.fire = grace_over;
        if (isle__timer_add(proxy, &wall->grace, wall->grace_until) != ISLE_OK)
            return false;
    }
    return isle__now() < wall->grace_until;
}

enum exchanged { EXCHANGED_ALL, EXCHANGED_SOME /* there is more */, EXCHANGED_LOOKS };

static bool wall_looks(struct isle__wall *wall)
{
    if (wall->start_until != 0 && isle__clock_now() < wall->start_until)
        return true;
    wall->start_until = 0;
    return wall->stands && isle__channel_looks(wall->channel);
}

/* Nothing more goes in or out. For a moment it looks again instead of resting: the other side need
 * not ring then, nor anybody be woken. Others have their turn in between, here and, where there is
 * but one core, there. */
static enum exchanged wall_rest(struct isle__wall *wall)
{
    if (!wall_looks(wall))
        return isle__channel_rest(wall->channel) ? EXCHANGED_ALL : EXCHANGED_SOME;
    if (isle__sched_is_free())
        (void)(wall->start_until != 0 ? isle__channel_look_first(wall->channel)
                                      : isle__channel_look(wall->channel));
    return EXCHANGED_LOOKS;
}

static enum exchanged wall_exchange(struct isle__wall *wall)
{
    bool more = false;
    (void)isle__loop_take(wall->proxy); /* to rest it must have looked at all */
    wall_attach(wall);
    if (wall->channel == NULL) {
        if (wall->proxy->ending)
            wall_kill(wall);
        return EXCHANGED_ALL;
    }
    if (isle__channel_stirs(wall->channel)) {
        isle__sched_beat(); /* a task that looked again does something new */
        wall->met = wall->putting;
    }
    if (wall_greet(wall))
        more = isle__wall_in(wall, ISLE__WALL_TAKE);
    if (wall->met) /* what else comes may come for ever, and keeps nobody looking */
        isle__channel_met(wall->channel);
    wall->met = false;
    bool goes_on = !wall->proxy->ending || wall_grants_grace(wall);
    if (!wall->has_end && goes_on)
        more = isle__wall_out(wall, ISLE__WALL_PUT) || more;
    if (wall->violation != NULL || wall->has_end || !goes_on) {
        wall_kill(wall);
        return more && wall->violation == NULL ? EXCHANGED_SOME : EXCHANGED_ALL;
    }
    isle__channel_flush(wall->channel);
    return more ? EXCHANGED_SOME : wall_rest(wall);
}

/* What a birth leaves for later is done now, after its first messages. */
static void wall_settle(struct isle__wall *wall)
{
    if (wall->settled || (!wall->stands && !wall->killed))
        return;
    wall->settled = true;
    if (wall->ops->settled != NULL)
        wall->ops->settled(wall->context);
}

/* All that it had published is delivered: as many records as fit into its ring. Somebody who has
 * its memory after it died, and writes on, is not listened to. */
static void wall_drain(struct isle__wall *wall)
{
    wall_attach(wall);
    if (wall->channel == NULL || !wall_greet(wall))
        return;
    size_t most = isle__channel_in_size(wall->channel) / ISLE__RECORD_HEAD;
    for (size_t taken = 0; taken < most && isle__wall_in(wall, ISLE__WALL_TAKE);)
        taken += ISLE__WALL_TAKE;
}

/* An isolate that ends is not asked to do anything more. */
void isle__wall_turn(struct isle__task *task)
{
    struct isle__isolate *proxy = (struct isle__isolate *)task;
    struct isle__wall *wall = isle__wall_of(proxy);
    for (;;) {
        if (isle__attention_is_set(proxy) || proxy->deferred != NULL)
            isle__control_run(proxy, false);
        isle__deadline_check(proxy);
        if (!wall->opened && proxy->ending) {
            isle__isolate_finish(proxy);
            return;
        }
        if (!wall->opened && !wall_begin(wall))
            return;
        /* Acquire: what it had published before it died is there. */
        if (atomic_load_explicit(&wall->dead, memory_order_acquire)) {
            wall_drain(wall);
            wall_finish(wall);
            return;
        }
        if (atomic_load_explicit(&wall->refused, memory_order_acquire)) {
            wall_end_unborn(wall, wall->death.text);
            return;
        }
        switch (wall_exchange(wall)) {
        case EXCHANGED_SOME:
            isle__sched_yielded(&proxy->task);
            return;
        case EXCHANGED_LOOKS:
            isle__sched_look_again(&proxy->task);
            return;
        case EXCHANGED_ALL:
            wall_settle(wall);
            break;
        }
        if (isle__loop_rest(proxy))
            return;
    }
}
