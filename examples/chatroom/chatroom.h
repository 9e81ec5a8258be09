/* SPDX-License-Identifier: Apache-2.0 */
/* A room to chat in, over TCP on this machine: `nc 127.0.0.1 PORT`, a name, and then line after
 * line. Whatever anybody does there costs himself alone.
 *
 *     root, the door    accepts, and hands each socket to a member of its own (door.c)
 *     chatroom          the supervisor: the room, and below it a temporary child for each
 * connection room            puts lines into one order and sends each to everybody (room.c)
 *       member-1 …      reads and writes one socket (member.c)
 *
 * What they say to each other:
 *     member to room    its own handle: lets it in. [its port, line]: to be said
 *     door to room      a call with null: no more lines; answered when the last member has left
 *     room to member    [whose port it was, line], to whoever said it as well. A string: the last
 *                       words, after which the connection ends
 *
 * Laws. A line is acknowledged by coming back to who said it: then it waits in the port of every
 * member, in the one order that all see. Nothing grows: a client may be AHEAD_MAX lines ahead of
 * what was acknowledged, so the room's mailbox is bounded, and LINES_MAX behind the others, so each
 * member's is; one who is more is out. An error in a member is not caught: it ends that connection.
 */
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

/* The name under which members find the room, whichever it is after a restart. Those of members
 * begin with another letter. */
#define ROOM_NAME "the room"

void room(isle_value unused);   /* the entries of the two kinds of isolates */
void member(isle_value socket); /* a resource: the connection */

#endif
