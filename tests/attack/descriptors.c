/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by descriptors: sending and receiving them, making more of them, what is behind them. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { DESCRIPTORS_MOST = 512 };

/* Sends `passed` over the inherited socket. */
static int descriptors_pass(int passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte = 'x';
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    memset(&control, 0, sizeof control);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &passed, sizeof passed);
    message.msg_controllen = head->cmsg_len;
    return attack_verdict(sendmsg(attack_world->socket, &message, MSG_DONTWAIT));
}

static int descriptors_send(void)
{
    return descriptors_pass(attack_world->file);
}

static int descriptors_send_itself(void)
{
    return descriptors_pass(attack_world->socket);
}

static int descriptors_send_many(void)
{
    int result = 0;

    for (int i = 0; i < 64 && !result; i++)
        result = descriptors_pass(attack_world->file);
    return result;
}

static int descriptors_receive(void)
{
    char byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t got = recvmsg(attack_world->socket, &message, MSG_DONTWAIT);

    return got < 0 && errno == EAGAIN ? ATTACK_WORKS : attack_verdict(got);
}

static int descriptors_peek(void)
{
    int size;
    socklen_t length = sizeof size;

    return attack_verdict(getsockopt(attack_world->socket, SOL_SOCKET, SO_SNDBUF, &size, &length));
}

static int descriptors_grow(void)
{
    return attack_verdict(ftruncate(attack_world->file, 1 << 20));
}

static int descriptors_allocate(void)
{
    return attack_verdict(fallocate(attack_world->file, 0, 0, 1 << 20));
}

static int descriptors_mode(void)
{
    return attack_verdict(fchmod(attack_world->file, 0666));
}

static int descriptors_lock(void)
{
    return attack_verdict(flock(attack_world->file, LOCK_EX | LOCK_NB));
}

static int descriptors_record_lock(void)
{
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    return attack_verdict(fcntl(attack_world->file, F_SETLK, &whole));
}

static int descriptors_lease(void)
{
    return attack_verdict(fcntl(attack_world->file, F_SETLEASE, F_WRLCK));
}

static int descriptors_reopen(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", attack_world->file);
    return attack_verdict(open(path, O_RDWR));
}

static int descriptors_raise_limit(void)
{
    struct rlimit limit = {DESCRIPTORS_MOST, DESCRIPTORS_MOST};

    if (setrlimit(RLIMIT_NOFILE, &limit))
        return errno;
    return ATTACK_WORKS;
}

/* Until the limit, or the attempt's own bound; the measure is how many there were. */
static int descriptors_fill(int (*more)(void))
{
    for (int i = 0; i < DESCRIPTORS_MOST; i++)
        if (more() < 0)
            return errno;
        else
            attack_world->value = i + 1;
    return ATTACK_WORKS;
}

static int descriptors_one_dup(void)
{
    return dup(attack_world->file);
}

static int descriptors_one_copy(void)
{
    return fcntl(attack_world->file, F_DUPFD, 0);
}

static int descriptors_one_above(void)
{
    return fcntl(attack_world->file, F_DUPFD, 4096);
}

static int descriptors_one_pipe(void)
{
    int ends[2];

    return pipe(ends);
}

static int descriptors_one_event(void)
{
    return eventfd(0, 0);
}

static int descriptors_one_poller(void)
{
    return epoll_create1(0);
}

static int descriptors_dup(void)
{
    return descriptors_fill(descriptors_one_dup);
}

static int descriptors_copy(void)
{
    return descriptors_fill(descriptors_one_copy);
}

static int descriptors_above(void)
{
    return attack_verdict(descriptors_one_above());
}

static int descriptors_pipe(void)
{
    return descriptors_fill(descriptors_one_pipe);
}

static int descriptors_event(void)
{
    return descriptors_fill(descriptors_one_event);
}

static int descriptors_poller(void)
{
    return descriptors_fill(descriptors_one_poller);
}

static int descriptors_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    return attack_verdict(signalfd(-1, &signals, 0));
}

static int descriptors_timer(void)
{
    return attack_verdict(timerfd_create(CLOCK_MONOTONIC, 0));
}

#define DESCRIPTORS_NONE .all = "EMFILE|kill", .seccomp = "EMFILE|kill"
#define DESCRIPTORS_EPERM .all = "EPERM", .seccomp = "EPERM"
#define DESCRIPTORS_FULL                                                                           \
    .all = "EMFILE", .seccomp = "EMFILE", .limits = "EMFILE", .measure = "descriptors"

static const struct attack_row attack_descriptors_rows[] = {
    ATTACK_ROW("63a", descriptors, send, "pass a descriptor on (`SCM_RIGHTS`)", ATTACK_KILLS),
    ATTACK_ROW("63b", descriptors, receive, "receive one", ATTACK_KILLS),
    ATTACK_ROW("64a", descriptors, send_many, "pass many that nobody takes", ATTACK_KILLS),
    ATTACK_ROW("64b", descriptors, send_itself, "pass a socket over itself", ATTACK_KILLS),
    ATTACK_ROW("64c", descriptors, peek, "`getsockopt`", ATTACK_KILLS),
    ATTACK_ROW("65a", descriptors, grow, "grow an inherited file (`ftruncate`)",
               .all = "kill|EINVAL", .seccomp = "kill|EINVAL", .limits = "SIGXFSZ"),
    ATTACK_ROW("65b", descriptors, allocate, "grow it by `fallocate`", ATTACK_KILLS,
               .limits = "SIGXFSZ|EFBIG", .without = "works|EOPNOTSUPP",
               .why = "some file systems cannot"),
    ATTACK_ROW("65c", descriptors, mode, "its rights (`fchmod`)", .all = "kill|EPERM|EACCES",
               .seccomp = "kill|EPERM|EACCES"),
    ATTACK_ROW("65d", descriptors, lock, "lock it against the host (`flock`)", ATTACK_KILLS),
    ATTACK_ROW("65e", descriptors, record_lock, "the same by `fcntl`", DESCRIPTORS_EPERM),
    ATTACK_ROW("65f", descriptors, lease, "be told who else opens it (`F_SETLEASE`)",
               DESCRIPTORS_EPERM, .without = "works|EAGAIN|EINVAL",
               .why = "it may be open elsewhere"),
    ATTACK_ROW("66", descriptors, reopen, "open it again with other rights (`/proc/self/fd`)",
               ATTACK_NO_FILE),
    ATTACK_ROW("67a", descriptors, raise_limit, "raise the limit of descriptors", DESCRIPTORS_EPERM,
               .limits = "EPERM"),
    ATTACK_ROW("67b", descriptors, dup, "`dup` until none is left", DESCRIPTORS_FULL),
    ATTACK_ROW("67c", descriptors, copy, "`F_DUPFD` until none is left", DESCRIPTORS_FULL),
    ATTACK_ROW("67d", descriptors, above, "`F_DUPFD` above the limit", .all = "EINVAL|EMFILE",
               .seccomp = "EINVAL|EMFILE", .limits = "EINVAL|EMFILE"),
    ATTACK_ROW("67e", descriptors, signals, "`signalfd`", DESCRIPTORS_NONE),
    ATTACK_ROW("67f", descriptors, timer, "`timerfd`", DESCRIPTORS_NONE),
    ATTACK_ROW("93a", descriptors, pipe, "pipes until none is left", DESCRIPTORS_FULL),
    ATTACK_ROW("93b", descriptors, event, "events (`eventfd`) until none is left",
               DESCRIPTORS_FULL),
    ATTACK_ROW("93c", descriptors, poller, "pollers until none is left", DESCRIPTORS_FULL),
};
ATTACK_GROUP(attack_descriptors, "Descriptors");
