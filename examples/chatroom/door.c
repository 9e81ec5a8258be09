/* SPDX-License-Identifier: Apache-2.0 */
/* chatroom: the door. The root accepts connections as long as there are descriptors for them, gives
 * each to a member, and closes in order at Ctrl-C or SIGTERM: no more connections, no more lines,
 * every member writes what it has, and who has not left when the time is up is put out. Exit code:
 * 0; 1 if it could not be done; 2 on wrong usage; 255 if it had to be stopped. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chatroom.h"
#include "number.h"

/* Whoever comes finds a room, or it is started again; with it, those start again that came later:
 * the members, but they are temporary, so they just end, and their clients come back. */
static const isle_supervision chatroom = {
    .strategy = ISLE_REST_FOR_ONE,
    .children =
        (const isle_child[]){
            {.name = "room", .entry = room, .restart = ISLE_PERMANENT},
            {0},
        },
};

static struct door { /* the root's own */
    isle_isolate supervisor;
    isle_options of_members;
    isle_future *waiting; /* for a client or, one's own, for somebody to leave; NULL: neither */
    isle_future *ended;   /* the supervisor has, and this is its reason */
    int listener;
    unsigned members, members_max, grace_s;
    bool is_closing;
} door;

static const char usage[] =
    "Usage: chatroom [--port N] [--grace SECONDS]\n"
    "A room to chat in, over TCP on 127.0.0.1: a name, then line after line. Without a port it\n"
    "takes a free one. Ctrl-C closes the room: its members have so long, 10 s, to hear the rest.\n";

/* --- who comes */

static void door_refused(isle_value error, void *unused)
{
    (void)unused;
    fprintf(stderr, "chatroom: a connection is refused: %s\n", isle_error_text(error));
    door.members--;
}

/* The socket goes in a message: from here on it is the member's, and closed with it. The kernel
 * holds no more for a slow reader than a few lines: the others wait where they are counted. */
static void door_let_in(int fd)
{
    static const int size = 16 * 1024;
    isle_child row = {.entry = member,
                      .restart = ISLE_TEMPORARY,
                      .shutdown_ns = ISLE_SHUTDOWN_KILL, /* the room has asked it before */
                      .options = &door.of_members};
    isle_value connection = isle_resource(fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    door.members++;
    isle_then(isle_supervisor_add(door.supervisor, &row, connection), NULL, door_refused, NULL);
}

static void door_accept(void)
{
    while (door.members < door.members_max) {
        ISLE_SCOPE;
        int fd = accept4(door.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            door_let_in(fd);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            isle_throwf("accept: %s", strerror(errno)); /* nothing that a client can bring about */
    }
}

/* Clients that are too many wait in the kernel's queue. */
static void door_serve(void)
{
    while (!door.is_closing) {
        ISLE_SCOPE;
        bool is_full = door.members == door.members_max;
        door.waiting = is_full ? isle_future_new() : isle_fd_wait(door.listener, ISLE_READABLE);
        isle_err err = isle_try_await(door.waiting, ISLE_FOREVER, NULL);
        door.waiting = NULL;
        if (err == ISLE_OK && !is_full)
            door_accept();
    }
}

/* --- who goes */

static void door_member_left(isle_value message, void *unused)
{
    (void)message, (void)unused;
    if (door.members-- == door.members_max && door.waiting != NULL)
        isle_future_complete(door.waiting, isle_null());
}

/* A connection that has not ended in its own way is worth a line, and that is all that comes of it;
 * of the room and what is below it the supervisor takes care. */
static void door_child_changed(isle_value message, void *unused)
{
    isle_child_info child = isle_as_child_info(message);
    (void)unused;
    if (child.state != ISLE_CHILD_ENDED || child.reason == ISLE_RETURNED)
        return;
    printf("chatroom: %s: %s%s%s\n", child.name, isle_reason_text(child.reason),
           *child.text != '\0' ? ": " : "", child.text);
    fflush(stdout);
}

static void door_stop(void *unused)
{
    (void)unused;
    door.is_closing = true;
    if (door.waiting != NULL)
        isle_future_cancel(door.waiting);
}

static void door_supervisor_ended(isle_value message, void *port)
{
    isle_end end = isle_as_end(message);
    if (end.reason != ISLE_RETURNED)
        fprintf(stderr, "chatroom: %s: %s\n", isle_reason_text(end.reason), end.text);
    isle_future_complete(door.ended, isle_int(end.reason));
    door_stop(NULL);
    isle_port_close(port);
}

/* No more connections; no more lines, and each member ends when it has written those that there
 * were; who has not ended in its time is put out, and the room goes last. */
static bool door_close(void)
{
    isle_send_port room = isle_name_lookup((isle_names){0}, ROOM_NAME);
    close(door.listener);
    if (!isle_send_port_is_none(room) &&
        isle_try_await(isle_call(room, isle_null(), ISLE_SECONDS(door.grace_s)), ISLE_FOREVER,
                       NULL) != ISLE_OK)
        printf("chatroom: %u connections are put out\n", door.members);
    isle_shutdown(door.supervisor);
    return isle_as_int(isle_await(door.ended)) == ISLE_RETURNED;
}

/* --- the whole */

/* A connection has its socket twice, and twice more on its way from here to its member. */
static unsigned door_members_max(void)
{
    struct rlimit limit = {.rlim_cur = 256};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > 256 ? (unsigned)(limit.rlim_cur - 64) / 4 : 32;
}

/* false: it could not be opened, and that has been said. */
static bool door_open(unsigned port)
{
    static const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    door.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(door.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door.listener, (void *)&address, size) != 0 || listen(door.listener, 1024) != 0 ||
        getsockname(door.listener, (void *)&address, &size) != 0) {
        fprintf(stderr, "chatroom: port %u: %s\n", port, strerror(errno));
        return false;
    }
    printf("chatroom: 127.0.0.1 port %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return true;
}

/* What is heard there is no reason for the root to live. */
static isle_send_port door_listen(isle_receive_port *port, isle_handler *handler)
{
    isle_port_set_keep_alive(port, false);
    isle_port_listen(port, handler, NULL);
    return isle_port_send_port(port);
}

static void door_begin(void)
{
    isle_receive_port *end = isle_port_open();
    isle_options of_supervisor = {.debug_name = "chatroom", .monitor = isle_port_send_port(end)};
    isle_port_listen(end, door_supervisor_ended, end);
    door.of_members.memory_max = 1 << 20;
    door.of_members.on_exit = door_listen(isle_port_open(), door_member_left);
    door.ended = isle_future_keep(isle_future_new());
    door.members_max = door_members_max();
    isle_on_shutdown(door_stop, NULL);
    isle_serve_shutdown(2 * ISLE_SECONDS(door.grace_s)); /* the members' time and the rest's */
    door.supervisor = isle_supervise_with(&chatroom, &of_supervisor);
    isle_await(
        isle_supervisor_watch(door.supervisor, door_listen(isle_port_open(), door_child_changed)));
}

static bool door_take(int option, unsigned *port)
{
    switch (option) {
    case 'p':
        return (*port = number_read("chatroom", optarg, 65535)) != 0;
    case 'g':
        return (door.grace_s = number_read("chatroom", optarg, 86400)) != 0;
    default:
        return false;
    }
}

static int app(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"grace", required_argument, NULL, 'g'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    unsigned port = 0;
    door.grace_s = 10;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(usage, stdout) < 0;
        if (!door_take(option, &port))
            return fputs("Try 'chatroom --help'.\n", stderr), 2;
    }
    door_begin();
    if (!door_open(port))
        return 1;
    door_serve();
    return door_close() ? 0 : 1;
}

ISLE_MAIN(app);
