/* SPDX-License-Identifier: Apache-2.0 */
/* The table of names: who has which name in which registry, and who is told when that changes.
 *
 * What is held. A *hold* is something that goes with a port, and with the body of its isolate: a
 * name (with the port that has it), a watch (that is told), a registry (that serves it). Those of a
 * body are a ring, its *holder*, found by the body's address; those of a port are a list. has_names
 * of a body says that there may be one; a body without it pays for a load at its end.
 *
 * The race with an end. Who makes a hold sets has_names, then exchanges the body's mailbox word for
 * itself, and then looks whether the id still is that of the life he means; the end gives up the
 * id, then closes the mailbox by an exchange, then reads has_names. The two exchanges have an
 * order: is the maker's first, the end reads has_names as set, and comes here once the maker has
 * left the lock; is the end's first, the maker finds the mailbox closed, or that of another life
 * and the id gone.
 *
 * Law: one lock, under which nothing is posted, no code of the program runs and no other lock is
 * taken but those of memory. What is told is gathered in a list of mails and posted afterwards.
 * Mail is made when a relation is made, so telling needs no memory and cannot fail. */
#include "core/name.h"

#include <string.h>

#include "core/index.h"
#include "core/mail.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "value/cell.h"
#include "value/failure.h"
#include "value/type.h"

enum hold_kind { HOLD_NAME = 1, HOLD_WATCH, HOLD_REGISTRY };

struct holder { /* all holds of one body */
    struct isle__isolate *body;
    struct hold *last; /* a ring */
    size_t far_count;  /* of those that were asked for from beyond a wall */
};

struct hold {
    struct hold *next, *previous; /* of the holder's ring */
    struct holder *holder;
    struct hold *next_same, *previous_same; /* of those of the port */
    uint64_t port;                          /* that has the name, is told, or is the registry's */
    enum hold_kind kind;
    bool is_far;
};

struct watch {
    struct hold hold; /* first */
    struct watch *next, *previous;
    struct name *name;
    struct isle__watching watching;
};

/* There while somebody has it, or is to be told of it. */
struct name {
    struct hold hold;  /* first; in a ring while somebody has it */
    struct name *next; /* of its bucket, by hash */
    struct registry *registry;
    uint64_t hash;
    uint64_t port;                        /* 0: nobody has it */
    struct isle__name_owner owner;        /* who registered it */
    struct watch *watches, *watches_last; /* in the order in which they came */
    uint8_t length;
    char text[]; /* NUL-terminated */
};

struct registry {
    struct hold hold; /* first; of the program's own: none */
    uint64_t id;
    struct name *
        *buckets;  /* by the upper bits of the hash, so that the order stays when it grows */
    unsigned bits; /* 0: no buckets */
    size_t entry_count, name_count, watch_count;
};

enum { BUCKET_BITS_FIRST = 4, BUCKET_BITS_MAX = 20 };

static struct {
    struct isle__mutex lock;
    uint64_t key[2];
    struct registry own;
    struct isle__index registries; /* by id, but for the program's own */
    struct isle__index holders;    /* by body */
    struct isle__index ports;      /* the first hold of each, by the port */
} names;

static void names_lock(void)
{
    isle__mutex_lock(&names.lock);
}

/* Mails to be posted once the lock is left. */
struct told {
    struct isle__mail *first, *last;
};

static void told_add(struct told *told, struct isle__mail *mail)
{
    mail->next = NULL;
    if (told->last != NULL)
        told->last->next = mail;
    else
        told->first = mail;
    told->last = mail;
}

static void names_unlock(struct told *told)
{
    isle__mutex_unlock(&names.lock);
    for (struct isle__mail *mail = told->first, *next; mail != NULL; mail = next) {
        next = mail->next;
        isle__mail_post_reserved(mail);
    }
}

/* --- the message of a monitor */

static bool change_is_valid(const void *object)
{
    return ((const isle_name_change *)object)->name != NULL;
}

ISLE_TYPE_WITH(isle__change_type, isle_name_change, (1, false, change_is_valid, NULL),
               ISLE_FIELD(isle_name_change, name), ISLE_FIELD(isle_name_change, port));

static struct isle__type_entry change_entry;

static isle_value change_build(void *context)
{
    return isle_object(&isle__change_type, context);
}

struct isle__mail *isle__change_mail(uint64_t to, const struct isle__name_key *key)
{
    struct isle__parcel parcel;
    isle_name_change change = {.name = key->text};
    if (isle__parcel_build(change_build, &change, sizeof(struct isle__mail), &parcel) != ISLE_OK)
        return NULL;
    return isle__mail_of(&parcel, ISLE__MAIL_DATA, to);
}

void isle__change_rewrite(struct isle__mail *mail, uint64_t port)
{
    const struct isle__object_cell *cell =
        (const struct isle__object_cell *)isle__cell_of(mail->root);
    ((isle_name_change *)cell->object)->port.id = port;
}

isle_name_change isle_as_name_change(isle_value message)
{
    (void)isle__isolate_need(__func__);
    isle_kind kind = isle_kind_of(message);
    if (kind != ISLE_OBJECT)
        isle__throw(ISLE_ETYPE, "%s: expected the message of a name's monitor, got %s", __func__,
                    isle_kind_name(kind));
    const isle_type *type = isle_object_type(message);
    if (type != &isle__change_type)
        isle__throw(ISLE_ETYPE,
                    "%s: expected the message of a name's monitor, got an object of type %s",
                    __func__, type->name);
    return *(const isle_name_change *)isle_as_object(message, type);
}

/* --- holds; under the lock, all from here to the ends */

static struct holder *holder_find(const struct isle__isolate *body)
{
    return (struct holder *)isle__index_find(&names.holders, (uintptr_t)body);
}

/* NULL: no memory. */
static struct holder *holder_need(struct isle__isolate *body)
{
    struct holder *holder = holder_find(body);
    if (holder != NULL)
        return holder;
    holder = isle__memory_alloc(sizeof *holder);
    if (holder == NULL)
        return NULL;
    *holder = (struct holder){.body = body};
    if (isle__index_put(&names.holders, (uintptr_t)body, (uintptr_t)holder))
        return holder;
    isle__memory_free(holder, sizeof *holder);
    return NULL;
}

static void index_shrink(struct isle__index *index)
{
    if (index->count == 0)
        isle__index_fini(index);
    else
        (void)isle__index_trim(index);
}

static void holder_settle(struct holder *holder)
{
    if (holder->last != NULL)
        return;
    isle__index_remove(&names.holders, (uintptr_t)holder->body);
    index_shrink(&names.holders);
    isle__memory_free(holder, sizeof *holder);
}

/* False: no memory; nothing has changed, and the holder may be settled. */
static bool hold_add(struct holder *holder, struct hold *hold, uint64_t port)
{
    struct hold *same = (struct hold *)isle__index_find(&names.ports, port);
    if (!isle__index_put(&names.ports, port, (uintptr_t)hold))
        return false;
    hold->port = port;
    hold->next_same = same;
    hold->previous_same = NULL;
    if (same != NULL)
        same->previous_same = hold;
    struct hold *last = holder->last;
    hold->holder = holder;
    hold->next = last == NULL ? hold : last->next;
    hold->previous = last == NULL ? hold : last;
    hold->next->previous = hold->previous->next = hold;
    holder->last = hold;
    holder->far_count += hold->is_far ? 1 : 0;
    return true;
}

static void hold_leave_port(struct hold *hold)
{
    if (hold->next_same != NULL)
        hold->next_same->previous_same = hold->previous_same;
    if (hold->previous_same != NULL) {
        hold->previous_same->next_same = hold->next_same;
    } else if (hold->next_same != NULL) {
        if (!isle__index_put(&names.ports, hold->port, (uintptr_t)hold->next_same))
            isle__die("isle: the index of named ports is broken"); /* the key is there */
    } else {
        isle__index_remove(&names.ports, hold->port);
        index_shrink(&names.ports);
    }
}

static void hold_remove(struct hold *hold)
{
    struct holder *holder = hold->holder;
    hold_leave_port(hold);
    hold->next->previous = hold->previous;
    hold->previous->next = hold->next;
    if (holder->last == hold)
        holder->last = hold->previous == hold ? NULL : hold->previous;
    holder->far_count -= hold->is_far ? 1 : 0;
    holder_settle(holder);
}

/* Whether the body has not come to its end: see the head. It is found to be told of it. */
static bool body_is_told(struct isle__isolate *body)
{
    atomic_store_explicit(&body->has_names, 1, memory_order_relaxed);
    struct isle__mail *head = atomic_load_explicit(&body->mailbox, memory_order_relaxed);
    while (head != ISLE__MAILBOX_CLOSED)
        if (atomic_compare_exchange_weak_explicit(&body->mailbox, &head, head, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* The holder of whoever has this port now, which cannot end before it has what is added to it under
 * the same lock. ISLE_ECLOSED: nobody has it; ISLE_EINVAL: it is no port, or (a call) no call. */
static isle_err holder_of(uint64_t port, bool is_call, struct holder **ret_holder)
{
    struct isle__slot *slot = isle__slot_find(port);
    if (slot == NULL)
        return ISLE_ECLOSED;
    bool was_call = atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY;
    struct isle__isolate *body = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    bool is_told = body_is_told(body);
    atomic_thread_fence(memory_order_seq_cst); /* isle__names_port_closed */
    if (!is_told || isle__slot_changed(slot, port))
        return ISLE_ECLOSED;
    if (was_call != is_call)
        return ISLE_EINVAL;
    *ret_holder = holder_need(body);
    return *ret_holder == NULL ? ISLE_ENOMEM : ISLE_OK;
}

/* --- registries and their entries */

static struct registry *registry_find(uint64_t id)
{
    return id == 0 ? &names.own : (struct registry *)isle__index_find(&names.registries, id);
}

static size_t registry_size(const struct registry *registry)
{
    return registry->bits == 0 ? 0 : ((size_t)1 << registry->bits) * sizeof *registry->buckets;
}

static struct name **bucket_of(const struct registry *registry, uint64_t hash)
{
    return &registry->buckets[hash >> (64 - registry->bits)];
}

/* Where a name of this hash is to stand, behind all that have it. */
static struct name **entry_place(const struct registry *registry, uint64_t hash)
{
    struct name **at = bucket_of(registry, hash);
    while (*at != NULL && (*at)->hash <= hash)
        at = &(*at)->next;
    return at;
}

/* False: no memory; all is as it was. */
static bool registry_resize(struct registry *registry, unsigned bits)
{
    struct registry old = *registry;
    size_t size = ((size_t)1 << bits) * sizeof *registry->buckets;
    struct name **buckets = isle__memory_alloc(size);
    if (buckets == NULL)
        return false;
    memset(buckets, 0, size);
    registry->buckets = buckets;
    registry->bits = bits;
    for (size_t i = 0; old.bits > 0 && i < (size_t)1 << old.bits; i++)
        for (struct name *name = old.buckets[i], *next; name != NULL; name = next) {
            next = name->next;
            struct name **at = entry_place(registry, name->hash);
            name->next = *at;
            *at = name;
        }
    isle__memory_free(old.buckets, registry_size(&old));
    return true;
}

/* Room for one more; false: no memory. With buckets it goes on without more. */
static bool registry_grow(struct registry *registry)
{
    if (registry->bits == 0)
        return registry_resize(registry, BUCKET_BITS_FIRST);
    if (registry->entry_count >= (size_t)1 << registry->bits && registry->bits < BUCKET_BITS_MAX)
        (void)registry_resize(registry, registry->bits + 1);
    return true;
}

/* One that is empty has no buckets. */
static void registry_shrink(struct registry *registry)
{
    if (registry->entry_count > 0)
        return;
    isle__memory_free(registry->buckets, registry_size(registry));
    registry->buckets = NULL;
    registry->bits = 0;
}

static uint64_t key_hash(const struct isle__name_key *key)
{
    return isle__siphash(names.key[0], names.key[1], key->text, key->length);
}

static struct name *entry_find(const struct registry *registry, const struct isle__name_key *key)
{
    uint64_t hash = key_hash(key);
    if (registry->bits == 0)
        return NULL;
    struct name *name = *bucket_of(registry, hash);
    while (name != NULL && (name->hash != hash || name->length != key->length ||
                            memcmp(name->text, key->text, key->length) != 0))
        name = name->hash > hash ? NULL : name->next;
    return name;
}

static size_t entry_size(size_t length)
{
    return offsetof(struct name, text) + length + 1;
}

/* NULL: no memory. */
static struct name *entry_need(struct registry *registry, const struct isle__name_key *key)
{
    struct name *name = entry_find(registry, key);
    if (name != NULL)
        return name;
    if (!registry_grow(registry))
        return NULL;
    name = isle__memory_alloc(entry_size(key->length));
    if (name == NULL) {
        registry_shrink(registry);
        return NULL;
    }
    memset(name, 0, offsetof(struct name, text));
    name->hold.kind = HOLD_NAME;
    name->registry = registry;
    name->hash = key_hash(key);
    name->length = (uint8_t)key->length;
    memcpy(name->text, key->text, key->length);
    name->text[key->length] = '\0';
    struct name **at = entry_place(registry, name->hash);
    name->next = *at;
    *at = name;
    registry->entry_count++;
    return name;
}

/* Gone, if nobody has it and nobody is to be told of it. */
static void entry_settle(struct name *name)
{
    struct registry *registry = name->registry;
    if (name->port != 0 || name->watches != NULL)
        return;
    struct name **at = bucket_of(registry, name->hash);
    while (*at != name)
        at = &(*at)->next;
    *at = name->next;
    isle__memory_free(name, entry_size(name->length));
    registry->entry_count--;
    registry_shrink(registry);
}

/* --- watches */

/* Off all lists; its mail is the caller's. */
static void watch_unlink(struct watch *watch)
{
    struct name *name = watch->name;
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        name->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    else
        name->watches_last = watch->previous;
    name->registry->watch_count--;
    hold_remove(&watch->hold);
}

static void watch_drop(struct watch *watch)
{
    watch_unlink(watch);
    isle__mail_drop(watch->watching.mail);
    isle__memory_free(watch, sizeof *watch);
}

/* Somebody has the name (port), nobody has it (0), or the registry is gone. */
static void watch_tell(struct watch *watch, uint64_t port, struct told *told)
{
    struct isle__mail *mail = watch->watching.mail;
    watch_unlink(watch);
    if (!watch->watching.is_wait) {
        isle__change_rewrite(mail, port);
    } else if (port != 0) {
        isle__mail_set_root(mail, isle_port((isle_send_port){port}));
    } else {
        mail->kind = ISLE__MAIL_REPLY_ERROR;
        mail->code = ISLE_ECLOSED;
    }
    told_add(told, mail);
    isle__memory_free(watch, sizeof *watch);
}

/* The name has changed hands: all are told, but for waits where nobody has it. */
static void watches_tell(struct name *name, bool is_over, struct told *told)
{
    for (struct watch *watch = name->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        if (name->port != 0 || is_over || !watch->watching.is_wait)
            watch_tell(watch, name->port, told);
    }
}

/* Nobody has the name any more; the entry may be gone. */
static void name_free(struct name *name, struct told *told)
{
    hold_remove(&name->hold);
    name->port = 0;
    name->registry->name_count--;
    watches_tell(name, false, told);
    entry_settle(name);
}

static void watch_forget(struct watch *watch)
{
    struct name *name = watch->name;
    watch_drop(watch);
    entry_settle(name);
}

/* Of those that somebody beyond a wall asked for, what nobody waits for any more. The holder may be
 * gone then. */
static void far_forget(const struct holder *holder)
{
    int64_t now = isle__now();
    const struct hold *last = holder->last;
    bool is_last = last == NULL;
    for (struct hold *hold = is_last ? NULL : last->next, *next; !is_last; hold = next) {
        next = hold->next;
        is_last = hold == last;
        if (hold->kind == HOLD_WATCH && ((struct watch *)hold)->watching.until <= now)
            watch_forget((struct watch *)hold);
    }
}

/* A holder that has room for one more; ISLE_EFULL, and as holder_of. */
static isle_err holder_with_room(uint64_t port, bool is_call, bool is_far,
                                 struct holder **ret_holder)
{
    isle_err err = holder_of(port, is_call, ret_holder);
    if (err != ISLE_OK || !is_far || (*ret_holder)->far_count < ISLE__NAMES_FAR_MAX)
        return err;
    far_forget(*ret_holder);
    err = holder_of(port, is_call, ret_holder);
    return err == ISLE_OK && (*ret_holder)->far_count >= ISLE__NAMES_FAR_MAX ? ISLE_EFULL : err;
}

/* --- registries come and go */

/* All names, and who is told of them; waits are told that it is over. */
static void registry_clear(struct registry *registry, struct told *told)
{
    while (registry->bits > 0) {
        size_t at = 0;
        while (registry->buckets[at] == NULL)
            at++;
        struct name *name = registry->buckets[at];
        if (name->port != 0) {
            hold_remove(&name->hold);
            name->port = 0;
            registry->name_count--;
        }
        watches_tell(name, true, told);
        entry_settle(name);
    }
}

static void registry_free(struct registry *registry, struct told *told)
{
    registry_clear(registry, told);
    hold_remove(&registry->hold);
    isle__index_remove(&names.registries, registry->id);
    index_shrink(&names.registries);
    isle__memory_free(registry, sizeof *registry);
}

void isle__names_start(void)
{
    isle__type_enter(&isle__change_type, &change_entry);
    memset(&names, 0, sizeof names);
    isle__mutex_init(&names.lock);
    for (size_t i = 0; i < 2; i++) /* nobody can make names that fall into one bucket */
        names.key[i] = isle__siphash(isle__program.capability_key[0],
                                     isle__program.capability_key[1], &i, sizeof i);
}

/* All isolates have ended, and with them all holds: what is left was nobody's. */
void isle__names_stop(void)
{
    isle__index_fini(&names.registries);
    isle__index_fini(&names.holders);
    isle__index_fini(&names.ports);
    isle__mutex_destroy(&names.lock);
}

isle_err isle__registry_open(uint64_t id)
{
    struct told told = {0};
    struct registry *registry = isle__memory_alloc(sizeof *registry);
    if (registry == NULL)
        return ISLE_ENOMEM;
    *registry = (struct registry){.id = id, .hold.kind = HOLD_REGISTRY};
    names_lock();
    struct holder *holder = NULL;
    isle_err err = holder_of(id, false, &holder);
    if (err == ISLE_OK && !isle__index_put(&names.registries, id, (uintptr_t)registry))
        err = ISLE_ENOMEM;
    if (err == ISLE_OK && !hold_add(holder, &registry->hold, id)) {
        isle__index_remove(&names.registries, id);
        err = ISLE_ENOMEM;
    }
    if (holder != NULL)
        holder_settle(holder);
    index_shrink(&names.registries);
    names_unlock(&told);
    if (err != ISLE_OK)
        isle__memory_free(registry, sizeof *registry);
    return err;
}

void isle__registry_close(uint64_t id, const struct isle__isolate *opener)
{
    struct told told = {0};
    names_lock();
    struct registry *registry = id == 0 ? NULL : registry_find(id);
    if (registry != NULL && registry->hold.holder->body == opener)
        registry_free(registry, &told);
    names_unlock(&told);
}

bool isle__registry_is_here(uint64_t id)
{
    names_lock();
    bool is_here = registry_find(id) != NULL;
    isle__mutex_unlock(&names.lock);
    return is_here;
}

/* --- names */

static isle_err name_take(struct registry *registry, const struct isle__name_key *key,
                          uint64_t port, struct isle__name_owner owner, struct told *told)
{
    struct name *name = entry_find(registry, key);
    if (name != NULL && name->port != 0) {
        if (isle__slot_find(name->port) != NULL)
            return ISLE_EUSED;
        name_free(name, told); /* its isolate is about to */
    }
    if (registry->name_count >= ISLE__NAMES_MAX)
        return ISLE_EFULL;
    struct holder *holder = NULL;
    isle_err err = holder_with_room(port, false, owner.is_far, &holder);
    if (err != ISLE_OK)
        return err;
    name = entry_need(registry, key);
    if (name != NULL)
        name->hold.is_far = owner.is_far;
    if (name == NULL || !hold_add(holder, &name->hold, port)) {
        holder_settle(holder);
        if (name != NULL)
            entry_settle(name);
        return ISLE_ENOMEM;
    }
    name->port = port;
    name->owner = owner;
    registry->name_count++;
    watches_tell(name, false, told);
    return ISLE_OK;
}

isle_err isle__name_take(const struct isle__name_key *key, uint64_t port,
                         struct isle__name_owner owner)
{
    struct told told = {0};
    names_lock();
    struct registry *registry = registry_find(key->registry);
    isle_err err = registry == NULL ? ISLE_ECLOSED : name_take(registry, key, port, owner, &told);
    names_unlock(&told);
    return err;
}

static bool owner_is(struct isle__name_owner a, struct isle__name_owner b)
{
    return a.id == b.id && a.is_far == b.is_far;
}

void isle__name_leave(const struct isle__name_key *key, struct isle__name_owner owner, bool any)
{
    struct told told = {0};
    names_lock();
    const struct registry *registry = registry_find(key->registry);
    struct name *name = registry == NULL ? NULL : entry_find(registry, key);
    if (name != NULL && name->port != 0 && (any || owner_is(name->owner, owner)))
        name_free(name, &told);
    names_unlock(&told);
}

isle_err isle__name_find(const struct isle__name_key *key, uint64_t *ret_port)
{
    names_lock();
    const struct registry *registry = registry_find(key->registry);
    const struct name *name = registry == NULL ? NULL : entry_find(registry, key);
    *ret_port = name == NULL ? 0 : name->port;
    isle__mutex_unlock(&names.lock);
    return registry == NULL ? ISLE_ECLOSED : ISLE_OK;
}

/* --- being told */

static struct watch *watch_find(const struct name *name, uint64_t to)
{
    struct watch *watch = name == NULL ? NULL : name->watches;
    while (watch != NULL && watch->watching.to != to)
        watch = watch->next;
    return watch;
}

static void watch_link(struct name *name, struct watch *watch)
{
    watch->name = name;
    watch->previous = name->watches_last;
    if (name->watches_last != NULL)
        name->watches_last->next = watch;
    else
        name->watches = watch;
    name->watches_last = watch;
    name->registry->watch_count++;
}

static isle_err watch_add(struct registry *registry, const struct isle__name_key *key,
                          struct watch *watch)
{
    const struct isle__watching *watching = &watch->watching;
    struct holder *holder = NULL;
    if (registry->watch_count >= ISLE__WATCHES_MAX)
        return ISLE_EFULL;
    isle_err err =
        holder_with_room(watching->to, watching->is_wait, watching->owner.is_far, &holder);
    if (err != ISLE_OK)
        return err;
    struct name *name = entry_need(registry, key);
    if (name != NULL && hold_add(holder, &watch->hold, watching->to)) {
        watch_link(name, watch);
        return ISLE_OK;
    }
    holder_settle(holder);
    if (name != NULL)
        entry_settle(name);
    return ISLE_ENOMEM;
}

isle_err isle__name_watch(const struct isle__name_key *key, const struct isle__watching *watching,
                          uint64_t *ret_port, bool *ret_taken)
{
    struct watch *watch = isle__memory_alloc(sizeof *watch);
    *ret_taken = false;
    if (watch == NULL)
        return ISLE_ENOMEM;
    *watch = (struct watch){
        .hold = {.kind = HOLD_WATCH, .is_far = watching->owner.is_far},
        .watching = *watching,
    };
    names_lock();
    struct registry *registry = registry_find(key->registry);
    const struct name *name = registry == NULL ? NULL : entry_find(registry, key);
    isle_err err = registry == NULL ? ISLE_ECLOSED : ISLE_OK;
    *ret_port = name == NULL ? 0 : name->port;
    bool is_needed = watching->is_wait ? *ret_port == 0 : watch_find(name, watching->to) == NULL;
    if (err == ISLE_OK && is_needed) {
        err = watch_add(registry, key, watch);
        *ret_taken = err == ISLE_OK;
    }
    isle__mutex_unlock(&names.lock);
    if (!*ret_taken)
        isle__memory_free(watch, sizeof *watch);
    return err;
}

void isle__name_unwatch(const struct isle__name_key *key, uint64_t to,
                        struct isle__name_owner owner)
{
    names_lock();
    const struct registry *registry = registry_find(key->registry);
    struct watch *watch = registry == NULL ? NULL : watch_find(entry_find(registry, key), to);
    if (watch != NULL && !watch->watching.is_wait && owner_is(watch->watching.owner, owner))
        watch_forget(watch);
    isle__mutex_unlock(&names.lock);
}

void isle__name_unwait(uint64_t reply)
{
    names_lock();
    struct hold *hold = (struct hold *)isle__index_find(&names.ports, reply);
    if (hold != NULL && hold->kind == HOLD_WATCH)
        watch_forget((struct watch *)hold);
    isle__mutex_unlock(&names.lock);
}

/* --- pages: in the order of the hashes, so that one goes on where the last ended, whatever has
 * come and gone in between */

static void page_add(struct isle__name_page *page, const struct name *name)
{
    page->entries[page->count].port = name->port;
    page->entries[page->count].length = name->length;
    memcpy(page->entries[page->count].text, name->text, name->length);
    page->count++;
}

static void page_fill(const struct registry *registry, uint64_t from, struct isle__name_page *page)
{
    size_t buckets = registry->bits == 0 ? 0 : (size_t)1 << registry->bits;
    size_t at = registry->bits == 0 ? 0 : (size_t)(from >> (64 - registry->bits));
    for (; at < buckets; at++)
        for (const struct name *name = registry->buckets[at]; name != NULL; name = name->next) {
            if (name->hash < from || name->port == 0)
                continue;
            if (page->count == ISLE__NAME_PAGE) {
                page->next = name->hash;
                return;
            }
            page_add(page, name);
        }
}

isle_err isle__name_page(uint64_t registry_id, uint64_t from, struct isle__name_page *ret_page)
{
    ret_page->count = 0;
    ret_page->next = 0;
    names_lock();
    const struct registry *registry = registry_find(registry_id);
    if (registry != NULL)
        page_fill(registry, from, ret_page);
    isle__mutex_unlock(&names.lock);
    return registry == NULL ? ISLE_ECLOSED : ISLE_OK;
}

/* --- the ends */

static void hold_end(struct hold *hold, struct told *told)
{
    switch (hold->kind) {
    case HOLD_NAME:
        name_free((struct name *)hold, told);
        break;
    case HOLD_WATCH:
        watch_forget((struct watch *)hold);
        break;
    case HOLD_REGISTRY:
        registry_free((struct registry *)hold, told);
        break;
    }
}

/* The oldest first: names are free in the order in which they were taken. */
void isle__names_end(struct isle__isolate *isolate)
{
    struct told told = {0};
    struct holder *holder;
    names_lock();
    while ((holder = holder_find(isolate)) != NULL)
        hold_end(holder->last->next, &told);
    atomic_store_explicit(&isolate->has_names, 0, memory_order_relaxed);
    names_unlock(&told);
}

void isle__names_leave_port(uint64_t id)
{
    struct told told = {0};
    struct hold *hold;
    names_lock();
    while ((hold = (struct hold *)isle__index_find(&names.ports, id)) != NULL)
        hold_end(hold, &told);
    names_unlock(&told);
}
