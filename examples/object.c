/* SPDX-License-Identifier: Apache-2.0 */
/* A cyclic graph of C structs goes to another isolate and comes back changed; ours stays as it was.
 */
#include <inttypes.h>
#include <isle.h>

struct town {
    const char *name;
    int64_t people;
    double at[2];
    struct town **roads;
    size_t road_count;
};

ISLE_TYPE(town_type, struct town, ISLE_FIELD(struct town, name), ISLE_FIELD(struct town, people),
          ISLE_FIELD_INLINE(struct town, at), ISLE_FIELD(struct town, road_count),
          ISLE_FIELD_OBJECTS(struct town, roads, road_count, &town_type));

static isle_value grow(isle_value argument)
{
    struct town *town = isle_as_object(argument, &town_type); /* a real struct, pointers and all */
    town->people *= 2;
    town->roads[0]->people *= 2;
    return argument;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct town *a_road[1], *b_road[1];
    struct town a = {"Ahausen", 700, {53.1, 9.3}, a_road, 1};
    struct town b = {"Bedorf", 300, {53.2, 9.4}, b_road, 1};
    a_road[0] = &b;
    b_road[0] = &a; /* there and back again */

    isle_value grown = isle_await(isle_run(grow, isle_object(&town_type, &a), NULL));
    struct town *town = isle_as_object(grown, &town_type);
    printf("%s has %" PRId64 ", was %" PRId64 "\n", town->name, town->people, a.people);
    printf("the road comes back: %s\n", town->roads[0]->roads[0] == town ? "yes" : "no");
    return 0;
}

ISLE_MAIN(app);
