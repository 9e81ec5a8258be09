/* SPDX-License-Identifier: Apache-2.0 */
/* What one birth is made of on the host's side: a channel, a courier, perhaps a log, and the
 * request with its descriptors. And the two things that a child says of itself: its hello, and
 * which call ended it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/process/host.h"

#include "channel/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct isle__parcel_out {
    struct isle__zygote_request request;
    int fds[ISLE__REQUEST_FDS];
    uint32_t count; /* of fds; all are the parcel's */
};

static isle_err birth_fail(struct isle__birth *birth, isle_err err, const char *what)
{
    char reason[64];
    (void)snprintf(birth->error, sizeof birth->error, "%s: %s", what,
                   strerror_r(errno, reason, sizeof reason));
    return err;
}

static void parcel_add(struct isle__parcel_out *parcel, int fd)
{
    parcel->fds[parcel->count++] = fd;
}

static void parcel_free(struct isle__birth *birth)
{
    struct isle__parcel_out *parcel = birth->parcel;
    if (parcel == NULL)
        return;
    for (uint32_t i = 0; i < parcel->count; i++)
        isle__fd_close(parcel->fds[i]);
    isle__memory_free(parcel, sizeof *parcel);
    birth->parcel = NULL;
}

void isle__birth_release(struct isle__birth *birth)
{
    parcel_free(birth);
    isle__channel_close(birth->channel);
    isle__fd_close(birth->courier);
    isle__fd_close(birth->log);
    if (birth->group >= 0)
        isle__cgroup_remove(isle__host.groups, birth->group);
    birth->channel = NULL;
    birth->courier = birth->log = birth->group = -1;
}

/* --- preparing */

static isle_err prepare_channel(struct isle__birth *birth)
{
    struct isle__zygote_request *request = &birth->parcel->request;
    struct isle__channel_fds fds;
    size_t out = birth->ring_out != 0 ? birth->ring_out : ISLE__BIRTH_RING;
    size_t in = birth->ring_in != 0 ? birth->ring_in : ISLE__BIRTH_RING;
    size_t record_max = birth->record_max != 0 ? birth->record_max : ISLE__BIRTH_RECORD_MAX;
    isle_err err = isle__channel_make(out, in, record_max, &birth->channel, &fds);
    if (err != ISLE_OK)
        return birth_fail(birth, err, "a channel");
    request->out_size = in;
    request->in_size = out;
    parcel_add(birth->parcel, fds.memory_in);
    parcel_add(birth->parcel, fds.memory_out);
    parcel_add(birth->parcel, fds.bell_in);
    parcel_add(birth->parcel, fds.bell_out);
    return ISLE_OK;
}

static isle_err prepare_ends(struct isle__birth *birth)
{
    int ends[2];
    if (isle__courier_make(ends) != ISLE_OK)
        return birth_fail(birth, ISLE_ESYSTEM, "a courier");
    birth->courier = ends[0];
    parcel_add(birth->parcel, ends[1]);
    if (!birth->wants_log)
        return ISLE_OK;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return birth_fail(birth, ISLE_ESYSTEM, "a log");
    birth->log = ends[0];
    parcel_add(birth->parcel, ends[1]);
    birth->parcel->request.has_log = 1;
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? ISLE_OK
                                                    : birth_fail(birth, ISLE_ESYSTEM, "a log");
}

/* What a limit of the process alone does not count: kernel memory, what it shares, its threads
 * among those of others. Only where something of that is limited: a group has its price. */
static isle_err prepare_group(struct isle__birth *birth)
{
    const struct isle__policy *policy = &birth->policy;
    bool limited = policy->memory_max != 0 || policy->threads_max != 0;
    if (isle__host.groups == NULL ||
        (!limited && (policy->required & (uint32_t)ISLE_LAYER_CGROUP) == 0))
        return ISLE_OK;
    isle_err err =
        isle__cgroup_make(isle__host.groups, policy->memory_max,
                          policy->threads_max == 0 ? 0 : policy->threads_max + 1, &birth->group);
    int door = err == ISLE_OK ? isle__cgroup_door(birth->group) : -1;
    if (door < 0)
        return birth_fail(birth, err == ISLE_OK ? ISLE_ESYSTEM : err, "a control group");
    parcel_add(birth->parcel, door);
    birth->parcel->request.has_door = 1;
    return ISLE_OK;
}

static isle_err prepare_reads(struct isle__birth *birth, const int *paths, uint32_t count)
{
    if (count > ISLE__SANDBOX_PATHS) {
        errno = E2BIG;
        return birth_fail(birth, ISLE_ERANGE, "paths to read");
    }
    for (uint32_t i = 0; i < count; i++) {
        int fd = isle__fd_duplicate(paths[i]);
        if (fd < 0)
            return birth_fail(birth, ISLE_ESYSTEM, "a path to read");
        parcel_add(birth->parcel, fd);
    }
    birth->parcel->request.read_count = count;
    if (count > 0)
        birth->parcel->request.policy.reads = 1;
    return ISLE_OK;
}

/* A folder that is not there has nothing to read. */
static isle_err code_folder(struct isle__birth *birth, const char *path, bool must_be)
{
    struct isle__zygote_request *request = &birth->parcel->request;
    if (request->code_count == ISLE__SANDBOX_PATHS) {
        errno = E2BIG;
        return birth_fail(birth, ISLE_ERANGE, "folders of code");
    }
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return must_be || errno != ENOENT ? birth_fail(birth, ISLE_ESPAWN, path) : ISLE_OK;
    parcel_add(birth->parcel, fd);
    request->code_count++;
    return ISLE_OK;
}

/* A host that is root has children that are nobody: can those get at it by its path? What a rule
 * finer than modes forbids is not seen; then the dynamic loader says so. */
static bool code_is_open_to_all(const char *object)
{
    char path[ISLE__REQUEST_NAME];
    struct stat status;
    if (geteuid() != 0)
        return true;
    if (strlen(object) >= sizeof path || stat(object, &status) != 0 ||
        (status.st_mode & S_IROTH) == 0)
        return false;
    strcpy(path, object);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && slash != path;) {
        *slash = '\0';
        if (stat(path, &status) != 0 || (status.st_mode & S_IXOTH) == 0)
            return false;
    }
    return true;
}

/* Read-only like the file; -1. */
static int code_copy(const char *object)
{
    struct stat status;
    int from = open(object, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int to = from < 0 ? -1 : memfd_create("isle-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool good = to >= 0 && fstat(from, &status) == 0 && S_ISREG(status.st_mode);
    ssize_t sent = 1;
    while (good && sent != 0) {
        sent = sendfile(to, from, NULL, 1 << 30);
        good = sent >= 0 || errno == EINTR;
    }
    good = good &&
           fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
    isle__fd_close(from);
    if (good)
        return to;
    isle__fd_close(to);
    return -1;
}

/* Before the paths: the order of the descriptors is the request's. */
static isle_err prepare_copy(struct isle__birth *birth, const struct isle__birth_code *code)
{
    if (code_is_open_to_all(code->object))
        return ISLE_OK;
    int copy = code_copy(code->object);
    if (copy < 0)
        return birth_fail(birth, ISLE_ESPAWN, code->object);
    parcel_add(birth->parcel, copy);
    birth->parcel->request.has_copy = 1;
    return ISLE_OK;
}

static isle_err prepare_code(struct isle__birth *birth, const struct isle__birth_code *code)
{
    static const char *const system[] = {"/lib",           "/lib64",     "/usr/lib",
                                         "/usr/local/lib", "/usr/lib64", "/etc/ld.so.cache"};
    struct isle__zygote_request *request = &birth->parcel->request;
    isle_err err = code_folder(birth, code->object, true);
    if (strlen(code->object) >= sizeof request->object ||
        strlen(code->entry) >= sizeof request->entry) {
        errno = ENAMETOOLONG;
        return birth_fail(birth, ISLE_ERANGE, "the object or its entry");
    }
    request->has_code = 1;
    strcpy(request->object, code->object);
    strcpy(request->entry, code->entry);
    for (const char *const *at = code->folders; err == ISLE_OK && at != NULL && *at != NULL; at++)
        err = code_folder(birth, *at, true);
    for (size_t i = 0; err == ISLE_OK && i < sizeof system / sizeof system[0]; i++)
        err = code_folder(birth, system[i], false);
    return err;
}

isle_err isle__birth_prepare(struct isle__birth *birth, const struct isle__birth_code *code,
                             const int *read_paths, uint32_t read_path_count)
{
    birth->parcel = isle__memory_alloc(sizeof *birth->parcel);
    if (birth->parcel == NULL) {
        errno = ENOMEM;
        return birth_fail(birth, ISLE_ENOMEM, "a request");
    }
    memset(birth->parcel, 0, sizeof *birth->parcel);
    birth->parcel->request.policy = birth->policy;
    isle_err err = prepare_channel(birth);
    if (err == ISLE_OK)
        err = prepare_ends(birth);
    if (err == ISLE_OK)
        err = prepare_group(birth);
    if (err == ISLE_OK && code != NULL)
        err = prepare_copy(birth, code);
    if (err == ISLE_OK)
        err = prepare_reads(birth, read_paths, read_path_count);
    if (err == ISLE_OK && code != NULL)
        err = prepare_code(birth, code);
    if (err != ISLE_OK)
        isle__birth_release(birth);
    return err;
}

/* --- asking */

int isle__birth_send(struct isle__birth *birth, int control)
{
    struct isle__parcel_out *parcel = birth->parcel;
    union {
        char bytes[CMSG_SPACE(sizeof parcel->fds)];
        struct cmsghdr align;
    } ancillary;
    size_t size = parcel->count * sizeof parcel->fds[0];
    parcel->request.serial = birth->serial;
    struct iovec part = {.iov_base = &parcel->request,
                         .iov_len = parcel->request.has_code != 0
                                        ? sizeof parcel->request
                                        : offsetof(struct isle__zygote_request, object)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = CMSG_SPACE(size)};
    memset(&ancillary, 0, sizeof ancillary);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(head), parcel->fds, size);
    ssize_t sent;
    do
        sent = sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno;
    parcel_free(birth);
    return 0;
}

/* --- what it says of itself */

enum isle__channel_state isle__birth_greet(struct isle__birth *birth, struct isle__channel *channel)
{
    struct isle__child_hello hello;
    size_t size;
    enum isle__channel_state state = isle__channel_next(channel, &size);
    if (state != ISLE__CHANNEL_OK)
        return state;
    if (size != sizeof hello)
        return ISLE__CHANNEL_BROKEN;
    isle__channel_take(channel, &hello, sizeof hello, NULL);
    isle__channel_taken(channel);
    if (hello.magic != ISLE__HELLO_MAGIC)
        return ISLE__CHANNEL_BROKEN;
    birth->reached = hello.reached;
    if (hello.failed == 0)
        return ISLE__CHANNEL_OK;
    hello.text[sizeof hello.text - 1] = '\0';
    if (hello.failed != 1 || hello.text[0] == '\0')
        return ISLE__CHANNEL_BROKEN;
    (void)snprintf(birth->error, sizeof birth->error, "%s", hello.text);
    return ISLE__CHANNEL_FULL;
}

int isle__death_call(const struct isle__death *death, const struct isle__channel *channel)
{
    bool by_call = death->is_known && death->code != CLD_EXITED && death->status == SIGSYS;
    uint32_t mark = by_call ? isle__channel_marked(channel) : 0;
    return mark == 0 || mark > 4096 ? -1 : (int)mark - 1;
}
