/* SPDX-License-Identifier: Apache-2.0 */
/* A room to chat in, over TCP on this machine: `nc 127.0.0.1 PORT`, a name, and then line after
 * line. Whatever anybody does there costs himself alone.
 *
 *     root, the door    accepts, and hands each socket to a member of its own (door.c)
 *     chatroom          the supervisor: the room, and below it a temporary child a connection
 *       room            puts lines into one order and sends each to everybody (room.c)
 *       child-2 …       members: each reads and writes one socket (member.c)
 *
 * Members and the door find the room by its name, whichever it is after a restart. They send it
 *     a member's handle      who came in
 *     [a port, a line]       what he says; it goes as it is to every member, himself included
 *     null, a call           no more of that; answered when the last member has left
 * and a member is sent, by the room or by himself, such a list or a string: his last words.
 *
 * Laws. A line is acknowledged by coming back to who said it: then it waits in the port of every
 * member, in the one order that all see. Nothing grows: who is AHEAD_MAX lines ahead of what was
 * acknowledged is out, so the room's mailbox is bounded; who is LINES_MAX behind is out by the
 * bound of his own port. An error in a member is not caught: it ends that connection. */
#ifndef CHATROOM_H
#define CHATROOM_H

#include <isle.h>

enum {
    LINE_SIZE = 512, /* of what a client sends, its end included */
    NAME_SIZE = 32,
    AHEAD_MAX = 16,
    LINES_MAX = 128,
    LINGER_S = 5 /* how long last words may take to be read */
};

#define ROOM_NAME "room" /* members' begin with "@" */

void room(isle_value unused); /* the entries of the two kinds of isolates */
void member(isle_value socket);

#endif
