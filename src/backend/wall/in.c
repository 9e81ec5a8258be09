/* SPDX-License-Identifier: Apache-2.0 */
/* In: records of the other side become mail and control messages. Each is copied to private memory
 * whole, then its head is checked, then its body; what no honest side sends is a violation. Being
 * out of memory is not: then a message is lost, and a call that waits for its answer is told.
 *
 * Law: nothing here trusts a size, a name or a value before it was checked, and nothing is made
 * that was not paid for: names by the bounds of the tables, memory by a budget of the codec. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/due.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/promise.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/uncaught.h"

enum { BUDGET_FACTOR = 300, BUDGET_FACTOR_LARGE = 16, BUDGET_FACTOR_ROOM = 8, BUDGET_MIN = 4096 };
#define BUDGET_MOST ((size_t)256 << 20)

/* What a message of that many bytes may take here: an honest one of small things takes much more
 * than its bytes, but none that is large. Nor does any whose receiver has room for it take more
 * than the factor of that room: what it is charged for while it is read is beyond what it comes to.
 */
size_t isle__wall_budget(size_t size, size_t room)
{
    size_t budget = size > BUDGET_MOST / BUDGET_FACTOR ? BUDGET_MOST : size * BUDGET_FACTOR;
    size_t large = size * BUDGET_FACTOR_LARGE;
    budget = large > budget ? large : budget;
    if (room < budget / BUDGET_FACTOR_ROOM)
        budget = room * BUDGET_FACTOR_ROOM;
    return budget + BUDGET_MIN;
}

isle_err isle__wall_decode(struct isle__wall *wall, const uint8_t *message, size_t size, size_t all,
                           size_t room, struct isle__parcel *ret_parcel)
{
    size_t budget = isle__wall_budget(all, room);
    isle_err err = isle__wire_decode_parcel(message, size, budget, &wall->wire,
                                            sizeof(struct isle__mail), ret_parcel, NULL);
    bool is_short = budget < isle__wall_budget(all, SIZE_MAX);
    return err == ISLE_ERANGE && is_short ? ISLE_EFULL : err;
}

static bool err_is_theirs(isle_err err)
{
    return err == ISLE_EMALFORMED || err == ISLE_ERANGE;
}

/* --- values */

struct in_value { /* of a record */
    const uint8_t *body;
    size_t size;
    bool is_bare;
    size_t room; /* that its receiver has for it */
};

/* The mail of a record's value. NULL with ISLE_ENOMEM and its like: lost; with ISLE_EFULL: more
 * than the receiver has room for; with ISLE_EMALFORMED: a violation. */
static struct isle__mail *in_value(struct isle__wall *wall, const struct in_value *in,
                                   enum isle__mail_kind kind, uint64_t target, isle_err *ret_err)
{
    struct isle__parcel parcel;
    isle_value value;
    struct isle__mail *mail = NULL;
    *ret_err = ISLE_OK;
    if (in->is_bare) {
        if (!isle__read_bare(in->body, in->size, &value))
            *ret_err = ISLE_EMALFORMED;
        else if ((mail = isle__mail_make(value, kind, target)) == NULL)
            *ret_err = ISLE_ENOMEM;
        return mail;
    }
    size_t all = isle__wall_aside_size(wall);
    *ret_err =
        isle__wall_decode(wall, in->body, in->size, all != 0 ? all : in->size, in->room, &parcel);
    if (wall->ops == NULL) /* what it took along is taken: what this mail leads to may go out */
        isle__wall_descriptors_close(wall);
    if (*ret_err == ISLE_OK && all != 0 && !isle__wall_aside_is_used_up(wall)) {
        isle__parcel_drop(&parcel);
        *ret_err = ISLE_EMALFORMED;
    }
    if (*ret_err == ISLE_OK)
        return isle__mail_of(&parcel, kind, target);
    if (err_is_theirs(*ret_err))
        *ret_err = ISLE_EMALFORMED;
    return NULL;
}

static bool read_code(const uint8_t *body, size_t size, isle_err *ret_code)
{
    struct isle__reader reader = {body, size, false};
    int32_t code = (int32_t)(uint32_t)isle__read_number(&reader, 4);
    *ret_code = (isle_err)code;
    return !reader.malformed && reader.left == 0 && code < 0 && code >= (int32_t)ISLE_EDEADLOCK;
}

/* --- mail */

/* No honest side waits for as long as wraps; nothing comes of it but an early or late end. */
static bool in_due(struct isle__wall *wall, uint64_t left)
{
    wall->due = 0;
    if (left > 0 && left <= (uint64_t)ISLE__DUE_MOST)
        wall->due = isle__due_of(isle__now() + (int64_t)left);
    return true;
}

/* Of the mail that comes now. */
static uint32_t in_due_take(struct isle__wall *wall)
{
    uint32_t due = wall->due;
    wall->due = 0;
    return due;
}

static isle_err in_reply_port(struct isle__wall *wall, const struct isle__record_head *head,
                              uint64_t *ret_id)
{
    struct isle__import *import;
    struct isle__ref ref = {ISLE__WHOSE_WRITER, head->reply};
    *ret_id = 0;
    switch (head->flags & ISLE__RECORD_REPLY_MASK) {
    case ISLE__RECORD_REPLY_CALL: {
        struct isle__import *known = isle__import_of_name(&wall->imports, head->reply);
        if (known != NULL && known->kind == ISLE__NAME_PORT) {
            *ret_id = known->id;
            return ISLE_OK;
        }
        isle_err err = isle__import_take(&wall->imports, ISLE__NAME_REPLY, head->reply, &import);
        if (err == ISLE_OK)
            *ret_id = import->id;
        return err == ISLE_EFULL ? ISLE_EMALFORMED : err;
    }
    case ISLE__RECORD_REPLY_YOURS:
        ref.whose = ISLE__WHOSE_READER;
        return isle__wall_port_of_name(wall, &ref, ret_id);
    case ISLE__RECORD_REPLY_PORT:
        return isle__wall_port_of_name(wall, &ref, ret_id);
    default:
        return ISLE_OK;
    }
}

/* A flood of these writes no line each: what nobody waits for is counted. */
static void in_drop(struct isle__wall *wall, struct isle__mail *mail, isle_err err)
{
    if (isle__reply_waits(mail->reply)) {
        isle__wall_mail_fail(wall, mail, err, "");
        return;
    }
    atomic_fetch_add_explicit(&isle__program.dropped_crossing, 1, memory_order_relaxed);
    isle__mail_drop(mail);
}

/* A message that could not be made, for lack of memory here, or inside of places for descriptors:
 * that is told outside, where it was sent. */
static void in_lost(struct isle__wall *wall, uint64_t reply, isle_err err)
{
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_DATA, ISLE__NAME_GONE);
    if (mail == NULL)
        return;
    isle__mail_set_reply(mail, reply);
    if (wall->ops != NULL)
        in_drop(wall, mail, err);
    else
        isle__wall_mail_fail(wall, mail, err,
                             err == ISLE_ESYSTEM ? "the isolate has no place for its descriptors"
                                                 : isle_err_text(err));
}

/* Counted; the inside is told how often, but for its calls, which hear it. */
static void in_full(struct isle__wall *wall, struct isle__mail *mail)
{
    wall->mail_refused += !isle__reply_waits(mail->reply);
    isle__wall_mail_end(mail, ISLE_EFULL);
}

/* Whose message is not made: nobody has the target, or its mailbox has no room for it. */
static void in_unmade(struct isle__wall *wall, uint64_t target, uint64_t reply, isle_err err)
{
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_DATA, target);
    if (mail == NULL)
        return;
    isle__mail_set_reply(mail, reply);
    if (err == ISLE_EFULL) {
        atomic_fetch_add_explicit(&isle__program.refused_full, 1, memory_order_relaxed);
        in_full(wall, mail);
        return;
    }
    isle__mail_push(mail, NULL);
}

/* The wall's share; NULL: out of memory. */
static struct isle__share *in_share(struct isle__wall *wall)
{
    if (wall->share == NULL)
        wall->share = isle__share_make();
    return wall->share;
}

/* It waits here for room, as long as its sender's call does; inside, for that of its port alone. */
static void in_waits(struct isle__wall *wall, struct isle__mail *mail)
{
    if (wall->ops == NULL)
        wall->delivered++;
    if (in_share(wall) != NULL)
        isle__wait_for(mail, mail->reply, wall->share);
    else
        isle__wall_mail_end(mail, ISLE_ENOMEM);
}

static void in_post(struct isle__wall *wall, struct isle__mail *mail, bool is_reserved)
{
    wall->start_until = 0; /* the first of what it was born for is here */
    if (mail->waits) {
        in_waits(wall, mail);
    } else if (wall->ops == NULL && is_reserved) {
        isle__mail_post_reserved(mail);
    } else if (wall->ops == NULL) { /* the outside has admitted it */
        wall->delivered++;
        isle__mail_post_admitted(mail);
    } else {
        isle_err err = isle__mail_post(mail);
        if (err == ISLE_EFULL)
            in_full(wall, mail);
    }
}

static void run_is_answered(struct isle__wall *wall, uint64_t name)
{
    if (wall->run_name != name)
        return;
    wall->run_name = 0;
    isle__mail_drop(wall->proxy->run_mail);
    wall->proxy->run_mail = NULL;
}

/* The name of a call that came as a port in a message: what is sent there passes the limits of a
 * mailbox, as a reply does, so it is used up by it, as by a reply. */
static void in_call_is_used(struct isle__wall *wall, uint64_t name)
{
    const struct isle__export *entry;
    if (isle__export_find(&wall->exports, name, ISLE__NAME_BIT(ISLE__NAME_REPLY), &entry) !=
        ISLE__NAME_KNOWN)
        return;
    isle__export_free(&wall->exports, name);
    isle__wall_release(wall, name);
    run_is_answered(wall, name);
}

static struct in_value in_value_of(const struct isle__record_head *head, const uint8_t *body)
{
    bool is_bare = (head->flags & ISLE__RECORD_BARE) != 0;
    return (struct in_value){body, head->length, is_bare, SIZE_MAX};
}

/* Nothing is made of a message that nobody would take. What the outside sends has been admitted. */
static isle_err in_foresee(const struct isle__wall *wall, uint64_t target, size_t *ret_room)
{
    return wall->ops == NULL ? ISLE_OK : isle__mail_foresee(target, ret_room);
}

/* What waits is made though there is no room: as much as may wait. */
static isle_err in_foresee_waiting(struct isle__wall *wall, uint64_t target, size_t *ret_room)
{
    isle_err err = in_foresee(wall, target, ret_room);
    if (wall->ops == NULL || err == ISLE_ECLOSED || in_share(wall) == NULL)
        return err;
    *ret_room = isle__share_bytes_left(wall->share);
    return ISLE_OK;
}

static bool in_mail(struct isle__wall *wall, const struct isle__record_head *head,
                    const uint8_t *body)
{
    struct isle__ref to = {ISLE__WHOSE_READER, head->to};
    uint32_t due = in_due_take(wall);
    uint64_t target, reply;
    if (isle__wall_port_of_name(wall, &to, &target) != ISLE_OK)
        return false;
    isle_err err = in_reply_port(wall, head, &reply);
    if (err == ISLE_EMALFORMED)
        return false;
    bool reserved = (head->flags & ISLE__RECORD_RESERVED) != 0;
    struct isle__mail *mail = NULL;
    struct in_value in = in_value_of(head, body);
    bool waits = (head->flags & ISLE__RECORD_WAITS) != 0;
    err = waits ? in_foresee_waiting(wall, target, &in.room) : in_foresee(wall, target, &in.room);
    if (err == ISLE_OK)
        mail = in_value(wall, &in, ISLE__MAIL_DATA, target, &err);
    if (mail == NULL && err == ISLE_EMALFORMED)
        return false;
    if (waits && wall->ops != NULL && err == ISLE_EFULL)
        err = ISLE_ENOMEM; /* of the share; its mailbox may have room for it */
    in_call_is_used(wall, head->to);
    if (mail == NULL && (err == ISLE_EFULL || err == ISLE_ECLOSED)) {
        in_unmade(wall, target, reply, err);
        return true;
    }
    if (mail == NULL) {
        if (wall->ops == NULL && !reserved)
            wall->delivered++;
        isle__reply_closed(target);
        in_lost(wall, reply, err);
        return true;
    }
    isle__mail_set_reply(mail, reply);
    mail->waits = waits;
    mail->due = due;
    in_post(wall, mail, reserved);
    return true;
}

/* The beginning of mail that is nothing but bytes, and whom it is for. False: another record, or
 * one that needs a closer look. */
static bool bytes_announced(const struct isle__wall *wall, const uint8_t *start, size_t size,
                            struct isle__record_head *ret_head)
{
    unsigned others = ISLE__RECORD_BARE | ISLE__RECORD_ASIDE | ISLE__RECORD_WAITS;
    return !wall->has_end && isle__record_head_read(start, size, wall->ops == NULL, ret_head) &&
           ret_head->kind == ISLE__RECORD_MAIL && (ret_head->flags & others) == 0 &&
           ret_head->descriptors == 0;
}

/* Mail that is nothing but bytes is copied once, from the ring into what its receiver gets. Of the
 * record in the ring nothing is looked at but a private copy of its beginning, which is not read
 * again. False: it is another record, and nothing was taken. */
static bool in_bytes(struct isle__wall *wall, size_t size, bool *ret_good)
{
    uint8_t start[ISLE__RECORD_HEAD + ISLE__WIRE_HEAD], again[sizeof start];
    struct isle__record_head head;
    struct isle__parcel parcel;
    uint64_t target, reply;
    size_t room = SIZE_MAX;
    void *data;
    if (size < ISLE__WALL_BYTES_LEAST || !isle__channel_peek(wall->channel, start, sizeof start) ||
        !bytes_announced(wall, start, size, &head) ||
        isle__wall_port_of_name(wall, &(struct isle__ref){ISLE__WHOSE_READER, head.to}, &target) !=
            ISLE_OK ||
        in_foresee(wall, target, &room) != ISLE_OK ||
        !isle__wire_bytes_parcel(start + ISLE__RECORD_HEAD, head.length,
                                 isle__wall_budget(head.length, room), sizeof(struct isle__mail),
                                 &parcel, &data, &size))
        return false;
    isle__channel_take(wall->channel, again, ISLE__RECORD_HEAD + head.length - size, data);
    wall->met = true;
    struct isle__mail *mail = isle__mail_of(&parcel, ISLE__MAIL_DATA, target);
    *ret_good = in_reply_port(wall, &head, &reply) != ISLE_EMALFORMED;
    if (!*ret_good) {
        isle__mail_drop(mail);
        return true;
    }
    in_call_is_used(wall, head.to);
    isle__mail_set_reply(mail, reply);
    mail->due = in_due_take(wall);
    in_post(wall, mail, (head.flags & ISLE__RECORD_RESERVED) != 0);
    return true;
}

/* --- replies and answers */

static struct isle__mail *reply_coded(enum isle__mail_kind kind, uint64_t target, isle_err code,
                                      isle_err *ret_err)
{
    struct isle__mail *mail = isle__mail_make(isle_null(), kind, target);
    *ret_err = mail == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (mail != NULL)
        mail->code = code;
    return mail;
}

/* A reply passes the limits of a mailbox, but is not made for who is gone, and then counts as what
 * it is, nor beyond a limit of memory: the call learns that there was none. */
static struct isle__mail *in_reply_value(struct isle__wall *wall, struct in_value *in,
                                         enum isle__mail_kind kind, uint64_t target,
                                         isle_err *ret_err)
{
    struct isle__mail *mail = NULL;
    *ret_err = in_foresee(wall, target, &in->room);
    if (*ret_err == ISLE_OK)
        mail = in_value(wall, in, kind, target, ret_err);
    if (*ret_err == ISLE_ECLOSED)
        return reply_coded(kind, target, ISLE_OK, ret_err);
    if (*ret_err == ISLE_EFULL)
        return reply_coded(ISLE__MAIL_REPLY_ERROR, target, ISLE_ENOMEM, ret_err);
    return mail;
}

static struct isle__mail *in_reply_mail(struct isle__wall *wall,
                                        const struct isle__record_head *head, const uint8_t *body,
                                        uint64_t target, isle_err *ret_err)
{
    bool failed = (head->flags & ISLE__RECORD_FAILED) != 0;
    enum isle__mail_kind kind = failed ? ISLE__MAIL_REPLY_ERROR : ISLE__MAIL_REPLY;
    struct in_value in = in_value_of(head, body);
    isle_err code = ISLE_OK;
    if ((head->flags & ISLE__RECORD_CODED) == 0)
        return in_reply_value(wall, &in, kind, target, ret_err);
    *ret_err = ISLE_EMALFORMED;
    if (!failed || in.is_bare || !read_code(body, head->length, &code))
        return NULL;
    return reply_coded(kind, target, code, ret_err);
}

static bool in_reply(struct isle__wall *wall, const struct isle__record_head *head,
                     const uint8_t *body)
{
    const struct isle__export *entry;
    unsigned kinds = ISLE__NAME_BIT(ISLE__NAME_REPLY);
    enum isle__name_state state = isle__export_find(&wall->exports, head->to, kinds, &entry);
    if (state == ISLE__NAME_FORGED)
        return false;
    uint64_t target = state == ISLE__NAME_KNOWN ? entry->id : ISLE__NAME_GONE;
    isle_err err;
    struct isle__mail *mail = in_reply_mail(wall, head, body, target, &err);
    if (mail == NULL && err == ISLE_EMALFORMED)
        return false;
    if (state == ISLE__NAME_KNOWN) {
        isle__export_free(&wall->exports, head->to);
        run_is_answered(wall, head->to);
    }
    if (mail == NULL)
        isle__reply_closed(target);
    isle__mail_post_reserved(mail);
    return true;
}

static bool in_answer(struct isle__wall *wall, const struct isle__record_head *head,
                      const uint8_t *body)
{
    const struct isle__export *entry;
    unsigned kinds = ISLE__NAME_BIT(ISLE__NAME_ANSWER);
    isle_err code = ISLE_OK;
    bool failed = head->flags != 0;
    if (failed && (head->flags != (ISLE__RECORD_FAILED | ISLE__RECORD_CODED) ||
                   !read_code(body, head->length, &code)))
        return false;
    if (isle__export_find(&wall->exports, head->to, kinds, &entry) != ISLE__NAME_KNOWN)
        return false; /* it is used once, and nobody takes it away */
    struct isle__mail *mail = (struct isle__mail *)(uintptr_t)entry->id;
    isle__export_free(&wall->exports, head->to);
    wall->asked--;
    if (failed && mail->kind == ISLE__MAIL_REPLY) {
        mail->kind = ISLE__MAIL_REPLY_ERROR;
        mail->code = code;
        isle__mail_set_root(mail, isle_null());
    }
    isle__mail_post_reserved(mail);
    return true;
}

/* --- control */

/* Outside, an isolate asks only for what its handles allow; inside, the outside asks for what it
 * has looked at itself. */
static uint64_t control_permit(const struct isle__wall *wall,
                               const struct isle__record_control *record, uint64_t target)
{
    bool ends = record->control == ISLE__CONTROL_ERRORS_FATAL ||
                record->control == ISLE__CONTROL_KILL || record->control == ISLE__CONTROL_SHUTDOWN;
    return wall->ops == NULL ? isle__isolate_capability(target & ~ISLE__ID_CONTROL, ends ? 2 : 1).id
                             : 0;
}

/* The mail by which a ping of theirs is answered, through a slot that is used once. */
static isle_err control_answer(struct isle__wall *wall, uint64_t name, struct isle__mail **ret_mail)
{
    struct isle__import *import;
    isle_err err = isle__import_take(&wall->imports, ISLE__NAME_ANSWER, name, &import);
    if (err != ISLE_OK)
        return err == ISLE_EFULL ? ISLE_EMALFORMED : err;
    *ret_mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, import->id);
    if (*ret_mail != NULL)
        return ISLE_OK;
    isle__import_drop(&wall->imports, import);
    return ISLE_ENOMEM;
}

/* It waits with whom it is for, or before him if he does not read: no limit counts it, and nobody
 * here knows when it is gone. No honest side comes near. */
static isle_err control_response(struct isle__wall *wall, const struct isle__mail *mail)
{
    size_t size = isle__mail_size(mail);
    if (size > ISLE__RECORD_RESPONSE_MAX)
        return ISLE_ERANGE; /* few bytes that became many: not kept */
    if (size > ISLE__WALL_RESPONSE_SMALL)
        wall->responses += size;
    return wall->ops != NULL && wall->responses > ISLE__WALL_RESPONSES ? ISLE_EMALFORMED : ISLE_OK;
}

/* Notices pass the limits of a mailbox: who takes none gets no more. What waits for the inside
 * itself has a bound of its own (in_may_ask). */
bool isle__wall_may_tell(const struct isle__wall *wall, uint64_t port)
{
    const struct isle__slot *slot = isle__slot_find(port & ~ISLE__ID_CONTROL);
    if (wall->ops == NULL || slot == NULL)
        return true;
    const struct isle__isolate *isolate =
        atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    uint64_t waits = isle__room_taken(&isolate->heap.reserved);
    return isolate == wall->proxy || isle__room_count(waits) < ISLE__WALL_NOTICES;
}

static bool control_tells(enum isle__control_kind kind)
{
    return kind == ISLE__CONTROL_ADD_EXIT || kind == ISLE__CONTROL_ADD_ERROR ||
           kind == ISLE__CONTROL_MONITOR;
}

static isle_err control_mail(struct isle__wall *wall, const struct isle__record_control *record,
                             const struct isle__record_head *head, struct isle__control *control)
{
    isle_err err = ISLE_OK;
    bool answers =
        record->control == ISLE__CONTROL_PING || record->control == ISLE__CONTROL_STARTED;
    if (answers != (head->reply != 0))
        return ISLE_EMALFORMED;
    if (control_tells(control->kind) && !isle__wall_may_tell(wall, control->port))
        return ISLE_EFULL;
    switch (control->kind) {
    case ISLE__CONTROL_PING:
    case ISLE__CONTROL_STARTED:
        return control_answer(wall, head->reply, &control->mail);
    case ISLE__CONTROL_ADD_EXIT:
        control->mail = in_value(wall,
                                 &(struct in_value){record->response, record->response_size, false,
                                                    ISLE__RECORD_RESPONSE_MAX},
                                 ISLE__MAIL_DATA, control->port, &err);
        return control->mail != NULL ? control_response(wall, control->mail) : err;
    case ISLE__CONTROL_ADD_ERROR:
        control->mail = isle__notice_reserve(control->port);
        return control->mail == NULL ? ISLE_ENOMEM : ISLE_OK;
    case ISLE__CONTROL_MONITOR:
        control->listener = isle__monitor_make(control->target, control->port);
        return control->listener == NULL ? ISLE_ENOMEM : ISLE_OK;
    case ISLE__CONTROL_PAUSE:
    case ISLE__CONTROL_RESUME:
    case ISLE__CONTROL_KILL:
    case ISLE__CONTROL_REMOVE_EXIT:
    case ISLE__CONTROL_REMOVE_ERROR:
    case ISLE__CONTROL_ERRORS_FATAL:
    case ISLE__CONTROL_UNMONITOR:
    case ISLE__CONTROL_SHUTDOWN:
    case ISLE__CONTROL_LINK: /* these are no record's */
    case ISLE__CONTROL_UNLINK:
    case ISLE__CONTROL_LINKED:
        break;
    }
    return err;
}

static isle_err control_make(struct isle__wall *wall, const struct isle__record_head *head,
                             const struct isle__record_control *record,
                             struct isle__control *control)
{
    isle_err err = isle__wall_capability_of_name(wall, &record->capability, &control->capability);
    if (err == ISLE_OK)
        err = isle__wall_capability_of_name(wall, &record->key, &control->key);
    if (err == ISLE_OK)
        err = isle__wall_port_of_name(wall, &record->port, &control->port);
    uint64_t permit = control_permit(wall, record, control->target);
    if (permit != 0)
        control->capability = permit;
    return err == ISLE_OK ? control_mail(wall, record, head, control) : err;
}

static bool in_control(struct isle__wall *wall, const struct isle__record_head *head,
                       const uint8_t *body)
{
    struct isle__record_control record;
    const struct isle__export *entry;
    unsigned kinds = ISLE__NAME_BIT(ISLE__NAME_CONTROL);
    enum isle__name_state state = isle__export_find(&wall->exports, head->to, kinds, &entry);
    if (state == ISLE__NAME_FORGED || !isle__read_control(body, head->length, &record))
        return false;
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (control == NULL)
        return true;
    *control = (struct isle__control){
        .kind = (enum isle__control_kind)record.control,
        .target = state == ISLE__NAME_KNOWN ? entry->id : ISLE__NAME_GONE | ISLE__ID_CONTROL,
        .priority = (isle_priority)record.priority,
        .flag = record.flag != 0,
    };
    isle_err err = control_make(wall, head, &record, control);
    if (err != ISLE_OK) {
        isle__control_free(control);
        return err != ISLE_EMALFORMED;
    }
    if (isle__control_post(control) == ISLE_EFULL)
        return true; /* it is gone: as many wait as an isolate takes */
    return true;
}

/* --- names, room */

static bool in_release(struct isle__wall *wall, const uint8_t *body, size_t size)
{
    struct isle__reader reader = {body, size, false};
    if (size == 0 || size % 8 != 0 || size / 8 > ISLE__RECORD_RELEASES)
        return false;
    while (reader.left > 0) {
        struct isle__import *import =
            isle__import_of_name(&wall->imports, isle__read_number(&reader, 8));
        if (import == NULL) /* we have used it up meanwhile */
            continue;
        if (import->slot == NULL && import->kind != ISLE__NAME_CAPABILITY)
            return false; /* the isolate itself */
        isle__import_drop(&wall->imports, import);
    }
    return true;
}

static bool in_taken(struct isle__wall *wall, uint64_t count)
{
    struct isle__wall_credits *credits = &wall->credits;
    if (count == 0 || count > credits->count)
        return false;
    for (; count > 0; count--) {
        wall->proxy->heap.data_out += credits->amounts[credits->first];
        credits->first = (credits->first + 1) & (credits->capacity - 1);
        credits->count--;
    }
    isle__mail_show(wall->proxy);
    return true;
}

/* --- what an isolate tells of itself */

static const char *in_text(struct isle__reader *reader, char *text, size_t size)
{
    size_t length = (size_t)isle__read_number(reader, 4);
    const uint8_t *bytes = isle__read_bytes(reader, length);
    if (bytes == NULL || isle__utf8_valid((const char *)bytes, length) != length)
        return NULL;
    if (length >= size) { /* between two characters */
        length = size - 1;
        length = isle__utf8_valid((const char *)bytes, length);
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

/* Code that goes on after its errors causes as many as it likes, and what of the isolate's own
 * settings holds there nobody knows here: the first ones are told in any case, later ones as far as
 * mailboxes have room, and of lines there are so many a second. */
static void in_error_tell(struct isle__wall *wall, const char *text, const char *stack)
{
    char name[64];
    bool surely = wall->errors_told < ISLE__WALL_ERRORS;
    wall->errors_told += surely;
    if (isle__uncaught_is_printed(wall->proxy)) {
        isle__isolate_name(wall->proxy, name, sizeof name);
        if (!isle__lines_may(&wall->lines, ISLE__WALL_LINES, name))
            return;
    }
    isle__uncaught_told(wall->proxy, text, stack, surely);
}

static bool in_error(struct isle__wall *wall, const uint8_t *body, size_t size)
{
    enum { TEXT = 65536 + 1 };
    struct isle__reader reader = {body, size, false};
    char *memory = size == 0 ? NULL : isle__memory_alloc((size_t)2 * TEXT);
    if (memory == NULL) { /* here; or there, as an empty body says */
        in_error_tell(wall, "Out of Memory", NULL);
        return true;
    }
    const char *text = in_text(&reader, memory, TEXT), *stack = NULL;
    bool is_good = text != NULL;
    if (is_good && reader.left > 0) {
        stack = in_text(&reader, memory + TEXT, TEXT);
        is_good = stack != NULL && reader.left == 0;
    }
    if (is_good)
        in_error_tell(wall, text, stack);
    isle__memory_free(memory, (size_t)2 * TEXT);
    return is_good;
}

static bool in_end(struct isle__wall *wall, const struct isle__record_head *head,
                   const uint8_t *body)
{
    struct isle__reader reader = {body, head->length, false};
    bool may = head->flags == ISLE_RETURNED || head->flags == ISLE_FAILED ||
               head->flags == ISLE_KILLED || head->flags == ISLE_MEMORY ||
               head->flags == ISLE_OVERFLOWED;
    if (!may || in_text(&reader, wall->end_text, sizeof wall->end_text) == NULL || reader.left != 0)
        return false;
    wall->end_reason = head->flags;
    wall->has_end = true;
    return true;
}

/* --- one after the other */

/* Refusals, notices and answers take no room of its mailbox: who asks for them and takes none is
 * not asked to stop. Names bound those that wait for an answer, so no honest side comes near. */
static bool in_may_ask(const struct isle__wall *wall)
{
    uint64_t waits = isle__room_taken(&wall->proxy->heap.reserved);
    return wall->ops == NULL || isle__room_count(waits) < ISLE__WALL_UNREAD;
}

static bool in_record(struct isle__wall *wall, const struct isle__record_head *head,
                      const uint8_t *body)
{
    switch ((enum isle__record_kind)head->kind) {
    case ISLE__RECORD_MAIL:
        wall->met = true;
        return in_mail(wall, head, body);
    case ISLE__RECORD_REPLY:
        wall->met = true;
        return in_reply(wall, head, body);
    case ISLE__RECORD_ANSWER:
        wall->met = true;
        return in_answer(wall, head, body);
    case ISLE__RECORD_CONTROL:
        return in_may_ask(wall) && in_control(wall, head, body);
    case ISLE__RECORD_RELEASE:
        return in_release(wall, body, head->length);
    case ISLE__RECORD_DUE:
        return in_due(wall, head->to);
    case ISLE__RECORD_TAKEN:
        return in_taken(wall, head->to);
    case ISLE__RECORD_START:
        return isle__wall_in_start(wall, head, body);
    case ISLE__RECORD_STARTED:
        if (wall->stands)
            return false;
        wall->stands = true;
        isle__wall_tell_waiting(wall, ISLE_OK, NULL);
        return true;
    case ISLE__RECORD_ERROR:
        return in_error(wall, body, head->length);
    case ISLE__RECORD_END:
        return in_end(wall, head, body);
    case ISLE__RECORD_SPAWN:
        return in_may_ask(wall) && isle__wall_in_spawn(wall, head, body);
    case ISLE__RECORD_LINK:
        return in_may_ask(wall) && isle__wall_in_link(wall, body, head->length);
    case ISLE__RECORD_NAMED:
        return isle__wall_in_named(wall, head, body);
    case ISLE__RECORD_REFUSED:
        atomic_fetch_add_explicit(&isle__program.refused_full, head->to, memory_order_relaxed);
        return true;
    case ISLE__RECORD_TYPES:
        return isle__wall_in_types(wall, body, head->length);
    case ISLE__RECORD_KINDS:
        break;
    }
    return false;
}

/* To private memory; NULL: there is none. */
static uint8_t *in_copy(struct isle__wall *wall, size_t size, void **ret_owned,
                        size_t *ret_capacity)
{
    uint8_t *bytes = isle__channel_take_memory(wall->channel, ret_capacity);
    *ret_owned = bytes;
    if (bytes != NULL)
        return bytes;
    wall->record.size = 0;
    wall->record.failed = false;
    bytes = isle__buffer_room(&wall->record, size);
    if (bytes != NULL)
        isle__channel_take(wall->channel, bytes, size, NULL);
    return bytes;
}

static const uint8_t *in_body(const uint8_t *bytes, bool has_aside)
{
    return bytes + ISLE__RECORD_HEAD + (has_aside ? ISLE__RECORD_FRONT : 0);
}

static bool in_next(struct isle__wall *wall, size_t size)
{
    struct isle__record_head head;
    void *owned;
    size_t capacity = 0;
    bool is_good;
    if (size < ISLE__RECORD_HEAD)
        return false;
    if (in_bytes(wall, size, &is_good))
        return is_good;
    uint8_t *bytes = in_copy(wall, size, &owned, &capacity);
    if (bytes == NULL) { /* no memory for a record of the ring's size */
        isle__wall_lack(wall);
        return true;
    }
    is_good = isle__record_head_read(bytes, size, wall->ops == NULL, &head) && !wall->has_end;
    if (is_good && head.descriptors > 0)
        is_good = isle__wall_descriptors_take(wall, head.descriptors);
    bool has_aside = is_good && (head.flags & ISLE__RECORD_ASIDE) != 0;
    if (has_aside)
        is_good = isle__wall_aside_begin(wall, &head, bytes, owned, capacity);
    is_good = is_good && in_record(wall, &head, in_body(bytes, has_aside));
    if (wall->ops == NULL)
        isle__wall_descriptors_close(wall);
    if (!has_aside || !isle__wall_aside_end(wall))
        isle__memory_free(owned, capacity);
    return is_good;
}

bool isle__wall_in(struct isle__wall *wall, unsigned most)
{
    enum isle__channel_state state = ISLE__CHANNEL_EMPTY;
    size_t size;
    unsigned count = 0;
    while (wall->violation == NULL && count < most &&
           (state = isle__channel_next(wall->channel, &size)) == ISLE__CHANNEL_OK) {
        count++;
        if (!in_next(wall, size))
            isle__wall_violate(wall, "a record that no isolate sends");
        isle__channel_keep_up(wall->channel);
    }
    if (state == ISLE__CHANNEL_BROKEN && isle__channel_lacks_memory(wall->channel))
        isle__wall_lack(wall);
    else if (state == ISLE__CHANNEL_BROKEN)
        isle__wall_violate(wall, isle__channel_broken_by(wall->channel));
    if (count > 0)
        isle__channel_taken(wall->channel);
    return count == most && wall->violation == NULL;
}
