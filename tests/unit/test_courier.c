/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are carried to another process: exactly as many as were meant, all or none, and
 * never one that is left open. */
#include "platform_help.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "channel/courier.h"

static size_t count_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

struct courier {
    int out, in;
};

static struct courier courier_new(void)
{
    int fds[2];
    CHECK_ERR(isle__courier_make(fds), ISLE_OK);
    return (struct courier){fds[0], fds[1]};
}

static void courier_close(struct courier courier)
{
    isle__fd_close(courier.out);
    isle__fd_close(courier.in);
}

/* The reading ends of pipes in which each has its number. */
static void open_numbered(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        int ends[2];
        char number = (char)i;
        CHECK_ERR(isle__pipe_open(ends), ISLE_OK);
        CHECK_INT(write(ends[1], &number, 1), 1);
        isle__fd_close(ends[1]);
        fds[i] = ends[0];
    }
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        isle__fd_close(fds[i]);
}

static void check_numbered(const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        char number = -1;
        CHECK_INT(read(fds[i], &number, 1), 1);
        CHECK_INT(number, i);
        CHECK_INT(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    }
}

TEST(descriptors_arrive_in_order_as_many_as_were_sent)
{
    size_t before = count_descriptors();
    for (int count = 1; count <= ISLE__COURIER_MAX; count++) {
        struct courier courier = courier_new();
        int fds[ISLE__COURIER_MAX], got[ISLE__COURIER_MAX];
        open_numbered(fds, count);
        CHECK_ERR(isle__courier_send(courier.out, fds, (size_t)count), ISLE_OK);
        close_all(fds, count);
        CHECK_ERR(isle__courier_receive(courier.in, got, (size_t)count), ISLE_OK);
        check_numbered(got, count);
        close_all(got, count);
        courier_close(courier);
    }
    CHECK_UINT(count_descriptors(), before);
}

TEST(messages_are_not_joined)
{
    struct courier courier = courier_new();
    int fds[3], got[3];
    open_numbered(fds, 3);
    CHECK_ERR(isle__courier_send(courier.out, fds, 1), ISLE_OK);
    CHECK_ERR(isle__courier_send(courier.out, fds + 1, 2), ISLE_OK);
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_OK);
    CHECK_ERR(isle__courier_receive(courier.in, got + 1, 2), ISLE_OK);
    check_numbered(got, 3);
    courier_close(courier);
}

static int process_got[ISLE__COURIER_MAX];
static struct courier process_courier;

static void receive_in_child(void)
{
    isle__fd_close(process_courier.out);
    CHECK_ERR(isle__courier_receive(process_courier.in, process_got, 5), ISLE_OK);
    check_numbered(process_got, 5);
}

TEST(another_process_gets_them)
{
    int fds[5];
    process_courier = courier_new();
    open_numbered(fds, 5);
    CHECK_ERR(isle__courier_send(process_courier.out, fds, 5), ISLE_OK);
    close_all(fds, 5);
    CHECK_INT(in_child(receive_in_child), 0);
    courier_close(process_courier);
}

static void check_refused(int sent, size_t expected)
{
    struct courier courier = courier_new();
    int fds[ISLE__COURIER_MAX], got[ISLE__COURIER_MAX];
    size_t before = count_descriptors();
    open_numbered(fds, sent);
    CHECK_ERR(isle__courier_send(courier.out, fds, (size_t)sent), ISLE_OK);
    memset(got, 0x5a, sizeof got);
    CHECK_ERR(isle__courier_receive(courier.in, got, expected), ISLE_EMALFORMED);
    for (size_t i = 0; i < expected; i++)
        CHECK_INT(got[i], 0x5a5a5a5a);
    close_all(fds, sent);
    CHECK_UINT(count_descriptors(), before);
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED); /* it is gone */
    courier_close(courier);
}

TEST(another_count_than_was_meant_is_a_violation_and_leaves_none_open)
{
    check_refused(2, 1);
    check_refused(1, 2);
    check_refused(3, 1);
    check_refused(4, 3);
    check_refused(ISLE__COURIER_MAX, 1);
    check_refused(ISLE__COURIER_MAX, ISLE__COURIER_MAX - 1);
    check_refused(1, ISLE__COURIER_MAX);
}

/* What a sender that is none of ours could write. */
static void send_raw(int fd, const void *bytes, size_t size, const int *fds, size_t count)
{
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    }
    CHECK(sendmsg(fd, &message, 0) >= 0);
}

TEST(messages_of_another_form_are_refused)
{
    struct courier courier = courier_new();
    uint32_t one = 1, two = 2;
    uint64_t longer = 1;
    int fds[2], got[2];
    open_numbered(fds, 2);
    size_t before = count_descriptors();
    send_raw(courier.out, &one, sizeof one, NULL, 0); /* says one, has none */
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EFULL);
    send_raw(courier.out, &one, sizeof one, fds, 2); /* says one, has two */
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED);
    send_raw(courier.out, &one, sizeof one, fds, 2);
    CHECK_ERR(isle__courier_receive(courier.in, got, 2), ISLE_EMALFORMED);
    send_raw(courier.out, &two, sizeof two, fds, 1); /* says two, has one */
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED);
    send_raw(courier.out, &one, 2, fds, 1);
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED);
    send_raw(courier.out, NULL, 0, fds, 1);
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED);
    send_raw(courier.out, &longer, sizeof longer, fds, 1);
    CHECK_ERR(isle__courier_receive(courier.in, got, 1), ISLE_EMALFORMED);
    CHECK_UINT(count_descriptors(), before);
    courier_close(courier);
}

static void run_out_in_child(void)
{
    struct rlimit limit = {.rlim_cur = 32, .rlim_max = 32};
    int got[ISLE__COURIER_MAX];
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    size_t before = count_descriptors();
    CHECK_ERR(isle__courier_receive(process_courier.in, got, ISLE__COURIER_MAX), ISLE_EFULL);
    CHECK_UINT(count_descriptors(), before);
}

TEST(who_may_not_have_so_many_gets_none)
{
    int fds[ISLE__COURIER_MAX];
    process_courier = courier_new();
    open_numbered(fds, 1);
    for (int i = 1; i < ISLE__COURIER_MAX; i++)
        fds[i] = fds[0];
    CHECK_ERR(isle__courier_send(process_courier.out, fds, ISLE__COURIER_MAX), ISLE_OK);
    CHECK_INT(in_child(run_out_in_child), 0);
    courier_close(process_courier);
}

TEST(a_courier_goes_one_way)
{
    struct courier courier = courier_new();
    int fd, got;
    open_numbered(&fd, 1);
    CHECK_ERR(isle__courier_send(courier.in, &fd, 1), ISLE_ECLOSED);
    CHECK_INT(send(courier.in, "x", 1, MSG_NOSIGNAL), -1);
    CHECK_INT(errno, EPIPE);
    CHECK_ERR(isle__courier_receive(courier.out, &got, 1), ISLE_ECLOSED);
    courier_close(courier);
}

TEST(who_never_fetches_stops_the_sender_soon)
{
    struct courier courier = courier_new();
    int fd, sent = 0;
    isle_err err = ISLE_OK;
    open_numbered(&fd, 1);
    while ((err = isle__courier_send(courier.out, &fd, 1)) == ISLE_OK)
        sent++;
    CHECK_ERR(err, ISLE_EFULL);
    CHECK(sent >= 2 && sent <= 32);
    for (int i = 0; i < sent; i++) {
        int got;
        CHECK_ERR(isle__courier_receive(courier.in, &got, 1), ISLE_OK);
        isle__fd_close(got);
    }
    CHECK_ERR(isle__courier_send(courier.out, &fd, 1), ISLE_OK);
    courier_close(courier);
}

TEST(an_end_that_is_gone_is_told)
{
    struct courier courier = courier_new();
    int fd, got;
    open_numbered(&fd, 1);
    CHECK_ERR(isle__courier_send(courier.out, &fd, 1), ISLE_OK);
    isle__fd_close(courier.out);
    CHECK_ERR(isle__courier_receive(courier.in, &got, 1), ISLE_OK);
    CHECK_ERR(isle__courier_receive(courier.in, &got, 1), ISLE_ECLOSED);
    isle__fd_close(courier.in);
    courier = courier_new();
    isle__fd_close(courier.in);
    CHECK_ERR(isle__courier_send(courier.out, &fd, 1), ISLE_ECLOSED);
    isle__fd_close(courier.out);
}

TEST(what_can_be_no_message_is_refused)
{
    struct courier courier = courier_new();
    int fds[ISLE__COURIER_MAX + 1] = {0};
    CHECK_ERR(isle__courier_send(courier.out, fds, 0), ISLE_EINVAL);
    CHECK_ERR(isle__courier_send(courier.out, fds, ISLE__COURIER_MAX + 1), ISLE_EINVAL);
    CHECK_ERR(isle__courier_receive(courier.in, fds, 0), ISLE_EINVAL);
    CHECK_ERR(isle__courier_receive(courier.in, fds, ISLE__COURIER_MAX + 1), ISLE_EINVAL);
    fds[0] = -1;
    CHECK_ERR(isle__courier_send(courier.out, fds, 1), ISLE_EINVAL);
    CHECK_ERR(isle__courier_send(-1, fds, 1), ISLE_EINVAL);
    CHECK_ERR(isle__courier_receive(courier.in, fds, 1), ISLE_EMALFORMED); /* nothing came */
    courier_close(courier);
}

TEST_MAIN()
