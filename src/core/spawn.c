/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning: a body, a copy of the message, and the first event. Nothing here waits: the handle is
 * valid when the call returns. */
#include <string.h>

#include "core/backend.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/simulate.h"

/* --- options: structs that grow at their end */

static isle_err options_read(const char *function, const isle_options *given, size_t size,
                             isle_options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    if (given == NULL)
        return ISLE_OK;
    size_t known = size < sizeof *ret_options ? size : sizeof *ret_options;
    memcpy(ret_options, given, known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return isle__fail(ISLE_EUNSUPPORTED,
                              "%s: an option is set that this version of Isle does not know",
                              function);
    if ((int)ret_options->thread < ISLE_THREAD_POOL || (int)ret_options->thread > ISLE_THREAD_OWN)
        return isle__fail(ISLE_EINVAL, "%s: .thread is no isle_thread", function);
    if (ret_options->deadline_ns < 0 || ret_options->cpu_time_max_ns < 0)
        return isle__fail(ISLE_ERANGE, "%s: a duration is negative", function);
    if (isle__backend_find(ret_options->backend) == NULL)
        return isle__fail(ISLE_EUNSUPPORTED, "%s: this build has no such backend (%d)", function,
                          (int)ret_options->backend);
    if (isle__simulating() && isle__backend_find(ret_options->backend) != &isle__backend_thread)
        return isle__fail(ISLE_EUNSUPPORTED,
                          "%s leaves the simulation: only isolates on threads run in one",
                          function);
    if (ret_options->cpu_time_max_ns != 0)
        return isle__fail(ISLE_EUNSUPPORTED, "%s: .cpu_time_max_ns cannot be enforced on threads",
                          function);
    return ISLE_OK;
}

/* --- the first event */

struct entering {
    struct isle__isolate *isolate;
    union isle__entry_point entry;
    isle_value value; /* as isolate->first, then the message, then the result */
};

static isle_value entering_message(const struct entering *entering)
{
    struct isle__isolate *isolate = entering->isolate;
    if (isle__travels_bare(entering->value))
        return entering->value;
    struct isle__mail *mail = (struct isle__mail *)(uintptr_t)entering->value.bits;
    isle__room_leave(&isolate->heap.reserved, isle__room_of(0, isle__mail_size(mail)));
    return isle__mail_take(mail, isle__event_scope(isolate));
}

/* A result that needs no memory goes where room was made for the notice that there is none. */
static bool entering_answer_bare(struct isle__isolate *isolate, isle_value result)
{
    struct isle__mail *mail = isolate->run_mail;
    if (mail == NULL || !mail->is_bare || !isle__travels_bare(result))
        return false;
    mail->kind = ISLE__MAIL_REPLY;
    mail->code = ISLE_OK;
    isle__mail_set_root(mail, result);
    isolate->run_answered = isolate->ending = true;
    return true;
}

/* The result of isle_run leaves here, moved; whatever else the isolate had in mind ends with it. */
static void entering_finish(struct isle__isolate *isolate, isle_value result, bool is_error)
{
    struct isle__parcel parcel;
    if (!is_error && entering_answer_bare(isolate, result))
        return;
    isle_err err = isle__parcel_move(&isolate->heap, result, sizeof(struct isle__mail), &parcel);
    if (err != ISLE_OK) {
        is_error = true;
        if (isle__parcel_copy(&isolate->heap, isle_last_error(), sizeof(struct isle__mail),
                              &parcel) != ISLE_OK)
            return; /* "Computation ended without result" then */
    }
    isle__parcel_commit(&parcel);
    if (isolate->run_mail == NULL) { /* the caller has been told of an error already */
        isle__parcel_drop(&parcel);
        return;
    }
    uint64_t reply = isolate->run_mail->target;
    isle__mail_drop(isolate->run_mail);
    isolate->run_mail =
        isle__mail_of(&parcel, is_error ? ISLE__MAIL_REPLY_ERROR : ISLE__MAIL_REPLY, reply);
    isolate->run_answered = true;
    isolate->ending = true;
}

static void entering_compute(void *argument)
{
    struct entering *entering = argument;
    entering->value = entering->entry.computation(entering->value);
}

static void entering_run(struct entering *entering)
{
    struct isle__catch catch;
    enum isle__unwinding how = isle__catch_do(&entering->isolate->heap, &catch, ISLE__CATCH_TRY,
                                              entering_compute, entering);
    bool failed = how == ISLE__UNWIND_ERROR;
    entering_finish(entering->isolate, failed ? catch.error : entering->value, failed);
}

static void entering_event(void *argument)
{
    struct entering *entering = argument;
    entering->value = entering_message(entering);
    switch ((enum isle__entry_kind)entering->isolate->entry_kind) {
    case ISLE__ENTRY:
        entering->entry.entry(entering->value);
        break;
    case ISLE__ENTRY_RUN:
        entering_run(entering);
        break;
    case ISLE__ENTRY_CLASSIC:
        entering->entry.classic();
        break;
    case ISLE__ENTRY_URI:
        (void)entering->entry.uri(isle_list_get(entering->value, 0),
                                  isle_list_get(entering->value, 1));
        break;
    }
}

void isle__isolate_enter(struct isle__isolate *isolate)
{
    struct entering entering = {isolate, isolate->entry, {isolate->first}};
    isle__isolate_entering(isolate);
    isle__event_run(isolate, entering_event, &entering);
}

/* --- making one */

struct isle__spawn_what {
    enum isle__entry_kind kind;
    union isle__entry_point entry;
    void *library;      /* of a URI */
    uint64_t run_reply; /* of a run */
};

static isle_err spawn_message(struct isle__isolate *self, struct isle__isolate *isolate,
                              isle_value message)
{
    struct isle__parcel parcel;
    if (isle__travels_bare(message)) { /* it needs no memory */
        isolate->first = message.bits;
        return ISLE_OK;
    }
    isle_err err = isle__parcel_copy(&self->heap, message, sizeof(struct isle__mail), &parcel);
    if (err != ISLE_OK)
        return err;
    if (parcel.size > atomic_load_explicit(&isolate->heap.limit, memory_order_relaxed)) {
        isle__parcel_undo(&parcel);
        return isle__fail(ISLE_ENOMEM, "Out of Memory");
    }
    isle__parcel_commit(&parcel);
    (void)isle__room_enter(&isolate->heap.reserved, isle__room_of(0, parcel.size));
    isolate->first = (uintptr_t)isle__mail_of(&parcel, ISLE__MAIL_DATA, 0);
    return ISLE_OK;
}

/* Options may be NULL. ISLE_OK and a running isolate, or the code with isle_last_error set and
 * nothing changed. */
static isle_err spawn_run(const isle_options *options, const struct isle__spawn_what *what,
                          isle_value message, struct isle__isolate **ret_isolate,
                          isle_isolate *ret_handle)
{
    struct isle__isolate *self = isle__isolate_current(), *isolate;
    if (isle__simulating() && isle__fault_strikes(ISLE__FAULT_SPAWN, self->id))
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: the simulation refuses it");
    isle_err err = options == NULL ? isle__isolate_create_plain(&isolate)
                                   : isle__isolate_create(options, &isolate);
    if (err == ISLE_ENOMEM)
        return isle__fail(ISLE_ENOMEM, "Out of Memory");
    if (err != ISLE_OK)
        return err;
    if (what->kind == ISLE__ENTRY_RUN) {
        isolate->run_mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, what->run_reply);
        if (isolate->run_mail == NULL)
            err = isle__fail(ISLE_ENOMEM, "Out of Memory");
        else
            isolate->run_mail->code = ISLE_ENORESULT;
    }
    if (what->library != NULL && isle__isolate_cold(isolate) == NULL)
        err = isle__fail(ISLE_ENOMEM, "Out of Memory");
    if (err == ISLE_OK) /* last: what it takes from the caller is not given back */
        err = spawn_message(self, isolate, message);
    if (err != ISLE_OK) {
        isle__backend_of(isolate)->ended(isolate);
        isle__isolate_destroy(isolate);
        return err;
    }
    if (what->library != NULL)
        isle__isolate_has_cold(isolate)->library = what->library;
    isolate->entry = what->entry;
    isolate->entry_kind = (uint8_t)what->kind;
    *ret_handle = isle__isolate_handle(isolate);
    if (ret_isolate != NULL)
        *ret_isolate = isolate;
    isle__isolate_start(isolate);
    return ISLE_OK;
}

static isle_err spawn_entry(const char *function, isle_entry *entry, isle_value message,
                            const isle_options *given, size_t size, isle_isolate *ret_isolate)
{
    isle_options options;
    if (entry == NULL)
        return isle__fail(ISLE_EINVAL, "%s: the entry is NULL", function);
    struct isle__spawn_what what = {.kind = ISLE__ENTRY, .entry.entry = entry};
    if (given == NULL)
        return spawn_run(NULL, &what, message, NULL, ret_isolate);
    isle_err err = options_read(function, given, size, &options);
    if (err != ISLE_OK)
        return err;
    return spawn_run(&options, &what, message, NULL, ret_isolate);
}

isle_isolate isle__spawn(isle_entry *entry, isle_value message, const isle_options *options,
                         size_t options_size)
{
    isle_isolate isolate;
    isle__attend(isle__isolate_need("isle_spawn"));
    if (spawn_entry("isle_spawn", entry, message, options, options_size, &isolate) != ISLE_OK)
        isle_throw(isle_last_error());
    return isolate;
}

isle_err isle__try_spawn(isle_entry *entry, isle_value message, const isle_options *options,
                         size_t options_size, isle_isolate *ret_isolate)
{
    struct isle__isolate *self;
    isle_isolate isolate;
    isle_err err = isle__isolate_ask(&self);
    if (err != ISLE_OK)
        return err;
    /* On threads all that can fail has been seen when the call returns. */
    err = spawn_entry("isle_try_spawn", entry, message, options, options_size, &isolate);
    if (err == ISLE_OK && ret_isolate != NULL)
        *ret_isolate = isolate;
    return err;
}

isle_send_port isle_spawn_function(void (*entry)(void))
{
    isle_isolate isolate;
    isle__attend(isle__isolate_need(__func__));
    if (entry == NULL)
        isle__throw(ISLE_EINVAL, "isle_spawn_function: the entry is NULL");
    struct isle__spawn_what what = {.kind = ISLE__ENTRY_CLASSIC, .entry.classic = entry};
    if (spawn_run(NULL, &what, isle_null(), NULL, &isolate) != ISLE_OK)
        isle_throw(isle_last_error());
    return isolate.default_port;
}

/* --- isle_run */

static void run_kill(struct isle__promise *promise)
{
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (control == NULL)
        return; /* it runs to its end, and its result is dropped */
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_KILL,
        .target = promise->target.control_port.id,
        .capability = promise->target.terminate_capability.id,
    };
    if (isle__control_post(control) != ISLE_OK)
        return;
}

struct running {
    struct isle__promise *promise;
    isle_computation *computation;
    isle_value argument;
    const isle_options *options;
    size_t options_size;
};

static void run_start(void *argument)
{
    struct running *running = argument;
    isle_options options;
    if (running->computation == NULL)
        isle__throw(ISLE_EINVAL, "isle_run: the computation is NULL");
    const isle_options *given = running->options == NULL ? NULL : &options;
    if (given != NULL &&
        options_read("isle_run", running->options, running->options_size, &options) != ISLE_OK)
        isle_throw(isle_last_error());
    if (given != NULL)
        options.errors_not_fatal = false;
    struct isle__spawn_what what = {
        .kind = ISLE__ENTRY_RUN,
        .entry.computation = running->computation,
        .run_reply = atomic_load_explicit(&running->promise->slot->id, memory_order_relaxed),
    };
    if (spawn_run(given, &what, running->argument, NULL, &running->promise->target) != ISLE_OK)
        isle_throw(isle_last_error());
    running->promise->cancel = run_kill;
}

isle_future *isle__run(isle_computation *computation, isle_value argument,
                       const isle_options *options, size_t options_size)
{
    struct isle__isolate *self = isle__isolate_need("isle_run");
    isle__attend(self);
    struct isle__promise *promise = isle__promise_new(self);
    isle__promise_expect(promise);
    struct running running = {promise, computation, argument, options, options_size};
    struct isle__catch catch;
    if (isle__catch_do(&self->heap, &catch, ISLE__CATCH_TRY, run_start, &running) ==
        ISLE__UNWIND_ERROR)
        isle__promise_complete(promise, catch.error, true);
    return isle__promise_future(promise);
}

isle_future *isle_spawn_wait(isle_isolate isolate)
{
    struct isle__isolate *self = isle__isolate_need(__func__);
    isle__attend(self);
    isle_value handle =
        isle_isolate_value(isolate); /* throws: before there is anything to give back */
    struct isle__promise *promise = isle__promise_new(self);
    isle__promise_expect(promise);
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    struct isle__parcel parcel;
    if (control == NULL ||
        isle__parcel_copy(&self->heap, handle, sizeof(struct isle__mail), &parcel) != ISLE_OK) {
        isle__memory_free(control, sizeof *control);
        isle__promise_discard(promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    isle__parcel_commit(&parcel);
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_STARTED,
        .target = isolate.control_port.id,
        .mail = isle__mail_of(&parcel, ISLE__MAIL_REPLY,
                              atomic_load_explicit(&promise->slot->id, memory_order_relaxed)),
    };
    /* Refused, it has answered with ISLE_ECLOSED itself. */
    if (isle__control_post(control) == ISLE_EFULL)
        isle__promise_complete_code(promise, ISLE_EFULL);
    return isle__promise_future(promise);
}

/* --- code at a URI */

/* "file:PATH#ENTRY", "PATH#ENTRY", "PATH": cut into two strings of the current scope. */
static void uri_split(const char *uri, const char **ret_path, const char **ret_entry)
{
    if (uri == NULL || *uri == '\0')
        isle__throw(ISLE_EINVAL, "isle_spawn_uri: the URI is NULL or empty");
    if (strncmp(uri, "file://", 7) == 0)
        uri += 7;
    else if (strncmp(uri, "file:", 5) == 0)
        uri += 5;
    const char *mark = strchr(uri, '#');
    size_t length = mark == NULL ? strlen(uri) : (size_t)(mark - uri);
    *ret_path = isle_as_string(isle_string_sized(uri, length));
    *ret_entry =
        mark == NULL || mark[1] == '\0' ? "isle_main" : isle_as_string(isle_string(mark + 1));
}

static isle_value uri_message(isle_value args, isle_value message)
{
    if (!isle_is_null(args)) {
        if (isle_kind_of(args) != ISLE_LIST)
            isle__throw(ISLE_ETYPE, "isle_spawn_uri: args is a list of strings or null, not %s",
                        isle_kind_name(isle_kind_of(args)));
        for (size_t i = 0; i < isle_count(args); i++)
            if (isle_kind_of(isle_list_get(args, i)) != ISLE_STRING)
                isle__throw(ISLE_ETYPE, "isle_spawn_uri: args[%zu] is not a string", i);
    }
    isle_value both = isle_list();
    isle_list_add(both, args);
    isle_list_add(both, message);
    return both;
}

isle_isolate isle__spawn_uri(const char *uri, isle_value args, isle_value message,
                             const isle_options *given, size_t options_size)
{
    isle_options options;
    isle__attend(isle__isolate_need("isle_spawn_uri"));
    if (options_read("isle_spawn_uri", given, options_size, &options) != ISLE_OK)
        isle_throw(isle_last_error());
    const char *path, *entry;
    uri_split(uri, &path, &entry);
    if (options.backend == ISLE_BACKEND_DEFAULT)
        isle__throw(ISLE_EUNSUPPORTED, "isle_spawn_uri: this build has no process backend, the "
                                       "default for code at a URI; for code that you trust like "
                                       "your own, set .backend = ISLE_THREAD");
    isle_value both = uri_message(args, message);
    struct isle__spawn_what what = {.kind = ISLE__ENTRY_URI};
    void *symbol;
    char text[512];
    isle_err err = isle__library_open(path, entry, &what.library, &symbol, text, sizeof text);
    if (err == ISLE_ENOMEM)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    if (err != ISLE_OK)
        isle__throw(err == ISLE_EUNSUPPORTED ? err : ISLE_ESPAWN, "Unable to spawn isolate: %s",
                    text);
    memcpy(&what.entry.uri, &symbol, sizeof symbol);
    isle_isolate isolate;
    if (spawn_run(&options, &what, both, NULL, &isolate) != ISLE_OK) {
        isle__library_close(what.library);
        isle_throw(isle_last_error());
    }
    return isolate;
}

/* --- isle_exit */

void isle_exit(isle_send_port final_port, isle_value message)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (final_port.id != 0) {
        struct isle__parcel parcel;
        struct isle__cold *cold = isle__isolate_cold(isolate);
        if (cold == NULL)
            isle__throw(ISLE_ENOMEM, "Out of Memory");
        if (isle__parcel_move(&isolate->heap, message, sizeof(struct isle__mail), &parcel) !=
            ISLE_OK)
            isle_throw(isle_last_error());
        isle__parcel_commit(&parcel);
        isle__mail_drop(cold->final_mail);
        cold->final_mail = isle__mail_of(&parcel, ISLE__MAIL_DATA, final_port.id);
    }
    isolate->ending = true;
    isle__io_stop(isolate);
    isle__unwind_end(&isolate->heap);
}
