/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in through a wall: the items that plain CBOR lacks, what is done when all items are
 * there, and the ways in (wire.h).
 *
 * Laws:
 *   1. As in cbor_decode.c: whatever is made is paid before, nothing is believed, and what was made
 *      before a failure vanishes with the scope. A tag that is not known is refused.
 *   2. A store that views share is no value: only a view may refer to it.
 *   3. Frozen values are decoded like others. At the end all of them are frozen by one copy, so
 * that they stay one graph, and the first ones forward to their frozen copies. A struct that is
 *      reached by an address stays the one that was decoded, as a copy within a program would.
 *   4. Bytes that lie elsewhere are the message's own: they go on to the parcel, or the frozen
 * block, as they are. Those in a file are frozen by then.
 *   5. Descriptors that a failed message was given are forgotten, not closed, before anybody can
 *      close them with the scope. */
#include "value/wire_decode.h"

#include <string.h>

#include "value/copy.h"
#include "value/wire.h"

#define WIRE_FUNCTION "isle__wire_decode"
#define WIRE_NO_SHARE SIZE_MAX

struct isle__wire_decoder {
    struct isle__decoder decoder; /* first */
    const struct isle__wire *wire;
    bool gave;                       /* a hook has given something */
    bool gives;                      /* bytes that lie elsewhere */
    struct isle__buffer frozen;      /* struct wire_frozen */
    struct isle__buffer files;       /* struct isle__store *: cannot be written */
    struct isle__buffer fixed;       /* struct isle__list *: get a fixed length */
    struct isle__buffer tables;      /* struct isle__map * */
    struct isle__buffer descriptors; /* struct isle__descriptor * */
};
struct wire_frozen {
    isle_value value;
    bool is_store; /* the bytes are one window on a whole store that is meant */
};

/* A hook's refusal is the sender's fault, unless it says that it is ours. */
static ISLE_NORETURN void wire_refused(const struct isle__decoder *decoder, isle_err err,
                                       const char *what)
{
    if (err == ISLE_OK || err == ISLE_EMALFORMED)
        isle__decode_fail(decoder, what);
    isle__throw(err, "%s: at byte %zu: %s", decoder->function, decoder->start, what);
}

void isle__wire_tag(struct isle__decoder *decoder, uint64_t tag)
{
    if (tag < ISLE__WIRE_TAG_PORT || tag > ISLE__WIRE_TAG_LAST)
        isle__decode_fail(decoder, "a tag that has no meaning here");
    if (decoder->tag != ISLE__DECODE_NO_TAG)
        isle__decode_fail(decoder, "a tag on what it does not fit");
    if (tag != ISLE__WIRE_TAG_FROZEN) {
        decoder->tag = tag;
        return;
    }
    if (decoder->freezes)
        isle__decode_fail(decoder, "a value that is frozen twice");
    decoder->freezes = true;
}

void isle__wire_freeze(struct isle__decoder *decoder, isle_value value)
{
    decoder->freezes = false;
    if (isle__is_immediate(value))
        isle__decode_fail(decoder, "a frozen value that needs no memory");
    isle__decode_pay(decoder, ISLE__DECODE_COST_NOTE);
    struct wire_frozen *frozen = isle__decode_note(&decoder->wire->frozen, sizeof *frozen);
    frozen->value = value;
}

void isle__wire_note_table(struct isle__decoder *decoder, isle_value table)
{
    struct isle__cell **noted = isle__decode_note(&decoder->wire->tables, sizeof *noted);

    *noted = isle__cell_of(table);
}

bool isle__wire_is_store(isle_value shared)
{
    return !isle__is_immediate(shared) && isle__cell_of(shared)->kind == ISLE__KIND_STORE;
}

/* --- heads inside of what is read at once */

static void wire_need(const struct isle__decoder *decoder, const struct isle__decode_head *head,
                      enum isle__cbor_major major, const char *what)
{
    if (head->major != major || head->info == 31)
        isle__decode_fail(decoder, what);
}

static uint64_t wire_uint(struct isle__decoder *decoder)
{
    struct isle__decode_head head = isle__decode_read_head(decoder);

    wire_need(decoder, &head, ISLE__CBOR_UINT, "no number where a value has it");
    return head.value;
}

/* --- names */

/* 0: null. */
static uint64_t wire_name(struct isle__decoder *decoder, const struct isle__decode_head *head,
                          enum isle__wire_kind kind)
{
    const struct isle__wire *wire = decoder->wire->wire;
    struct isle__wire_name name = {head->value, head->major == ISLE__CBOR_NINT};
    uint64_t id = 0;

    if (head->major == ISLE__CBOR_SIMPLE && head->info == (ISLE__CBOR_NULL & 31))
        return 0;
    if (head->major != ISLE__CBOR_UINT && head->major != ISLE__CBOR_NINT)
        isle__decode_fail(decoder, "no name where a value has it");
    isle_err err = wire->name_in(wire->context, kind, &name, &id);
    if (err == ISLE_OK)
        decoder->wire->gave = true;
    if (err != ISLE_OK || id == 0 || id >> ISLE__ID_BITS != 0)
        wire_refused(decoder, err, "a name that was not given");
    return id;
}

static uint64_t wire_inner_name(struct isle__decoder *decoder, enum isle__wire_kind kind)
{
    struct isle__decode_head head = isle__decode_read_head(decoder);

    return wire_name(decoder, &head, kind);
}

static isle_value wire_port(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    isle_send_port port = {wire_name(decoder, head, ISLE__WIRE_PORT)};

    return isle_port(port);
}

static isle_value wire_capability(struct isle__decoder *decoder,
                                  const struct isle__decode_head *head)
{
    isle_capability capability = {wire_name(decoder, head, ISLE__WIRE_CAPABILITY)};

    return isle_capability_value(capability);
}

static isle_value wire_isolate(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    isle_isolate isolate;

    wire_need(decoder, head, ISLE__CBOR_ARRAY, "a handle that is none");
    if (head->value != 4)
        isle__decode_fail(decoder, "a handle with more or fewer parts");
    isle__decode_pay(decoder, ISLE__DECODE_COST_CELL);
    isolate.control_port.id = wire_inner_name(decoder, ISLE__WIRE_CONTROL);
    isolate.default_port.id = wire_inner_name(decoder, ISLE__WIRE_PORT);
    isolate.pause_capability.id = wire_inner_name(decoder, ISLE__WIRE_CAPABILITY);
    isolate.terminate_capability.id = wire_inner_name(decoder, ISLE__WIRE_CAPABILITY);
    return isle_isolate_value(isolate);
}

/* --- functions, transferables, resources */

static isle_value wire_function(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    const struct isle__wire *wire = decoder->wire->wire;
    struct isle__wire_function function;
    isle_function *address = NULL;
    isle_err err = ISLE_EMALFORMED;

    wire_need(decoder, head, ISLE__CBOR_BYTES, "a function that is none");
    if (head->value > sizeof function.bytes)
        isle__decode_fail(decoder, "a function that is none");
    function.size = (size_t)head->value;
    memcpy(function.bytes, isle__decode_slice(decoder, head), function.size);
    if (wire->function_in != NULL)
        err = wire->function_in(wire->context, &function, &address);
    if (err != ISLE_OK || address == NULL)
        wire_refused(decoder, err, "a function that may not be named");
    return isle_function_value(address);
}

struct wire_place {
    struct isle__wire_aside aside;
    size_t size;
    isle_element element;
};

/* [place, size, element] */
static struct wire_place wire_read_place(struct isle__decoder *decoder,
                                         const struct isle__decode_head *head)
{
    struct isle__decode_head where;
    struct wire_place place;

    wire_need(decoder, head, ISLE__CBOR_ARRAY, "bytes that are nowhere");
    if (head->value != 3)
        isle__decode_fail(decoder, "bytes that are nowhere");
    where = isle__decode_read_head(decoder);
    uint64_t size = wire_uint(decoder), element = wire_uint(decoder);
    if ((where.major != ISLE__CBOR_UINT && where.major != ISLE__CBOR_NINT) ||
        where.value > UINT32_MAX)
        isle__decode_fail(decoder, "bytes that are nowhere");
    if (size < ISLE__WIRE_ASIDE_MIN || size > SIZE_MAX / 4 || element > ISLE_F64 ||
        size % isle__element_size((isle_element)element) != 0)
        isle__decode_fail(decoder, "bytes elsewhere that stand in a message");
    place.aside.index = (uint32_t)where.value;
    place.aside.is_file = where.major == ISLE__CBOR_NINT;
    place.size = (size_t)size;
    place.element = (isle_element)element;
    return place;
}

/* One reference, the caller's. */
static struct isle__transfer *wire_aside(struct isle__decoder *decoder,
                                         const struct wire_place *place)
{
    const struct isle__wire *wire = decoder->wire->wire;
    isle_err err = ISLE_EMALFORMED;
    struct isle__shared *under = NULL;
    uint8_t *data = NULL;

    if (!place->aside.is_file) /* which is no memory of its reader's */
        isle__decode_pay(decoder, place->size);
    isle__decode_pay(decoder, 4 * ISLE__DECODE_COST_CELL);
    if (wire->aside_in != NULL)
        err = wire->aside_in(wire->context, &place->aside, place->size, &data, &under);
    if (err != ISLE_OK)
        wire_refused(decoder, err, "bytes that did not come");
    decoder->wire->gave = decoder->wire->gives = true;
    struct isle__transfer *transfer = isle__transfer_within(data, place->size, under);
    if (transfer == NULL)
        isle__throw(ISLE_ENOMEM, "%s: no memory", decoder->function);
    return transfer;
}

static struct isle__bytes *wire_aside_bytes(struct isle__decoder *decoder,
                                            const struct isle__decode_head *head)
{
    struct wire_place place = wire_read_place(decoder, head);
    struct isle__transfer *transfer = wire_aside(decoder, &place);

    (void)isle__scope_hold(isle__scope_current(decoder->heap), &transfer->shared);
    isle_value value = isle__bytes_of_transfer(decoder->heap, transfer);
    struct isle__bytes *bytes = (struct isle__bytes *)(void *)isle__cell_of(value);
    bytes->cell.element = (uint16_t)place.element;
    if (place.aside.is_file) {
        struct isle__store **noted = isle__decode_note(&decoder->wire->files, sizeof *noted);
        *noted = bytes->store;
    }
    return bytes;
}

static isle_value wire_aside_transferable(struct isle__decoder *decoder,
                                          const struct isle__decode_head *head)
{
    struct wire_place place = wire_read_place(decoder, head);

    if (place.aside.is_file || place.element != ISLE_U8)
        isle__decode_fail(decoder, "a transferable that is none");
    return isle__transferable_of(decoder->heap, wire_aside(decoder, &place));
}

static isle_value wire_transferable(struct isle__decoder *decoder,
                                    const struct isle__decode_head *head)
{
    if (head->major == ISLE__CBOR_ARRAY)
        return wire_aside_transferable(decoder, head);
    wire_need(decoder, head, ISLE__CBOR_BYTES, "a transferable that is none");
    const uint8_t *data = isle__decode_slice(decoder, head);
    isle__decode_pay(decoder, 4 * ISLE__DECODE_COST_CELL);
    isle_value value = isle_transferable((size_t)head->value);
    if (head->value != 0)
        memcpy(isle_transferable_data(value), data, (size_t)head->value);
    return value;
}

/* The descriptor is asked for last, and noted before: it is closed by the value, or by the wall. */
static isle_value wire_resource(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    const struct isle__wire *wire = decoder->wire->wire;
    isle_err err = ISLE_EMALFORMED;
    int fd = -1;

    wire_need(decoder, head, ISLE__CBOR_UINT, "a resource that is none");
    isle__decode_pay(decoder, 4 * ISLE__DECODE_COST_CELL);
    struct isle__resource_cell *cell = isle__resource_new(decoder->heap, decoder->function);
    struct isle__descriptor **noted = isle__decode_note(&decoder->wire->descriptors, sizeof *noted);
    *noted = cell->descriptor;
    if (wire->descriptor_in != NULL && head->value <= UINT32_MAX)
        err = wire->descriptor_in(wire->context, (uint32_t)head->value, &fd);
    if (err == ISLE_OK)
        decoder->wire->gave = true;
    if (err != ISLE_OK || fd < 0)
        wire_refused(decoder, err, "a descriptor that did not come");
    cell->descriptor->fd = fd;
    return isle__value_of(cell);
}

/* --- views */

static struct isle__store *wire_known_store(struct isle__decoder *decoder, uint64_t number)
{
    const struct isle__decode_share *shares =
        (const struct isle__decode_share *)(const void *)decoder->shares.data;

    if (number >= decoder->shares.size / sizeof *shares || !shares[number].known ||
        !isle__wire_is_store(shares[number].value))
        isle__decode_fail(decoder, "a view on what is no store");
    return (struct isle__store *)(void *)isle__cell_of(shares[number].value);
}

/* The place of another share; it is filled when the store is made. */
static size_t wire_new_share(struct isle__decoder *decoder)
{
    isle__decode_pay(decoder, ISLE__DECODE_COST_NOTE);
    (void)isle__decode_note(&decoder->shares, sizeof(struct isle__decode_share));
    return decoder->shares.size / sizeof(struct isle__decode_share) - 1;
}

static void wire_freeze_store(struct isle__decoder *decoder, struct isle__store *store)
{
    isle__decode_pay(decoder, ISLE__DECODE_COST_NOTE + ISLE__DECODE_COST_CELL);
    struct isle__bytes *whole = isle__bytes_window(decoder->heap, ISLE_U8, store, 0, store->size);
    struct wire_frozen *frozen = isle__decode_note(&decoder->wire->frozen, sizeof *frozen);
    *frozen = (struct wire_frozen){isle__value_of(whole), true};
}

static struct isle__store *wire_new_store(struct isle__decoder *decoder,
                                          const struct isle__decode_head *head, bool is_aside)
{
    if (is_aside)
        return wire_aside_bytes(decoder, head)->store;
    wire_need(decoder, head, ISLE__CBOR_BYTES, "a store that is none");
    const uint8_t *data = isle__decode_slice(decoder, head);
    isle__decode_pay(decoder, ISLE__DECODE_COST_CELL);
    return isle__store_new(decoder->heap, data, (size_t)head->value);
}

static struct isle__store *wire_store(struct isle__decoder *decoder)
{
    struct isle__decode_head head = isle__decode_read_head(decoder);
    size_t share = WIRE_NO_SHARE;
    bool freezes = false, is_aside = false;

    if (head.major == ISLE__CBOR_TAG && head.value == ISLE__CBOR_TAG_SHARED_REF)
        return wire_known_store(decoder, wire_uint(decoder));
    for (; head.major == ISLE__CBOR_TAG; head = isle__decode_read_head(decoder)) {
        if (head.value == ISLE__CBOR_TAG_SHAREABLE && share == WIRE_NO_SHARE)
            share = wire_new_share(decoder);
        else if (head.value == ISLE__WIRE_TAG_FROZEN && !freezes)
            freezes = true;
        else if (head.value == ISLE__WIRE_TAG_ASIDE && !is_aside)
            is_aside = true;
        else
            isle__decode_fail(decoder, "a tag on what it does not fit");
    }
    struct isle__store *store = wire_new_store(decoder, &head, is_aside);
    if (share != WIRE_NO_SHARE)
        ((struct isle__decode_share *)(void *)decoder->shares.data)[share] =
            (struct isle__decode_share){isle__value_of(store), true};
    if (freezes)
        wire_freeze_store(decoder, store);
    return store;
}

/* The window is settled before its store, whose number comes after its own. Nobody sees it without:
 * nothing that stands in the array may refer to it. */
static isle_value wire_view(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    wire_need(decoder, head, ISLE__CBOR_ARRAY, "a view that is none");
    if (head->value != 4)
        isle__decode_fail(decoder, "a view with more or fewer parts");
    isle__decode_pay(decoder, ISLE__DECODE_COST_CELL);
    struct isle__bytes *bytes = isle__bytes_window(decoder->heap, ISLE_U8, NULL, 0, 0);
    isle__decode_settle(decoder, isle__value_of(bytes));
    bytes->store = wire_store(decoder);
    uint64_t element = wire_uint(decoder), offset = wire_uint(decoder), size = wire_uint(decoder);
    if (element > ISLE_F64 || offset > bytes->store->size || size > bytes->store->size - offset)
        isle__decode_fail(decoder, "a view beyond its store");
    size_t width = isle__element_size((isle_element)element);
    if (offset % width != 0 || size % width != 0)
        isle__decode_fail(decoder, "a view with a part of an element");
    bytes->cell.element = (uint16_t)element;
    bytes->offset = (size_t)offset;
    bytes->size = (size_t)size;
    return isle__value_of(bytes);
}

static void wire_fixed(struct isle__decoder *decoder, const struct isle__decode_head *head)
{
    wire_need(decoder, head, ISLE__CBOR_ARRAY, "a list that is none");
    isle__decode_need_items(decoder, head);
    isle__decode_container(decoder, head, ISLE__DECODE_LIST);
    const struct isle__decode_frame *frames =
        (const struct isle__decode_frame *)(const void *)decoder->frames.data;
    struct isle__cell **noted = isle__decode_note(&decoder->wire->fixed, sizeof *noted);
    *noted = isle__cell_of(frames[decoder->frames.size / sizeof *frames - 1].value);
}

void isle__wire_item(struct isle__decoder *decoder, const struct isle__decode_head *head,
                     uint64_t tag)
{
    struct isle__decode_item item;

    memset(&item, 0, sizeof item);
    switch (tag) {
    case ISLE__WIRE_TAG_PORT:
        isle__decode_place_value(decoder, wire_port(decoder, head));
        break;
    case ISLE__WIRE_TAG_CAPABILITY:
        isle__decode_place_value(decoder, wire_capability(decoder, head));
        break;
    case ISLE__WIRE_TAG_ISOLATE:
        isle__decode_place_value(decoder, wire_isolate(decoder, head));
        break;
    case ISLE__WIRE_TAG_FUNCTION:
        isle__decode_place_value(decoder, wire_function(decoder, head));
        break;
    case ISLE__WIRE_TAG_TRANSFERABLE:
        isle__decode_place_value(decoder, wire_transferable(decoder, head));
        break;
    case ISLE__WIRE_TAG_RESOURCE:
        isle__decode_place_value(decoder, wire_resource(decoder, head));
        break;
    case ISLE__WIRE_TAG_ASIDE:
        isle__decode_place_value(decoder, isle__value_of(wire_aside_bytes(decoder, head)));
        break;
    case ISLE__WIRE_TAG_FIXED:
        wire_fixed(decoder, head);
        break;
    case ISLE__WIRE_TAG_VIEW:
    default:
        item.value = wire_view(decoder, head);
        isle__decode_place(decoder, &item);
        break;
    }
}

/* --- when all items are there */

static void wire_forward(struct isle__cell *cell, isle_value to)
{
    if ((cell->flags & ISLE__CELL_FORWARDED) != 0)
        return; /* frozen at two places */
    cell->flags |= ISLE__CELL_FORWARDED;
    ((struct isle__forward *)(void *)cell)->to = to;
}

/* The list of all that is to be frozen, frozen. */
static const struct isle__list *wire_freeze_all(struct isle__decoder *decoder)
{
    const struct wire_frozen *entries = (const void *)decoder->wire->frozen.data;
    size_t count = decoder->wire->frozen.size / sizeof *entries;
    struct isle__frozen *frozen;
    isle_value list;

    isle__decode_pay(decoder, ISLE__DECODE_COST_CELL + count * sizeof list);
    list = isle_list_fixed(count);
    for (size_t i = 0; i < count; i++)
        isle_list_set(list, i, entries[i].value);
    isle_err err = decoder->wire->gives ? isle__frozen_give(decoder->heap, list, &frozen)
                                        : isle__frozen_make(decoder->heap, list, &frozen);
    if (err == ISLE_ENOMEM || err == ISLE_ESYSTEM)
        isle__throw(err, "%s: %s", decoder->function, isle_err_text(err));
    if (err != ISLE_OK)
        isle__decode_fail(decoder, "a frozen value that cannot be");
    list = frozen->root;
    (void)isle__scope_hold(isle__scope_current(decoder->heap), &frozen->shared);
    return (const struct isle__list *)(const void *)isle__cell_of(list);
}

static void wire_freeze_noted(struct isle__decoder *decoder)
{
    const struct wire_frozen *entries = (const void *)decoder->wire->frozen.data;
    const struct isle__list *list = wire_freeze_all(decoder);

    for (size_t i = 0; i < list->count; i++) {
        const struct isle__bytes *to =
            (const struct isle__bytes *)(const void *)isle__cell_of(list->items[i]);
        if (entries[i].is_store) {
            const struct isle__bytes *from =
                (const struct isle__bytes *)(const void *)isle__cell_of(entries[i].value);
            wire_forward(&from->store->cell, isle__value_of(to->store));
        }
        wire_forward(isle__cell_of(entries[i].value), list->items[i]);
    }
    decoder->result = isle__resolve(decoder->result);
}

/* Objects are keys by the address of their struct, and frozen ones have another now. */
static void wire_rehash(const struct isle__decoder *decoder)
{
    struct isle__map *const *tables = (const void *)decoder->wire->tables.data;

    for (size_t i = 0; i < decoder->wire->tables.size / sizeof *tables; i++) {
        if (tables[i]->rehash && (tables[i]->cell.flags & ISLE__CELL_FORWARDED) == 0)
            isle__map_rehash(tables[i]);
    }
}

static void wire_check_files(const struct isle__decoder *decoder)
{
    struct isle__store *const *files = (const void *)decoder->wire->files.data;

    for (size_t i = 0; i < decoder->wire->files.size / sizeof *files; i++) {
        if ((files[i]->cell.flags & ISLE__CELL_FORWARDED) == 0)
            isle__decode_fail(decoder, "bytes of a file that are not frozen");
    }
}

void isle__wire_finish(struct isle__decoder *decoder)
{
    struct isle__list *const *fixed = (const void *)decoder->wire->fixed.data;

    for (size_t i = 0; i < decoder->wire->fixed.size / sizeof *fixed; i++)
        fixed[i]->cell.flags |= ISLE__CELL_FIXED;
    if (decoder->wire->frozen.size != 0) {
        wire_freeze_noted(decoder);
        wire_rehash(decoder);
    }
    wire_check_files(decoder);
}

/* --- the ways in */

static void wire_init(struct isle__wire_decoder *in, struct isle__heap *heap, const void *data,
                      size_t size, size_t budget, const struct isle__wire *wire)
{
    isle__decoder_init(&in->decoder, heap, WIRE_FUNCTION, data, size, budget);
    in->decoder.wire = in;
    in->wire = wire;
    in->gave = false;
    in->gives = false;
    isle__buffer_init(&in->frozen, heap);
    isle__buffer_init(&in->files, heap);
    isle__buffer_init(&in->fixed, heap);
    isle__buffer_init(&in->tables, heap);
    isle__buffer_init(&in->descriptors, heap);
}

static void wire_fini(struct isle__wire_decoder *in)
{
    isle__decoder_fini(&in->decoder);
    isle__buffer_fini(&in->frozen);
    isle__buffer_fini(&in->files);
    isle__buffer_fini(&in->fixed);
    isle__buffer_fini(&in->tables);
    isle__buffer_fini(&in->descriptors);
}

/* The message has failed: what the hooks gave is theirs again. */
static void wire_give_back(const struct isle__wire_decoder *in)
{
    struct isle__descriptor *const *descriptors = (const void *)in->descriptors.data;

    for (size_t i = 0; i < in->descriptors.size / sizeof *descriptors; i++)
        descriptors[i]->fd = -1;
    if (in->gave && in->wire->undo != NULL)
        in->wire->undo(in->wire->context);
}

/* The head of a whole message of definite length; false: it is cut, or has none. */
static bool wire_one_head(const uint8_t *data, size_t size, uint64_t *ret_number, size_t *ret_head)
{
    unsigned info = size != 0 ? data[0] & 31 : 31;
    size_t head = info < 24 ? 1 : 1 + ((size_t)1 << (info & 3));
    uint64_t number = info < 24 ? info : 0;

    if (info > 27 || head > size)
        return false;
    for (size_t i = 1; i < head; i++)
        number = number << 8 | data[i];
    *ret_number = number;
    *ret_head = head;
    return true;
}

/* A whole message that is an int, a bool or null, and needs no memory. False: look closer. */
static bool wire_quick(const uint8_t *data, size_t size, isle_value *ret_value)
{
    uint64_t number;
    size_t head;

    if (!wire_one_head(data, size, &number, &head) || head != size)
        return false;
    if (data[0] >> 5 == ISLE__CBOR_UINT && number <= INT64_MAX)
        return isle__small_int((int64_t)number, ret_value);
    if (data[0] >> 5 == ISLE__CBOR_NINT && number <= INT64_MAX)
        return isle__small_int(-1 - (int64_t)number, ret_value);
    if (data[0] == ISLE__CBOR_NULL)
        *ret_value = isle_null();
    else if (data[0] == ISLE__CBOR_TRUE || data[0] == ISLE__CBOR_FALSE)
        *ret_value = isle_bool(data[0] == ISLE__CBOR_TRUE);
    else
        return false;
    return true;
}

isle_err isle__wire_decode(struct isle__heap *heap, const void *data, size_t size, size_t budget,
                           const struct isle__wire *wire, isle_value *ret_value)
{
    struct isle__wire_decoder in;
    struct isle__catch catch;

    if (budget >= ISLE__DECODE_COST_ITEM && wire_quick(data, size, ret_value))
        return ISLE_OK;
    wire_init(&in, heap, data, size, budget, wire);
    enum isle__unwinding stopped = isle__decoder_run(&in.decoder, &catch);
    if (stopped != ISLE__UNWIND_NONE)
        wire_give_back(&in);
    else
        *ret_value = in.decoder.result;
    wire_fini(&in);
    return stopped != ISLE__UNWIND_NONE ? isle__fail_with(catch.error) : ISLE_OK;
}

/* --- into a parcel */

/* A whole message that is one string of definite length: its content. False: it is not. */
static bool wire_one_string(const uint8_t *data, size_t size, size_t budget,
                            const uint8_t **ret_content, size_t *ret_size)
{
    uint64_t length;
    size_t head;

    if (!wire_one_head(data, size, &length, &head) || length != size - head ||
        size + 4 * ISLE__DECODE_COST_CELL > budget)
        return false;
    *ret_content = data + head;
    *ret_size = size - head;
    return true;
}

static void wire_place_cell(const struct isle__parcel *parcel, struct isle__cell *cell, int kind)
{
    size_t offset = (size_t)((const char *)cell - (const char *)parcel->chunks);

    *cell = (struct isle__cell){.kind = (uint8_t)kind, .offset = (uint32_t)(offset / 16)};
}

/* NULL: there is no memory. What it is to hold is the caller's to write. */
static struct isle__store *wire_parcel_store(size_t size, size_t header_size,
                                             struct isle__parcel *ret_parcel)
{
    size_t head = isle__copy_round(sizeof(struct isle__bytes));
    struct isle__cell *cell =
        isle__parcel_single(header_size, head + sizeof(struct isle__store) + size, ret_parcel);

    if (cell == NULL)
        return NULL;
    struct isle__bytes *bytes = (struct isle__bytes *)(void *)cell;
    struct isle__store *store = (struct isle__store *)(void *)((char *)cell + head);
    wire_place_cell(ret_parcel, cell, ISLE_BYTES);
    wire_place_cell(ret_parcel, &store->cell, ISLE__KIND_STORE);
    bytes->store = store;
    bytes->offset = 0;
    bytes->size = size;
    bytes->identity = 0;
    store->size = size;
    store->data = (uint8_t *)(store + 1);
    store->shared = NULL;
    return store;
}

static isle_err wire_parcel_bytes(const uint8_t *data, size_t size, size_t header_size,
                                  struct isle__parcel *ret_parcel)
{
    struct isle__store *store = wire_parcel_store(size, header_size, ret_parcel);

    if (store == NULL)
        return ISLE_ENOMEM;
    if (size != 0)
        memcpy(store->data, data, size);
    return ISLE_OK;
}

bool isle__wire_bytes_parcel(const uint8_t head[ISLE__WIRE_HEAD], size_t size, size_t budget,
                             size_t header_size, struct isle__parcel *ret_parcel, void **ret_data,
                             size_t *ret_size)
{
    size_t have = size < ISLE__WIRE_HEAD ? size : ISLE__WIRE_HEAD;
    uint64_t length;
    size_t head_size;

    if (!wire_one_head(head, have, &length, &head_size) || head[0] >> 5 != ISLE__CBOR_BYTES ||
        length != size - head_size || size + 4 * ISLE__DECODE_COST_CELL > budget)
        return false;
    struct isle__store *store = wire_parcel_store((size_t)length, header_size, ret_parcel);
    if (store == NULL)
        return false;
    *ret_data = store->data;
    *ret_size = (size_t)length;
    return true;
}

static isle_err wire_parcel_string(const char *text, size_t size, size_t header_size,
                                   struct isle__parcel *ret_parcel)
{
    struct isle__cell *cell = isle__parcel_single(header_size, isle__string_size(size), ret_parcel);

    if (cell == NULL)
        return ISLE_ENOMEM;
    struct isle__string *string = (struct isle__string *)(void *)cell;
    wire_place_cell(ret_parcel, cell, ISLE_STRING);
    string->size = size;
    string->hash = 0;
    if (size != 0)
        memcpy(string->text, text, size);
    string->text[size] = '\0';
    if (size != 0 && memchr(text, '\0', size) != NULL)
        cell->flags |= ISLE__CELL_NUL;
    return ISLE_OK;
}

/* Without a heap; false: a graph, or something is wrong. */
static bool wire_parcel_quick(const uint8_t *data, size_t size, size_t budget, size_t header_size,
                              struct isle__parcel *ret_parcel, isle_err *ret_err)
{
    isle_value immediate;
    const uint8_t *content;
    size_t length;

    if (budget >= ISLE__DECODE_COST_ITEM && wire_quick(data, size, &immediate)) {
        *ret_err = isle__parcel_immediate(immediate, header_size, ret_parcel);
        return true;
    }
    if (!wire_one_string(data, size, budget, &content, &length))
        return false;
    if (data[0] >> 5 == ISLE__CBOR_BYTES)
        *ret_err = wire_parcel_bytes(content, length, header_size, ret_parcel);
    else if (data[0] >> 5 == ISLE__CBOR_TEXT &&
             isle__utf8_valid((const char *)content, length) == length)
        *ret_err = wire_parcel_string((const char *)content, length, header_size, ret_parcel);
    else
        return false;
    return true;
}

static void wire_tell(struct isle__wire_text *text, isle_value error)
{
    if (text == NULL || text->size == 0)
        return;
    const char *words = isle_error_text(error);
    size_t size = strlen(words);
    if (size >= text->size)
        size = text->size - 1;
    memcpy(text->data, words, size);
    text->data[size] = '\0';
}

/* In the heap that is the current one for the time. */
static isle_err wire_parcel_graph(struct isle__wire_decoder *in, size_t header_size,
                                  struct isle__parcel *ret_parcel, struct isle__wire_text *text)
{
    struct isle__catch catch;
    isle_err err;

    if (isle__decoder_run(&in->decoder, &catch) == ISLE__UNWIND_NONE) {
        err = (in->gives ? isle__parcel_give : isle__parcel_move)(
            in->decoder.heap, in->decoder.result, header_size, ret_parcel);
        if (err != ISLE_OK)
            wire_tell(text, isle_last_error());
        else
            isle__parcel_commit(ret_parcel);
    } else {
        err = isle_error_code(catch.error);
        wire_tell(text, catch.error);
    }
    if (err != ISLE_OK)
        wire_give_back(in);
    return err;
}

isle_err isle__wire_decode_parcel(const void *data, size_t size, size_t budget,
                                  const struct isle__wire *wire, size_t header_size,
                                  struct isle__parcel *ret_parcel, struct isle__wire_text *text)
{
    struct isle__heap *outer = isle__heap_current();
    struct isle__heap heap = {0};
    struct isle__frame frame;
    struct isle__scope scope;
    struct isle__wire_decoder in;
    isle_err err;

    if (wire_parcel_quick(data, size, budget, header_size, ret_parcel, &err))
        return err;
    isle__heap_init(&heap, SIZE_MAX);
    isle__frame_init(&frame, &heap);
    isle__scope_init(&scope, &frame);
    heap.frame = &frame;
    isle__heap_set_current(&heap);
    wire_init(&in, &heap, data, size, budget, wire);
    err = wire_parcel_graph(&in, header_size, ret_parcel, text);
    wire_fini(&in);
    isle__scope_fini(&scope, NULL);
    isle__frame_fini(&frame);
    isle__heap_fini(&heap);
    isle__heap_set_current(outer);
    return err;
}
