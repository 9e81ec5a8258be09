/* SPDX-License-Identifier: Apache-2.0 */
/* A member: one connection. Its isolate has two activities, one that reads the socket and says what
 * it reads in the room, and one that writes what the room says; each waits for its own side only,
 * so a client may read slowly and write at once. Where it throws (a line that is not UTF-8, memory
 * that is used up) nobody else hears of it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chatroom.h"

struct member {
    int in, out; /* the socket twice: an activity waits on each */
    isle_send_port room, self;
    unsigned ahead;       /* lines that have not come back yet */
    bool is_leaving;      /* its last words are said: what is read is not looked at */
    char name[NAME_SIZE]; /* "@ada"; "": not told yet, so it only listens */
    char input[8 * LINE_SIZE];
    size_t input_size;
};
ISLE_LOCAL(struct member, the_member);

/* With all that it holds: the socket, the name, the place in the room. */
static void member_end(void *unused)
{
    (void)unused;
    isle_exit(isle_send_port_none(), isle_null());
}

/* After its last words a client has a while to read them and to close its side, which ends the
 * reader: to close a socket with unread input would reset it. */
static void member_leave(struct member *member)
{
    if (!member->is_leaving)
        isle_timer_start(ISLE_SECONDS(LINGER_S), member_end, NULL);
    member->is_leaving = true;
}

/* --- to the client */

static void member_write(struct member *member, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = send(member->out, text, size, MSG_NOSIGNAL);
        if (done >= 0)
            text += done, size -= (size_t)done;
        else if (errno == EAGAIN)
            isle_await(isle_fd_wait(member->out, ISLE_WRITABLE)); /* and lines wait in the port */
        else
            member_end(NULL);
    }
}

static void member_writes(void *context)
{
    struct member *member = context;
    for (bool is_last = false; !is_last;) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(isle_default_port());
        is_last = isle_kind_of(message) == ISLE_STRING;
        isle_value text = is_last ? message : isle_list_get(message, 1);
        member_write(member, isle_as_string(text), isle_count(text));
        if (!is_last && isle_send_port_equal(isle_as_port(isle_list_get(message, 0)), member->self))
            member->ahead--; /* it is acknowledged */
    }
    shutdown(member->out, SHUT_WR);
    member_leave(member);
}

/* --- from the client */

static void member_send(struct member *member, isle_send_port to, isle_value text)
{
    isle_send(to, isle_pack("[o,o]", isle_port(member->self), text));
}

/* Goes behind what waits to be written. */
static void member_refuse(struct member *member, const char *why)
{
    isle_send(member->self, isle_string(why));
    member_leave(member);
}

/* The registry is the judge of who has a name; it is free again before anybody hears of our end. */
static void member_introduce(struct member *member, const char *name, int size)
{
    if (size == 0 || size > NAME_SIZE - 2) {
        member_refuse(member, "- a name has 1 to 30 bytes\n");
        return;
    }
    snprintf(member->name, NAME_SIZE, "@%.*s", size, name);
    isle_err err = isle_name_register((isle_names){0}, member->name, member->self);
    if (err == ISLE_OK)
        member_send(member, member->self, isle_string("* welcome\n"));
    else if (err == ISLE_EUSED)
        member_refuse(member, "- that name is taken\n");
    else
        isle_throwf("no name: %s", isle_err_text(err));
}

static void member_line(struct member *member, char *line, size_t size)
{
    ISLE_SCOPE;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    for (size_t i = 0; i < size; i++) /* what steers terminals stays out of the room */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    if (size >= LINE_SIZE)
        member_refuse(member, "- that line is too long\n");
    else if (++member->ahead > AHEAD_MAX)
        member_refuse(member, "- too many lines at once\n");
    else if (member->name[0] == '\0')
        member_introduce(member, line, (int)size);
    else
        member_send(member, member->room,
                    isle_stringf("%s: %.*s\n", member->name + 1, (int)size, line));
}

/* Takes the whole lines out of the input; one that has not come to its end stays. */
static void member_lines(struct member *member)
{
    char *line = member->input, *limit = line + member->input_size, *end;
    while (!member->is_leaving && (end = memchr(line, '\n', (size_t)(limit - line))) != NULL) {
        member_line(member, line, (size_t)(end - line));
        line = end + 1;
    }
    if (!member->is_leaving && limit - line >= LINE_SIZE)
        member_refuse(member, "- that line is too long\n");
    member->input_size = member->is_leaving ? 0 : (size_t)(limit - line);
    memmove(member->input, line, member->input_size);
}

static void member_reads(struct member *member)
{
    for (;;) {
        ISLE_SCOPE;
        isle_await(isle_fd_wait(member->in, ISLE_READABLE)); /* each time, so others have theirs */
        ssize_t got = recv(member->in, member->input + member->input_size,
                           sizeof member->input - member->input_size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            member_end(NULL);
        if (got > 0) {
            member->input_size += (size_t)got;
            member_lines(member);
        }
    }
}

void member(isle_value socket)
{
    struct member *member = the_member();
    isle_isolate self = isle_current();
    isle_value twin = isle_resource(dup(isle_as_fd(socket)));
    *member = (struct member){
        .in = isle_as_fd(socket), .out = isle_as_fd(twin), .self = self.default_port};
    self.terminate_capability = self.pause_capability = (isle_capability){0}; /* for the room */
    isle_port_set_bounds(isle_default_port(), &(isle_port_options){.max_messages = LINES_MAX,
                                                                   .overflow = ISLE_OVERFLOW_END});
    member->room =
        isle_as_port(isle_await(isle_name_wait((isle_names){0}, ROOM_NAME, ISLE_FOREVER)));
    isle_send(member->room, isle_isolate_value(self));
    isle_timer_start(0, member_writes, member);
    member_reads(member);
}
