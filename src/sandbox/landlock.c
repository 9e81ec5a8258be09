/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: a ruleset handles every right that the running kernel knows and allows none of them, or
 * reading beneath what was granted alone.
 *
 * Law: which rights the kernel knows is found by trying, so that one which is younger than this
 * file is handled, that is denied, as well. Rulesets are made by the zygote, where children only
 * enforce them, or by a child of its own paths; one layer for each child, since two processes in
 * the same domain may signal each other. What was found is the process's own: one thread, and the
 * copies that its children have. */
#include "sandbox/layers.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct landlock_ruleset_attr as it has grown: 8 bytes, with version 4 of the
 * interface 16, with version 6 24. */
struct landlock_rights {
    uint64_t files, network, scopes;
};
/* struct landlock_path_beneath_attr. */
struct landlock_path {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

enum { LANDLOCK_PATH_BENEATH = 1, LANDLOCK_VERSION = 1 };
enum { LANDLOCK_READ_FILE = 1 << 2, LANDLOCK_READ_FOLDER = 1 << 3 };
/* From version 7: neither this domain's denials nor those of domains within go to the audit log,
 * which a hostile isolate could fill. */
enum { LANDLOCK_LOG_OFF = 1 << 0 | 1 << 2 };
/* All that version 1 knows; later ones are found. */
enum { LANDLOCK_FIRST_FILES = (1 << 13) - 1 };

/* What the running kernel knows; found once, by the zygote. */
static struct landlock_rights landlock_known;
static int landlock_abi;

static size_t landlock_size(void)
{
    return landlock_abi >= 6 ? 24 : landlock_abi >= 4 ? 16 : 8;
}

static int landlock_create(void)
{
    return (int)syscall(ISLE__CALL_LANDLOCK_CREATE, &landlock_known, landlock_size(), 0);
}

/* Adds rights to one member of the known for as long as the kernel does not call them invalid. Some
 * right is known already: a ruleset of none is refused. */
static bool landlock_find(uint64_t *member)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t before = *member;
        *member |= UINT64_C(1) << bit;
        int ruleset = *member == before ? -1 : landlock_create();
        if (*member != before && ruleset < 0) {
            *member = before;
            return errno == EINVAL;
        }
        if (ruleset >= 0)
            close(ruleset);
    }
    return true;
}

static bool landlock_find_all(void)
{
    landlock_known = (struct landlock_rights){.files = LANDLOCK_FIRST_FILES};
    landlock_abi = (int)syscall(ISLE__CALL_LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
    return landlock_abi >= 1 && landlock_find(&landlock_known.files) &&
           (landlock_size() < 16 || landlock_find(&landlock_known.network)) &&
           (landlock_size() < 24 || landlock_find(&landlock_known.scopes));
}

void isle__landlock_open(struct isle__sandbox *sandbox)
{
    if (!isle__layer_wanted(sandbox, ISLE_LAYER_LANDLOCK))
        return;
    if (landlock_find_all())
        sandbox->landlock = landlock_create();
    if (sandbox->landlock < 0) {
        isle__layer_fails(sandbox, ISLE_LAYER_LANDLOCK, "landlock_create_ruleset", errno);
        return;
    }
    sandbox->landlock_abi = landlock_abi;
    sandbox->reached |= ISLE_LAYER_LANDLOCK;
}

/* A right on folders is refused with EINVAL for a file. */
static bool landlock_allow(int ruleset, int path)
{
    struct landlock_path rule = {.allowed = LANDLOCK_READ_FILE | LANDLOCK_READ_FOLDER,
                                 .parent = path};
    if (syscall(ISLE__CALL_LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) == 0)
        return true;
    rule.allowed = LANDLOCK_READ_FILE;
    return errno == EINVAL &&
           syscall(ISLE__CALL_LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) == 0;
}

static bool landlock_allow_all(int ruleset, const int *paths, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++)
        if (!landlock_allow(ruleset, paths[at]))
            return false;
    return true;
}

int isle__landlock_open_for(const int *reads, uint32_t read_count, const int *code,
                            uint32_t code_count)
{
    int ruleset = landlock_create();
    if (ruleset < 0)
        return -1;
    if (landlock_allow_all(ruleset, reads, read_count) &&
        landlock_allow_all(ruleset, code, code_count))
        return ruleset;
    int error = errno;
    close(ruleset);
    errno = error;
    return -1;
}

bool isle__landlock_restrict(int ruleset)
{
    return syscall(ISLE__CALL_LANDLOCK_RESTRICT, ruleset,
                   landlock_abi >= 7 ? LANDLOCK_LOG_OFF : 0) == 0;
}
