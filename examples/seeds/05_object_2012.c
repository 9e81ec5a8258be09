/* SPDX-License-Identifier: Apache-2.0 */
/* Any type of object: a C struct whose fields are registered once. The message carries a copy; the
 * isolate changes that copy and sends it back, and the root's own struct is as it was. */
#include <isle.h>

struct person {
    const char *name;
    int age;
    struct person *friend;
};

ISLE_TYPE(person_type, struct person, ISLE_FIELD(struct person, name),
          ISLE_FIELD(struct person, age), ISLE_FIELD_OBJECT(struct person, friend, &person_type));

static void on_person(isle_value message, isle_send_port reply)
{
    struct person *person =
        isle_as_object(message, &person_type); /* a real struct, its pointers included */
    printf("I received: %s, %d, a friend of %s\n", person->name, person->age, person->friend->name);
    person->age++;
    isle_send_object(reply, &person_type, person);
}

static void birthdays(void)
{
    isle_port_on_receive(isle_default_port(), on_person);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct person bob = {"Bob", 45, NULL};
    struct person alice = {"Alice", 41, &bob};
    bob.friend = &alice; /* a cycle */

    isle_send_port send_port = isle_spawn_function(birthdays);
    isle_value reply =
        isle_await(isle_call(send_port, isle_object(&person_type, &alice), ISLE_SECONDS(10)));
    const struct person *older = isle_as_object(reply, &person_type);
    printf("came back: %s, %d; here she is %d\n", older->name, older->age, alice.age);
    printf("friends of each other there too: %s\n", older->friend->friend == older ? "yes" : "no");
    return 0;
}

ISLE_MAIN(app);
