/* SPDX-License-Identifier: Apache-2.0 */
/* The zygote: finds out that it is one, locks itself in, then forks a child for each request and
 * reports each death.
 *
 * Whether this image is a zygote is said by descriptor 3: a memory file that nobody can change any
 * more, with our magic, our own build and a process id in it, beside a control socket that this
 * very process made. Anything else there is some descriptor of the program's, which goes on as
 * ever. Nothing of the environment is asked.
 *
 * Law: one thread. The only input is the control socket; what a child writes is never read. When
 * the host has gone the socket says so, and the zygote ends; its children with it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/process/request.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ZYGOTE_CONTROL = 3,
    ZYGOTE_SIGNALS = 4,
    ZYGOTE_SPARE = 5, /* /dev/null: so that what comes gets numbers above a child's own */
    ZYGOTE_FIRST_FREE = 6,
    ZYGOTE_FAILED = 1
};

struct zygote_child {
    pid_t pid; /* 0: the slot is free */
    uint64_t serial;
};

static struct {
    struct isle__sandbox sandbox;
    uint32_t used; /* slots from here on were never used */
    struct zygote_child children[ISLE__ZYGOTE_CHILDREN];
} zygote;

static _Atomic bool zygote_is_expected;
bool (*isle__zygote_prepares)(void);

bool isle__zygote_is_expected(void)
{
    return atomic_load_explicit(&zygote_is_expected, memory_order_relaxed);
}

/* --- is this one? */

static bool order_is_sealed(void)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int seals = fcntl(ISLE__ORDER_FD, F_GET_SEALS);
    return seals >= 0 && (seals & wanted) == wanted;
}

static bool order_control_is_the_hosts(pid_t host)
{
    int type = 0;
    struct ucred peer = {0};
    socklen_t type_size = sizeof type, peer_size = sizeof peer;
    return getsockopt(ISLE__CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 &&
           type == SOCK_SEQPACKET &&
           getsockopt(ISLE__CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0 &&
           peer.pid == host;
}

/* A program with more rights than its user has takes no orders from a descriptor. */
static bool order_read(struct isle__zygote_order *order)
{
    struct stat status;
    return order_is_sealed() && getauxval(AT_SECURE) == 0 && fstat(ISLE__ORDER_FD, &status) == 0 &&
           status.st_size == (off_t)sizeof *order &&
           pread(ISLE__ORDER_FD, order, sizeof *order, 0) == (ssize_t)sizeof *order &&
           memcmp(order->magic, ISLE__ORDER_MAGIC, sizeof ISLE__ORDER_MAGIC) == 0 &&
           order->size == sizeof *order && order_control_is_the_hosts(order->host);
}

/* --- answers */

/* A host that is gone needs none. */
static void zygote_answer(const struct isle__zygote_answer *answer, int pidfd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof *answer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (pidfd >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof pidfd);
        memcpy(CMSG_DATA(head), &pidfd, sizeof pidfd);
    }
    while (sendmsg(ZYGOTE_CONTROL, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            _exit(ZYGOTE_FAILED);
}

static void zygote_refuse(uint64_t serial, const char *what, int error_number)
{
    struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_REFUSED, .serial = serial};
    char reason[64];
    (void)snprintf(answer.text, sizeof answer.text, "%s: %s", what,
                   strerror_r(error_number, reason, sizeof reason));
    zygote_answer(&answer, -1);
}

/* The zygote cannot serve: the host is told why. */
ISLE_NORETURN static void zygote_give_up(const char *text)
{
    struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_HELLO, .status = ZYGOTE_FAILED};
    (void)snprintf(answer.text, sizeof answer.text, "%s", text);
    zygote_answer(&answer, -1);
    _exit(ZYGOTE_FAILED);
}

ISLE_NORETURN static void zygote_give_up_errno(const char *what)
{
    char reason[64], text[ISLE__SANDBOX_TEXT];
    const char *said = strerror_r(errno, reason, sizeof reason);
    (void)snprintf(text, sizeof text, "%s: %s", what, said);
    zygote_give_up(text);
}

/* --- deaths */

static struct zygote_child *child_find(pid_t pid)
{
    for (uint32_t i = 0; i < zygote.used; i++)
        if (zygote.children[i].pid == pid)
            return &zygote.children[i];
    return NULL;
}

static int64_t timeval_ns(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000000 + (int64_t)time->tv_usec * 1000;
}

static void death_tell(struct zygote_child *child, const siginfo_t *info,
                       const struct rusage *usage)
{
    struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_DIED,
                                         .serial = child->serial,
                                         .code = info->si_code,
                                         .status = info->si_status,
                                         .cpu_ns = timeval_ns(&usage->ru_utime) +
                                                   timeval_ns(&usage->ru_stime),
                                         .memory_peak = (uint64_t)usage->ru_maxrss * 1024};
    child->pid = 0;
    zygote_answer(&answer, -1);
}

static void deaths_report(void)
{
    for (;;) {
        siginfo_t info = {0};
        struct rusage usage = {0};
        if (syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG, &usage) != 0 ||
            info.si_pid == 0)
            return;
        struct zygote_child *child = child_find(info.si_pid);
        if (child != NULL)
            death_tell(child, &info, &usage);
    }
}

/* --- births */

static void close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        close(fds[i]);
}

/* No filter of a zygote lets it call kill; tgkill is open to it, and this is a process of one
 * thread. The number is its own child's, which it has not reaped. */
static void child_kill(pid_t pid)
{
    (void)syscall(SYS_tgkill, pid, pid, SIGKILL);
}

static void birth_undo(pid_t pid)
{
    child_kill(pid);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static void birth_tell(const struct isle__zygote_request *request, pid_t pid)
{
    struct zygote_child *child = &zygote.children[isle__serial_slot(request->serial)];
    struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_BORN, .serial = request->serial};
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int error_number = errno;
        birth_undo(pid);
        zygote_refuse(request->serial, "pidfd_open", error_number);
        return;
    }
    *child = (struct zygote_child){pid, request->serial};
    zygote_answer(&answer, pidfd);
    close(pidfd);
}

/* The host may know of a death that this process, stopped meanwhile, has not looked at yet. */
static bool birth_has_slot(uint32_t slot)
{
    if (slot < ISLE__ZYGOTE_CHILDREN && zygote.children[slot].pid != 0)
        deaths_report();
    return slot < ISLE__ZYGOTE_CHILDREN && zygote.children[slot].pid == 0;
}

static void birth_do(const struct isle__zygote_request *request, const int *fds, uint32_t count)
{
    uint32_t slot = isle__serial_slot(request->serial);
    if (!birth_has_slot(slot)) {
        zygote_refuse(request->serial, "a slot that is taken", EINVAL);
        return;
    }
    if (slot >= zygote.used)
        zygote.used = slot + 1;
    isle__forks_go_on();
    pid_t pid = fork();
    if (pid == 0) {
        struct isle__child_start start = {
            .request = request, .fds = fds, .fd_count = count, .sandbox = &zygote.sandbox};
        isle__child_begin(&start);
    }
    if (pid < 0)
        zygote_refuse(request->serial, "fork", errno);
    else
        birth_tell(request, pid);
}

/* The kernel has put them here; there is room for no more than that. */
static uint32_t request_take_fds(struct msghdr *message, int *fds)
{
    uint32_t count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = head->cmsg_len - CMSG_LEN(0);
        memcpy(fds + count, CMSG_DATA(head), size);
        count += (uint32_t)(size / sizeof(int));
    }
    return count;
}

static bool request_is_whole(const struct isle__zygote_request *request, ssize_t size,
                             uint32_t fd_count)
{
    size_t wanted =
        request->has_code != 0 ? sizeof *request : offsetof(struct isle__zygote_request, object);
    return size >= 0 && (size_t)size == wanted && request->read_count <= ISLE__SANDBOX_PATHS &&
           request->code_count <= ISLE__SANDBOX_PATHS &&
           fd_count == (uint32_t)ISLE__FD_REST + (request->has_log != 0 ? 1U : 0U) +
                           (request->has_door != 0 ? 1U : 0U) + (request->has_copy != 0 ? 1U : 0U) +
                           request->read_count + request->code_count;
}

/* One that the host could not take. Its death is reported like any. */
static void birth_unwanted(uint64_t serial)
{
    uint32_t slot = isle__serial_slot(serial);
    if (slot < zygote.used && zygote.children[slot].pid != 0 &&
        zygote.children[slot].serial == serial)
        child_kill(zygote.children[slot].pid);
}

/* Takes one request; true: there may be more. The host has gone: the end. */
static bool request_serve(void)
{
    static struct isle__zygote_request request;
    int fds[ISLE__REQUEST_FDS];
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t size = recvmsg(ZYGOTE_CONTROL, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0)
        _exit(0);
    uint32_t count = request_take_fds(&message, fds);
    if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
        zygote_refuse(request.serial, "the descriptors of a request", EMFILE);
    else if (size == (ssize_t)sizeof request.serial)
        birth_unwanted(request.serial);
    else if (!request_is_whole(&request, size, count))
        zygote_refuse(request.serial, "a request", EINVAL);
    else
        birth_do(&request, fds, count);
    close_all(fds, count);
    return true;
}

/* --- serving */

ISLE_NORETURN static void zygote_serve(void)
{
    struct pollfd fds[2] = {{.fd = ZYGOTE_CONTROL, .events = POLLIN},
                            {.fd = ZYGOTE_SIGNALS, .events = POLLIN}};
    struct signalfd_siginfo signals[8];
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno != EINTR)
                _exit(ZYGOTE_FAILED);
            continue; /* what it says of the descriptors is what it said before */
        }
        if (fds[1].revents != 0 && read(ZYGOTE_SIGNALS, signals, sizeof signals) > 0)
            deaths_report();
        if (fds[0].revents != 0)
            while (request_serve())
                continue;
    }
}

/* --- beginning */

static void begin_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t children;
    for (int signal = 1; signal < _NSIG; signal++)
        (void)sigaction(signal, &plain, NULL); /* those of libc and the unchangeable refuse */
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &children, NULL);
}

/* What the dynamic loader was told is all that it has; nobody inside is to read even that. */
static void begin_environment(void)
{
    extern char **environ;
    for (char **at = environ; at != NULL && *at != NULL; at++)
        memset(*at, 0, strlen(*at));
    (void)clearenv();
}

/* Control to where it stays, the host's process to where the signals go afterwards. */
static void begin_descriptors(void)
{
    if (dup3(ISLE__CONTROL_FD, ZYGOTE_CONTROL, O_CLOEXEC) < 0 ||
        dup3(ISLE__HOST_FD, ZYGOTE_SIGNALS, O_CLOEXEC) < 0)
        _exit(ZYGOTE_FAILED);
    isle__fd_close_between(ISLE__HOST_FD, INT_MAX);
}

/* Threads of a sanitizer do not count: it has one in every process, and knows of forks. */
static unsigned begin_count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return 1; /* the namespaces refuse more than one */
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count - isle__threads_of_tools();
}

static void begin_alone(void)
{
    char text[ISLE__SANDBOX_TEXT];
    unsigned threads = begin_count_threads();
    if (threads <= 1)
        return;
    (void)snprintf(text, sizeof text,
                   "the program has %u threads before its main: a constructor of it or of one of "
                   "its libraries starts them; a process isolate's image must have one",
                   threads);
    zygote_give_up(text);
}

/* Where no child has one of its own. */
static void begin_place(int *fd)
{
    int former = *fd;
    if (former < 0 || former >= ZYGOTE_FIRST_FREE)
        return;
    *fd = fcntl(former, F_DUPFD_CLOEXEC, (int)ZYGOTE_FIRST_FREE);
    if (*fd < 0)
        zygote_give_up_errno("a descriptor for the zygote");
    close(former);
}

static void begin_watch_children(void)
{
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 ||
        (signals != ZYGOTE_SIGNALS && dup3(signals, ZYGOTE_SIGNALS, O_CLOEXEC) < 0) ||
        dup3(STDIN_FILENO, ZYGOTE_SPARE, O_CLOEXEC) < 0)
        zygote_give_up_errno("a descriptor for the zygote");
    if (signals >= ZYGOTE_FIRST_FREE)
        close(signals);
}

static void begin_sandbox(void)
{
    zygote.sandbox.host = ZYGOTE_SIGNALS;
    if (isle__sandbox_zygote(&zygote.sandbox) != ISLE_OK)
        zygote_give_up(zygote.sandbox.text);
    begin_place(&zygote.sandbox.landlock);
    begin_place(&zygote.sandbox.root);
    begin_watch_children();
    if (isle__zygote_prepares != NULL && !isle__zygote_prepares())
        zygote_give_up("the isolates' program does not start");
    if (isle__sandbox_zygote_filter(&zygote.sandbox) != ISLE_OK)
        zygote_give_up(zygote.sandbox.text);
}

/* The first allocation of a size makes room for many: here, not in every child. */
static void begin_memory(void)
{
    struct isle__channel *channel;
    struct isle__channel_fds fds;
    if (isle__channel_make(ISLE__CHANNEL_RING_MIN, ISLE__CHANNEL_RING_MIN, ISLE__CHANNEL_RING_MIN,
                           &channel, &fds) != ISLE_OK)
        zygote_give_up_errno("the zygote's memory and descriptors");
    isle__channel_close(channel);
    close(fds.memory_in);
    close(fds.memory_out);
    close(fds.bell_in);
    close(fds.bell_out);
}

/* Control groups are the host's to know. */
static void begin_say_missing(void)
{
    for (unsigned bit = 0; bit < ISLE__LAYERS; bit++) {
        struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_LACKS, .status = (int32_t)bit};
        if ((zygote.sandbox.reached >> bit & 1) != 0 || ISLE_LAYER_CGROUP >> bit == 1)
            continue;
        isle__sandbox_cause(&zygote.sandbox, bit, answer.text, sizeof answer.text);
        zygote_answer(&answer, -1);
    }
}

static void begin_hello(void)
{
    struct isle__zygote_answer answer = {.kind = ISLE__ANSWER_HELLO,
                                         .reached = zygote.sandbox.reached};
    memcpy(answer.text, zygote.sandbox.text, sizeof answer.text - 1);
    zygote_answer(&answer, -1);
    (void)dup3(STDIN_FILENO, STDERR_FILENO, 0); /* the host reads there no more */
}

ISLE_NORETURN static void zygote_begin(const struct isle__zygote_order *order)
{
    struct isle__code_place own;
    if (!isle__code_place((isle__code *)isle__zygote_image, &own) ||
        memcmp(&own, &order->image, sizeof own) != 0) {
        isle__report("isle: the files of the program have changed since it started");
        _exit(ZYGOTE_FAILED);
    }
    begin_descriptors();
    isle__memory_be_lean();
    begin_signals();
    begin_environment();
    (void)prctl(PR_SET_NAME, (unsigned long)(uintptr_t) "isle-zygote", 0UL, 0UL, 0UL);
    begin_alone();
    begin_memory();
    isle__image_settle();
    begin_sandbox();
    begin_say_missing();
    begin_hello();
    zygote_serve();
}

void isle__zygote_image(int argc, char **argv)
{
    struct isle__zygote_order order;
    (void)argc, (void)argv;
    if (order_read(&order))
        zygote_begin(&order);
    atomic_store_explicit(&zygote_is_expected, true, memory_order_relaxed);
}
