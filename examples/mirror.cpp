/* SPDX-License-Identifier: Apache-2.0 */
/* C++17 includes the same header: no wrapper, no cast. */
#include <isle.h>

#include <cinttypes>

struct point {
    double x, y;
    const char *label;
    point *next;
};

ISLE_TYPE(point_type, point, ISLE_FIELD(point, x), ISLE_FIELD(point, y), ISLE_FIELD(point, label),
          ISLE_FIELD_OBJECT(point, next, &point_type));

ISLE_LOCAL(int64_t, seen);

static isle_value mirror(isle_value argument)
{
    point *p = static_cast<point *>(isle_as_object(argument, &point_type));
    p->x = -p->x;
    ++*seen();
    return isle_pack("{s:s, s:[f,f], s:i, s:b}", "label", p->label, "at", p->x, p->y, "seen",
                     *seen(), "cyclic", p->next == p);
}

static int app(int, char **)
{
    point p = {1.5, 2.5, "p", nullptr};
    p.next = &p;

    isle_options options = {};
    options.debug_name = "mirror";
    isle_value result = isle_await(isle_run(mirror, isle_object(&point_type, &p), &options));

    const char *label;
    double x, y;
    isle_unpack(result, "{s:s, s:[f,f]}", "label", &label, "at", &x, &y);
    printf("%s %g %g\n", label, x, y);

    isle_receive_port *inbox = isle_port_open();
    isle_spawn([](isle_value to) { isle_send(isle_as_port(to), isle_int(42)); },
               isle_port_value(inbox), nullptr);
    printf("%" PRId64 "\n", isle_as_int(isle_port_receive(inbox)));
    isle_port_close(inbox);
    return 0;
}

ISLE_MAIN(app);
