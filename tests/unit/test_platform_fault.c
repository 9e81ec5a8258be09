/* SPDX-License-Identifier: Apache-2.0 */
/* The platform layer on Linux: stack overflows are caught on their guards, and every other fault
 * goes where it went before. Under the sanitizers the former handler is their runtime's, so what
 * the system does by default cannot be seen there. */
#include "platform_help.h"

static struct {
    const void *address;
    bool in_system, asked;
    bool accept;
    struct isle__catch_buffer buffer;
} overflow;

static void overflow_resume(void)
{
    isle__catch_jump(&overflow.buffer);
}

static bool overflow_taken(void *address, bool in_system, void (**ret_resume)(void))
{
    overflow.address = address;
    overflow.in_system = in_system;
    overflow.asked = true;
    *ret_resume = overflow_resume;
    return overflow.accept;
}

static volatile int bottomless = 1;

__attribute__((noinline)) static int descend(int depth)
{
    volatile char frame[200];
    frame[0] = (char)depth;
    int deeper = bottomless ? descend(depth + 1) : 0;
    return deeper + frame[0];
}

static void descend_run(void *argument)
{
    (void)argument;
    descend(0);
}

static void overflow_entry(void *argument)
{
    struct pair *pair = argument;
    for (;;) {
        pair->switches += isle__catch_run(&overflow.buffer, descend_run, NULL);
        isle__context_switch(&pair->away, &pair->home);
    }
}

static void overflow_on_this_thread(void *argument)
{
    struct pair pair = {0};
    (void)argument;
    pair_open(&pair, 65536, overflow_entry);
    overflow.accept = true;
    for (int i = 0; i < 20; i++)
        isle__context_switch(&pair.home, &pair.away);
    CHECK_INT(pair.switches, 20);
    const unsigned char *low = pair.stack.low;
    CHECK((const unsigned char *)overflow.address < low);
    CHECK((const unsigned char *)overflow.address >= low - 65536);
    CHECK(!overflow.in_system);
    pair_close(&pair);
}

/* Under the sanitizers too: their runtimes let the program's handler come first. */
TEST(stack_overflow_is_caught_and_the_thread_goes_on)
{
    struct isle__thread thread;
    isle__fault_thread_init();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    overflow_on_this_thread(NULL);
    start(&thread, overflow_on_this_thread, NULL);
    isle__thread_join(&thread);
    isle__fault_remove();
    isle__fault_thread_fini();
}

static size_t volatile far_size = 40000;

static void *overflow_libc(void *argument)
{
    struct pair *pair = argument;
    /* Not known at compile time, so it is the library's memset that faults. */
    return memset((unsigned char *)pair->stack.low - far_size, 0, far_size);
}

static void overflow_libc_run(void *argument)
{
    overflow_libc(argument);
}

static void overflow_libc_entry(void *argument)
{
    struct pair *pair = argument;
    pair->switches += isle__catch_run(&overflow.buffer, overflow_libc_run, pair);
    isle__context_leave(&pair->away, &pair->home);
}

TEST(stack_overflow_in_the_c_library_is_told_apart)
{
    struct pair pair = {0};
    if (UNDER_ASAN)
        skip("the address sanitizer checks the arguments of memset first");
    isle__fault_thread_init();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    overflow.accept = true;
    pair_open(&pair, 65536, overflow_libc_entry);
    isle__context_switch(&pair.home, &pair.away);
    CHECK_INT(pair.switches, 1);
    CHECK(overflow.in_system);
    pair_close(&pair);
    isle__fault_remove();
    isle__fault_thread_fini();
}

static volatile int *volatile wild; /* NULL */

__attribute__((noinline, no_sanitize("undefined"))) static void write_wild(void)
{
    *wild = 1;
}

static void child_writes_wild(void)
{
    isle__fault_thread_init();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    write_wild();
}

/* The sanitizers' runtimes are the former handler there: they report and exit. */
TEST(foreign_fault_meets_the_default)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("the sanitizer's own handler is not the default");
    int status = in_child(child_writes_wild);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGSEGV);
}

static void child_overflows_refused(void)
{
    struct pair pair = {0};
    isle__fault_thread_init();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    overflow.accept = false;
    pair_open(&pair, 65536, overflow_entry);
    isle__context_switch(&pair.home, &pair.away);
}

TEST(refused_overflow_meets_the_default)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("the sanitizer's own handler is not the default");
    int status = in_child(child_overflows_refused);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGSEGV);
}

static sigjmp_buf foreign_back;
static volatile int foreign_signal, foreign_usr1_blocked, foreign_address_told;

static void foreign_handler(int signal, siginfo_t *info, void *context)
{
    sigset_t blocked;
    (void)context;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    foreign_signal = signal;
    foreign_usr1_blocked = sigismember(&blocked, SIGUSR1);
    foreign_address_told = info->si_addr == NULL;
    siglongjmp(foreign_back, 1);
}

static void foreign_install(int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = foreign_handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
}

TEST(foreign_fault_reaches_the_former_handler_with_its_mask)
{
    struct sigaction now;
    isle__fault_thread_init();
    foreign_install(0);
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    for (int i = 0; i < 3; i++) {
        foreign_signal = 0;
        if (sigsetjmp(foreign_back, 1) == 0)
            raise(SIGSEGV);
        CHECK_INT(foreign_signal, SIGSEGV);
        CHECK_INT(foreign_usr1_blocked, 1);
        foreign_signal = 0;
        if (sigsetjmp(foreign_back, 1) == 0)
            write_wild();
        CHECK_INT(foreign_signal, SIGSEGV);
        CHECK_INT(foreign_address_told, 1);
    }
    CHECK(!overflow.asked);
    isle__fault_remove();
    CHECK_INT(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_sigaction == foreign_handler);
    isle__fault_thread_fini();
}

static volatile int plain_calls;

static void plain_handler(int signal)
{
    (void)signal;
    plain_calls++;
}

static void child_raises_twice(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = plain_handler;
    action.sa_flags = (int)SA_RESETHAND;
    CHECK_INT(sigaction(SIGBUS, &action, NULL), 0);
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    raise(SIGBUS);
    if (plain_calls != 1)
        _exit(2);
    raise(SIGBUS);
    _exit(3);
}

TEST(one_shot_handler_of_the_host_is_called_once)
{
    int status = in_child(child_raises_twice);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGBUS);
}

static void child_ignores(void)
{
    signal(SIGSEGV, SIG_IGN);
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    raise(SIGSEGV); /* sent, not a fault: stays ignored */
    _exit(4);
}

TEST(ignored_fault_signal_that_was_sent_stays_ignored)
{
    int status = in_child(child_ignores);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 4);
}

TEST(fault_handler_under_a_later_one_is_revived)
{
    isle__fault_thread_init();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    foreign_install(SA_ONSTACK);
    isle__fault_remove();
    CHECK_ERR(isle__fault_install(overflow_taken), ISLE_OK);
    struct sigaction now;
    CHECK_INT(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_sigaction == foreign_handler);
    signal(SIGSEGV, SIG_DFL);
    isle__fault_remove();
    isle__fault_thread_fini();
}

TEST_MAIN()
