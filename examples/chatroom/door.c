/* SPDX-License-Identifier: Apache-2.0 */
/* chatroom: the door. The root accepts connections as long as there are descriptors for them, gives
 * each to a member, and closes in order at Ctrl-C or SIGTERM: no more connections, no more lines,
 * every member writes what it has, and who has not left when the time is up is put out. Exit code:
 * 0; 1 if it could not be done; 2 on wrong usage; 255 if it had to be stopped or the room fails
 * again and again. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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

static const isle_options of_members = {.memory_max = 1 << 20};
static const isle_child connection = {
    .entry = member,
    .restart = ISLE_TEMPORARY,
    .shutdown_ns = ISLE_SHUTDOWN_KILL, /* the room has given it its time before */
    .options = &of_members,
};

static struct door { /* the root's own */
    unsigned port, grace_s;
    int listener, members, members_max;
    isle_isolate supervisor;
    isle_future *waiting; /* for a client */
    bool is_closing;
} door = {.grace_s = 10};

/* The socket goes in a message: from here on it is the member's, and closed with it. The kernel
 * holds no more for a slow reader than a few lines: the others wait where they are counted. */
static void door_let_in(int fd)
{
    static const int size = 16 * 1024;
    static const char no_room[] = "- the room is full\n";
    isle_value socket = isle_resource(fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (door.members >= door.members_max)
        (void)send(fd, no_room, strlen(no_room), MSG_NOSIGNAL);
    else if (isle_try_await(isle_supervisor_add(door.supervisor, &connection, socket), ISLE_FOREVER,
                            NULL) == ISLE_OK)
        door.members++;
    else
        fprintf(stderr, "chatroom: a connection is refused: %s\n",
                isle_error_text(isle_last_error()));
}

static void door_accept(void)
{
    while (!door.is_closing) {
        ISLE_SCOPE;
        int fd = accept4(door.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            door_let_in(fd);
        } else if (errno == EAGAIN) {
            door.waiting = isle_fd_wait(door.listener, ISLE_READABLE);
            (void)!isle_try_await(door.waiting, ISLE_FOREVER, NULL);
        } else if (errno != ECONNABORTED) {
            isle_throwf("accept: %s", strerror(errno)); /* nothing that a client can bring about */
        }
    }
}

/* A connection that has not ended in its own way is worth a line, and that is all that comes of it;
 * of the room and what is below it the supervisor takes care. */
static void door_child_changed(isle_value message, void *unused)
{
    isle_child_info child = isle_as_child_info(message);
    (void)unused;
    if (child.state != ISLE_CHILD_ENDED)
        return;
    door.members -= strcmp(child.name, "room") != 0;
    if (child.reason == ISLE_RETURNED)
        return;
    printf("chatroom: %s: %s%s%s\n", child.name, isle_reason_text(child.reason),
           *child.text != '\0' ? ": " : "", child.text);
    fflush(stdout);
}

static void door_asked(void *unused)
{
    (void)unused;
    door.is_closing = true;
    if (door.waiting != NULL)
        isle_future_cancel(door.waiting);
}

/* No more connections; no more lines, and each member ends when it has written those that there
 * were; who has not ended in its time is put out, and the room goes last. */
static void door_close(isle_group *house)
{
    isle_send_port room = isle_name_lookup((isle_names){0}, ROOM_NAME);
    close(door.listener);
    if (!isle_send_port_is_none(room) &&
        isle_try_await(isle_call(room, isle_null(), ISLE_SECONDS(door.grace_s)), ISLE_FOREVER,
                       NULL) != ISLE_OK)
        printf("chatroom: %d connections are put out\n", door.members);
    isle_group_close(house);
}

/* A connection has its socket twice, and twice more on its way from here to its member. */
static int door_members_max(void)
{
    struct rlimit limit = {.rlim_cur = 256, .rlim_max = 256};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return (int)(limit.rlim_cur / 4) - 16;
}

/* false: it could not be opened, and that has been said. */
static bool door_open(void)
{
    static const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)door.port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    door.members_max = door_members_max();
    door.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(door.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door.listener, (void *)&address, size) != 0 || listen(door.listener, 1024) != 0 ||
        getsockname(door.listener, (void *)&address, &size) != 0) {
        fprintf(stderr, "chatroom: port %u: %s\n", door.port, strerror(errno));
        return false;
    }
    printf("chatroom: 127.0.0.1 port %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return true;
}

/* The supervisor is linked to the root: if it gives up, the program ends. */
static isle_group *door_begin(void)
{
    isle_receive_port *changes = isle_port_open();
    isle_group *house = isle_group_open(NULL);
    door.supervisor =
        isle_supervise_with(&chatroom, &(isle_options){.debug_name = "chatroom", .link = true});
    isle_group_add(house, door.supervisor);
    isle_port_listen(changes, door_child_changed, NULL);
    isle_port_set_keep_alive(changes, false);
    isle_await(isle_supervisor_watch(door.supervisor, isle_port_send_port(changes)));
    isle_serve_shutdown(2 * ISLE_SECONDS(door.grace_s)); /* the members' time and the rest's */
    return house;
}

static bool door_read_options(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "p:g:")) != -1;) {
        unsigned *number = option == 'p' ? &door.port : &door.grace_s;
        if (option == '?' || (*number = number_read("chatroom", optarg, 65535)) == 0)
            return false;
    }
    return optind == argc;
}

static int app(int argc, char **argv)
{
    if (!door_read_options(argc, argv)) {
        fputs(
            "Usage: chatroom [-p PORT] [-g SECONDS]\n"
            "A room to chat in, over TCP on 127.0.0.1: a name, then line after line. Without a\n"
            "port it takes a free one. Ctrl-C closes it: members have so long, 10 s, to hear the\n"
            "rest.\n",
            stderr);
        return 2;
    }
    isle_group *house = door_begin();
    if (!door_open())
        return 1;
    isle_on_shutdown(door_asked, NULL);
    door_accept();
    door_close(house);
    return 0;
}

ISLE_MAIN(app);
