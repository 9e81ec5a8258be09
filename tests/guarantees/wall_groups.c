/* SPDX-License-Identifier: Apache-2.0 */
/* Groups whose owner is behind a wall: what they own ends with them on whichever side it is, also
 * when the owner's process runs nothing any more. Over a backend of the tests and, with
 * WALL_OF_PROCESSES, around sandboxed processes (wall_help.h). */
#include "wall_help.h"

#include "processes.h"

/* --- members: none of them ends but by a kill */

static void ignore_shutdown(void *context)
{
    (void)context;
}

static void deaf(isle_value to)
{
    isle_on_shutdown(ignore_shutdown, NULL);
    isle_trap_links(isle_port_send_port(isle_port_open()));
    isle_send(isle_as_port(to), isle_isolate_value(isle_current()));
    (void)isle_port_receive(isle_default_port());
}

/* Has a member of its own in another process, and lives on. */
static void have_a_child(isle_value to)
{
    isle_spawn(deaf, to, NULL);
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

enum { MEMBERS = 3 };

/* On a thread, in a process, and the child of a process, whose handle came out through a wall. */
struct members {
    isle_receive_port *port, *ends;
    isle_isolate parent;
    isle_value all;
};

static struct members members_make(void)
{
    struct members members = {.port = isle_port_open(), .ends = isle_port_open()};
    isle_value to = isle_port_value(members.port);
    members.all = isle_list();
    isle_spawn(deaf, to, NULL);
    isle_spawn(deaf, to, &walled);
    members.parent = isle_spawn(have_a_child, to, &walled);
    for (int i = 0; i < MEMBERS; i++) {
        isle_value member = receive(members.port);
        isle_list_add(members.all, member);
        isle_monitor(isle_as_isolate(member), isle_port_send_port(members.ends));
    }
    return members;
}

/* Of this end of their owner; the parent of one of them is not concerned. */
static void members_ended(struct members *members)
{
    for (int i = 0; i < MEMBERS; i++)
        CHECK_INT(isle_as_end(receive(members->ends)).reason, ISLE_KILLED);
    isle_monitor(members->parent, isle_port_send_port(members->ends));
    isle_send(members->parent.default_port, isle_null());
    CHECK_INT(isle_as_end(receive(members->ends)).reason, ISLE_RETURNED);
    isle_port_close(members->port);
    isle_port_close(members->ends);
    settle();
}

/* --- owners */

static isle_group *own(isle_value message)
{
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_FOREVER});
    isle_value all = isle_list_get(message, 1);
    for (size_t i = 0; i < isle_count(all); i++)
        isle_group_add(group, isle_as_isolate(isle_list_get(all, i)));
    isle_send(isle_as_port(isle_list_get(message, 0)), isle_int(getpid()));
    return group;
}

static void own_and_wait(isle_value message)
{
    (void)!isle_group_wait(own(message));
}

static void own_and_return(isle_value message)
{
    (void)own(message);
}

static void own_and_throw(isle_value message)
{
    (void)own(message);
    isle_throwf("no more");
}

static void own_and_leave(isle_value message)
{
    (void)own(message);
    _exit(0);
}

static void own_and_crash(isle_value message)
{
    (void)own(message);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void own_and_spin(isle_value message)
{
    (void)own(message);
    for (volatile unsigned i = 0;; i++)
        ;
}

static isle_isolate owner_of(struct members *members, isle_entry *entry,
                             const isle_options *options)
{
    isle_value message = isle_list();
    isle_list_add(message, isle_port_value(members->port));
    isle_list_add(message, members->all);
    return isle_spawn(entry, message, options);
}

static void check_that_members_end_with(isle_entry *entry)
{
    struct members members = members_make();
    owner_of(&members, entry, &walled);
    (void)receive(members.port);
    members_ended(&members);
}

TEST_ROOT(members_end_with_an_owner_that_returns)
{
    check_that_members_end_with(own_and_return);
}

TEST_ROOT(members_end_with_an_owner_that_throws)
{
    isle_receive_port *errors = isle_port_open();
    struct members members = members_make();
    isle_options options = walled;
    options.on_error = isle_port_send_port(errors);
    owner_of(&members, own_and_throw, &options);
    members_ended(&members);
    isle_port_close(errors);
}

TEST_ROOT(members_end_with_an_owner_whose_process_exits)
{
    check_that_members_end_with(own_and_leave);
}

TEST_ROOT(members_end_with_an_owner_that_crashes)
{
    check_that_members_end_with(own_and_crash);
}

static void check_that_members_end_with_a_kill_of(isle_entry *entry, const isle_options *options)
{
    struct members members = members_make();
    isle_isolate owner = owner_of(&members, entry, options);
    (void)receive(members.port);
    isle_kill(owner, ISLE_IMMEDIATE);
    members_ended(&members);
}

TEST_ROOT(members_end_with_an_owner_that_is_killed)
{
    check_that_members_end_with_a_kill_of(own_and_wait, &walled);
}

TEST_ROOT(members_end_with_an_owner_that_is_killed_as_it_computes)
{
    check_that_members_end_with_a_kill_of(own_and_spin, &walled);
}

TEST_ROOT(members_end_with_an_owner_on_a_thread_that_is_killed)
{
    check_that_members_end_with_a_kill_of(own_and_wait, NULL);
}

/* --- killed by somebody who knows nothing of isolates */

/* As it calls itself, which may be in a namespace of its own. */
static bool is_called(const char *id, int pid)
{
    char text[4096];
    proc_read(id, "status", text, sizeof text);
    char *line = strstr(text, "\nNSpid:");
    if (line == NULL)
        return false;
    *strchrnul(line + 1, '\n') = '\0';
    return atoi(strrchr(line, '\t')) == pid;
}

static bool is_below(const char *id, pid_t parent)
{
    struct stat_of of;
    char above[16];
    if (!stat_read(id, &of))
        return false;
    snprintf(above, sizeof above, "%d", of.parent);
    return of.parent == parent || (of.parent > 1 && is_below(above, parent));
}

static int below_open(int pid)
{
    DIR *folder = opendir("/proc");
    int pidfd = -1;
    CHECK(folder != NULL);
    for (struct dirent *entry; pidfd < 0 && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_called(entry->d_name, pid) &&
            is_below(entry->d_name, getpid()))
            pidfd = (int)syscall(SYS_pidfd_open, atoi(entry->d_name), 0);
    closedir(folder);
    return pidfd;
}

TEST_ROOT(members_end_with_an_owner_whose_process_is_killed_from_outside)
{
    struct members members = members_make();
    isle_receive_port *end = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(end);
    owner_of(&members, own_and_wait, &options);
    int pidfd = below_open((int)isle_as_int(receive(members.port)));
    CHECK(pidfd >= 0);
    CHECK_INT(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
    CHECK_STRING(isle_as_end(receive(end)).text, "SIGKILL");
    close(pidfd);
    isle_port_close(end);
    members_ended(&members);
}

/* --- killed in the middle: of whom it has said that it owns him, it does */

enum { MANY = 200 };

static void own_one_by_one(isle_value message)
{
    isle_group *group = isle_group_open(NULL);
    isle_value all = isle_list_get(message, 1);
    for (int i = 0; i < MANY; i++) {
        isle_group_add(group, isle_as_isolate(isle_list_get(all, (size_t)i)));
        isle_send(isle_as_port(isle_list_get(message, 0)), isle_int(i));
    }
    (void)!isle_group_wait(group);
}

static isle_value make_many(isle_receive_port *port)
{
    isle_value all = isle_list();
    for (int i = 0; i < MANY; i++) {
        isle_spawn(deaf, isle_port_value(port), NULL);
        isle_list_add(all, receive(port));
    }
    return all;
}

static void kill_in_the_middle(struct members *members, isle_receive_port *end)
{
    isle_options options = walled;
    options.monitor = isle_port_send_port(end);
    isle_isolate owner = owner_of(members, own_one_by_one, &options);
    int64_t owned = isle_as_int(receive(members->port));
    isle_kill(owner, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(end)).reason, ISLE_KILLED);
    isle_value message;
    while (isle_port_try_receive(members->port, 0, &message) == ISLE_OK)
        owned = isle_as_int(message);
    for (int64_t i = 0; i <= owned; i++) {
        isle_monitor(isle_as_isolate(isle_list_get(members->all, (size_t)i)),
                     isle_port_send_port(members->ends));
        (void)receive(members->ends);
    }
    for (int64_t i = owned + 1; i < MANY; i++)
        isle_kill(isle_as_isolate(isle_list_get(members->all, (size_t)i)), ISLE_IMMEDIATE);
}

TEST_ROOT(members_that_an_owner_has_told_of_end_with_it)
{
    int64_t count = rounds(20, 100, 1000);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_receive_port *end = isle_port_open();
        struct members members = {.port = isle_port_open(), .ends = isle_port_open()};
        members.all = make_many(members.port);
        kill_in_the_middle(&members, end);
        isle_port_close(members.port);
        isle_port_close(members.ends);
        isle_port_close(end);
        settle();
    }
}
TEST_TIMEOUT(members_that_an_owner_has_told_of_end_with_it, 120);

/* --- what the owner has spawned is as its own */

static void spawn_and_tell(isle_value to)
{
    isle_group *group = isle_group_open(NULL);
    isle_group_spawn(group, deaf, to, NULL);
    (void)!isle_group_wait(group);
}

TEST_ROOT(members_that_were_spawned_end_with_their_owner)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate owner = isle_spawn(spawn_and_tell, isle_port_value(port), &walled);
    isle_monitor(isle_as_isolate(receive(port)), isle_port_send_port(ends));
    isle_kill(owner, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_KILLED);
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

/* --- what waits there for the end of an owner is bounded */

static void add_and_await(isle_value handle)
{
    ISLE_SCOPE;
    isle_group *group = isle_group_open(NULL);
    isle_group_add(group, isle_as_isolate(handle));
    for (int i = 0; i < 10; i++) /* again is the same */
        isle_group_add(group, isle_as_isolate(handle));
    isle_send(isle_as_isolate(handle).default_port, isle_null());
    (void)!isle_group_wait(group);
}

static void own_one_after_the_other(isle_value to)
{
    for (;;) {
        ISLE_SCOPE;
        add_and_await(isle_port_receive(isle_default_port()));
        isle_send(isle_as_port(to), isle_null());
    }
}

static void wait_for_one(isle_value message)
{
    (void)message;
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

static void give_to(isle_isolate owner, isle_receive_port *port, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_isolate member = isle_spawn(wait_for_one, isle_null(), NULL);
        isle_send(owner.default_port, isle_isolate_value(member));
        CHECK(isle_is_null(receive(port)));
    }
}

TEST_ROOT(members_that_have_ended_are_forgotten)
{
    enum { SWEPT = 1000, LITTLE = 60000 }; /* a kill has more than sixty bytes */
    isle_receive_port *port = isle_port_open();
    isle_isolate owner = isle_spawn(own_one_after_the_other, isle_port_value(port), &walled);
    give_to(owner, port, SWEPT);
    wall_rests(1);
    uint64_t memory = memory_held();
    give_to(owner, port, 4 * SWEPT);
    CHECK(memory_held() < memory + LITTLE);
    isle_kill(owner, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}
TEST_TIMEOUT(members_that_have_ended_are_forgotten, 120);

TEST_MAIN()
