/* SPDX-License-Identifier: Apache-2.0 */
/* Links of an isolate behind a wall. Who is linked to whom is known outside alone, of its proxy: so
 * the host ends it, whatever runs inside, and nobody but the host says how it ended. What the
 * inside asks for is a record, which goes before mail and control, and is done for the proxy in its
 * turn. What it owns is the wall's affair alone (owned.c).
 *
 * Law: what is asked for is hostile. Whom it may end it must have been allowed to end, a port that
 * it has told must be one that it was given, and what it makes others hold is one relation for each
 * control port that it knows. */
#include "backend/wall/wall.h"
#include "core/isolate.h"
#include "core/link.h"

/* --- from inside */

isle_err isle__wall_link(enum isle__link_act act, isle_isolate isolate, isle_send_port port)
{
    struct isle__wall *wall = isle__wall_of_inside();
    struct isle__record_head head = {.kind = ISLE__RECORD_LINK};
    struct isle__record_link record = {.act = (uint8_t)act};
    struct isle__buffer body;
    uint64_t id = act == ISLE__LINK_TRAP ? port.id : isolate.control_port.id;
    isle_err err = isle__wall_name_of_port(wall, id, &record.port);
    if (err == ISLE_OK)
        err = isle__wall_name_of_capability(wall, isolate.terminate_capability.id,
                                            &record.capability);
    if (err != ISLE_OK)
        return err;
    isle__buffer_init(&body, NULL);
    isle__write_link(&body, &record);
    err = isle__wall_own_add(wall, &head, &body);
    if (err == ISLE_OK)
        isle__wall_pump();
    return err;
}

/* --- from outside */

static isle_err link_read(struct isle__wall *wall, const struct isle__record_link *record,
                          uint64_t *ret_port, isle_isolate *ret_other)
{
    *ret_other = (isle_isolate){{0}, {0}, {0}, {0}};
    if (record->act == ISLE__LINK_TRAP)
        return isle__wall_port_of_name(wall, &record->port, ret_port);
    isle_err err = isle__wall_control_of_name(wall, &record->port, &ret_other->control_port.id);
    if (err == ISLE_OK)
        err = isle__wall_capability_of_name(wall, &record->capability,
                                            &ret_other->terminate_capability.id);
    return err;
}

/* One that cannot be had must not be missed: it counts as over. */
static void link_join(struct isle__wall *wall, isle_isolate other)
{
    const struct isle__cold *cold = isle__isolate_has_cold(wall->proxy);
    if (cold->trap != 0 && !isle__wall_may_tell(wall, cold->trap))
        return;
    if (isle__link_join(wall->proxy, other) != ISLE_OK)
        isle__link_lost(wall->proxy, other.control_port.id);
}

/* Who has taken none of too many notices is told nothing. */
static void link_trap(struct isle__wall *wall, uint64_t port)
{
    if (port != 0 && !isle__wall_may_tell(wall, port))
        return;
    if (isle__link_trap(wall->proxy, port) != ISLE_OK)
        isle__wall_lack(wall);
}

bool isle__wall_in_link(struct isle__wall *wall, const uint8_t *body, size_t size)
{
    struct isle__record_link record;
    isle_isolate other;
    uint64_t port = 0;
    if (!isle__read_link(body, size, &record))
        return false;
    isle_err err = link_read(wall, &record, &port, &other);
    if (err == ISLE_EMALFORMED)
        return false;
    if (wall->proxy->ending && record.act != ISLE__LINK_OWN)
        return true;
    if (err != ISLE_OK) {
        isle__wall_lack(wall);
        return true;
    }
    switch ((enum isle__link_act)record.act) {
    case ISLE__LINK_JOIN:
        link_join(wall, other);
        break;
    case ISLE__LINK_PART:
        isle__link_part(wall->proxy, other.control_port.id);
        break;
    case ISLE__LINK_TRAP:
        link_trap(wall, port);
        break;
    case ISLE__LINK_OWN: /* also of who ends: it is asked for before the end, and done at it */
        if (!isle__wall_owned_add(&wall->owned, other))
            isle__wall_lack(wall);
        break;
    }
    return true;
}
