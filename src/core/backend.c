/* SPDX-License-Identifier: Apache-2.0 */
/* The backends that there are: looked up by kind, asked in turn at a program's beginning and end.
 * The table itself is src/backend's. */
#include "core/backend.h"

#include "isle/program.h"

isle__spawner *isle__spawn_elsewhere;

const struct isle__backend_ops *isle__backend_find(isle_backend kind)
{
    return (unsigned)kind > ISLE_NODE ? NULL : isle__backends[kind];
}

void isle__backend_register(isle_backend kind, const struct isle__backend_ops *ops)
{
    isle__backends[kind] = ops;
}

int isle_child_main(int argc, char **argv)
{
    for (int kind = ISLE_THREAD; kind <= ISLE_NODE; kind++)
        if (isle__backends[kind] != NULL && isle__backends[kind]->image != NULL)
            isle__backends[kind]->image(argc, argv);
    return 0;
}

void isle__backends_count(isle_stats *stats)
{
    for (int kind = ISLE_THREAD; kind <= ISLE_NODE; kind++)
        if (isle__backends[kind] != NULL && isle__backends[kind]->count != NULL)
            isle__backends[kind]->count(stats);
}

bool isle__backends_await(void)
{
    for (int kind = ISLE_THREAD; kind <= ISLE_NODE; kind++)
        if (isle__backends[kind] != NULL && isle__backends[kind]->awaits != NULL &&
            isle__backends[kind]->awaits())
            return true;
    return false;
}

void isle__backends_stop(void)
{
    for (int kind = ISLE_THREAD; kind <= ISLE_NODE; kind++)
        if (isle__backends[kind] != NULL && isle__backends[kind]->stop != NULL)
            isle__backends[kind]->stop();
}
