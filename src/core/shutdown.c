/* SPDX-License-Identifier: Apache-2.0 */
/* The request to end: what asks an isolate to come to its end in its own way, where a kill would
 * end it. It is a control message that waits until the running event is over. An isolate that has
 * set a task runs it, once, as an event of its own; any other ends as one that nothing keeps alive.
 *
 * The isolate alone comes here, but for the asking. Behind a wall it is the other side's. */
#include "core/control.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"

/* The task may have been taken away since. */
static void shutdown_run(void *argument)
{
    struct isle__isolate *isolate = argument;
    struct isle__shutdown shutdown = isle__isolate_has_cold(isolate)->shutdown;
    if (shutdown.task == NULL)
        isolate->ending = true;
    else
        shutdown.task(shutdown.context);
}

void isle__shutdown_asked(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || cold->shutdown.task == NULL) {
        isolate->ending = true;
        return;
    }
    struct isle__shutdown *shutdown = &cold->shutdown;
    if (shutdown->was_asked)
        return;
    shutdown->was_asked = true;
    shutdown->event.run = shutdown_run;
    shutdown->event.argument = isolate;
    isle__microtask_add(isolate, &shutdown->event);
}

void isle_shutdown(isle_isolate isolate)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_SHUTDOWN);
    control->capability = isolate.terminate_capability.id;
    control->priority = ISLE_BEFORE_NEXT_EVENT;
    isle__control_send(__func__, control);
}

void isle_on_shutdown(isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    cold->shutdown.task = task;
    cold->shutdown.context = context;
}
