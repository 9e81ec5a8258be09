/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors through a socket of whole messages (SCM_RIGHTS). A message's bytes are its count, so
 * that the receiver can tell descriptors that were never sent from those it had no room for.
 *
 * The kernel hides nothing of what it cuts (MSG_CTRUNC); whatever has come that is not wanted is
 * closed at once. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MSG_CMSG_CLOEXEC */
#endif
#include "channel/courier.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Room for one control message with as many as can be; the kernel wants it aligned. */
union courier_control {
    struct cmsghdr head;
    unsigned char bytes[CMSG_SPACE(ISLE__COURIER_MAX * sizeof(int))];
};

isle_err isle__courier_make(int ret_fds[2])
{
    int fds[2], least = 0; /* the system takes its own least instead */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        return ISLE_ESYSTEM;
    if (shutdown(fds[0], SHUT_RD) != 0 ||
        setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) != 0) {
        isle__fd_close(fds[0]);
        isle__fd_close(fds[1]);
        return ISLE_ESYSTEM;
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return ISLE_OK;
}

static bool courier_count_is_good(size_t count)
{
    return count >= 1 && count <= ISLE__COURIER_MAX;
}

static isle_err courier_error(int error_number)
{
    switch (error_number) {
    case EAGAIN:
    case ENOBUFS:
    case ETOOMANYREFS: /* this user has too many on their way */
        return ISLE_EFULL;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return ISLE_ECLOSED;
    case EBADF:
    case ENOTSOCK:
        return ISLE_EINVAL;
    default:
        return ISLE_ESYSTEM;
    }
}

isle_err isle__courier_send(int fd, const int *fds, size_t count)
{
    union courier_control control;
    uint32_t said = (uint32_t)count;
    struct iovec bytes = {.iov_base = &said, .iov_len = sizeof said};
    if (!courier_count_is_good(count))
        return ISLE_EINVAL;
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof *fds)};
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(&control.head), fds, count * sizeof *fds);
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof said ? ISLE_OK : courier_error(sent < 0 ? errno : EIO);
}

/* Those that are in the message, into `fds`, which has room for ISLE__COURIER_MAX. */
static size_t courier_unpack(struct msghdr *message, int *fds)
{
    size_t count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t more = (part->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        if (more > ISLE__COURIER_MAX - count)
            more = ISLE__COURIER_MAX - count; /* cannot be: there was no room for them */
        memcpy(fds + count, CMSG_DATA(part), more * sizeof *fds);
        count += more;
    }
    return count;
}

isle_err isle__courier_receive(int fd, int *ret_fds, size_t count)
{
    union courier_control control;
    uint32_t said = 0;
    int fds[ISLE__COURIER_MAX];
    struct iovec bytes = {.iov_base = &said, .iov_len = sizeof said};
    if (!courier_count_is_good(count))
        return ISLE_EINVAL;
    /* Room for exactly those: CMSG_SPACE would have some for one more. */
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(count * sizeof *fds)};
    ssize_t got;
    do
        got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? ISLE_EMALFORMED : courier_error(errno);
    size_t came = courier_unpack(&message, fds);
    if (got == 0 && came == 0)
        return ISLE_ECLOSED;
    bool is_cut = (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
    if (got == (ssize_t)sizeof said && said == count && came == count && !is_cut) {
        memcpy(ret_fds, fds, count * sizeof *fds);
        return ISLE_OK;
    }
    for (size_t i = 0; i < came; i++)
        isle__fd_close(fds[i]);
    return got == (ssize_t)sizeof said && said == count && came < count ? ISLE_EFULL
                                                                        : ISLE_EMALFORMED;
}
