/* SPDX-License-Identifier: Apache-2.0 */
/* isle_post: messages from threads that Isle does not know. They are built in a heap of their own
 * for the time of the call. */
#include "core/isolate.h"
#include "core/mail.h"
#include "core/simulate.h"
#include "value/pack.h"

struct post {
    const isle_arg *args;
    size_t count;
};

static isle_value post_build(void *context)
{
    const struct post *post = context;
    return isle__pack_parse(post->args, post->count, 1);
}

static isle_err post_run(const isle_arg *args, size_t count)
{
    struct post post = {args, count};
    struct isle__parcel parcel;
    isle_err err = isle__parcel_build(post_build, &post, sizeof(struct isle__mail), &parcel);
    if (err != ISLE_OK)
        return err;
    struct isle__mail *mail = isle__mail_of(&parcel, ISLE__MAIL_DATA, args[0].as.p.id);
    err = isle__mail_post(mail);
    if (err != ISLE_OK)
        isle__mail_drop(mail);
    return err;
}

isle_err isle__post(const isle_arg *args, size_t count)
{
    if (atomic_load_explicit(&isle__forked, memory_order_relaxed))
        return ISLE_EFORK;
    if (args == NULL || count < 2 || args[0].kind != ISLE_ARG_PORT || args[0].as.p.id == 0)
        return ISLE_EINVAL;
    if (isle__simulating() && isle__worker_current() == NULL)
        return ISLE_EUNSUPPORTED;
    /* The end of the program waits for those who are inside: seq_cst on both sides, so one of us
     * sees the other. */
    atomic_fetch_add_explicit(&isle__program.posters, 1, memory_order_seq_cst);
    isle_err err = ISLE_ECLOSED;
    if (atomic_load_explicit(&isle__program.running, memory_order_seq_cst))
        err = post_run(args, count);
    atomic_fetch_sub_explicit(&isle__program.posters, 1, memory_order_seq_cst);
    return err;
}
