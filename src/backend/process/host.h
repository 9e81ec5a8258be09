/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the host's side share: the account of all births (host.c), what one of them is
 * made of (birth.c), those that are born ahead (warm.c), zygotes that have gone (leaving.c).
 *
 * Law: isle__host.lock guards all members here and the last group of every isle__birth. Nobody is
 * called back under it. */
#ifndef ISLE_BACKEND_HOST_H
#define ISLE_BACKEND_HOST_H

#include <pthread.h>

#include "backend/process/request.h"

struct isle__host {
    pthread_mutex_t lock;
    bool runs;                    /* a zygote serves */
    struct isle__cgroups *groups; /* NULL: there are none; stays while the program runs */
    struct isle__zygote_process process;
    /* Of the reactor; 0: none. */
    uint64_t control_watch, nanny_watch, timer_watch, wake_watch;
    int timer;                                         /* for reports that do not come; -1 */
    bool timer_is_set;                                 /* on the reactor's thread */
    int wake;                                          /* raised when the pool wants more; -1 */
    struct isle__birth *births[ISLE__ZYGOTE_CHILDREN]; /* by slot */
    uint32_t generations[ISLE__ZYGOTE_CHILDREN];       /* the upper part of a serial */
    uint32_t free[ISLE__ZYGOTE_CHILDREN];              /* slots below `used` that are free */
    uint32_t free_count, used;
    uint32_t asked;                   /* births that the zygote owes an answer */
    uint32_t young_count;             /* births for somebody that are not over yet */
    struct isle__birth *first, *last; /* of those that wait to be asked */
};
extern struct isle__host isle__host;

/* --- birth.c */

/* Makes channel, courier, log, control group and what is to be sent. On an error nothing is left,
 * birth->error has a text. */
ISLE_MUST_CHECK isle_err isle__birth_prepare(struct isle__birth *birth,
                                             const struct isle__birth_code *code,
                                             const int *read_paths, uint32_t read_path_count);
/* Sends the request, whose descriptors are then no longer the host's; 0 or an errno. */
int isle__birth_send(struct isle__birth *birth, int control);
void isle__birth_release(struct isle__birth *birth); /* all that has not been taken */

/* --- host.c */

/* Puts a prepared birth into the account and asks as soon as the zygote may be asked. */
ISLE_MUST_CHECK isle_err isle__birth_enter(struct isle__birth *birth);
void isle__birth_kill_locked(struct isle__birth *birth); /* isle__birth_kill, under the lock */

/* A zygote has ended like this: tells those that it did not bear, and those that it did whose death
 * nobody else tells. On the reactor's thread. */
void isle__host_bury(struct isle__birth *refused, const char *end);

/* --- leaving.c, on the reactor's thread */

/* It is to end, or has; isle__host_bury follows, perhaps from within, once it has. */
void isle__zygote_leaves(struct isle__zygote_process *process, struct isle__birth *refused);
void isle__zygotes_await(void); /* of all: waits until they have */

/* --- warm.c */

/* A child that waits becomes this birth's: true; it is to be told. */
bool isle__warm_take(struct isle__birth *birth);
/* Somebody asked for one like this and there was none. */
void isle__warm_missed(const struct isle__birth *birth);
bool isle__warm_is_full(void); /* under the lock: it has all that is wanted, if only none */
/* Asks for isle__warm_fill if there is room and it is not on its way; under the lock. */
void isle__warm_look_locked(void);
void isle__warm_fill(void *unused, unsigned events); /* on the reactor's thread */
void isle__warm_forget(void);    /* under the lock: there is no zygote any more */
uint32_t isle__warm_count(void); /* that wait */

#endif
