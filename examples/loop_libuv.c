/* SPDX-License-Identifier: Apache-2.0 */
/* Isle in libuv's loop: the runtime's descriptor is a uv_poll_t beside the program's own handles. A
 * uv timer ticks while an isolate crunches. */
#include <inttypes.h>
#include <isle.h>
#include <stdlib.h>
#include <uv.h>

static isle_value crunch(isle_value argument)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < isle_as_int(argument); i++)
        sum += i;
    return isle_int(sum);
}

struct program {
    uv_poll_t poll;
    uv_timer_t timer;
    int ticks;
    bool done;
};

static void finish(struct program *program)
{
    program->done = true;
    uv_close((uv_handle_t *)&program->poll, NULL);
    uv_close((uv_handle_t *)&program->timer, NULL);
}

static void show(isle_value sum, void *context)
{
    printf("sum %" PRId64 "\n", isle_as_int(sum));
    finish(context);
}

static void fail(isle_value error, void *context)
{
    printf("%s\n", isle_error_text(error));
    finish(context);
}

static void on_tick(uv_timer_t *timer)
{
    struct program *program = timer->data;
    if (++program->ticks == 3) { /* libuv has run for a while: now let an isolate work */
        puts("three ticks of libuv");
        isle_then(isle_run(crunch, isle_int(1000000), NULL), show, fail, program);
    }
}

static void on_isle(uv_poll_t *poll, int status, int events)
{
    struct program *program = poll->data;
    (void)events;
    if ((status < 0 || !isle_dispatch()) && !program->done)
        finish(program);
}

int main(int argc, char **argv)
{
    isle_err err = isle_start(argc, argv, NULL);
    if (err != ISLE_OK) {
        fprintf(stderr, "isle: %s\n", isle_err_text(err));
        return EXIT_FAILURE;
    }
    struct program program = {.poll.data = &program, .timer.data = &program};
    uv_loop_t *loop = uv_default_loop();
    uv_poll_init(loop, &program.poll, isle_loop_fd());
    uv_poll_start(&program.poll, UV_READABLE, on_isle);
    uv_timer_init(loop, &program.timer);
    uv_timer_start(&program.timer, on_tick, 1, 1);

    uv_run(loop, UV_RUN_DEFAULT); /* until both handles are closed */
    uv_loop_close(loop);
    isle_stop();
    return program.done ? EXIT_SUCCESS : EXIT_FAILURE;
}
