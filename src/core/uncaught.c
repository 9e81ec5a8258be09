/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that nobody took: told to the error listeners as [text, stack text or null], to the caller
 * of isle_run, or to stderr; then the isolate ends, if errors are fatal in it. The text of a thrown
 * object is its type's `describe`; one that itself fails gives "Instance of 'T'", one that ends the
 * isolate leaves the error untold. */
#include "core/uncaught.h"

#include <string.h>

#include "core/control.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/report.h"

struct telling {
    struct isle__isolate *isolate;
    isle_value error, text, stack;
};

static void telling_describe(void *argument)
{
    struct telling *telling = argument;
    const isle_type *type = isle_object_type(telling->error);
    telling->text = type->describe(isle_as_object(telling->error, type));
    (void)isle_as_string(telling->text);
}

static isle_value telling_object(struct telling *telling)
{
    struct isle__catch catch;
    struct isle__heap *heap = &telling->isolate->heap;
    const isle_type *type = isle_object_type(telling->error);
    if (type->describe != NULL) {
        enum isle__unwinding how =
            isle__catch_do(heap, &catch, ISLE__CATCH_PROTECT, telling_describe, telling);
        if (how == ISLE__UNWIND_NONE)
            return telling->text;
        if (how == ISLE__UNWIND_END)
            isle__unwind_end(heap);
    }
    return isle_stringf("Instance of '%s'", type->name);
}

static void telling_read(void *argument)
{
    struct telling *telling = argument;
    const char *stack = NULL;
    isle_kind kind = isle_kind_of(telling->error);
    telling->stack = isle_null();
    if (kind == ISLE_ERROR) {
        telling->text = isle_string(isle_error_text(telling->error));
        stack = isle_error_stack(telling->error);
        if (stack != NULL)
            telling->stack = isle_string(stack);
    } else if (kind == ISLE_STRING) {
        telling->text = telling->error;
    } else if (kind == ISLE_OBJECT) {
        telling->text = telling_object(telling);
    } else {
        telling->text = isle_json(telling->error);
    }
}

static isle_value notice_build(void *unused)
{
    (void)unused;
    isle_value notice = isle_list_fixed(2);
    isle_list_set(notice, 0, isle_string("Out of Memory"));
    return notice;
}

struct isle__mail *isle__notice_reserve(uint64_t port)
{
    struct isle__parcel parcel;
    if (isle__parcel_build(notice_build, NULL, sizeof(struct isle__mail), &parcel) != ISLE_OK)
        return NULL;
    return isle__mail_of(&parcel, ISLE__MAIL_DATA, port);
}

/* The notice for one listener; without memory, the text that was reserved for it. */
static void telling_post(struct telling *telling, struct isle__listener *listener, bool readable)
{
    struct isle__parcel parcel;
    isle_value notice = isle_null();
    if (readable) {
        notice = isle_list_fixed(2);
        isle_list_set(notice, 0, telling->text);
        isle_list_set(notice, 1, telling->stack);
    }
    if (readable && isle__parcel_copy(&telling->isolate->heap, notice, sizeof(struct isle__mail),
                                      &parcel) == ISLE_OK) {
        isle__parcel_commit(&parcel);
        isle__mail_post_reserved(isle__mail_of(&parcel, ISLE__MAIL_DATA, listener->port));
        return;
    }
    isle__mail_post_reserved(listener->mail);
    listener->mail = NULL;
}

struct notice {
    struct telling *telling;
    struct isle__listener *listener;
};

static void notice_run(void *argument)
{
    struct notice *notice = argument;
    telling_post(notice->telling, notice->listener, true);
}

static void telling_listeners(struct telling *telling, bool readable)
{
    struct isle__isolate *isolate = telling->isolate;
    struct isle__catch catch;
    struct isle__listener *listener = isle__isolate_has_cold(isolate)->error_listeners.first;
    for (; listener != NULL; listener = listener->next) {
        struct notice notice = {telling, listener};
        if (!readable || isle__catch_do(&isolate->heap, &catch, ISLE__CATCH_PROTECT, notice_run,
                                        &notice) != ISLE__UNWIND_NONE)
            telling_post(telling, listener, false);
    }
}

/* The caller of isle_run learns of an error outside the computation as that of another isolate, of
 * a stack overflow, which no frame can take, as itself. */
static void telling_caller(void *argument)
{
    struct telling *telling = argument;
    struct isle__parcel parcel;
    const char *stack = isle_is_null(telling->stack) ? NULL : isle_as_string(telling->stack);
    bool overflow = telling->error.bits == isle__error_stack_overflow().bits;
    isle_value error = isle__error_make(overflow ? ISLE_ESTACK : ISLE_EREMOTE,
                                        isle_as_string(telling->text), stack);
    if (isle__parcel_copy(&telling->isolate->heap, error, sizeof(struct isle__mail), &parcel) !=
        ISLE_OK)
        return;
    isle__parcel_commit(&parcel);
    isle__mail_post_reserved(
        isle__mail_of(&parcel, ISLE__MAIL_REPLY_ERROR, telling->isolate->run_mail->target));
    isle__mail_drop(telling->isolate->run_mail); /* "ended without result" would come second */
    telling->isolate->run_mail = NULL;
}

/* The controls of ASCII, new lines among them; and the next 32, which UTF-8 begins with C2. */
void isle__line_tame(char *line)
{
    for (unsigned char *at = (unsigned char *)line; *at != '\0'; at++) {
        bool is_wide = at[0] == 0xc2 && (at[1] & 0xe0) == 0x80;
        if ((*at < ' ' && *at != '\t') || *at == 0x7f || is_wide)
            *at = '?';
        if (is_wide)
            *++at = '?';
    }
}

/* On stderr, which may be a terminal: the name and the text may come from anybody. */
static void uncaught_print(const struct isle__isolate *isolate, const char *text)
{
    char line[1024], name[64];
    isle__isolate_name(isolate, name, sizeof name);
    (void)snprintf(line, sizeof line, "isle: uncaught error in %s: %s", name, text);
    isle__line_tame(line);
    isle__report(line);
}

void isle__uncaught(struct isle__isolate *isolate, isle_value error)
{
    struct telling telling = {isolate, error, isle_null(), isle_null()};
    struct isle__catch catch;
    struct isle__heap *heap = &isolate->heap;
    enum isle__unwinding how = ISLE__UNWIND_ERROR;
    bool is_fatal = isolate->errors_fatal && !isolate->failed;
    if (isolate->errors_fatal)
        isolate->ending = isolate->failed = true;
    /* Outside an event there is no scope to build in: the reserved notices tell. */
    if (heap->frame != NULL && heap->frame->scope != NULL)
        how = isle__catch_do(heap, &catch, ISLE__CATCH_PROTECT, telling_read, &telling);
    if (how == ISLE__UNWIND_END) {
        isolate->ending = true;
        return;
    }
    bool readable = how == ISLE__UNWIND_NONE;
    if (isolate->errors_fatal)
        isle__ends_by_error(isolate, error,
                            readable ? isle_as_string(telling.text) : "Out of Memory");
    if (is_fatal && readable && !isle_is_null(telling.stack))
        isle__ends_with_stack(isolate, isle_as_string(telling.stack));
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    bool exits = cold != NULL && cold->final_mail != NULL;
    if (isolate->run_mail != NULL && !isolate->run_answered && readable && !exits)
        (void)isle__catch_do(heap, &catch, ISLE__CATCH_PROTECT, telling_caller, &telling);
    if (cold != NULL && cold->error_listeners.first != NULL)
        telling_listeners(&telling, readable);
    else if (isolate->entry_kind != ISLE__ENTRY_RUN)
        uncaught_print(isolate, readable ? isle_as_string(telling.text) : "Out of Memory");
}

/* --- of a computation, whose caller is told */

void isle__run_failed(struct isle__isolate *isolate, isle_value error)
{
    struct telling telling = {isolate, error, isle_null(), isle_null()};
    struct isle__catch catch;
    if (!isle__is_monitored(isolate) && !isle__reports_wanted()) {
        isle__ends_by_error(isolate, error, NULL);
        return;
    }
    bool readable = isle__catch_do(&isolate->heap, &catch, ISLE__CATCH_PROTECT, telling_read,
                                   &telling) == ISLE__UNWIND_NONE;
    isle__ends_by_error(isolate, error, readable ? isle_as_string(telling.text) : "Out of Memory");
}

/* --- of another side */

struct told {
    const char *text, *stack;
};

static isle_value told_build(void *context)
{
    const struct told *told = context;
    isle_value notice = isle_list_fixed(2);
    isle_list_set(notice, 0, isle_string(told->text));
    if (told->stack != NULL)
        isle_list_set(notice, 1, isle_string(told->stack));
    return notice;
}

static void told_post(struct told *told, struct isle__listener *listener, bool surely)
{
    struct isle__parcel parcel;
    struct isle__mail *mail = listener->mail; /* without memory: what was reserved for it */
    if (isle__parcel_build(told_build, told, sizeof(struct isle__mail), &parcel) == ISLE_OK)
        mail = isle__mail_of(&parcel, ISLE__MAIL_DATA, listener->port);
    else
        listener->mail = NULL;
    if (surely || mail == NULL)
        isle__mail_post_reserved(mail);
    else if (isle__mail_post(mail) == ISLE_EFULL)
        isle__mail_drop(mail);
}

static struct isle__listener *told_listeners(const struct isle__isolate *isolate)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    return cold == NULL ? NULL : cold->error_listeners.first;
}

bool isle__uncaught_is_printed(const struct isle__isolate *isolate)
{
    return told_listeners(isolate) == NULL && isolate->entry_kind != ISLE__ENTRY_RUN;
}

void isle__uncaught_told(struct isle__isolate *isolate, const char *text, const char *stack,
                         bool surely)
{
    struct told told = {text, stack};
    if (stack != NULL)
        isle__ends_with_stack(isolate, stack);
    for (struct isle__listener *at = told_listeners(isolate); at != NULL; at = at->next)
        told_post(&told, at, surely);
    if (isle__uncaught_is_printed(isolate))
        uncaught_print(isolate, text);
}
