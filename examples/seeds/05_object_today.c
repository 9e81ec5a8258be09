/* SPDX-License-Identifier: Apache-2.0 */
/* The same with Isolate.run: a cyclic graph of structs goes as the argument and comes back as the
 * result, moved. */
#include <isle.h>

struct person {
    const char *name;
    int age;
    struct person *friend;
};

ISLE_TYPE(person_type, struct person, ISLE_FIELD(struct person, name),
          ISLE_FIELD(struct person, age), ISLE_FIELD_OBJECT(struct person, friend, &person_type));

static isle_value birthday(isle_value argument)
{
    struct person *person = isle_as_object(argument, &person_type);
    printf("I received: %s, %d, a friend of %s\n", person->name, person->age, person->friend->name);
    person->age++;
    return argument;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct person bob = {"Bob", 45, NULL};
    struct person alice = {"Alice", 41, &bob};
    bob.friend = &alice;

    isle_value result = isle_await(isle_run(birthday, isle_object(&person_type, &alice), NULL));
    const struct person *older = isle_as_object(result, &person_type);
    printf("came back: %s, %d; here she is %d\n", older->name, older->age, alice.age);
    printf("friends of each other there too: %s\n", older->friend->friend == older ? "yes" : "no");
    return 0;
}

ISLE_MAIN(app);
