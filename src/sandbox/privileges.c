/* SPDX-License-Identifier: Apache-2.0 */
/* Users, capabilities, and what a process may never become again. One thread, in the zygote before
 * it serves or in a child of it. */
#include "sandbox/layers.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of newer kernels than the headers may be. */
enum { PRIVILEGES_SET_MDWE = 65, PRIVILEGES_REFUSE_EXEC_GAIN = 1 };
enum { PRIVILEGES_JOIN_SESSION_KEYRING = 1 };

/* The three sets of a process, 64 bits each. */
struct privileges {
    uint64_t effective, permitted, inheritable;
};

static bool privileges_get(struct privileges *ret)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    ret->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return true;
}

static bool privileges_set(const struct privileges *sets)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)sets->effective, (uint32_t)sets->permitted, (uint32_t)sets->inheritable},
        {(uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32),
         (uint32_t)(sets->inheritable >> 32)}};
    return syscall(SYS_capset, &header, data) == 0;
}

static uint64_t privileges_bit(int capability)
{
    return UINT64_C(1) << capability;
}

/* May it become another user, and kill that one's processes, which are to be its isolates? A root
 * that may not is one in name alone, and stays. */
static bool privileges_are_roots(void)
{
    const uint64_t needed =
        privileges_bit(CAP_SETUID) | privileges_bit(CAP_SETGID) | privileges_bit(CAP_KILL);
    struct privileges has;
    return geteuid() == 0 && privileges_get(&has) && (has.effective & needed) == needed;
}

/* Where nobody is not mapped, as in a user namespace of one user, root is somebody else's ordinary
 * user. That changing the user makes a process undumpable is undone: its maps are to be written. */
void isle__privileges_leave_root(void)
{
    struct privileges has;
    if (!privileges_are_roots() || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return;
    if (setgroups(0, NULL) == 0 && setresgid(ISLE__NOBODY, ISLE__NOBODY, ISLE__NOBODY) == 0 &&
        setresuid(ISLE__NOBODY, ISLE__NOBODY, ISLE__NOBODY) == 0 && privileges_get(&has)) {
        has.effective = has.permitted;
        if (privileges_set(&has))
            prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

/* Needs CAP_SETPCAP; who lacks it has no_new_privs, which does the same for all that it executes.
 */
static void privileges_empty_bounds(void)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; capability < 64; capability++) {
        int is_there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (is_there < 0)
            return;
        if (is_there && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return;
    }
}

bool isle__privileges_drop(int keep)
{
    struct privileges sets;
    if (!privileges_get(&sets))
        return false;
    if (sets.effective & privileges_bit(CAP_SETPCAP))
        privileges_empty_bounds();
    sets.permitted = sets.effective &= keep < 0 ? 0 : privileges_bit(keep);
    sets.inheritable = 0;
    return privileges_set(&sets);
}

bool isle__privileges_clear(void)
{
    return privileges_set(&(struct privileges){0});
}

bool isle__privileges_harden(void)
{
    const struct rlimit none = {0, 0};
    /* Without a keyring of its own it could use what the host's has; not every system has keys. */
    syscall(SYS_keyctl, PRIVILEGES_JOIN_SESSION_KEYRING, NULL);
    prctl(PRIVILEGES_SET_MDWE, PRIVILEGES_REFUSE_EXEC_GAIN, 0, 0, 0); /* Linux 6.3 */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           setrlimit(RLIMIT_CORE, &none) == 0;
}
