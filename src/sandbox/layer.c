/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the layers, and which of them a policy wants. Plain C: any thread, every system. */
#include "sandbox/sandbox.h"

/* By the number of the bit in ISLE_LAYER_*. */
static const char *const layer_names[ISLE__LAYERS] = {"seccomp", "landlock", "userns", "mntns",
                                                      "netns",   "pidns",    "ipcns",  "cgroup"};

const char *isle__sandbox_layer_name(uint32_t layers)
{
    if (layers == 0)
        return "none";
    int bit = __builtin_ctz(layers);
    return bit < ISLE__LAYERS ? layer_names[bit] : "unknown";
}

const char *isle_sandbox_layer_name(uint32_t layers)
{
    return isle__sandbox_layer_name(layers);
}

/* The default: system calls are filtered, and files are kept away in one of two ways. */
static uint32_t layer_missing_of_default(uint32_t reached)
{
    const uint32_t files = ISLE_LAYER_LANDLOCK | ISLE_LAYER_MNTNS;
    uint32_t missing = ISLE_LAYER_SECCOMP & ~reached;
    return (reached & files) != 0 ? missing : missing | files;
}

uint32_t isle__sandbox_missing(const struct isle__policy *policy, uint32_t reached)
{
    if (policy->insecure)
        return 0;
    if (policy->required == 0)
        return layer_missing_of_default(reached);
    return policy->required & ~reached;
}
