/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning: a body, a copy of the message, and the first event. Nothing here waits: the handle is
 * valid when the call returns. */
#include <string.h>

#include "core/activity.h"
#include "core/backend.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/simulate.h"
#include "core/uncaught.h"

/* --- options: structs that grow at their end */

/* What the backend cannot do is refused, never left out. */
static isle_err options_suit(const char *function, const isle_options *options)
{
    const struct isle__backend_ops *ops = isle__backend_find(options->backend);
    if (ops == NULL)
        return isle__fail(ISLE_EUNSUPPORTED, "%s: this build has no such backend (%d)", function,
                          (int)options->backend);
    if (isle__simulating() && ops != &isle__backend_thread)
        return isle__fail(ISLE_EUNSUPPORTED,
                          "%s leaves the simulation: only isolates on threads run in one",
                          function);
    if (options->cpu_time_max_ns != 0 && (ops->enforces & ISLE__ENFORCES_CPU_TIME) == 0)
        return isle__fail(ISLE_EUNSUPPORTED, "%s: .cpu_time_max_ns cannot be enforced on %ss",
                          function, ops->name);
    if (options->sandbox != NULL && (ops->enforces & ISLE__ENFORCES_SANDBOX) == 0)
        return isle__fail(ISLE_EUNSUPPORTED, "%s: .sandbox cannot be enforced on %ss", function,
                          ops->name);
    return ISLE_OK;
}

/* `otherwise` is the backend where none is named. */
static isle_err options_read(const char *function, const isle_options *given, size_t size,
                             isle_backend otherwise, isle_options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    ret_options->backend = otherwise;
    if (given == NULL)
        return ISLE_OK;
    size_t known = size < sizeof *ret_options ? size : sizeof *ret_options;
    memcpy(ret_options, given, known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return isle__fail(ISLE_EUNSUPPORTED,
                              "%s: an option is set that this version of Isle does not know",
                              function);
    if (ret_options->backend == ISLE_BACKEND_DEFAULT)
        ret_options->backend = otherwise;
    if ((int)ret_options->thread < ISLE_THREAD_POOL || (int)ret_options->thread > ISLE_THREAD_OWN)
        return isle__fail(ISLE_EINVAL, "%s: .thread is no isle_thread", function);
    if (ret_options->deadline_ns < 0 || ret_options->cpu_time_max_ns < 0)
        return isle__fail(ISLE_ERANGE, "%s: a duration is negative", function);
    return isle__spawn_elsewhere == NULL ? options_suit(function, ret_options) : ISLE_OK;
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

struct isle__mail *isle__first_take(struct isle__isolate *isolate, isle_value *ret_bare)
{
    struct isle__mail *mail = isle__first_mail(isolate);
    *ret_bare = mail == NULL ? (isle_value){isolate->first} : isle_null();
    if (mail != NULL)
        isle__room_leave(&isolate->heap.reserved, isle__room_of(0, isle__mail_size(mail)));
    isle__isolate_entering(isolate);
    return mail;
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
    if (is_error)
        isle__run_failed(isolate, result);
    isle_err err = isle__parcel_move(&isolate->heap, result, sizeof(struct isle__mail), &parcel);
    if (err != ISLE_OK) {
        isle_value error = isle_last_error();
        is_error = true;
        isle__run_failed(isolate, error);
        if (isle__parcel_copy(&isolate->heap, error, sizeof(struct isle__mail), &parcel) != ISLE_OK)
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

static isle_err spawn_prepare(struct isle__isolate *isolate, const struct isle__spawn_what *what)
{
    isolate->entry_kind = (uint8_t)what->kind;
    if (what->library != NULL && isle__isolate_cold(isolate) == NULL)
        return isle__fail(ISLE_ENOMEM, "Out of Memory");
    if (what->kind != ISLE__ENTRY_RUN)
        return ISLE_OK;
    isolate->run_mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, what->run_reply);
    if (isolate->run_mail == NULL)
        return isle__fail(ISLE_ENOMEM, "Out of Memory");
    isolate->run_mail->code = ISLE_ENORESULT;
    return ISLE_OK;
}

static isle_err spawn_admit(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                            isle_value message)
{
    const struct isle__backend_ops *ops = isle__backend_of(isolate);
    return ops->admit == NULL ? ISLE_OK : ops->admit(isolate, what, message);
}

/* What tells whoever waits that it stands, a reply of null: the first that it is asked. NULL: no
 * memory. */
static struct isle__control *spawn_standing(const struct isle__isolate *isolate, uint64_t standing)
{
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, standing);
    if (control == NULL || mail == NULL) {
        isle__memory_free(control, sizeof *control);
        isle__mail_drop(mail);
        return NULL;
    }
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_STARTED,
        .target = isolate->id | ISLE__ID_CONTROL,
        .mail = mail,
    };
    return control;
}

/* All but its start. */
static isle_err spawn_fill(struct isle__isolate *self, struct isle__isolate *isolate,
                           const struct isle__spawn_what *what, isle_value message,
                           uint64_t standing)
{
    struct isle__control *control = NULL;
    isle_err err = isolate->is_plain ? ISLE_OK : spawn_admit(isolate, what, message);
    if (err == ISLE_OK && standing != 0) {
        control = spawn_standing(isolate, standing);
        if (control == NULL)
            err = isle__fail(ISLE_ENOMEM, "Out of Memory");
    }
    if (err == ISLE_OK) /* what it takes from the caller is not given back */
        err = spawn_message(self, isolate, message);
    if (err == ISLE_OK && control != NULL)
        return isle__control_post(control); /* it is open, and nothing waits there */
    if (control != NULL)
        isle__control_free(control);
    return err;
}

/* Options may be NULL. ISLE_OK and a running isolate, or the code with isle_last_error set and
 * nothing changed. */
static isle_err spawn_here(const isle_options *options, const struct isle__spawn_what *what,
                           isle_value message, uint64_t standing, isle_isolate *ret_handle)
{
    struct isle__isolate *self = isle__isolate_of(isle__heap_current()), *isolate;
    if (isle__simulating() && isle__fault_strikes(ISLE__FAULT_SPAWN, self->id))
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: the simulation refuses it");
    isle_err err = options == NULL ? isle__isolate_create_plain(&isolate)
                                   : isle__isolate_create(options, &isolate);
    if (err == ISLE_ENOMEM)
        return isle__fail(ISLE_ENOMEM, "Out of Memory");
    if (err != ISLE_OK)
        return err;
    struct isle__link *link = NULL;
    err = spawn_prepare(isolate, what);
    if (err == ISLE_OK && options != NULL && options->link)
        err = isle__link_birth(self, isolate, &link) == ISLE_OK
                  ? ISLE_OK
                  : isle__fail(ISLE_ENOMEM, "Out of Memory");
    if (err == ISLE_OK)
        err = spawn_fill(self, isolate, what, message, standing);
    if (err != ISLE_OK) {
        isle__link_free(link);
        isle__backend_of(isolate)->ended(isolate);
        isle__isolate_destroy(isolate);
        return err;
    }
    if (what->library != NULL)
        isle__isolate_has_cold(isolate)->library = what->library;
    isolate->entry = what->entry;
    if (link != NULL)
        isle__link_put(self, link);
    *ret_handle = isle__isolate_handle(isolate);
    isle__isolate_start(isolate);
    return ISLE_OK;
}

isle_err isle__spawn_here(const isle_options *options, const struct isle__spawn_what *what,
                          isle_value message, isle_isolate *ret_isolate)
{
    return spawn_here(options, what, message, 0, ret_isolate);
}

static isle_err spawn_run(const isle_options *options, const struct isle__spawn_what *what,
                          isle_value message, uint64_t standing, isle_isolate *ret_handle)
{
    static const isle_options none;
    if (ISLE__UNLIKELY(isle__spawn_elsewhere != NULL))
        return isle__spawn_elsewhere(options == NULL ? &none : options, what, message, standing,
                                     ret_handle);
    return spawn_here(options, what, message, standing, ret_handle);
}

static isle_err spawn_entry(const char *function, isle_entry *entry, isle_value message,
                            const isle_options *given, size_t size, uint64_t standing,
                            isle_isolate *ret_isolate)
{
    isle_options options;
    if (entry == NULL)
        return isle__fail(ISLE_EINVAL, "%s: the entry is NULL", function);
    struct isle__spawn_what what = {.kind = ISLE__ENTRY, .entry.entry = entry};
    if (given == NULL)
        return spawn_run(NULL, &what, message, standing, ret_isolate);
    isle_err err = options_read(function, given, size, ISLE_BACKEND_DEFAULT, &options);
    if (err != ISLE_OK)
        return err;
    return spawn_run(&options, &what, message, standing, ret_isolate);
}

isle_isolate isle__spawn(isle_entry *entry, isle_value message, const isle_options *options,
                         size_t options_size)
{
    isle_isolate isolate;
    isle__attend(isle__isolate_need("isle_spawn"));
    if (spawn_entry("isle_spawn", entry, message, options, options_size, 0, &isolate) != ISLE_OK)
        isle_throw(isle_last_error());
    return isolate;
}

/* Whether what can fail is seen later than in the call. */
static bool spawn_is_late(const isle_options *given, size_t size)
{
    isle_options options;
    if (isle__spawn_elsewhere != NULL)
        return true;
    if (given == NULL ||
        options_read("isle_try_spawn", given, size, ISLE_BACKEND_DEFAULT, &options) != ISLE_OK)
        return false;
    return isle__backend_find(options.backend)->control != NULL;
}

struct trying {
    isle_entry *entry;
    isle_value message;
    const isle_options *options;
    size_t options_size;
    isle_isolate isolate;
    isle_err err;
};

static void trying_run(void *argument)
{
    struct trying *trying = argument;
    struct isle__isolate *self = isle__isolate_current();
    struct isle__promise *promise = isle__promise_new(self);
    isle__promise_expect(promise);
    uint64_t standing = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    trying->err = spawn_entry("isle_try_spawn", trying->entry, trying->message, trying->options,
                              trying->options_size, standing, &trying->isolate);
    if (trying->err != ISLE_OK)
        isle__promise_discard(promise);
    else /* however late who asked for it is: what stands is somebody's */
        (void)isle_await(isle__promise_future(promise));
}

static isle_err trying_late(struct isle__isolate *self, struct trying *trying)
{
    struct isle__catch catch;
    isle_err err = isle__activity_can_wait(self);
    if (err == ISLE_ENOSUSPEND)
        return isle__fail(err, "isle_try_spawn cannot suspend here; use isle_spawn");
    if (err != ISLE_OK)
        return isle__fail(err, "Out of Memory");
    if (isle__catch_do(&self->heap, &catch, ISLE__CATCH_TRY, trying_run, trying) ==
        ISLE__UNWIND_ERROR)
        return isle__fail_with(catch.error);
    return trying->err;
}

isle_err isle__try_spawn(isle_entry *entry, isle_value message, const isle_options *options,
                         size_t options_size, isle_isolate *ret_isolate)
{
    struct isle__isolate *self;
    struct trying trying = {
        .entry = entry, .message = message, .options = options, .options_size = options_size};
    isle_err err = isle__isolate_ask(&self);
    if (err != ISLE_OK)
        return err;
    if (spawn_is_late(options, options_size))
        err = trying_late(self, &trying);
    else
        err = spawn_entry("isle_try_spawn", entry, message, options, options_size, 0,
                          &trying.isolate);
    if (err == ISLE_OK && ret_isolate != NULL)
        *ret_isolate = trying.isolate;
    return err;
}

isle_send_port isle_spawn_function(void (*entry)(void))
{
    isle_isolate isolate;
    isle__attend(isle__isolate_need(__func__));
    if (entry == NULL)
        isle__throw(ISLE_EINVAL, "isle_spawn_function: the entry is NULL");
    struct isle__spawn_what what = {.kind = ISLE__ENTRY_CLASSIC, .entry.classic = entry};
    if (spawn_run(NULL, &what, isle_null(), 0, &isolate) != ISLE_OK)
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
    if (given != NULL && options_read("isle_run", running->options, running->options_size,
                                      ISLE_BACKEND_DEFAULT, &options) != ISLE_OK)
        isle_throw(isle_last_error());
    if (given != NULL)
        options.errors_not_fatal = false;
    struct isle__spawn_what what = {
        .kind = ISLE__ENTRY_RUN,
        .entry.computation = running->computation,
        .run_reply = atomic_load_explicit(&running->promise->slot->id, memory_order_relaxed),
    };
    if (spawn_run(given, &what, running->argument, 0, &running->promise->target) != ISLE_OK)
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
    isle__promise_set_timeout(promise, ISLE_FOREVER);
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

/* "http://…": not a file. A path that looks like it is had by "./" before it. */
static bool uri_is_elsewhere(const char *uri)
{
    size_t scheme =
        strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return scheme > 0 && strncmp(uri + scheme, "://", 3) == 0 && strncmp(uri, "file:", 5) != 0;
}

/* "file:PATH#ENTRY", "PATH#ENTRY", "PATH": cut into two strings of the current scope. */
static void uri_split(const char *uri, const char **ret_path, const char **ret_entry)
{
    if (uri == NULL || *uri == '\0')
        isle__throw(ISLE_EINVAL, "isle_spawn_uri: the URI is NULL or empty");
    if (uri_is_elsewhere(uri))
        isle__throw(ISLE_ESPAWN,
                    "Unable to spawn isolate: %s: code comes from files alone: "
                    "file:PATH#ENTRY or PATH#ENTRY",
                    uri);
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

/* Into this process, as a copy with globals of its own. */
static void uri_load(struct isle__spawn_what *what)
{
    void *symbol;
    char text[512];
    isle_err err =
        isle__library_open(what->path, what->symbol, &what->library, &symbol, text, sizeof text);
    if (err == ISLE_ENOMEM)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    if (err != ISLE_OK)
        isle__throw(err == ISLE_EUNSUPPORTED ? err : ISLE_ESPAWN, "Unable to spawn isolate: %s",
                    text);
    memcpy(&what->entry.uri, &symbol, sizeof symbol);
}

/* The default for code at a URI is a wall. */
static isle_backend uri_backend(void)
{
    bool has_wall = isle__spawn_elsewhere != NULL || isle__backend_find(ISLE_PROCESS) != NULL;
    return has_wall ? ISLE_PROCESS : ISLE_BACKEND_DEFAULT;
}

/* The host loads code only to run it itself. */
static bool uri_is_loaded_here(isle_backend backend)
{
    return isle__spawn_elsewhere == NULL && isle__backend_find(backend)->control == NULL;
}

isle_isolate isle__spawn_uri(const char *uri, isle_value args, isle_value message,
                             const isle_options *given, size_t options_size)
{
    isle_options options;
    struct isle__spawn_what what = {.kind = ISLE__ENTRY_URI};
    isle__attend(isle__isolate_need("isle_spawn_uri"));
    if (options_read("isle_spawn_uri", given, options_size, uri_backend(), &options) != ISLE_OK)
        isle_throw(isle_last_error());
    uri_split(uri, &what.path, &what.symbol);
    if (options.backend == ISLE_BACKEND_DEFAULT)
        isle__throw(ISLE_EUNSUPPORTED, "isle_spawn_uri: this build has no process backend, the "
                                       "default for code at a URI; for code that you trust like "
                                       "your own, set .backend = ISLE_THREAD");
    isle_value both = uri_message(args, message);
    if (uri_is_loaded_here(options.backend))
        uri_load(&what);
    isle_isolate isolate;
    if (spawn_run(&options, &what, both, 0, &isolate) != ISLE_OK) {
        if (what.library != NULL)
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
