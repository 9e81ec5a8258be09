/* SPDX-License-Identifier: Apache-2.0 */
/* Monitors: who is told how an isolate ended.
 *
 * The relation is a listener of the isolate (listener.c) whose mail was made with it, a whole end
 * message, so that telling needs no memory: the numbers are written into it. The only text that it
 * has room for is the name of who was given none, which is written with them. Where there is
 * more to say, a message with the texts is made in its place, if there is memory for them. What
 * nobody can tell any more keeps what it was made with: lost, and no name.
 *
 * A message is an object of the type isle_end, which any isolate may make: whoever has the port of
 * a monitor can say what he likes there, as on any port. */
#include "core/monitor.h"

#include <string.h>

#include "core/control.h"
#include "core/mail.h"
#include "core/report.h"
#include "value/cell.h"
#include "value/copy.h"
#include "value/failure.h"
#include "value/type.h"

/* --- the message */

static bool end_is_valid(const void *object)
{
    const isle_end *end = object;
    return (int)end->reason >= ISLE_RETURNED && (int)end->reason <= ISLE_UNSPAWNED &&
           end->text != NULL && end->debug_name != NULL;
}

ISLE_TYPE_WITH(isle__end_type, isle_end, (1, false, end_is_valid, NULL),
               ISLE_FIELD(isle_end, isolate.control_port), ISLE_FIELD(isle_end, reason),
               ISLE_FIELD(isle_end, text), ISLE_FIELD(isle_end, debug_name),
               ISLE_FIELD(isle_end, cpu_time_ns), ISLE_FIELD(isle_end, memory_peak));

static struct isle__type_entry end_entry;

void isle__monitors_start(void)
{
    isle__type_enter(&isle__end_type, &end_entry);
}

static isle_value end_build(void *context)
{
    return isle_object(&isle__end_type, context);
}

/* NULL: no memory, or a text that is none. */
static struct isle__mail *end_mail(uint64_t port, isle_end *end)
{
    struct isle__parcel parcel;
    if (isle__parcel_build(end_build, end, sizeof(struct isle__mail), &parcel) != ISLE_OK)
        return NULL;
    return isle__mail_of(&parcel, ISLE__MAIL_DATA, port);
}

static isle_end *end_in(const struct isle__mail *mail)
{
    return ((const struct isle__object_cell *)isle__cell_of(mail->root))->object;
}

/* What needs no memory. */
static void end_rewrite(struct isle__mail *mail, const isle_end *end)
{
    isle_end *written = end_in(mail);
    written->reason = end->reason;
    written->cpu_time_ns = end->cpu_time_ns;
    written->memory_peak = end->memory_peak;
}

/* Of who was given none, as it would be called; there is room for it. */
static void end_write_name(struct isle__mail *mail)
{
    const isle_end *end = end_in(mail);
    (void)isle__default_name(end->isolate.control_port.id & ~ISLE__ID_CONTROL,
                             (char *)(uintptr_t)end->debug_name);
}

struct isle__mail *isle__end_make(uint64_t control_port, uint64_t port)
{
    struct isle__parcel parcel;
    char *name;
    isle_end *end = isle__parcel_room(&isle__end_type, ISLE__DEFAULT_NAME_MAX + 1,
                                      sizeof(struct isle__mail), &parcel, &name);
    if (end == NULL)
        return NULL;
    memset(end, 0, sizeof *end);
    end->isolate.control_port.id = control_port;
    end->reason = ISLE_LOST;
    end->text = name + ISLE__DEFAULT_NAME_MAX;
    end->debug_name = name;
    name[0] = name[ISLE__DEFAULT_NAME_MAX] = '\0';
    return isle__mail_of(&parcel, ISLE__MAIL_DATA, port);
}

void isle__end_tell(struct isle__mail **mail, const isle_end *end)
{
    char name[ISLE__DEFAULT_NAME_MAX];
    isle_end said = *end;
    if (end->debug_name == NULL && end->text[0] == '\0') {
        end_write_name(*mail);
        end_rewrite(*mail, end);
        return;
    }
    if (end->debug_name == NULL) {
        (void)isle__default_name(end->isolate.control_port.id & ~ISLE__ID_CONTROL, name);
        said.debug_name = name;
    }
    struct isle__mail *whole = end_mail((*mail)->target, &said);
    if (whole == NULL) {
        end_rewrite(*mail, end);
        return;
    }
    isle__mail_drop(*mail);
    *mail = whole;
}

const isle_end *isle__end_of(const struct isle__mail *mail)
{
    return end_in(mail);
}

struct isle__listener *isle__monitor_make(uint64_t control_port, uint64_t port)
{
    struct isle__mail *mail = isle__end_make(control_port, port);
    struct isle__listener *listener = mail == NULL ? NULL : isle__listener_make(port, mail);
    if (listener == NULL)
        isle__mail_drop(mail);
    return listener;
}

isle_end isle_as_end(isle_value message)
{
    (void)isle__isolate_need(__func__);
    isle_kind kind = isle_kind_of(message);
    if (kind != ISLE_OBJECT)
        isle__throw(ISLE_ETYPE, "isle_as_end: expected the message of a monitor, got %s",
                    isle_kind_name(kind));
    const isle_type *type = isle_object_type(message);
    if (type != &isle__end_type)
        isle__throw(ISLE_ETYPE,
                    "isle_as_end: expected the message of a monitor, got an object of type %s",
                    type->name);
    return *(const isle_end *)isle_as_object(message, type);
}

const char *isle_reason_text(isle_reason reason)
{
    static const char *const texts[] = {
        [ISLE_RETURNED] = "returned",
        [ISLE_FAILED] = "failed",
        [ISLE_KILLED] = "killed",
        [ISLE_SIGNALED] = "crashed",
        [ISLE_VIOLATION] = "forbidden system call",
        [ISLE_MEMORY] = "out of memory",
        [ISLE_CPU] = "out of processor time",
        [ISLE_DEADLINE] = "deadline passed",
        [ISLE_PROTOCOL] = "protocol violated",
        [ISLE_LOST] = "lost",
        [ISLE_LINKED] = "linked",
        [ISLE_OVERFLOWED] = "overflowed",
        [ISLE_UNSPAWNED] = "not spawned",
    };
    size_t index = (size_t)(int)reason;
    bool is_known = index < sizeof texts / sizeof texts[0] && texts[index] != NULL;
    return is_known ? texts[index] : "unknown reason";
}

/* --- how it ends */

void isle__ending_fini(struct isle__ending *ending)
{
    isle__memory_free(ending->text, ending->text_size);
    isle__memory_free(ending->stack, ending->stack_size);
    ending->text = ending->stack = NULL;
    ending->text_size = ending->stack_size = 0;
}

#define ENDING_TEXT_MAX ((size_t)PTRDIFF_MAX - 1) /* no text is longer */

/* At most so many bytes of it; NULL: there are none, or no memory. */
static char *ending_copy(const char *text, size_t most, size_t *ret_size)
{
    size_t size = text == NULL ? 0 : strnlen(text, most);
    if (size == most)
        size = isle__utf8_valid(text, size); /* no half of a character */
    char *copy = text == NULL ? NULL : isle__memory_alloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *ret_size = size + 1;
    return copy;
}

/* Noted for those who have asked, and for whoever may yet (isle__monitors_complete). */
static void ending_note(struct isle__isolate *isolate, isle_reason reason, const char *text)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        return;
    struct isle__ending *ending = &cold->ending;
    isle__memory_free(ending->text, ending->text_size);
    ending->is_known = true;
    ending->reason = reason;
    size_t most = isle__is_monitored(isolate) ? ENDING_TEXT_MAX : ISLE__REPORT_TEXT + 1;
    ending->text = ending_copy(text, most, &ending->text_size);
}

void isle__ends_with_stack(struct isle__isolate *isolate, const char *stack)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || !isle__reports_wanted())
        return;
    isle__memory_free(cold->ending.stack, cold->ending.stack_size);
    cold->ending.stack = ending_copy(stack, ISLE__REPORT_TEXT, &cold->ending.stack_size);
}

void isle__isolate_end_as(struct isle__isolate *isolate, isle_reason reason, const char *text)
{
    isolate->ending = true;
    ending_note(isolate, reason, text);
}

void isle__isolate_cost(struct isle__isolate *isolate, int64_t cpu_time_ns, size_t memory_peak)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL)
        return;
    cold->ending.cpu_time_ns = cpu_time_ns;
    cold->ending.memory_peak = memory_peak;
}

void isle__ends_by_error(struct isle__isolate *isolate, isle_value error, const char *text)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && cold->ending.is_known)
        return;
    bool memory = isle__failure_code(error) == ISLE_ENOMEM;
    ending_note(isolate, memory ? ISLE_MEMORY : ISLE_FAILED, text);
}

isle_reason isle__ending_reason(const struct isle__isolate *isolate)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && cold->ending.is_known)
        return cold->ending.reason;
    if (isolate->killed)
        return ISLE_KILLED;
    return isolate->failed ? ISLE_FAILED : ISLE_RETURNED;
}

isle_end isle__ending_read(const struct isle__isolate *isolate)
{
    static const struct isle__ending nothing;
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    const struct isle__ending *ending = cold == NULL ? &nothing : &cold->ending;
    return (isle_end){
        .isolate.control_port = {isolate->id | ISLE__ID_CONTROL},
        .reason = isle__ending_reason(isolate),
        .text = ending->text == NULL ? "" : ending->text,
        .debug_name = isle__isolate_given_name(isolate),
        .cpu_time_ns = ending->cpu_time_ns,
        .memory_peak = ending->memory_peak,
    };
}

struct isle__listeners isle__monitors_take(struct isle__isolate *isolate)
{
    struct isle__listeners monitors = {0};
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || cold->monitors.first == NULL)
        return monitors;
    monitors = cold->monitors;
    cold->monitors = (struct isle__listeners){0};
    isle__monitors_complete(isolate, &monitors);
    return monitors;
}

void isle__monitors_complete(const struct isle__isolate *isolate, struct isle__listeners *monitors)
{
    isle_end end = isle__ending_read(isolate);
    for (struct isle__listener *at = monitors->first; at != NULL; at = at->next)
        isle__end_tell(&at->mail, &end);
}

/* --- the callers' side */

void isle_monitor(isle_isolate isolate, isle_send_port port)
{
    (void)isle__isolate_need(__func__);
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "isle_monitor: the port is none");
    struct isle__listener *listener = isle__monitor_make(isolate.control_port.id, port.id);
    struct isle__control *control = listener == NULL ? NULL : isle__memory_alloc(sizeof *control);
    if (control == NULL) {
        isle__listener_free(listener);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_MONITOR,
        .target = isolate.control_port.id,
        .port = port.id,
        .listener = listener,
    };
    isle__control_send(__func__, control);
}

void isle_unmonitor(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_UNMONITOR);
    control->port = port.id;
    isle__control_send(__func__, control);
}
