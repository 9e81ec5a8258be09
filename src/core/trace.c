/* SPDX-License-Identifier: Apache-2.0 */
/* The trace of a simulation. A line is
 *
 *     NUMBER TIME KIND ISOLATE [key=value ...]
 *
 * with the number of the event, virtual nanoseconds, what happened, and whose event it is; a line
 * that begins with # is a note. An id is written slot.generation; 0 is none.
 * docs/guide/14-replaying-schedules.md lists the kinds.
 *
 * Law: nothing here depends on an address, on real time or on the machine, and nothing here is seen
 * by the program: it charges no heap and uses up no fault. A message's content is hashed by a walk
 * of its graph; what has no content that two runs could share (functions, pointers, descriptors) is
 * hashed by its kind alone. */
#include "core/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "value/cell.h"
#include "value/walk.h"

static struct {
    FILE *file;
    bool on;
    uint64_t number, digest;
} trace;

enum { LINE_SIZE = 512 };

isle_err isle__trace_open(const char *target, bool digested)
{
    char *end;
    memset(&trace, 0, sizeof trace);
    trace.on = digested || target != NULL;
    if (target == NULL)
        return ISLE_OK;
    errno = 0;
    long fd = strtol(target, &end, 10);
    if (*target != '\0' && *end == '\0' && errno == 0 && fd >= 0 && fd <= INT16_MAX)
        trace.file = fdopen(isle__fd_duplicate((int)fd), "w");
    else
        trace.file = fopen(target, "w");
    if (trace.file == NULL)
        return ISLE_ESYSTEM;
    /* A line is out before the next event: a program that crashes has told all. */
    (void)setvbuf(trace.file, NULL, _IOLBF, BUFSIZ);
    return ISLE_OK;
}

uint64_t isle__trace_close(void)
{
    if (trace.file != NULL)
        (void)fclose(trace.file);
    trace.file = NULL;
    trace.on = false;
    return trace.digest;
}

void isle__trace_flush(void)
{
    if (trace.file != NULL)
        (void)fflush(trace.file);
}

struct id_text {
    char text[32];
};

static struct id_text id_text(uint64_t id)
{
    struct id_text text = {"0"};
    id &= ~ISLE__ID_CONTROL;
    if (id != 0)
        (void)snprintf(text.text, sizeof text.text, "%u.%llu", (unsigned)(id & 0xffffff),
                       (unsigned long long)(id >> 24));
    return text;
}

/* A line's number and time are not part of the digest: what happened is. */
static int trace_head(char *line, int *ret_what, const char *kind, uint64_t id)
{
    int what = snprintf(line, LINE_SIZE, "%llu %lld ", (unsigned long long)++trace.number,
                        (long long)isle__simulate_clock());
    *ret_what = what;
    return what + snprintf(line + what, LINE_SIZE - (size_t)what, "%s %s", kind, id_text(id).text);
}

static void trace_line(const char *line, int what, int length)
{
    trace.digest = isle__siphash(trace.digest, trace.number, line + what, (size_t)(length - what));
    if (trace.file != NULL)
        (void)fprintf(trace.file, "%s\n", line);
}

void isle__trace_event(const char *kind, uint64_t id)
{
    char line[LINE_SIZE];
    int what;
    if (!trace.on)
        return;
    int length = trace_head(line, &what, kind, id);
    trace_line(line, what, length);
}

void isle__trace(const char *kind, uint64_t id, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    int what;
    if (!trace.on)
        return;
    int length = trace_head(line, &what, kind, id);
    line[length++] = ' ';
    va_start(arguments, format);
    int more = vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
    va_end(arguments);
    length += more < LINE_SIZE - length ? more : LINE_SIZE - length - 1;
    trace_line(line, what, length);
}

void isle__trace_note(const char *text)
{
    if (trace.file != NULL)
        (void)fprintf(trace.file, "# %s\n", text);
}

/* --- content */

static uint64_t content_hash;

static void content_add(const void *data, size_t size)
{
    content_hash = isle__siphash(content_hash, size, data, size);
}

static void content_word(uint64_t word)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> (8 * i));
    content_add(bytes, sizeof bytes);
}

/* Every NaN is one: their bits are the compiler's and the machine's. */
static void content_double(double number)
{
    uint64_t bits = UINT64_MAX;
    if (number == number)
        memcpy(&bits, &number, sizeof bits);
    content_word(bits);
}

static void content_string(isle_value value)
{
    const char *text;
    size_t size;
    if (isle_get_string(value, &text, &size))
        content_add(text, size);
}

static void content_isolate(const isle_isolate *isolate)
{
    content_word(isolate->control_port.id);
    content_word(isolate->default_port.id);
    content_word(isolate->pause_capability.id);
    content_word(isolate->terminate_capability.id);
}

static void content_error(const struct isle__error_cell *error)
{
    content_word((uint64_t)error->code);
    content_string(error->text);
    content_string(error->stack);
}

static void content_transfer(const struct isle__transferable_cell *cell)
{
    const struct isle__transfer *transfer = cell->transfer;
    const void *data =
        transfer == NULL ? NULL : atomic_load_explicit(&transfer->data, memory_order_acquire);
    if (data != NULL)
        content_add(data, transfer->size);
}

static void content_bytes(isle_value value)
{
    const struct isle__bytes *bytes = (struct isle__bytes *)isle__cell_of(value);
    content_word((uint64_t)bytes->cell.element);
    if (bytes->size > 0)
        content_add(isle__bytes_store(bytes)->data + bytes->offset, bytes->size);
}

static void content_value(const struct isle__node *node)
{
    isle_value value = node->value;
    bool truth = false;
    int64_t integer = 0;
    double number = 0;
    switch (node->value_kind) {
    case ISLE_BOOL:
        if (isle_get_bool(value, &truth))
            content_word(truth);
        break;
    case ISLE_INT:
        if (isle_get_int(value, &integer))
            content_word((uint64_t)integer);
        break;
    case ISLE_DOUBLE:
        if (isle_get_double(value, &number))
            content_double(number);
        break;
    case ISLE_STRING:
        content_string(value);
        break;
    case ISLE_BYTES:
        content_bytes(value);
        break;
    case ISLE_ERROR:
        content_error((struct isle__error_cell *)isle__cell_of(value));
        break;
    case ISLE_ISOLATE:
        content_isolate(&((struct isle__isolate_cell *)isle__cell_of(value))->isolate);
        break;
    case ISLE_TRANSFERABLE:
        content_transfer((struct isle__transferable_cell *)isle__cell_of(value));
        break;
    case ISLE_SEND_PORT:
    case ISLE_CAPABILITY:
        content_word(value.bits);
        break;
    case ISLE_NULL:
    case ISLE_LIST:
    case ISLE_MAP:
    case ISLE_SET:
    case ISLE_FUNCTION:
    case ISLE_OBJECT:
    case ISLE_RESOURCE:
    case ISLE_POINTER:
        break;
    }
}

static void content_field(const isle_field *field, const void *data)
{
    const char *text;
    isle_send_port port;
    switch (field->kind) {
    case ISLE_FIELD_KIND_BOOL:
    case ISLE_FIELD_KIND_UINT:
        content_word(isle__field_uint(data, field->size));
        break;
    case ISLE_FIELD_KIND_INT:
        content_word((uint64_t)isle__field_int(data, field->size));
        break;
    case ISLE_FIELD_KIND_FLOAT:
        content_double(isle__field_float(data, field->size));
        break;
    case ISLE_FIELD_KIND_STRING:
        memcpy(&text, data, sizeof text);
        if (text != NULL)
            content_add(text, strlen(text));
        break;
    case ISLE_FIELD_KIND_PORT:
        memcpy(&port, data, sizeof port);
        content_word(port.id);
        break;
    default:
        break;
    }
}

static isle_err content_leaf(struct isle__walk *walk, const struct isle__node *node, int64_t number)
{
    (void)walk;
    content_word((uint64_t)node->kind << 32 | (uint64_t)node->value_kind);
    content_word((uint64_t)number);
    if (node->kind == ISLE__NODE_SCALAR)
        content_field(node->field, node->data);
    else if (node->kind == ISLE__NODE_NUMBERS)
        content_add(node->data, node->count * node->field->size);
    else
        content_value(node);
    return ISLE_OK;
}

static isle_err content_begin(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    (void)walk;
    content_word((uint64_t)node->kind << 32 | (uint64_t)node->value_kind);
    content_word((uint64_t)number);
    content_word(node->count);
    if (node->type != NULL)
        content_add(node->type->name, strlen(node->type->name));
    return ISLE_OK;
}

static void content_reference(struct isle__walk *walk, int64_t number)
{
    (void)walk;
    content_word((uint64_t)number);
}

static const struct isle__visitor content_visitor = {
    .share_leaves = true,
    .leaf = content_leaf,
    .begin = content_begin,
    .reference = content_reference,
};

/* 0: there was no memory to look into it. */
static uint64_t content_of(const struct isle__mail *mail)
{
    struct isle__heap heap = {0};
    struct isle__walk walk;
    content_hash = mail->kind == ISLE__MAIL_REPLY_ERROR ? (uint64_t)mail->code : 0;
    isle__heap_init(&heap, SIZE_MAX);
    isle__walk_init(&walk, &heap, &content_visitor);
    isle_err err = isle__walk_run(&walk, mail->root);
    isle__walk_fini(&walk);
    isle__heap_fini(&heap);
    return err == ISLE_OK ? content_hash : 0;
}

/* --- events */

static uint64_t trace_self(void)
{
    const struct isle__isolate *self = isle__isolate_current();
    return self == NULL ? 0 : self->id;
}

static const char *mail_kind_name(uint8_t kind)
{
    return kind == ISLE__MAIL_DATA ? "data" : kind == ISLE__MAIL_REPLY ? "reply" : "error";
}

void isle__trace_mail(const struct isle__mail *mail, const struct isle__isolate *receiver)
{
    if (!trace.on)
        return;
    uint64_t armed = isle__fault_pause();
    uint64_t content = content_of(mail);
    isle__fault_continue(armed);
    isle__trace("send", trace_self(), "to=%s port=%s kind=%s size=%zu content=%016llx",
                id_text(receiver == NULL ? 0 : receiver->id).text, id_text(mail->target).text,
                mail_kind_name(mail->kind), isle__mail_size(mail), (unsigned long long)content);
}

void isle__trace_take(const struct isle__isolate *isolate, const struct isle__mail *mail)
{
    isle__trace("take", isolate->id, "port=%s kind=%s", id_text(mail->target).text,
                mail_kind_name(mail->kind));
}

void isle__trace_control(const struct isle__control *control)
{
    static const char *const names[] = {
        [ISLE__CONTROL_PAUSE] = "pause",
        [ISLE__CONTROL_RESUME] = "resume",
        [ISLE__CONTROL_PING] = "ping",
        [ISLE__CONTROL_KILL] = "kill",
        [ISLE__CONTROL_ADD_EXIT] = "add-exit",
        [ISLE__CONTROL_REMOVE_EXIT] = "remove-exit",
        [ISLE__CONTROL_ADD_ERROR] = "add-error",
        [ISLE__CONTROL_REMOVE_ERROR] = "remove-error",
        [ISLE__CONTROL_ERRORS_FATAL] = "errors-fatal",
        [ISLE__CONTROL_STARTED] = "started",
        [ISLE__CONTROL_MONITOR] = "monitor",
        [ISLE__CONTROL_UNMONITOR] = "unmonitor",
        [ISLE__CONTROL_SHUTDOWN] = "shutdown",
        [ISLE__CONTROL_LINK] = "link",
        [ISLE__CONTROL_UNLINK] = "unlink",
        [ISLE__CONTROL_LINKED] = "linked",
    };
    isle__trace("control", trace_self(), "to=%s kind=%s", id_text(control->target).text,
                names[control->kind]);
}

void isle__trace_spawn(const struct isle__isolate *isolate)
{
    char name[64];
    isle__isolate_name(isolate, name, sizeof name);
    for (char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ')
            *at = '?';
    const struct isle__mail *first = isle__first_mail(isolate);
    isle__trace("spawn", trace_self(), "isolate=%s name=%s size=%zu", id_text(isolate->id).text,
                name, first == NULL ? ISLE__MAIL_BARE_SIZE : isle__mail_size(first));
}
