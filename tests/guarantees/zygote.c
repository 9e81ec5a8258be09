/* SPDX-License-Identifier: Apache-2.0 */
/* Births and deaths of children of the zygote: each end is told once, as it was; nothing of the
 * host leaks in; nothing of a child is left; nobody outlives the host. */
#include "zygote.h"

/* This program's image, as a zygote, finds here what the test wants to go wrong: the path of
 * libraries is the one thing of the environment that gets there. */
#define WRONG_VARIABLE "LD_LIBRARY_PATH"
#define WRONG "/isle-test/"

static void *wrong_thread(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void wrong_limit(rlim_t descriptors)
{
    const struct rlimit limit = {descriptors, descriptors};

    (void)!setrlimit(RLIMIT_NOFILE, &limit);
}

__attribute__((constructor)) static void wrong_image(int argc, char **argv)
{
    const char *wrong = getenv(WRONG_VARIABLE);
    pthread_t thread;

    if (argc != 1 || strcmp(argv[0], "isle-zygote") != 0 || wrong == NULL)
        return;
    if (strcmp(wrong, WRONG "threads") == 0)
        (void)!pthread_create(&thread, NULL, wrong_thread, NULL);
    if (strcmp(wrong, WRONG "exit") == 0) {
        fputs("first line\na constructor says no\n", stderr);
        _exit(7);
    }
    if (strncmp(wrong, WRONG "descriptors/", sizeof WRONG "descriptors") == 0)
        wrong_limit((rlim_t)atoi(wrong + sizeof WRONG "descriptors"));
    while (strcmp(wrong, WRONG "silence") == 0)
        pause();
}

static char need_text[256];

static void need_fails(void)
{
    int64_t began = isle_now_ns();

    CHECK_ERR(isle__zygote_need(need_text, sizeof need_text), ISLE_ESPAWN);
    printf("after %.1f ms: %s\n", (double)(isle_now_ns() - began) / 1e6, need_text);
}

static void need_says(const char *text)
{
    if (strstr(need_text, text) == NULL)
        fail("the text is \"%s\", without \"%s\"", need_text, text);
    test_count_check();
}

TEST_ROOT(who_has_not_called_isle_child_main_is_told_so)
{
    if (child_label() == NULL)
        skip("its program is run by the next test");
    need_fails();
    need_says("isle_child_main");
}

TEST(a_main_that_does_not_call_isle_child_main_gets_a_clear_error)
{
    struct child child = child_run("who_has_not_called_isle_child_main_is_told_so", SILENT_MAIN);

    child_exited(&child, 0);
}

TEST_ROOT(a_constructor_that_starts_a_thread_is_named)
{
    CHECK_INT(setenv(WRONG_VARIABLE, WRONG "threads", 1), 0);
    need_fails();
    need_says("has 2 threads");
    CHECK_INT(unsetenv(WRONG_VARIABLE), 0);
    zygote_needed();
}

TEST_ROOT(an_image_that_ends_is_told_with_its_status_and_last_words)
{
    CHECK_INT(setenv(WRONG_VARIABLE, WRONG "exit", 1), 0);
    need_fails();
    need_says("exit status 7");
    need_says("isle_child_main");
    need_says(": a constructor says no");
}

TEST_ROOT(an_image_that_says_nothing_is_given_up)
{
    int64_t began = isle_now_ns();

    CHECK_INT(setenv(WRONG_VARIABLE, WRONG "silence", 1), 0);
    need_fails();
    need_says("did not answer");
    CHECK(isle_now_ns() - began >= ISLE_SECONDS(20));
}
TEST_TIMEOUT(an_image_that_says_nothing_is_given_up, 60);
TEST_WAITS(an_image_that_says_nothing_is_given_up);

/* Asks a zygote with that many descriptors for a child: why there is none, "" if there is. */
static const char *refused_with(int descriptors)
{
    static char why[sizeof((struct isle__birth *)0)->error];
    char wrong[64];
    struct kid *kid;

    snprintf(wrong, sizeof wrong, WRONG "descriptors/%d", descriptors);
    CHECK_INT(setenv(WRONG_VARIABLE, wrong, 1), 0);
    program_starts(&none_warm);
    need_text[0] = '\0';
    if (isle__zygote_need(need_text, sizeof need_text) != ISLE_OK) {
        program_stops();
        return need_text;
    }
    kid = kid_new();
    kid_ask(kid);
    semaphore_wait_for(&kid->told, "born or refused");
    memcpy(why, kid->birth.error, sizeof why);
    if (kid->is_born) {
        isle__birth_kill(&kid->birth);
        semaphore_wait_for(&kid->died, "dead");
        kid_free(kid);
    } else {
        free(kid);
    }
    program_stops();
    return why;
}

TEST(a_birth_for_which_the_zygote_has_no_descriptor_is_refused)
{
    enum { FEWEST = 6, MOST = 32 };
    const char *why = "?";
    int without_pidfd = 0;

    for (int descriptors = FEWEST; descriptors <= MOST && *why != '\0'; descriptors++) {
        why = refused_with(descriptors);
        printf("%d descriptors: %s\n", descriptors, why);
        without_pidfd += strcmp(why, "pidfd_open: Too many open files") == 0;
    }
    CHECK_STRING(why, "");
    CHECK_INT(without_pidfd, 1);
}
TEST_TIMEOUT(a_birth_for_which_the_zygote_has_no_descriptor_is_refused, 120);

/* --- ends */

static void ends_with(enum command_kind kind, int64_t number, int code, int status)
{
    struct kid *kid = kid_born();

    kid_do(kid, kind, number);
    kid_ended(kid, code, status);
    CHECK_INT(isle__death_call(&kid->death, kid->channel), -1);
    kid_free(kid);
}

TEST_ROOT(what_a_child_returns_is_its_exit_status)
{
    ends_with(COMMAND_RETURN, 0, CLD_EXITED, 0);
    ends_with(COMMAND_RETURN, 42, CLD_EXITED, 42);
    if (*TEST_SANITIZER)
        return; /* it looks for leaks at an exit */
    ends_with(COMMAND_EXIT, 7, CLD_EXITED, 7);
    ends_with(COMMAND_EXIT, ISLE__CHILD_FAILED, CLD_EXITED, ISLE__CHILD_FAILED);
}

TEST_ROOT(a_crash_is_told_as_its_signal)
{
    ends_with(COMMAND_ABORT, 0, CLD_KILLED, SIGABRT);
    if (*TEST_SANITIZER)
        return; /* it makes an exit of a fault */
    ends_with(COMMAND_WRITE_NULL, 0, CLD_KILLED, SIGSEGV);
    ends_with(COMMAND_RECURSE, 0, CLD_KILLED, SIGSEGV);
    ends_with(COMMAND_RAISE, SIGTERM, CLD_KILLED, SIGTERM);
    ends_with(COMMAND_RAISE, SIGFPE, CLD_KILLED, SIGFPE);
}

TEST_ROOT(a_forbidden_call_kills)
{
    ends_with(COMMAND_CALL, SYS_ptrace, CLD_KILLED, SIGSYS);
    ends_with(COMMAND_CALL, SYS_bpf, CLD_KILLED, SIGSYS);
}

TEST_ROOT(a_forbidden_call_is_named_where_that_is_asked)
{
    static const long calls[] = {SYS_ptrace, SYS_bpf, SYS_mount, SYS_keyctl};

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct kid *kid = kid_new();

        kid->birth.policy.audit = 1;
        kid_ask(kid);
        kid_stands(kid);
        kid_greet(kid);
        kid_do(kid, COMMAND_CALL, calls[i]);
        kid_ended(kid, CLD_KILLED, SIGSYS);
        CHECK_INT(isle__death_call(&kid->death, kid->channel), calls[i]);
        kid_free(kid);
    }
}

TEST_ROOT(a_child_that_uses_up_its_time_is_stopped_by_the_system)
{
    struct kid *kid = kid_new();

    kid->birth.policy.cpu_time_max_ns = ISLE_SECONDS(1);
    kid_ask(kid);
    kid_stands(kid);
    kid_do(kid, COMMAND_SPIN, 0);
    kid_ended(kid, CLD_KILLED, SIGXCPU);
    /* The limit counts by ticks of a clock, the report counts time. */
    CHECK(kid->death.cpu_ns >= ISLE_MS(200) && kid->death.cpu_ns < ISLE_SECONDS(5));
    kid_free(kid);
}

TEST_ROOT(memory_ends_at_the_limit_and_the_child_lives)
{
    struct kid *kid = kid_new();
    int64_t got;

    if (*TEST_SANITIZER)
        skip("the sanitizer has memory of its own");
    kid->birth.policy.memory_max = 16 << 20;
    kid_ask(kid);
    kid_stands(kid);
    kid_greet(kid);
    got = kid_asked(kid, COMMAND_ALLOCATE, 64 << 20);
    if (got < 8 << 20 || got > 19 << 20) /* the limit spares what a child maps before it begins */
        fail("%" PRId64 " bytes could be had", got);
    test_count_check();
    CHECK_INT(kid_asked(kid, COMMAND_ECHO, 5), 5);
    kid_do(kid, COMMAND_RETURN, 0);
    kid_ended(kid, CLD_EXITED, 0);
    CHECK(kid->death.memory_peak >= 8 << 20);
    kid_free(kid);
}

TEST_ROOT(a_child_that_spins_is_killed)
{
    struct kid *kid = kid_born();

    kid_do(kid, COMMAND_SPIN, 0);
    kid_kill(kid);
    kid_free(kid);
}

TEST_ROOT(a_kill_before_the_birth_kills_at_birth)
{
    struct kid *kid = kid_new();

    kid_ask(kid);
    isle__birth_kill(&kid->birth);
    kid_stands(kid);
    kid_ended(kid, CLD_KILLED, SIGKILL);
    kid_free(kid);
}

TEST_ROOT(a_kill_after_the_death_hits_nobody)
{
    struct kid *kid = kid_born();
    int pidfd = isle__fd_duplicate(kid->pidfd);

    kid_do(kid, COMMAND_RETURN, 5);
    CHECK(pidfd_dies(pidfd, 10000));
    isle__birth_kill(&kid->birth);
    kid_ended(kid, CLD_EXITED, 5);
    isle__birth_kill(&kid->birth);
    close(pidfd);
    kid_free(kid);
}

TEST_ROOT(a_layer_that_is_missing_is_named)
{
    struct kid *kid = kid_new();

    zygote_needed();
    kid->birth.policy.required = UINT32_C(1) << 30; /* no such layer */
    CHECK_ERR(isle__birth_ask(&kid->birth, NULL, NULL, 0), ISLE_ESPAWN);
    CHECK(strstr(kid->birth.error, "required layer") != NULL);
    CHECK_INT(atomic_load(&kid->times_told), 0);
    free(kid);
}

/* --- what gets in */

TEST_ROOT(a_child_has_its_own_descriptors_and_no_other)
{
    static const char *const paths[] = {"/etc/passwd", "/", "/dev/zero"};
    struct kid *kid;

    for (size_t i = 0; i < 3; i++) {
        int fd = open(paths[i], O_RDONLY); /* stays open across an exec */

        CHECK(fd >= 0);
        CHECK(dup2(fd, 200 + (int)i) >= 0);
    }
    kid = kid_born();
    CHECK_INT(kid_asked(kid, COMMAND_DESCRIPTORS, 0), 0x3f);
    kid_kill(kid);
    kid_free(kid);
}

TEST_ROOT(the_environment_is_empty_inside)
{
    struct kid *kid;

    CHECK_INT(setenv("HOST_TOKEN", "none of your business", 1), 0);
    CHECK_INT(setenv(WRONG_VARIABLE, "/nowhere", 1), 0);
    kid = kid_born();
    CHECK_INT(kid_asked(kid, COMMAND_ENVIRONMENT, 0), 0);
    kid_kill(kid);
    kid_free(kid);
}

/* The search is shown to find it in the host first. */
TEST_ROOT(a_secret_of_the_host_is_not_in_a_childs_memory)
{
    static unsigned char in_data[SECRET_SIZE];
    unsigned char on_stack[SECRET_SIZE], *in_heap = malloc(SECRET_SIZE);
    struct kid *kid;

    CHECK(in_heap != NULL);
    for (size_t i = 0; i < SECRET_SIZE; i++)
        in_data[i] = on_stack[i] = in_heap[i] = secret_seed[i] ^ 0x65;
    CHECK_INT(secret_count(in_data, in_data + SECRET_SIZE), 1);
    CHECK_INT(secret_count(on_stack, on_stack + SECRET_SIZE), 1);
    CHECK_INT(secret_count(in_heap, in_heap + SECRET_SIZE), 1);
    CHECK_INT(secret_count(&__data_start, &_end), 1);
    kid = kid_born();
    CHECK_INT(kid_asked(kid, COMMAND_SEARCH, 0), 0);
    kid_kill(kid);
    kid_free(kid);
    free(in_heap);
}

TEST_ROOT(siblings_draw_different_random_numbers)
{
    struct kid *one = kid_born(), *other = kid_born();
    int64_t first = kid_asked(one, COMMAND_RANDOM, 0);

    CHECK(first != kid_asked(other, COMMAND_RANDOM, 0));
    kid_kill(one);
    kid_kill(other);
    kid_free(one);
    kid_free(other);
}

TEST_ROOT(what_a_child_prints_comes_to_its_log)
{
    struct kid *kid = kid_new();
    char text[64] = "";
    struct pollfd log;

    kid->birth.wants_log = true;
    kid_ask(kid);
    kid_stands(kid);
    kid_greet(kid);
    log = (struct pollfd){.fd = kid->log, .events = POLLIN};
    CHECK_INT(kid_asked(kid, COMMAND_DESCRIPTORS, 0), 0x3f);
    CHECK_INT(kid_asked(kid, COMMAND_PRINT, 0), 0);
    CHECK_INT(poll(&log, 1, 10000), 1);
    CHECK(read(kid->log, text, sizeof text - 1) > 0);
    CHECK_STRING(text, "printed inside\n");
    kid_kill(kid);
    kid_free(kid);
}

/* --- code at a path */

static const char *plugin_beside(const char *name)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);

    CHECK(size > 0);
    path[size] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

static struct kid *kid_with_code(const char *name, const char *entry)
{
    struct isle__birth_code code = {.object = plugin_beside(name), .entry = entry};
    struct kid *kid = kid_new();

    zygote_needed();
    if (isle__birth_ask(&kid->birth, &code, NULL, 0) != ISLE_OK)
        fail("a birth is refused: %s", kid->birth.error);
    kid_stands(kid);
    return kid;
}

static void kid_says_of_its_code(const char *name, const char *entry, const char *text)
{
    struct kid *kid = kid_with_code(name, entry);
    enum isle__channel_state state;

    while ((state = isle__birth_greet(&kid->birth, kid->channel)) == ISLE__CHANNEL_EMPTY)
        isle__channel_wait(kid->channel, ISLE_MS(100));
    CHECK_INT(state, ISLE__CHANNEL_FULL);
    if (strstr(kid->birth.error, text) == NULL)
        fail("the text is \"%s\", without \"%s\"", kid->birth.error, text);
    kid_ended(kid, CLD_EXITED, ISLE__CHILD_FAILED);
    kid_free(kid);
}

/* What was scribbled over the ring is not taken for the words of a child that could not stand. */
TEST(a_greeting_that_no_child_sends_is_none)
{
    static const struct {
        struct isle__child_hello hello;
        enum isle__channel_state state;
    } cases[] = {
        {{.magic = ISLE__HELLO_MAGIC}, ISLE__CHANNEL_OK},
        {{.magic = ISLE__HELLO_MAGIC, .failed = 1, .text = "no"}, ISLE__CHANNEL_FULL},
        {{.magic = ISLE__HELLO_MAGIC, .failed = 1}, ISLE__CHANNEL_BROKEN},
        {{.magic = ISLE__HELLO_MAGIC, .failed = 2, .text = "no"}, ISLE__CHANNEL_BROKEN},
        {{.magic = ISLE__HELLO_MAGIC + 1}, ISLE__CHANNEL_BROKEN},
    };
    enum { RING = 65536 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct isle__channel *host, *child;
        struct isle__channel_fds fds;
        struct isle__birth birth = {0};
        CHECK_ERR(isle__channel_make(RING, RING, RING, &host, &fds), ISLE_OK);
        CHECK_ERR(isle__channel_attach(&fds, RING, RING, RING, &child), ISLE_OK);
        CHECK_INT(isle__channel_put(child, &cases[i].hello, sizeof cases[i].hello, NULL, 0),
                  ISLE__CHANNEL_OK);
        isle__channel_flush(child);
        CHECK_INT(isle__birth_greet(&birth, host), cases[i].state);
        CHECK_STRING(birth.error, cases[i].state == ISLE__CHANNEL_FULL ? "no" : "");
        isle__channel_close(host);
        isle__channel_close(child);
    }
}

TEST_ROOT(code_at_a_path_runs_inside)
{
    struct kid *kid = kid_with_code("zygote_plugin.so", "zygote_plugin_entry");

    kid_greet(kid);
    CHECK_INT(kid_asked(kid, COMMAND_ENTRY, 0), 42);
    CHECK_INT(kid_asked(kid, COMMAND_ENTRY, 0), 43);
    CHECK_INT(kid_asked(kid, COMMAND_DESCRIPTORS, 0), 0x3f);
    kid_do(kid, COMMAND_CALL, SYS_bpf);
    kid_ended(kid, CLD_KILLED, SIGSYS);
    kid_free(kid);
}

/* A host that is root has children that are nobody. */
TEST_ROOT(code_in_a_folder_of_the_hosts_own_is_loaded)
{
    char folder[] = "/tmp/isle-test-XXXXXX", path[64], command[8192];
    struct isle__birth_code code = {.object = path, .entry = "zygote_plugin_entry"};
    struct kid *kid = kid_new();

    CHECK(mkdtemp(folder) != NULL); /* of mode 0700 */
    snprintf(path, sizeof path, "%s/plugin.so", folder);
    snprintf(command, sizeof command, "cp '%s' '%s'", plugin_beside("zygote_plugin.so"), path);
    CHECK_INT(system(command), 0);
    zygote_needed();
    CHECK_ERR(isle__birth_ask(&kid->birth, &code, NULL, 0), ISLE_OK);
    kid_stands(kid);
    kid_greet(kid);
    CHECK_INT(kid_asked(kid, COMMAND_ENTRY, 0), 42);
    CHECK_INT(kid_asked(kid, COMMAND_DESCRIPTORS, 0), 0x3f);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(folder), 0);
    kid_kill(kid);
    kid_free(kid);
}

TEST_ROOT(code_that_cannot_be_loaded_is_told)
{
    struct isle__birth_code nowhere = {.object = "/nowhere/plugin.so", .entry = "entry"};
    struct kid *kid = kid_new();

    kid_says_of_its_code("zygote_plugin.so", "nobody", "nobody");
    kid_says_of_its_code("zygote", "main", "cannot dynamically load");
    zygote_needed();
    CHECK_ERR(isle__birth_ask(&kid->birth, &nowhere, NULL, 0), ISLE_ESPAWN);
    CHECK(strstr(kid->birth.error, "/nowhere/plugin.so") != NULL);
    free(kid);
}

TEST_ROOT(a_constructor_costs_only_its_child)
{
    struct kid *kid = kid_with_code("zygote_plugin_aborts.so", "zygote_plugin_entry");

    kid_ended(kid, CLD_KILLED, SIGABRT);
    kid_free(kid);
    kid = kid_with_code("zygote_plugin_hangs.so", "zygote_plugin_entry");
    births_and_kills(2);
    kid_kill(kid);
    kid_free(kid);
    kid = kid_with_code("zygote_plugin_attacks.so", "zygote_plugin_entry");
    kid_greet(kid);
    CHECK_INT(kid_asked(kid, COMMAND_ENTRY, 0), 42);
    kid_kill(kid);
    kid_free(kid);
}

/* --- forged orders */

struct forged {
    const char *what;
    int seals;
    int host_off; /* from the right process id */
    int size_off;
    bool other_magic, other_image, no_control, foreign_control;
};

enum { ALL_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

static int forged_order(const struct forged *forged)
{
    struct isle__zygote_order order = {
        .magic = ISLE__ORDER_MAGIC, .size = sizeof order, .host = getpid() + forged->host_off};
    int fd = memfd_create("forged", MFD_ALLOW_SEALING);

    CHECK(fd >= 0);
    CHECK(isle__code_place((isle__code *)isle__zygote_image, &order.image));
    if (forged->other_magic)
        order.magic[0] ^= 1;
    if (forged->other_image)
        order.image.offset ^= 16;
    CHECK_INT(write(fd, &order, sizeof order), sizeof order);
    CHECK_INT(ftruncate(fd, (off_t)sizeof order + forged->size_off), 0);
    if (forged->seals != 0)
        CHECK_INT(fcntl(fd, F_ADD_SEALS, forged->seals), 0);
    return fd;
}

/* Runs this program with that at the descriptors of an order; whether it listed its tests, as it
 * was asked to. *ret_control: the other end. */
static bool forged_lists(const struct forged *forged, int *ret_control)
{
    int order = forged_order(forged), ends[2], out[2];
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    char text[64] = "";
    pid_t child;

    CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    CHECK_INT(pipe(out), 0);
    child = fork();
    if (child == 0) {
        int pair[2];

        if (forged->foreign_control && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0)
            ends[1] = pair[1];
        dup2(out[1], 1);
        order = fcntl(order, F_DUPFD, 20);
        ends[1] = fcntl(ends[1], F_DUPFD, 20);
        self = fcntl(self, F_DUPFD, 20);
        dup2(order, ISLE__ORDER_FD);
        if (forged->no_control)
            close(ISLE__CONTROL_FD);
        else
            dup2(ends[1], ISLE__CONTROL_FD);
        dup2(self, ISLE__HOST_FD);
        syscall(SYS_close_range, 6U, ~0U, 0U);
        execl("/proc/self/exe", "zygote", "--list", (char *)NULL);
        _exit(1);
    }
    close(out[1]);
    close(order);
    close(ends[1]);
    close(self);
    CHECK(child > 0);
    struct pollfd news[2] = {{.fd = out[0], .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    while (news[0].revents == 0 && news[1].revents != POLLIN) { /* or it says hello */
        if ((news[1].revents & POLLHUP) != 0)
            news[1].fd = -1; /* it has no such socket */
        CHECK(poll(news, 2, 20000) > 0);
    }
    bool listed = (news[0].revents & POLLIN) != 0 && read(out[0], text, sizeof text - 1) > 0;
    close(out[0]);
    *ret_control = ends[0];
    return listed;
}

TEST(a_forged_order_is_not_believed)
{
    static const struct forged cases[] = {
        {.what = "no seals"},
        {.what = "not sealed against writing", .seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL},
        {.what = "not sealed against seals", .seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE},
        {.what = "another parent", .seals = ALL_SEALS, .host_off = 1},
        {.what = "longer", .seals = ALL_SEALS, .size_off = 1},
        {.what = "shorter", .seals = ALL_SEALS, .size_off = -1},
        {.what = "another magic", .seals = ALL_SEALS, .other_magic = true},
        {.what = "no control socket", .seals = ALL_SEALS, .no_control = true},
        {.what = "a socket of somebody else's", .seals = ALL_SEALS, .foreign_control = true},
    };
    int control;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!forged_lists(&cases[i], &control))
            fail("an order is believed: %s", cases[i].what);
        test_count_check();
        close(control);
        CHECK(waitpid(-1, NULL, 0) > 0);
    }
}

/* And one with nothing wrong is: the cases above are refused for what they say. */
TEST(a_good_order_is_believed)
{
    struct forged nothing = {.seals = ALL_SEALS}, image = {.seals = ALL_SEALS, .other_image = true};
    struct isle__zygote_answer answer;
    int control, status;

    CHECK(!forged_lists(&image, &control));
    CHECK(waitpid(-1, &status, 0) > 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    close(control);
    struct pollfd hello = {.events = POLLIN};
    CHECK(!forged_lists(&nothing, &hello.fd));
    do { /* what this machine lacks is told first */
        CHECK_INT(poll(&hello, 1, 10000), 1);
        CHECK_INT(recv(hello.fd, &answer, sizeof answer, 0), sizeof answer);
    } while (answer.kind == ISLE__ANSWER_LACKS);
    CHECK_INT(answer.kind, ISLE__ANSWER_HELLO);
    CHECK_INT(answer.status, 0);
    close(hello.fd);
    CHECK(waitpid(-1, &status, 0) > 0);
}
