/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a hostile side into a wall: a hostile inside against the outside, or, by the first
 * byte, the other way round. Nothing is read or written beyond its memory, whatever is made is
 * bounded and returned, and no id crosses.
 *
 * An input is a row of records: kind, flags, a choice of names, a length, a body. So most have a
 * good head, and names that exist. One byte of 255 for the kind brings a record that is raw. Behind
 * a message with bytes beside it come zeros, as many as one or two of them need, or some more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "isle.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RING = 1 << 16, RECORDS = 64, BODY = 512, ASIDE = 2 * ISLE__WIRE_ASIDE_MIN };

static void fuzz_need(bool holds)
{
    if (!holds)
        abort();
}

/* --- a backend without another side */

static isle_err fuzz_open(void *context, struct isle__wall *wall, char *text, size_t text_size)
{
    (void)context, (void)wall, (void)text, (void)text_size;
    return ISLE_OK;
}

static void fuzz_nothing(void *context)
{
    (void)context;
}

static const struct isle__wall_ops fuzz_ops = {
    .open = fuzz_open, .kill = fuzz_nothing, .close = fuzz_nothing};
static bool fuzz_is_outside;

static isle_err fuzz_prepare(struct isle__isolate *isolate, const isle_options *options)
{
    return isle__wall_open(isolate, fuzz_is_outside ? &fuzz_ops : NULL, NULL, options->paused);
}

static void fuzz_turn(struct isle__task *task)
{
    (void)task;
}

static void fuzz_wake(struct isle__isolate *isolate)
{
    (void)isolate;
}

static const struct isle__backend_ops fuzz_backend = {
    .name = "fuzz",
    .prepare = fuzz_prepare,
    .wake = fuzz_wake,
    .ended = isle__wall_ended,
    .turn = fuzz_turn,
    .control = isle__wall_control,
};

static isle_receive_port *fuzz_port;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    isle_program_options options = {.worker_count = 1, .no_signal_handler = true};
    isle__backend_register(ISLE_PROCESS, &fuzz_backend);
    fuzz_need(isle_start(*argc, *argv, &options) == ISLE_OK);
    fuzz_port = isle_port_open();
    return 0;
}

/* --- records */

struct fuzz {
    const uint8_t *at;
    size_t left;
    struct isle__wall *wall;
    struct isle__channel *peer;
    uint64_t names[8];
};

static uint8_t fuzz_byte(struct fuzz *fuzz)
{
    if (fuzz->left == 0)
        return 0;
    fuzz->left--;
    return *fuzz->at++;
}

static uint64_t fuzz_name(struct fuzz *fuzz)
{
    uint8_t choice = fuzz_byte(fuzz);
    uint64_t name = 0;
    if (choice < 8)
        return fuzz->names[choice];
    if (choice < 64) /* near ones */
        return isle__name_of(choice & 7, choice >> 3);
    if (choice < 96)
        return isle__name_of(choice & 3, ISLE__NAME_ALIAS | (choice >> 2 & 7));
    if (choice == 255)
        for (int i = 0; i < 8; i++)
            name = name << 8 | fuzz_byte(fuzz);
    return name;
}

/* Of the zeros behind a body of that length. */
static size_t fuzz_aside(struct fuzz *fuzz, size_t length)
{
    uint8_t choice = fuzz_byte(fuzz);
    size_t size = (16 - (ISLE__RECORD_HEAD + length) % 16) % 16 + ISLE__WIRE_ASIDE_MIN;
    if ((choice & 1) != 0)
        size += ISLE__WIRE_ASIDE_MIN / 2;
    return size + (choice >> 1) % 32;
}

/* In pieces if it is large. */
static void fuzz_put(struct fuzz *fuzz, const struct isle__channel_part *parts)
{
    while (fuzz->wall->violation == NULL &&
           isle__channel_put_parts(fuzz->peer, parts, 3) == ISLE__CHANNEL_FULL)
        (void)isle__wall_in(fuzz->wall, 16);
    isle__channel_flush(fuzz->peer);
}

static void fuzz_record(struct fuzz *fuzz)
{
    static const uint8_t zeros[ASIDE];
    uint8_t head[ISLE__RECORD_HEAD], body[BODY];
    uint8_t kind = fuzz_byte(fuzz);
    struct isle__record_head record = {.kind = kind % ISLE__RECORD_KINDS};
    record.flags = fuzz_byte(fuzz);
    record.to = fuzz_name(fuzz);
    record.reply = fuzz_name(fuzz);
    size_t length = (size_t)fuzz_byte(fuzz) * 2;
    if (length > fuzz->left)
        length = fuzz->left;
    memcpy(body, fuzz->at, length);
    fuzz->at += length;
    fuzz->left -= length;
    size_t aside = (record.flags & ISLE__RECORD_ASIDE) != 0 ? fuzz_aside(fuzz, length) : 0;
    record.length = (uint32_t)(length + aside);
    if (record.kind == ISLE__RECORD_START) /* would run something */
        record.kind = ISLE__RECORD_MAIL;
    isle__record_head_write(&record, head);
    if (kind == 255 && length >= sizeof head)
        memcpy(head, body, sizeof head);
    head[4] = head[4] == ISLE__RECORD_START ? 0 : head[4];
    const struct isle__channel_part parts[] = {{head, sizeof head}, {body, length}, {zeros, aside}};
    fuzz_put(fuzz, parts);
}

/* One of each kind that the other side may name. */
static void fuzz_names(struct fuzz *fuzz)
{
    struct isle__ref ref;
    struct isle__mail *mail = isle__mail_make(isle_int(1), ISLE__MAIL_DATA, 1);
    isle_isolate self = isle_current();
    fuzz_need(isle__wall_name_of_port(fuzz->wall, isle_port_send_port(fuzz_port).id, &ref) ==
              ISLE_OK);
    fuzz->names[1] = ref.name;
    fuzz_need(isle__wall_name_of_port(fuzz->wall, self.control_port.id, &ref) == ISLE_OK);
    fuzz->names[2] = ref.name;
    fuzz_need(isle__wall_name_of_capability(fuzz->wall, self.pause_capability.id, &ref) == ISLE_OK);
    fuzz->names[3] = ref.name;
    fuzz_need(isle__export_answer(&fuzz->wall->exports, mail, &fuzz->names[4]) == ISLE_OK);
    fuzz->names[5] = UINT64_MAX;
    fuzz->names[6] = 1;
}

static void fuzz_run(struct fuzz *fuzz)
{
    for (int i = 0; i < RECORDS && fuzz->left > 0 && fuzz->wall->violation == NULL; i++) {
        fuzz_record(fuzz);
        (void)isle__wall_in(fuzz->wall, 16);
        fuzz_need(fuzz->wall->imports.count <= ISLE__WALL_IMPORTS);
    }
    (void)isle__wall_out(fuzz->wall, 100);
}

/* What came for the root is dropped. */
static void fuzz_drop_mail(void)
{
    isle_value message;
    while (isle_port_try_receive(fuzz_port, 0, &message) == ISLE_OK)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {.at = data, .left = size};
    struct isle__channel_fds fds;
    struct isle__isolate *proxy;
    ISLE_SCOPE;
    fuzz_is_outside = (fuzz_byte(&fuzz) & 1) != 0;
    isle_options options = {.backend = ISLE_PROCESS, .debug_name = "fuzz"};
    fuzz_need(isle__isolate_create(&options, &proxy) == ISLE_OK);
    fuzz.wall = isle__wall_of(proxy);
    fuzz_need(isle__channel_make(RING, RING, ISLE__WALL_RECORD_MAX, &fuzz.wall->channel, &fds) ==
              ISLE_OK);
    fuzz_need(isle__channel_attach(&fds, RING, RING, ISLE__WALL_RECORD_MAX, &fuzz.peer) == ISLE_OK);
    fuzz.wall->start_put = true;
    fuzz_names(&fuzz);
    fuzz_run(&fuzz);
    isle__channel_close(fuzz.peer);
    isle__backend_of(proxy)->ended(proxy);
    isle__isolate_destroy(proxy);
    fuzz_drop_mail();
    return 0;
}
