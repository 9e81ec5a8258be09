/* SPDX-License-Identifier: Apache-2.0 */
/* Out: what lies in the proxy's mailbox and among its control messages is put into records, one
 * after the other. A record that finds no room in the ring waits in wall->body, and all else behind
 * it; mail waits where it is, in the proxy's inbox, and counts there.
 *
 * Order: names that are no more; then the start, first of all from outside; then control messages,
 * which go before mail; then how much was taken; then mail, in its order. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/due.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/uncaught.h"
#include "value/type.h"

/* --- one record */

static enum isle__channel_state out_push_parts(struct isle__wall *wall)
{
    const struct isle__channel_part parts[] = {
        {wall->head, sizeof wall->head}, {wall->body.data, wall->body.size}, wall->asides.rest};
    return isle__channel_put_parts(wall->channel, parts, 3);
}

static bool out_push(struct isle__wall *wall)
{
    enum isle__channel_state state =
        isle__wall_has_asides(wall) ? isle__wall_asides_put(wall) : out_push_parts(wall);
    if (state == ISLE__CHANNEL_FULL)
        return false;
    wall->putting = false;
    if (wall->asides.mail != NULL)
        isle__wall_asides_clear(wall);
    wall->body.size = 0;
    if (wall->body.capacity > 65536) {
        isle__buffer_fini(&wall->body);
        isle__buffer_init(&wall->body, NULL);
    }
    isle__channel_keep_up(wall->channel);
    if (state == ISLE__CHANNEL_BROKEN)
        isle__wall_violate(wall, isle__channel_broken_by(wall->channel));
    return state == ISLE__CHANNEL_OK;
}

/* With the body that stands in wall->body. False: it waits for room. */
static bool out_put(struct isle__wall *wall, struct isle__record_head head)
{
    head.length =
        (uint32_t)(isle__wall_has_asides(wall) ? isle__wall_asides_layout(wall)
                                               : wall->body.size + wall->asides.rest.size);
    isle__record_head_write(&head, wall->head);
    wall->putting = true;
    return out_push(wall);
}

static void out_clear(struct isle__wall *wall)
{
    isle__wall_descriptors_close(wall);
    isle__wall_asides_clear(wall);
    wall->body.size = 0;
    wall->body.failed = false;
}

/* --- names that are no more */

void isle__wall_release(void *context, uint64_t name)
{
    struct isle__wall *wall = context;
    if (wall->release_count == wall->release_capacity) {
        size_t old = wall->release_capacity, new = old == 0 ? 64 : old * 2;
        void *memory =
            isle__memory_resize(wall->releases, old * sizeof(uint64_t), new * sizeof(uint64_t));
        if (memory == NULL)
            return; /* the other side keeps an import that leads nowhere */
        wall->releases = memory;
        wall->release_capacity = new;
    }
    wall->releases[wall->release_count++] = name;
}

static bool out_releases(struct isle__wall *wall)
{
    size_t count = wall->release_count;
    if (count > ISLE__RECORD_RELEASES)
        count = ISLE__RECORD_RELEASES;
    for (size_t i = 0; i < count; i++)
        isle__write_number(&wall->body, wall->releases[--wall->release_count], 8);
    if (wall->body.failed) {
        out_clear(wall);
        return true;
    }
    return out_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_RELEASE});
}

/* --- control */

static void control_name(struct isle__wall *wall, const struct isle__control *control,
                         struct isle__record_control *record, isle_err *err)
{
    *record = (struct isle__record_control){
        .control = (uint8_t)control->kind,
        .priority = control->priority == ISLE_BEFORE_NEXT_EVENT,
        .flag = control->flag,
    };
    /* The outside has looked at the capability of its own isolate already. */
    const struct isle__import *import =
        isle__import_of_capability(&wall->imports, control->capability);
    if (import != NULL && wall->ops == NULL)
        record->capability = (struct isle__ref){ISLE__WHOSE_READER, import->name};
    *err = isle__wall_name_of_capability(wall, control->key, &record->key);
    if (*err == ISLE_OK && control->kind != ISLE__CONTROL_PING)
        *err = isle__wall_name_of_port(wall, control->port, &record->port);
}

/* The response of an exit listener goes with it; that of a ping waits here. */
static isle_err control_write(struct isle__wall *wall, struct isle__control *control,
                              struct isle__record_head *head)
{
    struct isle__record_control record;
    isle_err err;
    control_name(wall, control, &record, &err);
    if (err == ISLE_OK &&
        (control->kind == ISLE__CONTROL_PING || control->kind == ISLE__CONTROL_STARTED)) {
        err = isle__export_answer(&wall->exports, control->mail, &head->reply);
        if (err == ISLE_OK) {
            control->mail = NULL;
            wall->asked++;
        }
    }
    if (err != ISLE_OK)
        return err;
    isle__write_control(&wall->body, &record);
    size_t before = wall->body.size;
    if (control->kind == ISLE__CONTROL_ADD_EXIT)
        err = isle__wire_encode(NULL, control->mail->root, &wall->wire, &wall->body, NULL);
    if (wall->body.size - before > ISLE__RECORD_RESPONSE_MAX)
        err = ISLE_ERANGE;
    if (wall->descriptor_count > 0) /* only mail takes them along */
        err = ISLE_EUNSENDABLE;
    return wall->body.failed ? ISLE_ENOMEM : err;
}

struct isle__control *isle__wall_control_take(struct isle__wall *wall)
{
    struct isle__control *control = wall->controls;
    atomic_fetch_sub_explicit(&wall->proxy->control_count, 1, memory_order_relaxed);
    wall->controls = control->next;
    if (wall->controls == NULL)
        wall->controls_last = NULL;
    return control;
}

static bool out_control(struct isle__wall *wall)
{
    struct isle__control *control = isle__wall_control_take(wall);
    const struct isle__import *import = isle__import_of_port(&wall->imports, control->target);
    struct isle__record_head head = {.kind = ISLE__RECORD_CONTROL};
    if (import == NULL || import->kind != ISLE__NAME_CONTROL) {
        isle__control_refuse(control);
        return true;
    }
    head.to = import->name;
    isle_err err = control_write(wall, control, &head);
    if (err != ISLE_OK) {
        out_clear(wall);
        isle__control_refuse(control);
        return true;
    }
    isle__control_free(control);
    return out_put(wall, head);
}

/* --- mail */

/* What the host itself sends there fails as often as the inside has it echoed: so many lines.
 * Inside nobody reads stderr: it is told outside, like an error that nobody took. */
static void mail_fail_line(struct isle__wall *wall, const char *why)
{
    char name[64], line[ISLE__WALL_TEXT + 96];
    struct isle__buffer body;
    isle__isolate_name(wall->proxy, name, sizeof name);
    if (!isle__lines_may(&wall->lines, ISLE__WALL_LINES, name))
        return;
    int size = snprintf(line, sizeof line, "%sa message could not cross a wall and was dropped%s%s",
                        wall->ops == NULL ? "" : "isle: ", why[0] == '\0' ? "" : ": ", why);
    if (wall->ops != NULL) {
        isle__report(line);
        return;
    }
    size_t whole = isle__utf8_valid(line, (size_t)size); /* it may be cut */
    isle__buffer_init(&body, NULL);
    isle__write_number(&body, whole, 4);
    isle__buffer_add(&body, line, whole);
    (void)isle__wall_own_add(wall, &(struct isle__record_head){.kind = ISLE__RECORD_ERROR}, &body);
}

void isle__wall_mail_end(struct isle__mail *mail, isle_err code)
{
    struct isle__mail *answer = NULL;
    if (isle__reply_waits(mail->reply))
        answer = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, mail->reply);
    isle__mail_drop(mail);
    if (answer == NULL)
        return;
    answer->code = code;
    isle__mail_post_reserved(answer);
}

void isle__wall_mail_fail(struct isle__wall *wall, struct isle__mail *mail, isle_err code,
                          const char *why)
{
    if (!isle__reply_waits(mail->reply))
        mail_fail_line(wall, why);
    atomic_fetch_add_explicit(&isle__program.dropped_crossing, 1, memory_order_relaxed);
    isle__wall_mail_end(mail, code);
}

/* Its content is out, or nobody wants it. Outside it counts on until it is taken. */
static void mail_done(struct isle__wall *wall, const struct isle__mail *mail)
{
    uint64_t amount = isle__room_of(1, isle__mail_size(mail));
    if (wall->ops == NULL || mail->room == ISLE__MAIL_RESERVED ||
        !isle__wall_credits_add(&wall->credits, amount))
        isle__mail_received(wall->proxy, mail);
}

static void mail_unwanted(struct isle__wall *wall, struct isle__mail *mail)
{
    bool is_reply = mail->kind != ISLE__MAIL_DATA;
    isle__mail_received(wall->proxy, mail);
    if (!isle__mail_is_missed(mail)) {
        isle__mail_drop(mail);
        return;
    }
    atomic_fetch_add_explicit(is_reply ? &isle__program.dropped_late
                                       : &isle__program.dropped_closed,
                              1, memory_order_relaxed);
    isle__mail_refuse(mail);
}

static isle_err mail_reply(struct isle__wall *wall, const struct isle__mail *mail,
                           struct isle__record_head *head)
{
    struct isle__ref ref;
    isle_err err = isle__wall_name_of_reply(wall, mail, &ref);
    if (err != ISLE_OK || ref.whose == ISLE__WHOSE_NONE)
        return err;
    head->reply = ref.name;
    if (ref.whose == ISLE__WHOSE_READER)
        head->flags |= ISLE__RECORD_REPLY_YOURS;
    else
        head->flags |= mail->is_call ? ISLE__RECORD_REPLY_CALL : ISLE__RECORD_REPLY_PORT;
    return ISLE_OK;
}

/* A message that is nothing but bytes goes into the ring from where they lie. */
static bool mail_write_bytes(struct isle__wall *wall, const struct isle__mail *mail)
{
    uint8_t head[ISLE__WIRE_HEAD];
    struct isle__channel_part rest;
    size_t head_size;
    if (!isle__wire_bytes_of(mail->root, head, &head_size, &rest.bytes, &rest.size) ||
        rest.size < ISLE__WALL_BYTES_LEAST || rest.size >= ISLE__WIRE_ASIDE_MIN)
        return false;
    isle__buffer_add(&wall->body, head, head_size);
    wall->asides.rest = rest;
    return true;
}

static isle_err mail_write(struct isle__wall *wall, const struct isle__mail *mail,
                           struct isle__record_head *head, struct isle__wire_text *text)
{
    bool is_error = mail->kind == ISLE__MAIL_REPLY_ERROR;
    if (is_error && mail->code != ISLE_OK && head->kind == ISLE__RECORD_REPLY) {
        head->flags |= ISLE__RECORD_CODED;
        isle__write_number(&wall->body, (uint64_t)(int64_t)mail->code, 4);
    } else if (isle__travels_plain(mail->root)) {
        head->flags |= ISLE__RECORD_BARE;
        isle__write_number(&wall->body, mail->root.bits, 8);
    } else if (!mail_write_bytes(wall, mail)) {
        isle__wall_asides_open(wall);
        isle_err err = isle__wire_encode(NULL, mail->root, &wall->wire, &wall->body, text);
        if (isle__wall_asides_close(wall))
            head->flags |= ISLE__RECORD_ASIDE;
        if (err != ISLE_OK)
            return err;
    }
    if (wall->body.size > ISLE__WALL_MESSAGE_MAX ||
        wall->asides.size > ISLE__WALL_MESSAGE_MAX - wall->body.size)
        return ISLE_ERANGE;
    return wall->body.failed ? ISLE_ENOMEM : ISLE_OK;
}

/* There is room for descriptors once those that were sent are fetched, which is done as their
 * records are read. If those have been, perhaps just now, and there is none still, there never will
 * be. A file goes now or not at all. */
static isle_err mail_send_descriptors(struct isle__wall *wall, bool may_wait)
{
    isle_err err = isle__wall_descriptors_send(wall);
    if (err == ISLE_EFULL && may_wait) {
        wall->awaits_courier = isle__channel_is_read(wall->channel) == ISLE__CHANNEL_FULL;
        if (!wall->awaits_courier)
            err = isle__wall_descriptors_send(wall);
    }
    isle__wall_descriptors_close(wall);
    return err;
}

/* A file that cannot go now is none: its bytes go by the ring. */
static isle_err mail_value(struct isle__wall *wall, const struct isle__mail *mail,
                           struct isle__record_head *head, struct isle__wire_text *text)
{
    isle_err err = mail_write(wall, mail, head, text);
    size_t file = wall->asides.file_size;
    head->descriptors = (uint16_t)wall->descriptor_count;
    if (err != ISLE_OK || wall->descriptor_count == 0)
        return err;
    err = mail_send_descriptors(wall, file == 0);
    if (err == ISLE_OK)
        wall->files_left -= file;
    if (err == ISLE_OK || file == 0)
        return err;
    out_clear(wall);
    head->flags &= (uint8_t)~ISLE__RECORD_ASIDE;
    wall->asides.no_file = true;
    err = mail_value(wall, mail, head, text);
    wall->asides.no_file = false;
    return err;
}

/* Its call waits only for a while: that goes first, as time that is left, since clocks differ. */
static bool mail_is_due(const struct isle__mail *mail)
{
    return mail->kind == ISLE__MAIL_DATA && mail->is_call && mail->due != 0;
}

static bool due_wants_out(const struct isle__wall *wall)
{
    return wall->due_told != ISLE__DUE_TOLD &&
           (wall->due_told == ISLE__DUE_TOLD_IN_VAIN || mail_is_due(wall->proxy->inbox));
}

static bool out_due(struct isle__wall *wall)
{
    const struct isle__mail *mail = wall->proxy->inbox;
    struct isle__record_head head = {.kind = ISLE__RECORD_DUE};
    wall->due_told = ISLE__DUE_TOLD_NONE;
    if (mail_is_due(mail)) {
        int64_t left = isle__due_left(mail->due);
        head.to = left < 1 ? 1 : (uint64_t)left;
        wall->due_told = ISLE__DUE_TOLD;
    }
    return out_put(wall, head);
}

/* The first mail has left the queue, as mail or not. */
static void due_is_used(struct isle__wall *wall, bool as_mail)
{
    if (as_mail)
        wall->due_told = ISLE__DUE_TOLD_NONE;
    else if (wall->due_told == ISLE__DUE_TOLD)
        wall->due_told = ISLE__DUE_TOLD_IN_VAIN;
}

/* What kind of record, by what its target is there. */
static void mail_address(struct isle__wall *wall, const struct isle__mail *mail,
                         const struct isle__import *import, struct isle__record_head *head)
{
    head->to = import->name;
    head->kind = ISLE__RECORD_MAIL;
    if (mail->waits && import->kind != ISLE__NAME_ANSWER && import->kind != ISLE__NAME_REPLY)
        head->flags |= ISLE__RECORD_WAITS;
    if (import->kind == ISLE__NAME_ANSWER) {
        head->kind = ISLE__RECORD_ANSWER;
    } else if (import->kind == ISLE__NAME_REPLY) {
        head->kind = ISLE__RECORD_REPLY;
        if (mail->kind == ISLE__MAIL_REPLY_ERROR)
            head->flags |= ISLE__RECORD_FAILED;
    } else if (mail->room == ISLE__MAIL_RESERVED && wall->ops != NULL) {
        head->flags |= ISLE__RECORD_RESERVED;
    }
}

/* ["text", "stack" or null], as core made it (uncaught.c). */
static void write_notice(struct isle__wall *wall, const struct isle__mail *mail)
{
    const struct isle__list *list = (const void *)isle__cell_of(isle__resolve(mail->root));
    for (uint32_t i = 0; i < 2 && i < list->count; i++) {
        isle_value text = isle__resolve(list->items[i]);
        if (isle_is_null(text))
            break;
        const struct isle__string *string = (const void *)isle__cell_of(text);
        size_t size = string->size;
        if (size > 65536) /* between two characters */
            size = isle__utf8_valid(string->text, 65536);
        isle__write_number(&wall->body, size, 4);
        isle__buffer_add(&wall->body, string->text, size);
    }
}

static bool out_error(struct isle__wall *wall, struct isle__mail *mail)
{
    write_notice(wall, mail);
    isle__mail_received(wall->proxy, mail);
    isle__mail_drop(mail);
    if (wall->body.failed) /* an empty body says so */
        out_clear(wall);
    return out_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_ERROR});
}

static bool out_answer(struct isle__wall *wall, struct isle__mail *mail,
                       struct isle__record_head *head)
{
    if (mail->kind == ISLE__MAIL_REPLY_ERROR) {
        head->flags = ISLE__RECORD_FAILED | ISLE__RECORD_CODED;
        isle__write_number(&wall->body, (uint64_t)(int64_t)mail->code, 4);
    }
    isle__mail_received(wall->proxy, mail);
    isle__mail_drop(mail);
    return out_put(wall, *head);
}

/* It stays the first, and counts where it is. */
static void mail_waits(struct isle__wall *wall, struct isle__mail *mail)
{
    out_clear(wall);
    wall->awaits_courier = false;
    mail->next = wall->proxy->inbox;
    if (mail->next == NULL)
        wall->proxy->inbox_last = mail;
    wall->proxy->inbox = mail;
}

static bool out_mail_to(struct isle__wall *wall, struct isle__mail *mail,
                        struct isle__import *import)
{
    struct isle__record_head head = {0};
    char why[ISLE__WALL_TEXT] = "";
    struct isle__wire_text text = {why, sizeof why};
    mail_address(wall, mail, import, &head);
    isle_err err = head.kind == ISLE__RECORD_MAIL ? mail_reply(wall, mail, &head) : ISLE_OK;
    if (err == ISLE_OK && head.kind != ISLE__RECORD_ANSWER)
        err = mail_value(wall, mail, &head, &text);
    if (wall->awaits_courier) {
        mail_waits(wall, mail);
        return false;
    }
    due_is_used(wall, err == ISLE_OK && head.kind == ISLE__RECORD_MAIL);
    bool is_once = import->kind == ISLE__NAME_REPLY || import->kind == ISLE__NAME_ANSWER;
    if (is_once)
        isle__import_drop(&wall->imports, import);
    if (head.kind == ISLE__RECORD_ANSWER)
        return out_answer(wall, mail, &head);
    if (err == ISLE_OK) {
        mail_done(wall, mail);
        if (isle__wall_has_asides(wall) || wall->asides.rest.size > 0)
            wall->asides.mail = mail;
        else
            isle__mail_drop(mail);
        return out_put(wall, head);
    }
    out_clear(wall);
    isle__mail_received(wall->proxy, mail);
    if (head.kind == ISLE__RECORD_REPLY) { /* who waits for it shall not wait for ever */
        isle__mail_drop(mail);
        head.flags = ISLE__RECORD_FAILED | ISLE__RECORD_CODED;
        isle__write_number(&wall->body, (uint64_t)(int64_t)err, 4);
        return out_put(wall, head);
    }
    isle__wall_mail_fail(wall, mail, err, why[0] != '\0' ? why : isle_err_text(err));
    return true;
}

static bool out_mail(struct isle__wall *wall)
{
    struct isle__mail *mail = wall->proxy->inbox;
    wall->proxy->inbox = mail->next;
    mail->next = NULL;
    struct isle__import *import = isle__import_of_port(&wall->imports, mail->target);
    if (import == NULL) {
        due_is_used(wall, false);
        mail_unwanted(wall, mail);
        return true;
    }
    if (wall->errors != 0 && import->id == wall->errors)
        return out_error(wall, mail);
    return out_mail_to(wall, mail, import);
}

/* --- all of it */

static bool out_start(struct isle__wall *wall)
{
    struct isle__record_head head = {.kind = ISLE__RECORD_START};
    wall->start_put = true;
    isle_err err = isle__wall_write_start(wall, &head);
    if (err == ISLE_OK)
        return out_put(wall, head);
    out_clear(wall);
    wall->proxy->ending = true;
    isle__isolate_end_as(wall->proxy, ISLE_FAILED, isle_err_text(err));
    isle__uncaught_told(wall->proxy, isle_err_text(err), NULL, true);
    return true;
}

static bool out_taken(struct isle__wall *wall, uint64_t taken)
{
    isle__wall_told(wall, taken);
    return out_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_TAKEN, .to = taken});
}

/* Before whatever may have an object of such a type. */
static bool out_types(struct isle__wall *wall)
{
    isle__wall_write_types(wall);
    if (wall->body.failed) {
        wall->types_told = 0; /* told when there is memory */
        out_clear(wall);
        return false;
    }
    return out_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_TYPES});
}

static bool out_refused(struct isle__wall *wall)
{
    uint64_t refused = wall->mail_refused;
    wall->mail_refused = 0;
    return out_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_REFUSED, .to = refused});
}

bool isle__wall_out(struct isle__wall *wall, unsigned most)
{
    uint64_t taken;
    if (wall->violation != NULL || (wall->putting && !out_push(wall)))
        return false;
    for (unsigned i = 0; i < most && wall->violation == NULL; i++) {
        bool went;
        if (wall->ops != NULL && !wall->start_put)
            went = out_start(wall);
        else if (wall->ops != NULL && wall->types_told != isle__types_count())
            went = out_types(wall);
        else if (wall->release_count > 0)
            went = out_releases(wall);
        else if (wall->mail_refused > 0)
            went = out_refused(wall);
        else if (wall->own != NULL)
            went = out_put(wall, isle__wall_own_take(wall));
        else if (wall->controls != NULL)
            went = out_control(wall);
        else if (wall->ops == NULL && (taken = isle__wall_taken(wall)) > 0)
            went = out_taken(wall, taken);
        else if (wall->proxy->inbox != NULL && due_wants_out(wall))
            went = out_due(wall);
        else if (wall->proxy->inbox != NULL)
            went = out_mail(wall);
        else
            return false;
        if (!went)
            return false;
    }
    return wall->violation == NULL;
}
