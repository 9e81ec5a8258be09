/* SPDX-License-Identifier: Apache-2.0 */
/* The room: one isolate through which every line goes, so that all see them in one order. It never
 * waits for anybody: a member that does not keep up is ended by the bound of its own port. */
#include "chatroom.h"

struct room {
    isle_value members; /* map: control port, default port of each */
    isle_future *empty; /* NULL, or it closes: completed when the last member has left */
};
ISLE_LOCAL(struct room, the_room);

static const char last_words[] = "* the room closes\n";

static void room_say(isle_value line)
{
    isle_value port, frozen = isle_freeze(line); /* one copy, which all of them share */
    for (size_t at = 0; isle_next(the_room()->members, &at, NULL, &port);)
        isle_send(isle_as_port(port), frozen);
}

static void room_enter(isle_isolate member, isle_send_port ends)
{
    isle_map_put(the_room()->members, isle_port(member.control_port),
                 isle_port(member.default_port));
    isle_monitor(member, ends); /* of one that has left already it tells at once */
}

static void room_look_around(void)
{
    if (the_room()->empty != NULL && isle_count(the_room()->members) == 0)
        isle_future_complete(the_room()->empty, isle_null());
}

/* However a member ended, its socket is closed and its name is free by now. */
static void room_leave(isle_value message, void *unused)
{
    isle_value key = isle_port(isle_as_end(message).isolate.control_port);
    (void)unused;
    if (isle_map_remove(the_room()->members, key))
        room_look_around();
}

/* The last words go behind all that was said, so each member ends when it has written that. */
static void room_close(void)
{
    the_room()->empty = isle_future_keep(isle_future_new());
    room_say(isle_string(last_words));
    room_look_around();
    isle_await(the_room()->empty); /* the others' messages are served meanwhile */
}

static isle_value room_answer(isle_value message, void *ends)
{
    bool is_member = isle_kind_of(message) == ISLE_ISOLATE, is_open = the_room()->empty == NULL;
    if (isle_is_null(message))
        room_close();
    else if (is_member && is_open)
        room_enter(isle_as_isolate(message), isle_port_send_port(ends));
    else if (is_member)
        isle_send(isle_as_isolate(message).default_port, isle_string(last_words));
    else if (is_open) /* else it is not acknowledged */
        room_say(message);
    return isle_null();
}

void room(isle_value unused)
{
    isle_receive_port *ends = isle_port_open();
    (void)unused;
    isle_cell_set(&the_room()->members, isle_map());
    isle_port_listen(ends, room_leave, NULL);
    isle_port_serve(isle_default_port(), room_answer, ends);
    if (isle_name_register((isle_names){0}, ROOM_NAME, isle_current().default_port) != ISLE_OK)
        isle_throwf("there is a room already");
}
