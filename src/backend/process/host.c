/* SPDX-License-Identifier: Apache-2.0 */
/* The host's account of its zygote and of every child: who waits to be asked for, who was asked
 * for, who is born, who has died.
 *
 * A child dies for us when the zygote reports how. Its pidfd is watched as well: if it says that
 * the process is gone and no report comes within REPORT_NS, or the zygote itself has gone, the
 * death is told without one. When the zygote goes, all of its children do: those that were born are
 * killed once more and told by their pidfds, those that were not are refused; the next
 * isle__zygote_need starts another.
 *
 * A child whose pidfd finds no place here, the program having used up its descriptors, is never
 * known to anybody: the zygote is asked to end it, and its birth is refused once it is dead.
 *
 * At most ASKED_MAX requests are on their way, so that the socket never fills and nobody waits in
 * it; the others queue here.
 *
 * Threads. Everything that the system tells arrives on the reactor's thread, and every watch is
 * closed there; births are asked for and killed from any. One lock, held for a few system calls at
 * most, never while somebody is called back. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/process/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/reactor.h"
#include "isle/io.h"

enum { ASKED_MAX = 64 };
/* A zygote that waits for a processor is slow to report; one that never does is broken. */
#define REPORT_NS ISLE_SECONDS(10)

struct isle__host isle__host = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .process = ISLE__ZYGOTE_NONE, .timer = -1, .wake = -1};
static pthread_mutex_t host_starting = PTHREAD_MUTEX_INITIALIZER; /* before the lock */

static void host_lock(void)
{
    pthread_mutex_lock(&isle__host.lock);
}

static void host_unlock(void)
{
    pthread_mutex_unlock(&isle__host.lock);
}

/* --- slots, under the lock */

static bool slot_take(struct isle__birth *birth)
{
    uint32_t slot;
    if (isle__host.free_count > 0)
        slot = isle__host.free[--isle__host.free_count];
    else if (isle__host.used < ISLE__ZYGOTE_CHILDREN)
        slot = isle__host.used++;
    else
        return false;
    birth->serial = (uint64_t)++isle__host.generations[slot] << 32 | slot;
    isle__host.births[slot] = birth;
    return true;
}

static void birth_settle(struct isle__birth *birth)
{
    isle__host.young_count -= birth->is_young;
    birth->is_young = false;
}

static void slot_give(struct isle__birth *birth)
{
    uint32_t slot = isle__serial_slot(birth->serial);
    isle__host.births[slot] = NULL;
    isle__host.free[isle__host.free_count++] = slot;
    birth->state = ISLE__BIRTH_NONE;
    birth_settle(birth);
}

static struct isle__birth *slot_find(uint64_t serial)
{
    uint32_t slot = isle__serial_slot(serial);
    struct isle__birth *birth = slot < isle__host.used ? isle__host.births[slot] : NULL;
    return birth != NULL && birth->serial == serial ? birth : NULL;
}

/* --- telling, without the lock */

static void birth_refuse(struct isle__birth *birth)
{
    isle__birth_release(birth);
    birth->told(birth, birth->context);
}

static void births_refuse(struct isle__birth *list)
{
    for (struct isle__birth *next; list != NULL; list = next) {
        next = list->next;
        birth_refuse(list);
    }
}

static void birth_die(struct isle__birth *birth)
{
    struct isle__death death = birth->death;
    death.ran_out = birth->group >= 0 && isle__cgroup_ran_out(birth->group);
    isle__birth_release(birth);
    birth->died(birth, &death, birth->context);
}

/* --- asking */

/* Under the lock. Those that can never be sent come back: they are refused. */
static struct isle__birth *queue_pump(void)
{
    struct isle__birth *refused = NULL;
    while (isle__host.runs && isle__host.first != NULL && isle__host.asked < ASKED_MAX) {
        struct isle__birth *birth = isle__host.first;
        int error_number = isle__birth_send(birth, isle__host.process.control);
        if (error_number == EPIPE || error_number == ECONNRESET ||
            (error_number != 0 && isle__host.asked > 0))
            break; /* the socket's end is news that comes; or an answer makes room */
        isle__host.first = birth->next;
        if (isle__host.first == NULL)
            isle__host.last = NULL;
        birth->next = NULL;
        if (error_number == 0) {
            birth->state = ISLE__BIRTH_ASKED;
            isle__host.asked++;
            continue;
        }
        (void)snprintf(birth->error, sizeof birth->error, "the zygote cannot be asked (error %d)",
                       error_number);
        slot_give(birth);
        birth->next = refused;
        refused = birth;
    }
    return refused;
}

static void queue_put(struct isle__birth *birth)
{
    birth->state = ISLE__BIRTH_WAITS;
    birth->next = NULL;
    if (isle__host.last != NULL)
        isle__host.last->next = birth;
    else
        isle__host.first = birth;
    isle__host.last = birth;
}

isle_err isle__birth_enter(struct isle__birth *birth)
{
    const char *why = NULL;
    struct isle__birth *refused = NULL;
    host_lock();
    if (!isle__host.runs)
        why = "the zygote has gone";
    else if (!slot_take(birth))
        why = "there are too many process isolates";
    if (why == NULL) {
        isle__host.young_count += birth->is_young;
        queue_put(birth);
        refused = queue_pump();
    }
    birth->is_young = birth->is_young && why == NULL;
    host_unlock();
    births_refuse(refused);
    if (why == NULL)
        return ISLE_OK;
    (void)snprintf(birth->error, sizeof birth->error, "%s", why);
    isle__birth_release(birth);
    return ISLE_ESPAWN;
}

/* A told on this thread, not the reactor's: a death that comes meanwhile waits for it. */
static void birth_tell_here(struct isle__birth *birth)
{
    birth->told(birth, birth->context);
    host_lock();
    birth->telling = false;
    bool has_died = birth->has_died;
    int pidfd = birth->pidfd;
    if (has_died)
        birth->pidfd = -1;
    host_unlock();
    if (!has_died)
        return;
    isle__fd_close(pidfd);
    birth_die(birth);
}

static bool birth_is_plain(const struct isle__birth *birth, const struct isle__birth_code *code,
                           uint32_t read_path_count)
{
    return code == NULL && read_path_count == 0 && !birth->wants_log;
}

/* Under the lock. */
static uint32_t host_reached(void)
{
    uint32_t groups = isle__host.groups != NULL ? (uint32_t)ISLE_LAYER_CGROUP : 0;
    return isle__host.runs ? isle__host.process.reached | groups : 0;
}

/* Under the lock: "landlock (landlock_create_ruleset: Function not implemented), mntns (…)". */
static void host_say_missing(char *text, size_t size, uint32_t missing)
{
    size_t used = (size_t)snprintf(text, size, "this system lacks a required layer: ");
    for (const char *comma = ""; missing != 0 && used < size; comma = ", ") {
        unsigned bit = (unsigned)__builtin_ctz(missing);
        const char *why = bit < ISLE__LAYERS ? isle__host.process.lacks[bit] : "no such layer";
        if (UINT32_C(1) << bit == ISLE_LAYER_CGROUP)
            why = "no group was delegated";
        missing &= missing - 1;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s%s", comma,
                                 isle__sandbox_layer_name(UINT32_C(1) << bit),
                                 *why != '\0' ? " (" : "", why, *why != '\0' ? ")" : "");
    }
}

static bool birth_is_allowed(struct isle__birth *birth)
{
    host_lock();
    bool runs = isle__host.runs;
    uint32_t missing = isle__sandbox_missing(&birth->policy, host_reached());
    if (missing != 0)
        host_say_missing(birth->error, sizeof birth->error, missing);
    host_unlock();
    if (!runs)
        (void)snprintf(birth->error, sizeof birth->error, "the zygote has gone");
    return runs && missing == 0;
}

isle_err isle__birth_ask(struct isle__birth *birth, const struct isle__birth_code *code,
                         const int *read_paths, uint32_t read_path_count)
{
    birth->courier = birth->log = birth->pidfd = birth->group = -1;
    if (!birth_is_allowed(birth))
        return ISLE_ESPAWN;
    bool plain = birth_is_plain(birth, code, read_path_count);
    if (plain && isle__warm_take(birth)) {
        birth_tell_here(birth);
        return ISLE_OK;
    }
    isle_err err = isle__birth_prepare(birth, code, read_paths, read_path_count);
    birth->is_young = err == ISLE_OK;
    if (err == ISLE_OK)
        err = isle__birth_enter(birth);
    if (err == ISLE_OK && plain)
        isle__warm_missed(birth);
    return err;
}

void isle__birth_settled(struct isle__birth *birth)
{
    host_lock();
    birth_settle(birth);
    isle__warm_look_locked();
    host_unlock();
}

/* --- killing */

void isle__birth_kill_locked(struct isle__birth *birth)
{
    birth->killed = true;
    if (birth->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, birth->pidfd, SIGKILL, NULL, 0);
}

void isle__birth_kill(struct isle__birth *birth)
{
    host_lock();
    isle__birth_kill_locked(birth);
    host_unlock();
}

/* --- deaths, on the reactor's thread */

/* Under the lock, which it gives back: the birth leaves the account. While it is telling it keeps
 * its pidfd, which says that it was born; whoever tells goes on with it, and it may be gone at
 * once.
 */
static void birth_over(struct isle__birth *birth)
{
    int pidfd = birth->pidfd;
    isle__reactor_unwatch(birth->watch);
    birth->watch = 0;
    if (birth->is_young) /* one that dies in the pool is not replaced: the next one may die too */
        isle__warm_look_locked();
    slot_give(birth);
    birth->has_died = true;
    bool telling = birth->telling;
    if (!telling)
        birth->pidfd = -1;
    host_unlock();
    if (telling)
        return;
    isle__fd_close(pidfd);
    birth_die(birth);
}

/* For the first that waits: those that follow do not put it off. */
static void timer_arm(int64_t wait_ns)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = wait_ns / ISLE_SECONDS(1), .tv_nsec = wait_ns % ISLE_SECONDS(1)}};
    if (isle__host.timer_is_set)
        return;
    isle__host.timer_is_set = true;
    (void)timerfd_settime(isle__host.timer, 0, &when, NULL);
}

/* Those whose report has not come in time. */
static void timer_fire(void *unused, unsigned events)
{
    int64_t now = isle__clock_now(), wait = REPORT_NS;
    bool again = false;
    uint64_t count;
    (void)unused, (void)events;
    (void)!read(isle__host.timer, &count, sizeof count);
    isle__host.timer_is_set = false;
    for (uint32_t slot = 0;; slot++) {
        host_lock();
        if (slot >= isle__host.used) {
            host_unlock();
            break;
        }
        struct isle__birth *birth = isle__host.births[slot];
        bool waits = birth != NULL && birth->gone_at != 0;
        if (waits && now - birth->gone_at >= REPORT_NS) {
            birth->death.is_late = true;
            birth_over(birth);
        } else {
            if (waits && birth->gone_at + REPORT_NS - now < wait)
                wait = birth->gone_at + REPORT_NS - now;
            again |= waits;
            host_unlock();
        }
    }
    if (again)
        timer_arm(wait);
}

/* The context is the slot: its birth may have another body by now (isle__warm_take). */
static void pidfd_fire(void *context, unsigned events)
{
    (void)events;
    host_lock();
    struct isle__birth *birth = isle__host.births[(uintptr_t)context];
    if (birth == NULL) {
        host_unlock();
    } else if (birth->state == ISLE__BIRTH_LOST) {
        birth_over(birth);
    } else {
        birth->gone_at = isle__clock_now();
        timer_arm(REPORT_NS);
        host_unlock();
    }
}

static void answer_died(const struct isle__zygote_answer *answer)
{
    host_lock();
    struct isle__birth *birth = slot_find(answer->serial);
    if (birth == NULL) {
        host_unlock();
        return;
    }
    if (birth->state != ISLE__BIRTH_BORN) { /* answer_unheld; the error has its text */
        slot_give(birth);
        host_unlock();
        birth_refuse(birth);
        return;
    }
    birth->death = (struct isle__death){.is_known = true,
                                        .code = answer->code,
                                        .status = answer->status,
                                        .cpu_ns = answer->cpu_ns,
                                        .memory_peak = (size_t)answer->memory_peak};
    birth_over(birth);
}

/* --- births */

static void birth_watch(struct isle__birth *birth)
{
    struct isle__watch_request request = {.fd = birth->pidfd,
                                          .events = ISLE_READABLE,
                                          .call = pidfd_fire,
                                          .context =
                                              (void *)(uintptr_t)isle__serial_slot(birth->serial)};
    if (isle__reactor_watch(&request, &birth->watch) != ISLE_OK)
        birth->watch = 0; /* then the report alone tells */
}

static void answer_born(const struct isle__zygote_answer *answer, int pidfd)
{
    host_lock();
    struct isle__birth *birth = slot_find(answer->serial);
    isle__host.asked--;
    struct isle__birth *refused = queue_pump();
    if (birth != NULL && pidfd >= 0) {
        birth->pidfd = pidfd;
        birth->state = ISLE__BIRTH_BORN;
        birth->is_prompt =
            isle__host.asked == 0 && isle__host.young_count <= 1 && isle__warm_is_full();
        birth_watch(birth);
        if (birth->killed)
            isle__birth_kill_locked(birth);
    }
    host_unlock();
    births_refuse(refused);
    if (birth != NULL && pidfd >= 0)
        birth->told(birth, birth->context);
    else
        isle__fd_close(pidfd);
}

/* Its pidfd found no place in this process, and only the zygote can name it without one. False: the
 * zygote cannot be told. */
static bool answer_unheld(const struct isle__zygote_answer *answer)
{
    host_lock();
    struct isle__birth *birth = slot_find(answer->serial);
    isle__host.asked--;
    struct isle__birth *refused = queue_pump();
    if (birth != NULL) /* it stays asked for until its death is told: its slot is taken there */
        (void)snprintf(birth->error, sizeof birth->error, "the program is out of descriptors");
    ssize_t sent;
    do
        sent = send(isle__host.process.control, &answer->serial, sizeof answer->serial,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    host_unlock();
    births_refuse(refused);
    return sent == (ssize_t)sizeof answer->serial;
}

static void answer_refused(const struct isle__zygote_answer *answer)
{
    host_lock();
    struct isle__birth *birth = slot_find(answer->serial);
    isle__host.asked--;
    struct isle__birth *refused = queue_pump();
    if (birth != NULL) {
        memcpy(birth->error, answer->text, sizeof birth->error - 1);
        slot_give(birth);
    }
    host_unlock();
    births_refuse(refused);
    if (birth != NULL)
        birth_refuse(birth);
}

/* --- the control socket */

/* 1: an answer; 0: nothing there; -1: its end. `ret_unheld`: its descriptor found no place. */
static int answer_take(int control, struct isle__zygote_answer *answer, int *ret_fd,
                       bool *ret_unheld)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary;
    struct iovec part = {.iov_base = answer, .iov_len = sizeof *answer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    ssize_t size;
    *ret_fd = -1;
    do
        size = recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return 0;
    struct cmsghdr *head = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(head), sizeof *ret_fd);
    *ret_unheld = size > 0 && *ret_fd < 0 && (message.msg_flags & MSG_CTRUNC) != 0;
    return size == (ssize_t)sizeof *answer ? 1 : -1;
}

/* False: the zygote is of no use any more. */
static bool answer_handle(const struct isle__zygote_answer *answer, int fd, bool unheld)
{
    switch (answer->kind) {
    case ISLE__ANSWER_BORN:
        if (unheld)
            return answer_unheld(answer);
        answer_born(answer, fd);
        break;
    case ISLE__ANSWER_REFUSED:
        answer_refused(answer);
        break;
    case ISLE__ANSWER_DIED:
        answer_died(answer);
        break;
    default:
        isle__fd_close(fd);
        break;
    }
    return true;
}

static void host_close_watch(uint64_t *watch, int *fd)
{
    if (*watch != 0)
        isle__reactor_unwatch(*watch);
    *watch = 0;
    isle__fd_close(*fd);
    *fd = -1;
}

/* Under the lock: what will never be born, as a list. The born ones will be told by their pidfds.
 */
static struct isle__birth *births_orphan(void)
{
    struct isle__birth *refused = NULL;
    for (uint32_t slot = 0; slot < isle__host.used; slot++) {
        struct isle__birth *birth = isle__host.births[slot];
        if (birth == NULL || birth->state == ISLE__BIRTH_LOST)
            continue;
        if (birth->state == ISLE__BIRTH_BORN) {
            birth->state = ISLE__BIRTH_LOST;
            isle__birth_kill_locked(birth);
            continue;
        }
        slot_give(birth);
        birth->next = refused;
        refused = birth;
    }
    isle__host.first = isle__host.last = NULL;
    isle__host.asked = 0;
    return refused;
}

/* Those whose pidfd has spoken already, or whose pidfd nobody watches. */
static void orphans_bury(void)
{
    for (uint32_t slot = 0; slot < ISLE__ZYGOTE_CHILDREN; slot++) {
        host_lock();
        struct isle__birth *birth = slot < isle__host.used ? isle__host.births[slot] : NULL;
        if (birth != NULL && birth->state == ISLE__BIRTH_LOST &&
            (birth->gone_at != 0 || birth->watch == 0))
            birth_over(birth);
        else
            host_unlock();
    }
}

/* On the reactor's thread: there is no zygote any more. Its births leave the account under the same
 * lock, before the next one can be started and asked. */
static void zygote_gone(void)
{
    host_lock();
    isle__host.runs = false;
    struct isle__zygote_process process = isle__host.process;
    isle__host.process = isle__zygote_none;
    uint64_t watch = isle__host.control_watch, nanny_watch = isle__host.nanny_watch;
    isle__host.control_watch = isle__host.nanny_watch = 0;
    isle__warm_forget();
    struct isle__birth *refused = births_orphan();
    host_unlock();
    isle__reactor_unwatch(watch);
    isle__reactor_unwatch(nanny_watch);
    isle__zygote_leaves(&process, refused);
}

void isle__host_bury(struct isle__birth *refused, const char *end)
{
    for (struct isle__birth *at = refused; at != NULL; at = at->next)
        (void)snprintf(at->error, sizeof at->error, "the zygote has gone (%s)", end);
    births_refuse(refused);
    orphans_bury();
}

/* -1: there is no zygote. Only the reactor's thread closes it, so here it stays what it is. */
static int host_control(void)
{
    host_lock();
    int control = isle__host.runs ? isle__host.process.control : -1;
    host_unlock();
    return control;
}

static void control_fire(void *unused, unsigned events)
{
    struct isle__zygote_answer answer;
    int control, fd, got;
    bool unheld;
    (void)unused, (void)events;
    while ((control = host_control()) >= 0 &&
           (got = answer_take(control, &answer, &fd, &unheld)) != 0) {
        if (got < 0)
            isle__fd_close(fd);
        if (got < 0 || !answer_handle(&answer, fd, unheld)) {
            zygote_gone();
            return;
        }
    }
}

/* Of the zygote that there is now, which may be another than the one that control_fire has ended.
 */
static bool nanny_is_over(void)
{
    host_lock();
    struct pollfd ended = {.fd = isle__host.runs ? isle__host.process.nanny : -1, .events = POLLIN};
    bool is_over = ended.fd >= 0 && poll(&ended, 1, 0) > 0;
    host_unlock();
    return is_over;
}

/* The process between has ended: with its zygote, whose last answers come first, or before it. */
static void nanny_fire(void *unused, unsigned events)
{
    control_fire(unused, events);
    if (nanny_is_over())
        zygote_gone();
}

/* --- start and stop */

static bool host_watch(int fd, void (*call)(void *, unsigned), uint64_t *ret_watch)
{
    struct isle__watch_request request = {.fd = fd, .events = ISLE_READABLE, .call = call};
    return fd >= 0 && isle__reactor_watch(&request, ret_watch) == ISLE_OK;
}

static void host_close(void)
{
    isle__cgroups_close(isle__host.groups);
    isle__host.groups = NULL;
    host_close_watch(&isle__host.timer_watch, &isle__host.timer);
    host_close_watch(&isle__host.wake_watch, &isle__host.wake);
}

/* Under host_starting. */
static bool host_open(void)
{
    if (isle__host.timer >= 0)
        return true;
    isle__host.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    isle__host.timer_is_set = false;
    isle__host.wake = isle__notifier_open();
    if (isle__cgroups_open(&isle__host.groups) != ISLE_OK)
        isle__host.groups = NULL;
    if (host_watch(isle__host.timer, timer_fire, &isle__host.timer_watch) &&
        host_watch(isle__host.wake, isle__warm_fill, &isle__host.wake_watch))
        return true;
    host_close();
    return false;
}

/* Under the lock. Without a nanny the zygote is this process's own child. */
static bool zygote_watch(void)
{
    const struct isle__zygote_process *process = &isle__host.process;
    if (!host_watch(process->control, control_fire, &isle__host.control_watch))
        return false;
    if (process->nanny < 0 || host_watch(process->nanny, nanny_fire, &isle__host.nanny_watch))
        return true;
    isle__reactor_unwatch(isle__host.control_watch);
    isle__host.control_watch = 0;
    return false;
}

static isle_err zygote_start(char *text, size_t text_size)
{
    struct isle__zygote_process process;
    isle_err err = isle__zygote_launch(&process, text, text_size);
    if (err != ISLE_OK)
        return err;
    host_lock();
    isle__host.process = process;
    isle__host.runs = true;
    bool watched = zygote_watch();
    if (!watched) {
        isle__host.runs = false;
        isle__host.process = isle__zygote_none;
    }
    host_unlock();
    if (watched)
        return ISLE_OK;
    isle__zygote_reap(&process, ISLE__ZYGOTE_GRACE_MS, text, text_size);
    (void)snprintf(text, text_size, "the zygote cannot be watched");
    return ISLE_ESPAWN;
}

static bool zygote_runs(void)
{
    host_lock();
    bool runs = isle__host.runs;
    host_unlock();
    return runs;
}

isle_err isle__zygote_need(char *text, size_t text_size)
{
    if (!isle__zygote_is_expected()) {
        (void)snprintf(text, text_size,
                       "this program has not called isle_child_main: its main must, first thing");
        return ISLE_ESPAWN;
    }
    if (zygote_runs())
        return ISLE_OK;
    isle_err err = ISLE_OK;
    pthread_mutex_lock(&host_starting);
    if (!zygote_runs()) {
        if (host_open()) {
            err = zygote_start(text, text_size);
        } else {
            (void)snprintf(text, text_size, "the system refuses a timer or its watch");
            err = ISLE_ESPAWN;
        }
    }
    pthread_mutex_unlock(&host_starting);
    return err;
}

uint32_t isle__zygote_reached(void)
{
    host_lock();
    uint32_t reached = host_reached();
    host_unlock();
    return reached;
}

/* Of what is born and will never be reported: their pidfds have spoken, or do now. */
static void stop_wait_for_orphans(void)
{
    for (uint32_t slot = 0; slot < ISLE__ZYGOTE_CHILDREN; slot++) {
        host_lock();
        struct isle__birth *birth = slot < isle__host.used ? isle__host.births[slot] : NULL;
        if (birth == NULL) {
            host_unlock();
            continue;
        }
        struct pollfd gone = {.fd = birth->pidfd, .events = POLLIN};
        host_unlock();
        while (poll(&gone, 1, -1) < 0 && errno == EINTR)
            continue;
        host_lock();
        birth_over(birth);
    }
}

static void stop_here(void *unused)
{
    (void)unused;
    if (host_control() >= 0)
        zygote_gone();
    isle__zygotes_await();
    stop_wait_for_orphans();
    host_close();
}

void isle__births_count(isle_stats *stats)
{
    host_lock();
    stats->processes = isle__host.used - isle__host.free_count;
    host_unlock();
    stats->processes_warm = isle__warm_count();
}

bool isle__births_are_awaited(void)
{
    bool is_awaited = false;
    host_lock();
    for (uint32_t slot = 0; slot < isle__host.used && !is_awaited; slot++)
        is_awaited = isle__host.births[slot] != NULL && isle__host.births[slot]->killed;
    host_unlock();
    return is_awaited;
}

void isle__zygote_stop(void)
{
    pthread_mutex_lock(&host_starting);
    if (isle__host.timer >= 0) /* something was begun */
        (void)!isle__reactor_run(stop_here, NULL);
    pthread_mutex_unlock(&host_starting);
}
