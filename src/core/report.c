/* SPDX-License-Identifier: Apache-2.0 */
/* Crash reports: what an isolate that did not end well had at its end.
 *
 * Law: a report has ISLE_REPORT_MAX bytes at most, and is made in a time that depends on nothing
 * that the isolate could have let grow: of every list that could be long so many are looked at, of
 * every value and text so much. It is made by the isolate's owner before anything is returned, and
 * its facts stand in the order of their worth: where the memory for it is less, the first are told.
 *
 * All that others said (names, texts, messages) goes through isle__brief_text, so that it is one
 * line of the report or, an error's text, lines that are set in. */
#include "core/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/activity.h"
#include "core/backend.h"
#include "core/monitor.h"
#include "core/port.h"
#include "core/simulate.h"
#include "core/timer.h"
#include "value/brief.h"

enum {
    SHORT_SIZE = 1024, /* of a report without memory */
    MESSAGES_SHOWN = 16,
    MESSAGE_MOST = 512, /* bytes of a line */
    PORTS_SHOWN = 16,
    HANDLES_SEEN = 4096,
    QUEUE_SEEN = 100,
    WAITS_SHOWN = 16
};

static FILE *report_file; /* of ISLE_REPORT */

/* --- where they go */

void isle_report_stderr(const char *text, size_t size, void *context)
{
    (void)size, (void)context;
    isle__report(text);
}

static void report_append(const char *text, size_t size, void *context)
{
    (void)fwrite(text, 1, size, context);
}

isle_err isle__reports_start(const isle_program_options *options)
{
    const char *target = isle__environment("ISLE_REPORT");
    isle__program.report = options->report;
    isle__program.report_context = options->report_context;
    if (options->report != NULL || target == NULL || *target == '\0')
        return ISLE_OK;
    if (strcmp(target, "-") == 0) {
        isle__program.report = isle_report_stderr;
        return ISLE_OK;
    }
    report_file = fopen(target, "ae");
    if (report_file == NULL)
        return ISLE_ESYSTEM;
    /* A report is one write: those of several programs, or of one that dies next, stay whole. */
    (void)setvbuf(report_file, NULL, _IONBF, 0);
    isle__program.report = report_append;
    isle__program.report_context = report_file;
    return ISLE_OK;
}

void isle__reports_stop(void)
{
    if (report_file != NULL)
        (void)fclose(report_file);
    report_file = NULL;
    isle__program.report = NULL;
}

/* --- what they say */

static void report_text(struct isle__brief *report, const char *title, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    size_t size = strnlen(text, ISLE__REPORT_TEXT + 1);
    isle__brief_format(report, "%s", title);
    isle__brief_text(report, text, size, ISLE__REPORT_TEXT);
    isle__brief_format(report, "\n");
}

/* A text of lines: each is set in. */
static void report_lines(struct isle__brief *report, const char *title, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    isle__brief_format(report, "%s\n", title);
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        isle__brief_format(report, "    ");
        isle__brief_text(report, text, size, size);
        isle__brief_format(report, "\n");
        text += size + (text[size] == '\n');
    }
}

static const char *report_place(const struct isle__isolate *isolate)
{
    if (isolate->is_root)
        return "the root";
    return atomic_load_explicit(&isolate->backend, memory_order_relaxed) == ISLE_PROCESS
               ? "in a process"
               : "on threads";
}

static void report_head(struct isle__brief *report, const struct isle__isolate *isolate,
                        isle_reason reason)
{
    char name[128];
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    isle__isolate_name(isolate, name, sizeof name);
    isle__brief_format(report, "isle: crash report\nisolate: ");
    isle__brief_text(report, name, strlen(name), sizeof name);
    isle__brief_format(report, " (%" PRIx64 ", %s)\nreason: %s\n", isolate->id,
                       report_place(isolate), isle_reason_text(reason));
    if (cold != NULL) {
        report_text(report, "error: ", cold->ending.text);
        report_lines(report, "stack:", cold->ending.stack);
    }
}

static void report_counts(struct isle__brief *report, const struct isle__isolate *isolate)
{
    const struct isle__heap *heap = &isolate->heap;
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    int64_t age = isle__now() - isolate->born;
    size_t limit = atomic_load_explicit(&heap->limit, memory_order_relaxed);
    isle__brief_format(report, "age: %" PRId64 ".%06" PRId64 " s\n", age / ISLE_SECONDS(1),
                       age % ISLE_SECONDS(1) / 1000);
    isle__brief_format(report, "memory: %zu bytes of heap",
                       atomic_load_explicit(&heap->used, memory_order_relaxed));
    if (limit != SIZE_MAX)
        isle__brief_format(report, ", %zu allowed with the mailbox", limit);
    if (cold != NULL && cold->ending.memory_peak != 0)
        isle__brief_format(report, ", %zu at most behind the wall", cold->ending.memory_peak);
    if (cold != NULL && cold->ending.cpu_time_ns != 0)
        isle__brief_format(report, "\nprocessor: %" PRId64 " us", cold->ending.cpu_time_ns / 1000);
    isle__brief_format(report, "\ntimers: %" PRIu32 "\nkept alive by: %" PRIu32 "\n",
                       isolate->timer_count, isolate->alive);
}

static void report_waits(struct isle__brief *report, const struct isle__isolate *isolate)
{
    unsigned shown = 0;
    const struct isle__activity *at = isolate->suspended;
    for (; at != NULL && shown < WAITS_SHOWN; at = at->next, shown++)
        isle__brief_format(report, "%s%s", shown == 0 ? "waits in: " : ", ",
                           at->waits_in == NULL ? "its loop" : at->waits_in);
    if (shown > 0)
        isle__brief_format(report, "%s\n", at == NULL ? "" : ", …");
}

/* --- ports */

static const char *port_style(const struct isle__port *port)
{
    static const char *const styles[] = {
        [ISLE__PORT_QUIET] = "received from",
        [ISLE__PORT_LISTEN] = "listens",
        [ISLE__PORT_SERVE] = "serves",
        [ISLE__PORT_CLASSIC] = "listens",
    };
    return styles[port->style];
}

static void report_port(struct isle__brief *report, const struct isle__port *port)
{
    unsigned waiting = 0;
    for (const struct isle__mail *at = port->queue; at != NULL && waiting < QUEUE_SEEN;
         at = at->next)
        waiting++;
    isle__brief_format(report, "    %" PRIx64 "%s: %s, %u%s waiting\n", port->id,
                       port->id == port->isolate->id ? " (default)" : "", port_style(port), waiting,
                       waiting == QUEUE_SEEN ? " or more" : "");
}

static void report_ports(struct isle__brief *report, const struct isle__isolate *isolate)
{
    uint32_t capacity = isolate->handles.capacity, count = 0, shown = 0;
    uint32_t seen = capacity < HANDLES_SEEN ? capacity : HANDLES_SEEN;
    for (uint32_t index = 1; index <= seen; index++)
        count += isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, index) != NULL;
    isle__brief_format(report, "ports: %" PRIu32 "%s\n", count, seen < capacity ? " or more" : "");
    for (uint32_t index = 1; index <= seen && shown < PORTS_SHOWN; index++) {
        const struct isle__port *port =
            isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, index);
        if (port == NULL)
            continue;
        report_port(report, port);
        shown++;
    }
}

/* --- the mailbox */

static void report_mail(struct isle__brief *report, const struct isle__mail *mail)
{
    static const char *const kinds[] = {
        [ISLE__MAIL_DATA] = "message",
        [ISLE__MAIL_REPLY] = "reply",
        [ISLE__MAIL_REPLY_ERROR] = "error",
    };
    char text[MESSAGE_MOST];
    struct isle__brief line;
    isle__brief_begin(&line, text, sizeof text);
    isle__brief_value(&line, mail->root);
    isle__brief_end(&line);
    isle__brief_format(report, "    %s to %" PRIx64 ", %zu bytes: %s\n",
                       mail->is_call ? "request" : kinds[mail->kind], mail->target,
                       isle__mail_size(mail), line.text);
}

/* Returns how many more may be shown. `last` is the list's end if it is a ring. */
static unsigned report_mails(struct isle__brief *report, const char *title,
                             const struct isle__mail *first, const struct isle__mail *last,
                             unsigned most)
{
    if (first == NULL || first == ISLE__MAILBOX_IDLE || first == ISLE__MAILBOX_CLOSED || most == 0)
        return most;
    isle__brief_format(report, "%s\n", title);
    for (; first != NULL && most > 0; first = first == last ? NULL : first->next, most--)
        report_mail(report, first);
    return most;
}

static void report_messages(struct isle__brief *report, const struct isle__isolate *isolate)
{
    unsigned most = MESSAGES_SHOWN;
    most = report_mails(report, "first message:", isle__first_mail(isolate), NULL, most);
    for (uint32_t at = 1; at <= isolate->handles.capacity && at <= HANDLES_SEEN; at++) {
        const struct isle__port *port = isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, at);
        if (port != NULL)
            most = report_mails(report, "waiting in a port:", port->queue, NULL, most);
    }
    if (isolate->default_state == ISLE__DEFAULT_UNASKED && isolate->orphans != NULL)
        most = report_mails(report, "waiting for the default port:", isolate->orphans->next,
                            isolate->orphans, most);
    most = report_mails(report, "next:", isolate->inbox, NULL, most);
    /* Acquire: of what is pushed meanwhile, the contents. Only its owner takes any out. */
    (void)report_mails(report, "newest first:",
                       atomic_load_explicit(&isolate->mailbox, memory_order_acquire), NULL, most);
}

static void report_mailbox(struct isle__brief *report, const struct isle__isolate *isolate)
{
    const struct isle__heap *heap = &isolate->heap;
    uint64_t data = atomic_load_explicit(&heap->data.in, memory_order_relaxed) - heap->data_out;
    uint64_t reserved = isle__room_taken(&heap->reserved);
    uint64_t limits = atomic_load_explicit(&isolate->limits, memory_order_relaxed);
    isle__brief_format(report,
                       "mailbox: %" PRIu64 " messages of %" PRIu64
                       ", %zu bytes of %zu; and %" PRIu64 " replies and notices, %zu bytes\n",
                       isle__room_count(data), isle__room_count(limits), isle__room_bytes(data),
                       isle__room_bytes(limits), isle__room_count(reserved),
                       isle__room_bytes(reserved));
}

static void report_write(struct isle__brief *report, const struct isle__isolate *isolate,
                         isle_reason reason)
{
    report_head(report, isolate, reason);
    report_mailbox(report, isolate);
    report_counts(report, isolate);
    report_waits(report, isolate);
    report_ports(report, isolate);
    report_messages(report, isolate);
}

/* --- when */

static void report_make(const struct isle__isolate *isolate, isle_reason reason, char *text,
                        size_t size)
{
    struct isle__brief report;
    struct isle__heap *heap = isle__heap_current();
    isle__brief_begin(&report, text, size);
    report_write(&report, isolate, reason);
    isle__brief_end(&report);
    isle__heap_set_current(NULL); /* who is told is outside of isolates */
    isle__program.report(report.text, report.used, isle__program.report_context);
    isle__heap_set_current(heap);
}

static ISLE__RARE void report_make_short(const struct isle__isolate *isolate, isle_reason reason)
{
    char text[SHORT_SIZE];
    report_make(isolate, reason, text, sizeof text);
}

void isle__report_end(struct isle__isolate *isolate)
{
    if (!isle__reports_wanted())
        return;
    isle_reason reason = isle__ending_reason(isolate);
    if (reason == ISLE_RETURNED || reason == ISLE_KILLED)
        return;
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && cold->ending.is_reported)
        return;
    if (cold != NULL)
        cold->ending.is_reported = true;
    int error_number = errno;
    char *text = isle__memory_alloc(ISLE_REPORT_MAX);
    if (text == NULL) {
        report_make_short(isolate, reason);
    } else {
        report_make(isolate, reason, text, ISLE_REPORT_MAX);
        isle__memory_free(text, ISLE_REPORT_MAX);
    }
    errno = error_number;
}

void isle__report_waits(struct isle__isolate *isolate)
{
    if (isle__isolate_has_cold(isolate) != NULL)
        isle__report_end(isolate);
}
