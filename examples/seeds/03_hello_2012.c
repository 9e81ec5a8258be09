/* SPDX-License-Identifier: Apache-2.0 */
/* spawnFunction with an entry point that takes nothing and returns nothing; it prints one line. */
#include <isle.h>

static void run_in_isolate(void)
{
    puts("hello from an isolate!");
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn_function(run_in_isolate); /* the program waits until such isolates are idle */
    return 0;
}

ISLE_MAIN(app);
