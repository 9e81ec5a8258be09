/* SPDX-License-Identifier: Apache-2.0 */
/* Flows: stacks with a header at their top, a small cache of them per worker, and the two switches
 * (sched.h says how they are used).
 *
 * Law: the stack that a switch leaves for good is given back only after the switch, by whoever
 * arrives (isle__flow_arrived): until then it is stood upon. */
#include <string.h>

#include "sched/worker.h"

enum { FLOW_CACHE_MAX = 8 };

struct isle__flow *isle__flow_current(void)
{
    return isle__worker_current()->flow;
}

isle_err isle__flow_make_own(struct isle__flow **ret_flow)
{
    struct isle__flow *flow = isle__memory_alloc(sizeof *flow);
    if (flow == NULL)
        return ISLE_ENOMEM;
    memset(flow, 0, sizeof *flow);
    isle__context_init_thread(&flow->context);
    *ret_flow = flow;
    return ISLE_OK;
}

void isle__flow_free_own(struct isle__flow *flow)
{
    isle__memory_free(flow, sizeof *flow);
}

/* The header lies at the top of the stack, so that a flow costs one allocation. */
static struct isle__flow *flow_on(struct isle__stack stack, struct isle__stack *ret_usable)
{
    size_t room = (sizeof(struct isle__flow) + 63) & ~(size_t)63;
    struct isle__flow *flow = (void *)((char *)stack.low + stack.size - room);
    ret_usable->low = stack.low;
    ret_usable->size = stack.size - room;
    return flow;
}

isle_err isle__flow_take(struct isle__worker *worker, struct isle__flow **ret_flow)
{
    struct isle__flow *flow = worker->cache;
    struct isle__stack usable;
    if (flow != NULL) {
        worker->cache = flow->next;
        worker->cache_count--;
        flow_on(flow->stack, &usable);
    } else {
        struct isle__stack stack;
        isle_err err = isle__stack_alloc(isle__sched.stack_size, &stack);
        if (err != ISLE_OK)
            return err;
        flow = flow_on(stack, &usable);
        memset(flow, 0, sizeof *flow);
        flow->stack = stack;
    }
    flow->next = NULL;
    isle__context_init(&flow->context, usable, isle__worker_loop, NULL);
    *ret_flow = flow;
    return ISLE_OK;
}

void isle__flow_give(struct isle__worker *worker, struct isle__flow *flow)
{
    isle__context_fini(&flow->context);
    if (worker != NULL && worker->cache_count < FLOW_CACHE_MAX) {
        flow->next = worker->cache;
        worker->cache = flow;
        worker->cache_count++;
    } else {
        isle__stack_free(flow->stack);
    }
}

void isle__flow_cache_drain(struct isle__worker *worker)
{
    while (worker->cache != NULL) {
        struct isle__flow *flow = worker->cache;
        worker->cache = flow->next;
        isle__stack_free(flow->stack);
    }
    worker->cache_count = 0;
    if (worker->spare != NULL) {
        isle__context_fini(&worker->spare->context);
        isle__stack_free(worker->spare->stack);
        worker->spare = NULL;
    }
}

void isle__flow_arrived(struct isle__worker *worker)
{
    struct isle__flow *retired = worker->retired;
    worker->retired = NULL;
    if (retired != NULL)
        isle__flow_give(worker, retired);
}

isle_err isle__flow_reserve(void)
{
    struct isle__worker *worker = isle__worker_current();
    if (!isle__platform_has(ISLE__HAS_STACKS))
        return ISLE_ENOSUSPEND;
    if (worker->spare != NULL)
        return ISLE_OK;
    return isle__flow_take(worker, &worker->spare);
}

void isle__flow_forked(void)
{
    struct isle__worker *worker = isle__worker_current();
    if (worker->spare != NULL)
        isle__context_forked(&worker->spare->context);
}

void isle__flow_suspend(void)
{
    struct isle__worker *worker = isle__worker_current();
    struct isle__flow *self = worker->flow;
    struct isle__flow *fresh = worker->spare;
    worker->spare = NULL;
    worker->flow = fresh;
    isle__context_switch(&self->context, &fresh->context);
    isle__flow_arrived(isle__worker_current());
}

void isle__flow_resume(struct isle__flow *flow)
{
    struct isle__worker *worker = isle__worker_current();
    struct isle__flow *self = worker->flow;
    worker->retired = self;
    worker->flow = flow;
    isle__context_leave(&self->context, &flow->context);
    isle__die("isle: a flow that had ended was continued");
}

void isle__flow_discard(struct isle__flow *flow)
{
    isle__flow_give(isle__worker_current(), flow);
}
