/* SPDX-License-Identifier: Apache-2.0 */
/* Places in code: there and back, and what leads nowhere. */
#include <dlfcn.h>

#include "platform/platform.h"
#include "test.h"

static void function_of_the_program(void)
{
    puts("never called");
}

static int data_of_the_program = 3;

static struct isle__code_place place_of(isle__code *code)
{
    struct isle__code_place place;

    memset(&place, 0xee, sizeof place);
    CHECK(isle__code_place(code, &place));
    return place;
}

TEST(a_function_of_the_program_has_a_place_that_leads_back)
{
    struct isle__code_place place = place_of(function_of_the_program);

    CHECK(place.id_size > 0 && place.id_size <= ISLE__CODE_ID_MAX);
    CHECK(isle__code_at(&place) == function_of_the_program);
    for (size_t i = place.id_size; i < ISLE__CODE_ID_MAX; i++)
        CHECK_INT(place.id[i], 0);
}

TEST(functions_of_other_objects_have_places_of_their_own)
{
    isle__code *here = function_of_the_program;
    /* NULL: looks everywhere; a function that no sanitizer has one of its own for. */
    isle__code *there = (isle__code *)(uintptr_t)dlsym(NULL, "hcreate");
    struct isle__code_place own, other;

    CHECK(there != NULL);
    own = place_of(here);
    other = place_of(there);
    CHECK(memcmp(own.id, other.id, ISLE__CODE_ID_MAX) != 0);
    CHECK(isle__code_at(&other) == there);
}

TEST(what_is_no_code_has_no_place)
{
    struct isle__code_place place;
    int local = 1;

    CHECK(!isle__code_place((isle__code *)(uintptr_t)&data_of_the_program, &place));
    CHECK(!isle__code_place((isle__code *)(uintptr_t)&local, &place));
    CHECK(!isle__code_place(NULL, &place));
}

TEST(a_place_outside_executable_memory_leads_nowhere)
{
    struct isle__code_place place = place_of(function_of_the_program);
    uint64_t good = place.offset;
    uintptr_t base = (uintptr_t)function_of_the_program - (uintptr_t)good;

    place.offset = (uintptr_t)&data_of_the_program - base;
    CHECK(isle__code_at(&place) == NULL);
    place.offset = UINT64_MAX;
    CHECK(isle__code_at(&place) == NULL);
    place.offset = (uint64_t)1 << 40;
    CHECK(isle__code_at(&place) == NULL);
    place.offset = good;
    CHECK(isle__code_at(&place) == function_of_the_program);
}

TEST(an_unknown_object_leads_nowhere)
{
    struct isle__code_place place = place_of(function_of_the_program);

    place.id[0] ^= 1;
    CHECK(isle__code_at(&place) == NULL);
    place.id[0] ^= 1;
    place.id_size--;
    CHECK(isle__code_at(&place) == NULL);
    place.id_size = 0;
    CHECK(isle__code_at(&place) == NULL);
    place.id_size = UINT64_MAX;
    CHECK(isle__code_at(&place) == NULL);
}

TEST_MAIN()
