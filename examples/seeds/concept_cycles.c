/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and maps that refer to themselves arrive as such: the copy is cyclic in the same places and
 * shares what was shared. */
#include <isle.h>

static const char *yes(bool it_is)
{
    return it_is ? "yes" : "no";
}

static isle_value look(isle_value map)
{
    isle_value list = isle_get(map, "list");
    printf("the list holds itself: %s\n", yes(isle_identical(isle_list_get(list, 0), list)));
    printf("the map holds itself: %s\n", yes(isle_identical(isle_get(map, "self"), map)));
    printf("one list under two names: %s\n", yes(isle_identical(isle_get(map, "same list"), list)));
    return map; /* and back, cycles and all */
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_value list = isle_list(), map = isle_map();
    isle_list_add(list, list);
    isle_put(map, "list", list);
    isle_put(map, "self", map);
    isle_put(map, "same list", list);

    isle_value back = isle_await(isle_run(look, map, NULL));
    printf("came back the same: %s\n", yes(isle_equal(back, map)));
    printf("and is another map: %s\n", yes(!isle_identical(back, map)));
    return 0;
}

ISLE_MAIN(app);
