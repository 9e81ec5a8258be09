/* SPDX-License-Identifier: Apache-2.0 */
/* Records as bytes. Pure functions: they know no wall, no heap and no isolate. */
#include "backend/wall/record.h"

#include <string.h>

#include "core/backend.h"
#include "core/control.h"
#include "core/isolate.h"
#include "value/cell.h"

/* --- writing */

static void number_put(uint8_t *bytes, uint64_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t number_get(const uint8_t *bytes, unsigned width)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++)
        number |= (uint64_t)bytes[i] << 8 * i;
    return number;
}

void isle__write_number(struct isle__buffer *out, uint64_t number, unsigned width)
{
    uint8_t bytes[8];
    number_put(bytes, number, width);
    isle__buffer_add(out, bytes, width);
}

void isle__write_place(struct isle__buffer *out, const struct isle__wire_function *place)
{
    isle__write_number(out, place->size, 1);
    isle__buffer_add(out, place->bytes, place->size);
}

static void write_ref(struct isle__buffer *out, const struct isle__ref *ref)
{
    isle__write_number(out, ref->whose, 1);
    isle__write_number(out, ref->name, 8);
}

void isle__write_control(struct isle__buffer *out, const struct isle__record_control *control)
{
    isle__write_number(out, control->control, 1);
    isle__write_number(out, control->priority, 1);
    isle__write_number(out, control->flag, 1);
    write_ref(out, &control->capability);
    write_ref(out, &control->key);
    write_ref(out, &control->port);
    isle__buffer_add(out, control->response, control->response_size);
}

void isle__write_start(struct isle__buffer *out, const struct isle__record_start *start)
{
    isle__write_number(out, start->entry_kind, 1);
    isle__write_number(out, start->flags, 1);
    isle__write_place(out, &start->entry);
    isle__write_number(out, start->memory_max, 8);
    isle__write_number(out, start->mailbox_bytes, 8);
    isle__write_number(out, start->mailbox_messages, 8);
    isle__write_number(out, start->name_size, 4);
    isle__buffer_add(out, start->name, start->name_size);
    isle__write_number(out, start->type_count, 4);
    isle__buffer_add(out, start->types, start->types_size);
    isle__buffer_add(out, start->message, start->message_size);
}

void isle__write_spawn(struct isle__buffer *out, const struct isle__record_spawn *spawn)
{
    write_ref(out, &spawn->on_exit);
    write_ref(out, &spawn->on_error);
    write_ref(out, &spawn->monitor);
    isle__write_number(out, spawn->standing, 8);
    isle__write_number(out, spawn->deadline_ns, 8);
    isle__write_number(out, spawn->cpu_time_max_ns, 8);
    isle__write_number(out, spawn->link, 1);
    isle__write_start(out, &spawn->start);
}

void isle__write_link(struct isle__buffer *out, const struct isle__record_link *link)
{
    isle__write_number(out, link->act, 1);
    write_ref(out, &link->port);
    write_ref(out, &link->capability);
}

void isle__record_head_write(const struct isle__record_head *head, uint8_t *bytes)
{
    number_put(bytes, head->length, 4);
    bytes[4] = head->kind;
    bytes[5] = head->flags;
    number_put(bytes + 6, head->descriptors, 2);
    number_put(bytes + 8, head->to, 8);
    number_put(bytes + 16, head->reply, 8);
}

void isle__record_front_write(size_t message_size, uint8_t *bytes)
{
    number_put(bytes, message_size, ISLE__RECORD_FRONT);
}

/* --- reading */

const uint8_t *isle__read_bytes(struct isle__reader *reader, size_t size)
{
    if (reader->malformed || size > reader->left) {
        reader->malformed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    reader->left -= size;
    return bytes;
}

uint64_t isle__read_number(struct isle__reader *reader, unsigned width)
{
    const uint8_t *bytes = isle__read_bytes(reader, width);
    return bytes == NULL ? 0 : number_get(bytes, width);
}

static struct isle__ref read_ref(struct isle__reader *reader)
{
    struct isle__ref ref;
    ref.whose = (uint8_t)isle__read_number(reader, 1);
    ref.name = isle__read_number(reader, 8);
    if (ref.whose > ISLE__WHOSE_READER || (ref.whose == ISLE__WHOSE_NONE && ref.name != 0))
        reader->malformed = true;
    return ref;
}

bool isle__read_place(struct isle__reader *reader, struct isle__wire_function *ret_place)
{
    *ret_place = (struct isle__wire_function){.size = (size_t)isle__read_number(reader, 1)};
    if (ret_place->size > ISLE__WIRE_FUNCTION_MAX)
        reader->malformed = true;
    const uint8_t *bytes = isle__read_bytes(reader, ret_place->size);
    if (bytes != NULL)
        memcpy(ret_place->bytes, bytes, ret_place->size);
    return !reader->malformed;
}

/* What a kind may have. */
struct rule {
    bool to_inside, to_host;
    uint8_t flags;        /* that may be set */
    bool to, reply, body; /* may be other than zero */
};

static const struct rule rules[ISLE__RECORD_KINDS] = {
    [ISLE__RECORD_MAIL] = {true, true,
                           ISLE__RECORD_REPLY_MASK | ISLE__RECORD_BARE | ISLE__RECORD_RESERVED |
                               ISLE__RECORD_ASIDE | ISLE__RECORD_WAITS,
                           true, true, true},
    [ISLE__RECORD_REPLY] = {true, true,
                            ISLE__RECORD_BARE | ISLE__RECORD_FAILED | ISLE__RECORD_CODED |
                                ISLE__RECORD_ASIDE,
                            true, false, true},
    [ISLE__RECORD_ANSWER] = {true, true, ISLE__RECORD_FAILED | ISLE__RECORD_CODED, true, false,
                             true},
    [ISLE__RECORD_CONTROL] = {true, true, 0, true, true, true},
    [ISLE__RECORD_RELEASE] = {true, true, 0, false, false, true},
    [ISLE__RECORD_DUE] = {true, true, 0, true, false, false},
    [ISLE__RECORD_TAKEN] = {false, true, 0, true, false, false},
    [ISLE__RECORD_START] = {true, false, 0, false, true, true},
    [ISLE__RECORD_STARTED] = {false, true, 0, false, false, false},
    [ISLE__RECORD_ERROR] = {false, true, 0, false, false, true},
    [ISLE__RECORD_END] = {false, true, 0xf, false, false, true},
    [ISLE__RECORD_SPAWN] = {false, true, 0, true, true, true},
    [ISLE__RECORD_LINK] = {false, true, 0, false, false, true},
    [ISLE__RECORD_NAMED] = {true, false, 0, true, false, true},
    [ISLE__RECORD_REFUSED] = {true, false, 0, true, false, false},
    [ISLE__RECORD_TYPES] = {true, false, 0, false, false, true},
};

bool isle__record_head_read(const uint8_t *bytes, size_t record_size, bool inside,
                            struct isle__record_head *ret_head)
{
    struct isle__record_head head = {
        .length = (uint32_t)number_get(bytes, 4),
        .kind = bytes[4],
        .flags = bytes[5],
        .descriptors = (uint16_t)number_get(bytes + 6, 2),
        .to = number_get(bytes + 8, 8),
        .reply = number_get(bytes + 16, 8),
    };
    if (head.length != record_size - ISLE__RECORD_HEAD || head.kind == 0 ||
        head.kind >= ISLE__RECORD_KINDS)
        return false;
    const struct rule *rule = &rules[head.kind];
    bool carries = head.kind == ISLE__RECORD_MAIL || head.kind == ISLE__RECORD_REPLY ||
                   head.kind == ISLE__RECORD_START;
    unsigned descriptors_max = inside && carries ? ISLE__RECORD_DESCRIPTORS : 0;
    if (!(inside ? rule->to_inside : rule->to_host) || (head.flags & ~rule->flags) != 0 ||
        (head.to != 0 && !rule->to) || (head.reply != 0 && !rule->reply) ||
        (head.length != 0 && !rule->body) || head.descriptors > descriptors_max)
        return false;
    uint8_t plain = ISLE__RECORD_BARE | ISLE__RECORD_CODED;
    if ((head.flags & ISLE__RECORD_ASIDE) != 0 && (head.flags & plain) != 0)
        return false;
    bool has_reply = (head.flags & ISLE__RECORD_REPLY_MASK) != ISLE__RECORD_REPLY_NONE;
    if (head.kind == ISLE__RECORD_MAIL && has_reply != (head.reply != 0))
        return false;
    unsigned waits = inside ? ISLE__RECORD_REPLY_NONE : ISLE__RECORD_REPLY_CALL;
    if (head.kind == ISLE__RECORD_MAIL && (head.flags & ISLE__RECORD_WAITS) != 0 &&
        ((head.flags & ISLE__RECORD_REPLY_MASK) != waits ||
         (head.flags & ISLE__RECORD_RESERVED) != 0))
        return false;
    *ret_head = head;
    return true;
}

bool isle__read_control(const uint8_t *body, size_t size, struct isle__record_control *ret_control)
{
    struct isle__reader reader = {body, size, false};
    struct isle__record_control control = {0};
    control.control = (uint8_t)isle__read_number(&reader, 1);
    control.priority = (uint8_t)isle__read_number(&reader, 1);
    control.flag = (uint8_t)isle__read_number(&reader, 1);
    control.capability = read_ref(&reader);
    control.key = read_ref(&reader);
    control.port = read_ref(&reader);
    if (reader.malformed || control.control < ISLE__CONTROL_PAUSE ||
        control.control > ISLE__CONTROL_SHUTDOWN || control.priority > ISLE_BEFORE_NEXT_EVENT ||
        control.flag > 1)
        return false;
    control.response = reader.at;
    control.response_size = reader.left;
    bool answers = control.control == ISLE__CONTROL_ADD_EXIT;
    if (answers != (control.response_size > 0) || control.response_size > ISLE__RECORD_RESPONSE_MAX)
        return false;
    *ret_control = control;
    return true;
}

bool isle__read_start(const uint8_t *body, size_t size, struct isle__record_start *ret_start)
{
    struct isle__reader reader = {body, size, false};
    struct isle__record_start start = {0};
    start.entry_kind = (uint8_t)isle__read_number(&reader, 1);
    start.flags = (uint8_t)isle__read_number(&reader, 1);
    if (!isle__read_place(&reader, &start.entry))
        return false;
    start.memory_max = isle__read_number(&reader, 8);
    start.mailbox_bytes = isle__read_number(&reader, 8);
    start.mailbox_messages = isle__read_number(&reader, 8);
    start.name_size = (uint32_t)isle__read_number(&reader, 4);
    start.name = (const char *)isle__read_bytes(&reader, start.name_size);
    start.type_count = (uint32_t)isle__read_number(&reader, 4);
    start.types = reader.at;
    for (uint32_t i = 0; i < start.type_count; i++) {
        struct isle__wire_function place;
        if (!isle__read_place(&reader, &place))
            return false;
    }
    start.types_size = (size_t)(reader.at - start.types);
    unsigned known = ISLE__START_PAUSED | ISLE__START_NOT_FATAL | ISLE__START_NAMED |
                     ISLE__START_BARE | ISLE__START_HEAP;
    if (reader.malformed || start.entry_kind > ISLE__ENTRY_URI || (start.flags & ~known) != 0)
        return false;
    start.message = reader.at;
    start.message_size = reader.left;
    *ret_start = start;
    return true;
}

bool isle__read_spawn(const uint8_t *body, size_t size, struct isle__record_spawn *ret_spawn)
{
    struct isle__reader reader = {body, size, false};
    struct isle__record_spawn spawn = {0};
    spawn.on_exit = read_ref(&reader);
    spawn.on_error = read_ref(&reader);
    spawn.monitor = read_ref(&reader);
    spawn.standing = isle__read_number(&reader, 8);
    spawn.deadline_ns = isle__read_number(&reader, 8);
    spawn.cpu_time_max_ns = isle__read_number(&reader, 8);
    spawn.link = (uint8_t)isle__read_number(&reader, 1);
    if (reader.malformed || spawn.link > 1 || spawn.deadline_ns > INT64_MAX ||
        spawn.cpu_time_max_ns > INT64_MAX ||
        !isle__read_start(reader.at, reader.left, &spawn.start))
        return false;
    *ret_spawn = spawn;
    return true;
}

bool isle__read_link(const uint8_t *body, size_t size, struct isle__record_link *ret_link)
{
    struct isle__reader reader = {body, size, false};
    struct isle__record_link link = {0};
    link.act = (uint8_t)isle__read_number(&reader, 1);
    link.port = read_ref(&reader);
    link.capability = read_ref(&reader);
    if (reader.malformed || reader.left != 0 || link.act < ISLE__LINK_JOIN ||
        link.act > ISLE__LINK_OWN)
        return false;
    *ret_link = link;
    return true;
}

_Static_assert((int)ISLE__RECORD_RESPONSE_MAX >= 2 * (int)ISLE__RESPONSE_MAX,
               "what may be asked for here crosses");

/* --- immediate values */

bool isle__travels_plain(isle_value value)
{
    switch (isle__tag_of(value)) {
    case ISLE__TAG_CELL:
        return value.bits == 0;
    case ISLE__TAG_INT:
    case ISLE__TAG_CONSTANT:
    case ISLE__TAG_DOUBLE:
        return true;
    case ISLE__TAG_PORT:
    case ISLE__TAG_CAPABILITY:
    case ISLE__TAG_FUNCTION:
    case ISLE__TAG_POINTER:
        break;
    }
    return false;
}

bool isle__read_bare(const uint8_t *body, size_t size, isle_value *ret_value)
{
    struct isle__reader reader = {body, size, false};
    isle_value value = {isle__read_number(&reader, 8)};
    bool is_constant = isle__tag_of(value) == ISLE__TAG_CONSTANT;
    if (reader.malformed || reader.left != 0 || !isle__travels_plain(value) ||
        (is_constant && value.bits != ISLE__FALSE_BITS && value.bits != ISLE__TRUE_BITS))
        return false;
    *ret_value = value;
    return true;
}
