/* SPDX-License-Identifier: Apache-2.0 */
/* Registries, as programs have them: requests that look into the table (name.c) where it is in this
 * program, and the same requests as messages to whoever has it where it is not.
 *
 * The service. A registry's port is one of the isolate that opened it, with an answer of ours. A
 * request is a list that begins with what is asked and the asker's token, a capability that each
 * isolate makes for itself and shows to registries alone: so nobody undoes what another asked for.
 *
 * Law: a request from beyond a wall may be anything. It is read by asking forms alone; what does
 * not read as one is refused, and where nobody waits for an answer nothing is thrown, since that
 * would end the isolate that serves. A request that names a port must be a call of that port's own
 * isolate: so nobody is named or told by others, and what is counted is its own. What is answered
 * goes to room that is reserved in the asker: pages of a list are refused to who has much waiting.
 */
#include <stdlib.h>
#include <string.h>

#include "core/activity.h"
#include "core/mail.h"
#include "core/name.h"
#include "core/port.h"
#include "core/promise.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "value/cell.h"
#include "value/failure.h"

enum asked {
    ASK_REGISTER = 1, /* name, port: ISLE_OK or an error's number */
    ASK_UNREGISTER,   /* name: no answer */
    ASK_LOOKUP,       /* name: its port, or none */
    ASK_WAIT,         /* name, ns: its port, when there is one */
    ASK_MONITOR,      /* name, port: as ASK_LOOKUP */
    ASK_UNMONITOR,    /* name, port: no answer */
    ASK_LIST          /* where from, as bits of an int: [where next, name, port, …] */
};

enum { WAITING_MAX = 1 << 20 }; /* bytes that wait for an asker who gets a page all the same */
#define ANSWER_NS ISLE_SECONDS(5)

/* --- names and errors */

/* ISLE_OK, or refused with the function's name. */
static isle_err key_read(const char *function, uint64_t registry, const char *name,
                         struct isle__name_key *ret_key)
{
    if (name == NULL)
        return isle__fail(ISLE_EINVAL, "%s: the name is NULL", function);
    size_t length = strnlen(name, ISLE__NAME_MAX + 1);
    if (length == 0 || length > ISLE__NAME_MAX)
        return isle__fail(ISLE_ERANGE, "%s: a name has 1 to %d bytes", function, ISLE__NAME_MAX);
    if (isle__utf8_valid(name, length) != length)
        return isle__fail(ISLE_EMALFORMED, "%s: the name is not UTF-8", function);
    *ret_key = (struct isle__name_key){registry, name, length};
    return ISLE_OK;
}

static struct isle__name_key key_need(const char *function, isle_names names, const char *name)
{
    struct isle__name_key key;
    if (key_read(function, names.port.id, name, &key) != ISLE_OK)
        isle_throw(isle_last_error());
    return key;
}

static const char *refusal_text(isle_err err)
{
    switch ((int)err) {
    case ISLE_EUSED:
        return "the name is taken";
    case ISLE_ECLOSED:
        return "the registry is gone, or the port's isolate has ended";
    case ISLE_EINVAL:
        return "the port is none that may have a name or be told of one";
    case ISLE_EFULL:
        return "the registry is full";
    default:
        return isle_err_text(err);
    }
}

static isle_err names_refused(const char *function, isle_err err)
{
    return err == ISLE_OK ? ISLE_OK : isle__fail(err, "%s: %s", function, refusal_text(err));
}

ISLE_NORETURN static void names_throw(const char *function, isle_err err)
{
    isle__throw(err, "%s: %s", function, refusal_text(err));
}

static struct isle__name_owner owner_here(const struct isle__isolate *isolate)
{
    return (struct isle__name_owner){isolate->id, false};
}

/* --- the service */

struct request {
    int64_t asked;
    struct isle__name_owner owner;
    struct isle__name_key key;
    isle_value argument;           /* of the rest, if there is one */
    struct isle__isolate *isolate; /* that serves */
    uint64_t reply;                /* 0: nobody waits */
};

/* The body of who waits for the answer by a call; NULL: nobody does. A look alone: it may end. */
static const struct isle__isolate *request_asker(const struct request *request)
{
    const struct isle__slot *slot = isle__slot_find(request->reply);
    if (slot == NULL || atomic_load_explicit(&slot->kind, memory_order_relaxed) != ISLE__SLOT_REPLY)
        return NULL;
    return atomic_load_explicit(&slot->isolate, memory_order_relaxed);
}

/* The port, if it is the asker's own. */
static bool request_port(const struct request *request, uint64_t *ret_port)
{
    isle_send_port port;
    if (!isle_get_port(request->argument, &port))
        return false;
    const struct isle__slot *slot = isle__slot_find(port.id);
    *ret_port = port.id;
    return slot != NULL &&
           atomic_load_explicit(&slot->isolate, memory_order_relaxed) == request_asker(request);
}

static isle_err request_register(const struct request *request)
{
    uint64_t port;
    if (!request_port(request, &port))
        return ISLE_EINVAL;
    return isle__name_take(&request->key, port, request->owner);
}

/* Of a mail that was made for it. Whose it is afterwards is settled here. */
static isle_err request_watch(const struct request *request, struct isle__mail *mail, bool is_wait,
                              int64_t until, uint64_t *ret_port)
{
    bool taken = false;
    if (mail == NULL)
        return ISLE_ENOMEM;
    struct isle__watching watching = {mail->target, request->owner, mail, is_wait, until};
    isle_err err = isle__name_watch(&request->key, &watching, ret_port, &taken);
    if (!taken)
        isle__mail_drop(mail);
    return err;
}

static isle_err request_monitor(const struct request *request, uint64_t *ret_port)
{
    uint64_t port;
    if (!request_port(request, &port))
        return ISLE_EINVAL;
    return request_watch(request, isle__change_mail(port, &request->key), false, ISLE_FOREVER,
                         ret_port);
}

/* If nobody has the name, the answer is the table's. */
static isle_err request_wait(const struct request *request, uint64_t *ret_port)
{
    int64_t timeout;
    if (request_asker(request) == NULL || !isle_get_int(request->argument, &timeout))
        return ISLE_EINVAL;
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, request->reply);
    int64_t until = timeout == ISLE_FOREVER ? ISLE_FOREVER : isle__deadline_of(timeout);
    isle_err err = request_watch(request, mail, true, until, ret_port);
    if (err == ISLE_OK && *ret_port == 0)
        request->isolate->running->serving = 0;
    return err;
}

static isle_value page_value(const struct isle__name_page *page)
{
    isle_value list = isle_list();
    isle_list_add(list, isle_int((int64_t)page->next));
    for (size_t i = 0; i < page->count; i++) {
        isle_list_add(list, isle_string_sized(page->entries[i].text, page->entries[i].length));
        isle_list_add(list, isle_port((isle_send_port){page->entries[i].port}));
    }
    return list;
}

/* Memory that goes with the scope, whatever is thrown. */
static void *scope_memory(size_t size)
{
    return isle_bytes_data(isle_bytes(NULL, size));
}

static isle_value request_list(const struct request *request)
{
    int64_t from;
    const struct isle__isolate *asker = request_asker(request);
    if (asker == NULL || !isle_get_int(request->argument, &from))
        names_throw("isle_name_list", ISLE_EINVAL);
    if (isle__room_bytes(isle__room_taken(&asker->heap.reserved)) > WAITING_MAX)
        names_throw("isle_name_list", ISLE_EFULL);
    struct isle__name_page *page = scope_memory(sizeof *page);
    isle_err err = isle__name_page(request->key.registry, (uint64_t)from, page);
    if (err != ISLE_OK)
        names_throw("isle_name_list", err);
    return page_value(page);
}

/* Throws where somebody waits for an answer, and nowhere else. */
static isle_value request_answer(const struct request *request)
{
    uint64_t port = 0;
    isle_err err = ISLE_OK;
    switch (request->asked) {
    case ASK_REGISTER:
        return isle_int(request_register(request));
    case ASK_LOOKUP:
        err = isle__name_find(&request->key, &port);
        break;
    case ASK_MONITOR:
        err = request_monitor(request, &port);
        break;
    case ASK_WAIT:
        err = request_wait(request, &port);
        break;
    case ASK_LIST:
        return request_list(request);
    default:
        err = ISLE_EINVAL;
    }
    if (err != ISLE_OK)
        names_throw("a request to a registry", err);
    return isle_port((isle_send_port){port});
}

static void request_tell(const struct request *request)
{
    isle_send_port port;
    if (request->asked == ASK_UNREGISTER)
        isle__name_leave(&request->key, request->owner, false);
    else if (request->asked == ASK_UNMONITOR && isle_get_port(request->argument, &port))
        isle__name_unwatch(&request->key, port.id, request->owner);
}

/* False: it is none. */
static bool request_read(isle_value message, struct request *request)
{
    const char *name = NULL;
    size_t length;
    if (isle_kind_of(message) != ISLE_LIST || isle_count(message) != 4)
        return false;
    isle_value token = isle_list_get(message, 1), text = isle_list_get(message, 2);
    request->argument = isle_list_get(message, 3);
    if (!isle_get_int(isle_list_get(message, 0), &request->asked) ||
        isle_kind_of(token) != ISLE_CAPABILITY)
        return false;
    request->owner = (struct isle__name_owner){isle_as_capability(token).id, true};
    if (request->asked == ASK_LIST)
        return true;
    if (!isle_get_string(text, &name, &length) || length == 0 || length > ISLE__NAME_MAX ||
        memchr(name, '\0', length) != NULL)
        return false;
    request->key.text = name;
    request->key.length = length;
    return true;
}

/* The context is the registry's id. */
static isle_value registry_answer(isle_value message, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct request request = {
        .isolate = isolate,
        .reply = isolate->running->serving,
        .key.registry = (uint64_t)(uintptr_t)context,
    };
    bool is_one = request_read(message, &request);
    if (request.reply == 0) {
        if (is_one)
            request_tell(&request);
        return isle_null();
    }
    if (!is_one)
        names_throw("a request to a registry", ISLE_EINVAL);
    return request_answer(&request);
}

/* --- opening and closing */

isle_names isle_names_open(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__port *port = isle__port_open(isolate);
    isle_names names = {{port->id}};
    isle_receive_port *handle = port->handle;
    isle_port_set_keep_alive(handle, false);
    isle_port_serve(handle, registry_answer, (void *)(uintptr_t)port->id);
    isle_err err = isle__registry_open(names.port.id);
    if (err != ISLE_OK) {
        isle_port_close(handle);
        names_throw(__func__, err);
    }
    return names;
}

void isle_names_close(isle_names names)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    const struct isle__slot *slot = isle__slot_find(names.port.id);
    if (slot == NULL || atomic_load_explicit(&slot->isolate, memory_order_relaxed) != isolate ||
        names.port.id == 0 || !isle__registry_is_here(names.port.id))
        return;
    const struct isle__port *port = slot->object;
    isle_port_close(port->handle); /* and with it the registry: isle__names_port_closed */
}

/* --- asking from afar */

ISLE_LOCAL(isle_capability, names_token);

static isle_value ask_build(enum asked asked, const char *name, isle_value argument)
{
    if (isle_capability_equal(*names_token(), (isle_capability){0}))
        *names_token() = isle_capability_new();
    isle_value list = isle_list_fixed(4);
    isle_list_set(list, 0, isle_int(asked));
    isle_list_set(list, 1, isle_capability_value(*names_token()));
    isle_list_set(list, 2, name == NULL ? isle_null() : isle_string(name));
    isle_list_set(list, 3, argument);
    return list;
}

static isle_value ask(isle_names names, enum asked asked, const char *name, isle_value argument)
{
    return isle_await(isle_call(names.port, ask_build(asked, name, argument), ANSWER_NS));
}

static isle_send_port ask_port(isle_names names, enum asked asked, const char *name,
                               isle_value argument)
{
    isle_send_port port;
    if (!isle_get_port(ask(names, asked, name, argument), &port))
        names_throw("a registry's answer", ISLE_EMALFORMED);
    return port;
}

struct asking {
    isle_names names;
    const char *name;
    isle_send_port port;
};

static isle_value ask_register(isle_value pointer)
{
    const struct asking *asking = isle_as_pointer(pointer);
    return ask(asking->names, ASK_REGISTER, asking->name, isle_port(asking->port));
}

static isle_err register_afar(const char *function, struct asking *asking)
{
    isle_value answer;
    int64_t code;
    isle_err err = isle_try(ask_register, isle_pointer(asking), &answer);
    if (err != ISLE_OK)
        return err;
    if (!isle_get_int(answer, &code) || code > 0 || code < ISLE_EDEADLOCK)
        return isle__fail(ISLE_EMALFORMED, "%s: a registry's answer", function);
    return names_refused(function, (isle_err)code);
}

/* --- the program's side */

isle_err isle_name_register(isle_names names, const char *name, isle_send_port port)
{
    struct isle__isolate *isolate;
    struct isle__name_key key;
    isle_err err = isle__isolate_ask(&isolate);
    if (err != ISLE_OK)
        return err;
    err = key_read(__func__, names.port.id, name, &key);
    if (err != ISLE_OK)
        return err;
    if (isle_send_port_is_none(port))
        return isle__fail(ISLE_EINVAL, "%s: the port is none", __func__);
    if (isle__registry_is_here(names.port.id))
        return names_refused(__func__, isle__name_take(&key, port.id, owner_here(isolate)));
    return register_afar(__func__, &(struct asking){names, name, port});
}

static bool opened_here(const struct isle__isolate *isolate, isle_names names)
{
    const struct isle__slot *slot = isle__slot_find(names.port.id);
    return slot != NULL && atomic_load_explicit(&slot->isolate, memory_order_relaxed) == isolate;
}

void isle_name_unregister(isle_names names, const char *name)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__name_key key = key_need(__func__, names, name);
    if (isle__registry_is_here(names.port.id))
        isle__name_leave(&key, owner_here(isolate), opened_here(isolate, names));
    else
        isle_send(names.port, ask_build(ASK_UNREGISTER, name, isle_null()));
}

isle_send_port isle_name_lookup(isle_names names, const char *name)
{
    uint64_t port = 0;
    (void)isle__isolate_need(__func__);
    struct isle__name_key key = key_need(__func__, names, name);
    if (isle__name_find(&key, &port) == ISLE_OK)
        return (isle_send_port){port};
    return ask_port(names, ASK_LOOKUP, name, isle_null());
}

static void wait_cancel(struct isle__promise *promise)
{
    if (promise->slot != NULL)
        isle__name_unwait(atomic_load_explicit(&promise->slot->id, memory_order_relaxed));
}

isle_future *isle_name_wait(isle_names names, const char *name, int64_t timeout_ns)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__name_key key = key_need(__func__, names, name);
    uint64_t port = 0;
    bool taken = false;
    if (!isle__registry_is_here(names.port.id))
        return isle_call(names.port, ask_build(ASK_WAIT, name, isle_int(timeout_ns)), timeout_ns);
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    isle__promise_set_timeout(promise, timeout_ns);
    uint64_t reply = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, reply);
    struct isle__watching watching = {reply, owner_here(isolate), mail, true, ISLE_FOREVER};
    isle_err err = mail == NULL ? ISLE_ENOMEM : isle__name_watch(&key, &watching, &port, &taken);
    if (!taken)
        isle__mail_drop(mail);
    if (err != ISLE_OK) {
        isle__promise_discard(promise);
        names_throw(__func__, err);
    }
    promise->cancel = wait_cancel;
    isle_future *future = isle__promise_future(promise);
    if (port != 0)
        isle__promise_complete(promise, isle_port((isle_send_port){port}), false);
    return future;
}

isle_send_port isle_name_monitor(isle_names names, const char *name, isle_send_port port)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__name_key key = key_need(__func__, names, name);
    uint64_t now = 0;
    bool taken = false;
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "%s: the port is none", __func__);
    if (!isle__registry_is_here(names.port.id))
        return ask_port(names, ASK_MONITOR, name, isle_port(port));
    struct isle__mail *mail = isle__change_mail(port.id, &key);
    struct isle__watching watching = {port.id, owner_here(isolate), mail, false, ISLE_FOREVER};
    isle_err err = mail == NULL ? ISLE_ENOMEM : isle__name_watch(&key, &watching, &now, &taken);
    if (!taken)
        isle__mail_drop(mail);
    if (err != ISLE_OK)
        names_throw(__func__, err);
    return (isle_send_port){now};
}

void isle_name_unmonitor(isle_names names, const char *name, isle_send_port port)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__name_key key = key_need(__func__, names, name);
    if (isle__registry_is_here(names.port.id))
        isle__name_unwatch(&key, port.id, owner_here(isolate));
    else
        isle_send(names.port, ask_build(ASK_UNMONITOR, name, isle_port(port)));
}

/* --- the list */

struct listed {
    isle_value name, port;
    const char *text;
};

static int listed_compare(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->text, ((const struct listed *)b)->text);
}

/* [where next, name, port, …] */
static isle_value list_page(isle_names names, int64_t from)
{
    isle_scope scope = isle_scope_open();
    isle_value list;
    if (isle__registry_is_here(names.port.id)) {
        struct isle__name_page *page = scope_memory(sizeof *page);
        isle_err err = isle__name_page(names.port.id, (uint64_t)from, page);
        if (err != ISLE_OK)
            names_throw("isle_name_list", err);
        list = page_value(page);
    } else {
        list = ask(names, ASK_LIST, NULL, isle_int(from));
    }
    list = isle_escape(list);
    isle_scope_close(&scope);
    return list;
}

/* A page goes on where the last ended, so a registry that lies could send them without end: each
 * goes further than the one before. Adds to `all`; 0: that was the last. */
static uint64_t list_take(isle_value page, isle_value all, uint64_t from)
{
    int64_t next = 0;
    if (isle_kind_of(page) != ISLE_LIST || isle_count(page) % 2 == 0 ||
        !isle_get_int(isle_list_get(page, 0), &next))
        names_throw("isle_name_list", ISLE_EMALFORMED);
    for (size_t i = 1; i < isle_count(page); i++)
        isle_list_add(all, isle_list_get(page, i));
    if (isle_count(all) > (size_t)4 * ISLE__NAMES_MAX ||
        (next != 0 && ((uint64_t)next <= from || isle_count(page) == 1)))
        names_throw("isle_name_list", ISLE_EMALFORMED);
    return (uint64_t)next;
}

/* Sorted: no order that a program sees depends on a hash. */
static isle_value list_sorted(isle_value all)
{
    size_t count = isle_count(all) / 2;
    struct listed *listed = scope_memory(count * sizeof *listed);
    for (size_t i = 0; i < count; i++) {
        listed[i].name = isle_list_get(all, 2 * i);
        listed[i].port = isle_list_get(all, 2 * i + 1);
        listed[i].text = isle_as_string(listed[i].name);
        (void)isle_as_port(listed[i].port);
    }
    qsort(listed, count, sizeof *listed, listed_compare);
    isle_value map = isle_map();
    for (size_t i = 0; i < count; i++)
        isle_map_put(map, listed[i].name, listed[i].port);
    return map;
}

isle_value isle_name_list(isle_names names)
{
    (void)isle__isolate_need(__func__);
    isle_scope scope = isle_scope_open();
    isle_value all = isle_list();
    uint64_t next = 0;
    do
        next = list_take(list_page(names, (int64_t)next), all, next);
    while (next != 0);
    isle_value map = isle_escape(list_sorted(all));
    isle_scope_close(&scope);
    return map;
}
