/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to names and back: the hooks of the codec, and the same for what stands outside of values.
 *
 * Going out, an id that the other side made goes home by its own name; any other is exported.
 * Coming in, a name of ours becomes the id that it stands for; any other is imported. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/mail.h"
#include "core/slot.h"

enum { PORT_KINDS = ISLE__NAME_BIT(ISLE__NAME_PORT) | ISLE__NAME_BIT(ISLE__NAME_REPLY) };

/* --- out */

static isle_err give(struct isle__wall *wall, enum isle__name_kind kind, uint64_t id,
                     uint64_t owner, struct isle__ref *ret_ref)
{
    if (isle__exports_want_sweep(&wall->exports))
        isle__exports_sweep(&wall->exports, isle__wall_release, wall);
    ret_ref->whose = ISLE__WHOSE_WRITER;
    return isle__export_give(&wall->exports, kind, id, owner, &ret_ref->name);
}

static enum isle__name_kind port_kind(uint64_t id)
{
    if ((id & ISLE__ID_CONTROL) != 0)
        return ISLE__NAME_CONTROL;
    const struct isle__slot *slot = isle__slot_find(id);
    bool is_reply =
        slot != NULL && atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY;
    return is_reply ? ISLE__NAME_REPLY : ISLE__NAME_PORT;
}

static isle_err name_of(struct isle__wall *wall, uint64_t id, bool is_call,
                        struct isle__ref *ret_ref)
{
    *ret_ref = (struct isle__ref){0};
    if (id == 0)
        return ISLE_OK;
    const struct isle__import *import = isle__import_of_port(&wall->imports, id);
    if (import != NULL) {
        *ret_ref = (struct isle__ref){ISLE__WHOSE_READER, import->name};
        return ISLE_OK;
    }
    return give(wall, is_call ? ISLE__NAME_REPLY : port_kind(id), id, 0, ret_ref);
}

isle_err isle__wall_name_of_port(struct isle__wall *wall, uint64_t id, struct isle__ref *ret_ref)
{
    return name_of(wall, id, false, ret_ref);
}

isle_err isle__wall_name_of_reply(struct isle__wall *wall, const struct isle__mail *mail,
                                  struct isle__ref *ret_ref)
{
    return name_of(wall, mail->reply, mail->is_call, ret_ref);
}

/* A capability of the isolate whose control port was the last to be written goes when that goes. */
static uint64_t capability_owner(const struct isle__wall *wall, uint64_t capability)
{
    uint64_t isolate = wall->last_control & ~ISLE__ID_CONTROL;
    for (unsigned which = 1; isolate != 0 && which <= 2; which++)
        if (isle__isolate_capability(isolate, which).id == capability)
            return isolate;
    return 0;
}

isle_err isle__wall_name_of_capability(struct isle__wall *wall, uint64_t id,
                                       struct isle__ref *ret_ref)
{
    *ret_ref = (struct isle__ref){0};
    if (id == 0)
        return ISLE_OK;
    const struct isle__import *import = isle__import_of_capability(&wall->imports, id);
    if (import == NULL)
        return give(wall, ISLE__NAME_CAPABILITY, id, capability_owner(wall, id), ret_ref);
    *ret_ref = (struct isle__ref){ISLE__WHOSE_READER, import->name};
    return ISLE_OK;
}

static isle_err wire_name_out(void *context, enum isle__wire_kind kind, uint64_t id,
                              struct isle__wire_name *ret_name)
{
    struct isle__wall *wall = context;
    struct isle__ref ref = {0};
    isle_err err = kind == ISLE__WIRE_CAPABILITY ? isle__wall_name_of_capability(wall, id, &ref)
                                                 : isle__wall_name_of_port(wall, id, &ref);
    if (kind == ISLE__WIRE_CONTROL)
        wall->last_control = id;
    *ret_name = (struct isle__wire_name){ref.name, ref.whose == ISLE__WHOSE_READER};
    return err;
}

/* --- in */

static isle_err taken(isle_err err)
{
    return err == ISLE_EFULL ? ISLE_EMALFORMED : err;
}

static isle_err import_port(struct isle__wall *wall, bool is_control, uint64_t name,
                            uint64_t *ret_id)
{
    struct isle__import *import = isle__import_of_name(&wall->imports, name);
    enum isle__name_kind kind = ISLE__NAME_PORT;
    if (is_control || isle__name_is_control(name))
        kind = ISLE__NAME_CONTROL;
    /* The name of a call may come once more, as a port in a message; so may that of a control port
     * that both sides have from the begin. */
    if (import != NULL && !is_control &&
        (import->kind == ISLE__NAME_REPLY || import->kind == ISLE__NAME_CONTROL))
        kind = (enum isle__name_kind)import->kind;
    isle_err err = isle__import_take(&wall->imports, kind, name, &import);
    if (err == ISLE_OK)
        *ret_id = import->id;
    return taken(err);
}

static isle_err home(struct isle__wall *wall, uint64_t name, unsigned kinds, uint64_t *ret_id)
{
    const struct isle__export *entry;
    switch (isle__export_find(&wall->exports, name, kinds, &entry)) {
    case ISLE__NAME_KNOWN:
        *ret_id = entry->id;
        return ISLE_OK;
    case ISLE__NAME_STALE:
        *ret_id = ISLE__NAME_GONE;
        return ISLE_OK;
    case ISLE__NAME_FORGED:
        break;
    }
    return ISLE_EMALFORMED;
}

static isle_err port_in(struct isle__wall *wall, const struct isle__ref *ref, bool is_control,
                        uint64_t *ret_id)
{
    *ret_id = 0;
    if (ref->whose == ISLE__WHOSE_WRITER)
        return import_port(wall, is_control, ref->name, ret_id);
    unsigned kinds = is_control ? ISLE__NAME_BIT(ISLE__NAME_CONTROL)
                                : PORT_KINDS | ISLE__NAME_BIT(ISLE__NAME_CONTROL);
    return ref->whose == ISLE__WHOSE_READER ? home(wall, ref->name, kinds, ret_id) : ISLE_OK;
}

isle_err isle__wall_port_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                 uint64_t *ret_id)
{
    return port_in(wall, ref, false, ret_id);
}

isle_err isle__wall_control_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                    uint64_t *ret_id)
{
    return port_in(wall, ref, true, ret_id);
}

isle_err isle__wall_capability_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                       uint64_t *ret_id)
{
    struct isle__import *import;
    *ret_id = 0;
    if (ref->whose == ISLE__WHOSE_NONE)
        return ISLE_OK;
    if (ref->whose == ISLE__WHOSE_READER)
        return home(wall, ref->name, ISLE__NAME_BIT(ISLE__NAME_CAPABILITY), ret_id);
    isle_err err = isle__import_take(&wall->imports, ISLE__NAME_CAPABILITY, ref->name, &import);
    if (err == ISLE_OK)
        *ret_id = import->id;
    return taken(err);
}

static isle_err wire_name_in(void *context, enum isle__wire_kind kind,
                             const struct isle__wire_name *name, uint64_t *ret_id)
{
    struct isle__ref ref = {name->comes_home ? ISLE__WHOSE_READER : ISLE__WHOSE_WRITER, name->name};
    if (kind == ISLE__WIRE_CAPABILITY)
        return isle__wall_capability_of_name(context, &ref, ret_id);
    return port_in(context, &ref, kind == ISLE__WIRE_CONTROL, ret_id);
}

/* --- functions of the program, which go in and never come out; descriptors, the same */

static void place_write(const struct isle__code_place *code, struct isle__wire_function *ret_place)
{
    uint64_t offset = code->offset;
    ret_place->size = (size_t)code->id_size + sizeof offset;
    memcpy(ret_place->bytes, &offset, sizeof offset);
    memcpy(ret_place->bytes + sizeof offset, code->id, (size_t)code->id_size);
}

static bool place_read(const struct isle__wire_function *place, struct isle__code_place *ret_code)
{
    uint64_t offset;
    *ret_code = (struct isle__code_place){0};
    if (place->size < sizeof offset || place->size - sizeof offset > sizeof ret_code->id)
        return false;
    memcpy(&offset, place->bytes, sizeof offset);
    ret_code->offset = offset;
    ret_code->id_size = place->size - sizeof offset;
    memcpy(ret_code->id, place->bytes + sizeof offset, (size_t)ret_code->id_size);
    return true;
}

isle_err isle__wall_place_of(isle_function *function, struct isle__wire_function *ret_place)
{
    struct isle__code_place code;
    if (!isle__code_place(function, &code))
        return ISLE_EUNSENDABLE;
    place_write(&code, ret_place);
    return ISLE_OK;
}

isle_err isle__wall_function_at(const struct isle__wire_function *place,
                                isle_function **ret_function)
{
    struct isle__code_place code;
    *ret_function = place_read(place, &code) ? isle__code_at(&code) : NULL;
    return *ret_function == NULL ? ISLE_EMALFORMED : ISLE_OK;
}

isle_err isle__wall_place_of_data(const void *data, struct isle__wire_function *ret_place)
{
    struct isle__code_place code;
    if (!isle__data_place(data, &code))
        return ISLE_EUNSENDABLE;
    place_write(&code, ret_place);
    return ISLE_OK;
}

const void *isle__wall_data_at(const struct isle__wire_function *place)
{
    struct isle__code_place code;
    return place_read(place, &code) ? isle__data_at(&code) : NULL;
}

static isle_err wire_function_out(void *context, isle_function *function,
                                  struct isle__wire_function *ret_function)
{
    (void)context;
    return isle__wall_place_of(function, ret_function);
}

static isle_err wire_function_in(void *context, const struct isle__wire_function *function,
                                 isle_function **ret_function)
{
    (void)context;
    return isle__wall_function_at(function, ret_function);
}

/* A duplicate: the value may be gone before the record is out. */
static isle_err wire_descriptor_out(void *context, int fd, uint32_t *ret_index)
{
    struct isle__wall *wall = context;
    if (wall->descriptor_count == ISLE__RECORD_DESCRIPTORS)
        return ISLE_EFULL;
    int copy = isle__fd_duplicate(fd);
    if (copy < 0)
        return ISLE_ESYSTEM;
    wall->gave_descriptors = true;
    *ret_index = wall->descriptor_count;
    wall->descriptors[wall->descriptor_count++] = copy;
    return ISLE_OK;
}

static isle_err wire_descriptor_in(void *context, uint32_t index, int *ret_fd)
{
    struct isle__wall *wall = context;
    if (index >= wall->descriptor_count)
        return ISLE_EMALFORMED;
    *ret_fd = wall->descriptors[index];
    wall->descriptors[index] = -1;
    return *ret_fd < 0 ? ISLE_ESYSTEM : ISLE_OK;
}

/* Inside, what the outside has told of; outside, what it could be told of. */
static bool wire_type_passes(void *context, const isle_type *type)
{
    struct isle__wall *wall = context;
    struct isle__wire_function place;
    if (wall->ops == NULL)
        return isle__index_find(&wall->types, (uintptr_t)type) != 0;
    if (type != wall->type_passes && isle__wall_place_of_data(type, &place) != ISLE_OK)
        return false;
    wall->type_passes = type;
    return true;
}

static void wire_undo(void *context)
{
    struct isle__wall *wall = context;
    isle__wall_descriptors_close(wall);
    if (!wall->putting) /* what comes in says nothing of what is on its way out */
        isle__wall_asides_clear(wall);
}

void isle__wall_descriptors_close(struct isle__wall *wall)
{
    for (uint32_t i = 0; i < wall->descriptor_count; i++)
        if (wall->descriptors[i] >= 0)
            isle__fd_close(wall->descriptors[i]);
    wall->descriptor_count = 0;
}

isle_err isle__wall_descriptors_send(struct isle__wall *wall)
{
    return wall->ops->send_fds(wall->context, wall->descriptors, wall->descriptor_count);
}

/* Those that cannot be taken (too many are open) are missed by who asks for them. */
bool isle__wall_descriptors_take(struct isle__wall *wall, uint32_t count)
{
    wall->descriptor_count = count;
    isle_err err = wall->courier < 0
                       ? ISLE_EMALFORMED
                       : isle__courier_receive(wall->courier, wall->descriptors, count);
    for (uint32_t i = 0; err != ISLE_OK && i < count; i++)
        wall->descriptors[i] = -1;
    return err != ISLE_EMALFORMED;
}

void isle__wall_wire_init(struct isle__wall *wall)
{
    wall->wire = (struct isle__wire){
        .context = wall,
        .name_out = wire_name_out,
        .name_in = wire_name_in,
        .type_passes = wire_type_passes,
        .undo = wire_undo,
    };
    if (wall->ops == NULL) {
        wall->wire.function_in = wire_function_in;
        wall->wire.descriptor_in = wire_descriptor_in;
        return;
    }
    wall->wire.function_out = wire_function_out;
    if (wall->ops->send_fds != NULL)
        wall->wire.descriptor_out = wire_descriptor_out;
}
