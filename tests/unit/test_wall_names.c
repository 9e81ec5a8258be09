/* SPDX-License-Identifier: Apache-2.0 */
/* Names across a wall (src/backend/wall/names.h): unforgeable, counted, bounded. */
#include "backend/wall/names.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "isle.h"
#include "test.h"

enum { PORTS = ISLE__NAME_BIT(ISLE__NAME_PORT) };

static uint64_t given(struct isle__exports *exports, enum isle__name_kind kind, uint64_t id)
{
    uint64_t name;
    CHECK_ERR(isle__export_give(exports, kind, id, 0, &name), ISLE_OK);
    return name;
}

static enum isle__name_state state_of(const struct isle__exports *exports, uint64_t name,
                                      unsigned kinds)
{
    const struct isle__export *entry;
    return isle__export_find(exports, name, kinds, &entry);
}

TEST(an_id_has_one_name)
{
    struct isle__exports exports = {.max = 8};
    uint64_t first = given(&exports, ISLE__NAME_PORT, 1000);
    CHECK_UINT(given(&exports, ISLE__NAME_PORT, 1000), first);
    CHECK(given(&exports, ISLE__NAME_PORT, 1001) != first);
    /* A capability of the same number is something else. */
    CHECK(given(&exports, ISLE__NAME_CAPABILITY, 1000) != first);
    CHECK_UINT(exports.used, 3);
    const struct isle__export *entry;
    CHECK_INT(isle__export_find(&exports, first, PORTS, &entry), ISLE__NAME_KNOWN);
    CHECK_UINT(entry->id, 1000);
    isle__exports_fini(&exports);
}

TEST(names_that_were_never_given_are_forged)
{
    struct isle__exports exports = {.max = 8};
    uint64_t name = given(&exports, ISLE__NAME_PORT, 1000);
    CHECK_INT(state_of(&exports, 0, PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, UINT64_MAX, PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, isle__name_of(1, 1), PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, isle__name_of(0, 0), PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, isle__name_of(0, 2), PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, name, ISLE__NAME_BIT(ISLE__NAME_CONTROL)), ISLE__NAME_FORGED);
    for (unsigned slot = 1; slot < 1u << ISLE__NAME_SLOT_BITS; slot += 4097)
        CHECK_INT(state_of(&exports, isle__name_of(slot, 1), PORTS), ISLE__NAME_FORGED);
    isle__exports_fini(&exports);
}

TEST(the_name_of_a_control_port_says_so)
{
    struct isle__exports exports = {.max = 8, .fixed = 1};
    unsigned controls = ISLE__NAME_BIT(ISLE__NAME_CONTROL);
    uint64_t own = given(&exports, ISLE__NAME_CONTROL, 1000 | ISLE__ID_CONTROL);
    uint64_t other = given(&exports, ISLE__NAME_CONTROL, 1001 | ISLE__ID_CONTROL);
    uint64_t port = given(&exports, ISLE__NAME_PORT, 1001);
    CHECK(!isle__name_is_control(own)); /* both sides have it */
    CHECK(isle__name_is_control(other));
    CHECK(!isle__name_is_control(port));
    CHECK_INT(state_of(&exports, own, controls), ISLE__NAME_KNOWN);
    CHECK_INT(state_of(&exports, other, controls), ISLE__NAME_KNOWN);
    CHECK_INT(state_of(&exports, isle__name_of(1, 1), controls), ISLE__NAME_FORGED);
    uint64_t forged = port | ISLE__NAME_OF_CONTROL << ISLE__NAME_SLOT_BITS;
    CHECK_INT(state_of(&exports, forged, PORTS), ISLE__NAME_FORGED);
    isle__export_free(&exports, other);
    CHECK_INT(state_of(&exports, other, controls), ISLE__NAME_STALE);
    isle__exports_fini(&exports);
}

TEST(a_name_that_was_freed_is_stale_and_its_slot_has_another)
{
    struct isle__exports exports = {.max = 8};
    uint64_t first = given(&exports, ISLE__NAME_REPLY, 1000);
    isle__export_free(&exports, first);
    CHECK_INT(state_of(&exports, first, PORTS), ISLE__NAME_STALE);
    CHECK_INT(state_of(&exports, isle__name_of(0, 2), PORTS), ISLE__NAME_FORGED);
    uint64_t second = given(&exports, ISLE__NAME_PORT, 1001);
    CHECK_UINT(isle__name_slot(second), isle__name_slot(first));
    CHECK_UINT(isle__name_generation(second), 2);
    CHECK_INT(state_of(&exports, first, PORTS), ISLE__NAME_STALE);
    CHECK_INT(state_of(&exports, second, PORTS), ISLE__NAME_KNOWN);
    isle__exports_fini(&exports);
}

TEST(a_full_table_refuses_and_takes_again_what_was_freed)
{
    struct isle__exports exports = {.max = 100};
    uint64_t name, names[100];
    for (uint64_t i = 0; i < 100; i++)
        names[i] = given(&exports, ISLE__NAME_PORT, 1000 + i);
    CHECK(isle__exports_want_sweep(&exports));
    CHECK_ERR(isle__export_give(&exports, ISLE__NAME_PORT, 5000, 0, &name), ISLE_EFULL);
    CHECK_ERR(isle__export_give(&exports, ISLE__NAME_PORT, 1050, 0, &name), ISLE_OK);
    isle__export_free(&exports, names[7]);
    CHECK_ERR(isle__export_give(&exports, ISLE__NAME_PORT, 5000, 0, &name), ISLE_OK);
    CHECK_UINT(isle__name_slot(name), 7);
    CHECK_ERR(isle__export_give(&exports, ISLE__NAME_PORT, 5001, 0, &name), ISLE_EFULL);
    isle__exports_fini(&exports);
}

TEST(a_slot_whose_generations_are_used_up_is_retired)
{
    struct isle__exports exports = {.max = 2};
    uint64_t name;
    (void)given(&exports, ISLE__NAME_PORT, 1000);
    exports.entries[0].generation = ISLE__NAME_GENERATION_MAX;
    name = isle__name_of(0, ISLE__NAME_GENERATION_MAX);
    CHECK_INT(state_of(&exports, name, PORTS), ISLE__NAME_KNOWN);
    isle__export_free(&exports, name);
    CHECK_INT(state_of(&exports, name, PORTS), ISLE__NAME_STALE);
    CHECK_UINT(isle__name_slot(given(&exports, ISLE__NAME_PORT, 1001)), 1);
    CHECK_ERR(isle__export_give(&exports, ISLE__NAME_PORT, 1002, 0, &name), ISLE_EFULL);
    isle__exports_fini(&exports);
}

static void count_name(void *context, uint64_t name)
{
    (void)name;
    ++*(int *)context;
}

TEST_ROOT(a_sweep_frees_what_leads_to_nothing)
{
    struct isle__exports exports = {.max = 1000};
    isle_receive_port *ports[100];
    int released = 0;
    for (int i = 0; i < 100; i++) {
        ports[i] = isle_port_open();
        given(&exports, ISLE__NAME_PORT, isle_port_send_port(ports[i]).id);
    }
    given(&exports, ISLE__NAME_CONTROL, isle_current().control_port.id);
    given(&exports, ISLE__NAME_CAPABILITY, isle_capability_new().id);
    isle__exports_sweep(&exports, count_name, &released);
    CHECK_INT(released, 0);
    for (int i = 0; i < 100; i += 2)
        isle_port_close(ports[i]);
    isle__exports_sweep(&exports, count_name, &released);
    CHECK_INT(released, 50);
    CHECK_UINT(exports.used, 52);
    for (int i = 1; i < 100; i += 2) {
        CHECK_UINT(
            isle__name_slot(given(&exports, ISLE__NAME_PORT, isle_port_send_port(ports[i]).id)), i);
        isle_port_close(ports[i]);
    }
    isle__exports_fini(&exports);
}

TEST_ROOT(an_answer_is_dropped_with_its_table)
{
    struct isle__exports exports = {.max = 8};
    uint64_t name;
    struct isle__mail *mail = isle__mail_make(isle_int(1), ISLE__MAIL_DATA, 1);
    CHECK_ERR(isle__export_answer(&exports, mail, &name), ISLE_OK);
    CHECK_INT(state_of(&exports, name, PORTS), ISLE__NAME_FORGED);
    CHECK_INT(state_of(&exports, name, ISLE__NAME_BIT(ISLE__NAME_ANSWER)), ISLE__NAME_KNOWN);
    isle__exports_fini(&exports);
}

/* --- imports; the root's body stands for a proxy */

static struct isle__import *taken(struct isle__imports *imports, enum isle__name_kind kind,
                                  uint64_t name)
{
    struct isle__import *import;
    CHECK_ERR(isle__import_take(imports, kind, name, &import), ISLE_OK);
    return import;
}

TEST_ROOT(an_import_is_found_by_name_and_by_id)
{
    struct isle__imports imports;
    isle__imports_init(&imports, isle__isolate_current(), 100);
    uint64_t name = isle__name_of(5, 3);
    struct isle__import *port = taken(&imports, ISLE__NAME_PORT, name);
    CHECK(taken(&imports, ISLE__NAME_PORT, name) == port);
    CHECK(isle__import_of_name(&imports, name) == port);
    CHECK(isle__import_of_port(&imports, port->id) == port);
    CHECK(isle__import_of_port(&imports, port->id + 1) == NULL);
    struct isle__import *control = taken(&imports, ISLE__NAME_CONTROL, isle__name_of(6, 1));
    CHECK((control->id & ISLE__ID_CONTROL) != 0);
    CHECK(isle__import_of_port(&imports, control->id) == control);
    CHECK(isle__import_of_port(&imports, control->id & ~ISLE__ID_CONTROL) == NULL);
    struct isle__import *token = taken(&imports, ISLE__NAME_CAPABILITY, isle__name_of(7, 1));
    CHECK(isle__import_of_capability(&imports, token->id) == token);
    CHECK(isle__import_of_capability(&imports, token->id + 1) == NULL);
    uint64_t id = port->id;
    isle__import_drop(&imports, port);
    CHECK(isle__import_of_name(&imports, name) == NULL);
    CHECK(isle__import_of_port(&imports, id) == NULL);
    CHECK(isle__slot_find(id) == NULL);
    id = control->id & ~ISLE__ID_CONTROL;
    isle__imports_fini(&imports);
    CHECK(isle__slot_find(id) == NULL);
}

TEST_ROOT(imports_are_bounded_and_of_one_kind)
{
    struct isle__imports imports;
    struct isle__import *import;
    isle__imports_init(&imports, isle__isolate_current(), 10);
    for (uint32_t i = 0; i < 10; i++)
        taken(&imports, ISLE__NAME_PORT, isle__name_of(i, 1));
    CHECK_ERR(isle__import_take(&imports, ISLE__NAME_PORT, isle__name_of(10, 1), &import),
              ISLE_EFULL);
    CHECK_ERR(isle__import_take(&imports, ISLE__NAME_CONTROL, isle__name_of(3, 1), &import),
              ISLE_EFULL);
    isle__import_drop(&imports, isle__import_of_name(&imports, isle__name_of(3, 1)));
    CHECK_ERR(isle__import_take(&imports, ISLE__NAME_PORT, isle__name_of(11, 0), &import),
              ISLE_EFULL);
    CHECK_ERR(isle__import_take(&imports, ISLE__NAME_CONTROL, isle__name_of(3, 1), &import),
              ISLE_OK);
    isle__imports_fini(&imports);
    CHECK_UINT(imports.count, 0);
}

static void take_ports(struct isle__imports *imports, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        taken(imports, ISLE__NAME_PORT, isle__name_of(i, 1));
}

TEST_ROOT(imports_beyond_a_few_have_one_bound_in_a_pool)
{
    struct isle__names_pool pool = {.max = 20};
    struct isle__imports one, other;
    struct isle__import *import;
    isle__imports_init(&one, isle__isolate_current(), 2 * ISLE__NAMES_OWN);
    isle__imports_init(&other, isle__isolate_current(), 2 * ISLE__NAMES_OWN);
    take_ports(&one, 0, ISLE__NAMES_OWN + 5);
    isle__imports_join(&one, &pool); /* what it had counts as well */
    isle__imports_join(&other, &pool);
    CHECK_UINT(pool.used, 5);
    take_ports(&one, ISLE__NAMES_OWN + 5, 15);
    CHECK_ERR(isle__import_take(&one, ISLE__NAME_PORT, isle__name_of(1000, 1), &import),
              ISLE_EFULL);
    take_ports(&other, 0, ISLE__NAMES_OWN); /* these are its own */
    CHECK_ERR(isle__import_take(&other, ISLE__NAME_PORT, isle__name_of(1000, 1), &import),
              ISLE_EFULL);
    isle__import_drop(&one, isle__import_of_name(&one, isle__name_of(3, 1)));
    take_ports(&other, 1000, 1);
    CHECK_UINT(pool.used, 20);
    isle__imports_leave(&one);
    CHECK_UINT(pool.used, 1);
    isle__imports_fini(&other);
    CHECK_UINT(pool.used, 0);
    isle__imports_fini(&one);
    CHECK_UINT(pool.used, 0);
}

TEST_MAIN()
