/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox where something cannot be had: what is said of a layer that is required, and what
 * goes on without one that is not. */
#include "sandbox_help.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

/* The calls that the next filter refuses. */
static int refused_call;

static void refuse_call(struct shown *shown)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused_call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    (void)shown;
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* Requires what is impossible, and then not. */
static void impossible(void (*before)(struct shown *shown), uint32_t layer, const char *call,
                       bool ordinary)
{
    struct play play = {.policy.required = layer, .ordinary = ordinary, .before = before};
    char expected[64];
    struct shown *refused = play_shown(&play);
    CHECK_ERR(refused->child_err, ISLE_ESPAWN);
    CHECK_UINT(refused->zygote_reached & layer, 0);
    snprintf(expected, sizeof expected, "%s is missing (%s", isle_sandbox_layer_name(layer), call);
    if (strstr(refused->text, expected) == NULL)
        fail("\"%s\" does not say \"%s\"", refused->text, expected);
    shown_close(refused);

    play.policy.required = 0;
    play.policy.insecure = 1;
    struct shown *lower = play_well(&play);
    CHECK_UINT(lower->reached & layer, 0);
    shown_close(lower);
}

static void no_namespaces(bool ordinary)
{
    refused_call = SYS_unshare;
    impossible(refuse_call, ISLE_LAYER_USERNS, "unshare(CLONE_NEWUSER): Operation not permitted",
               ordinary);
    impossible(refuse_call, ISLE_LAYER_PIDNS, "unshare(CLONE_NEWPID): Operation not permitted",
               ordinary);
    impossible(refuse_call, ISLE_LAYER_MNTNS, "unshare(CLONE_NEWNS): Operation not permitted",
               ordinary);
}

TEST(a_namespace_that_is_refused_is_named_and_the_rest_goes_on)
{
    as_every_user(no_namespaces);
}

static void no_mounts(bool ordinary)
{
    refused_call = 430;
    impossible(refuse_call, ISLE_LAYER_MNTNS, "", ordinary);
}

TEST(a_root_that_cannot_be_made_is_named)
{
    as_every_user(no_mounts);
}

static void no_landlock(bool ordinary)
{
    refused_call = 444;
    impossible(refuse_call, ISLE_LAYER_LANDLOCK, "landlock_create_ruleset: Operation not permitted",
               ordinary);
    int grant = open("/usr", O_PATH | O_CLOEXEC);
    struct play play = {.policy.reads = 1,
                        .paths = {.reads = &grant, .read_count = 1},
                        .ordinary = ordinary,
                        .before = refuse_call};
    struct shown *shown = play_shown(&play); /* paths need it */
    CHECK_ERR(shown->child_err, ISLE_ESPAWN);
    CHECK(strstr(shown->text, "landlock is missing") != NULL);
    shown_close(shown);
    close(grant);
}

TEST(landlock_that_is_refused_is_named)
{
    as_every_user(no_landlock);
}

static void no_filter(bool ordinary)
{
    struct play play = {.ordinary = ordinary, .before = refuse_call};
    refused_call = SYS_seccomp;
    impossible(refuse_call, ISLE_LAYER_SECCOMP, "seccomp: Operation not permitted", ordinary);
    struct shown *shown = play_shown(&play); /* by default */
    CHECK_ERR(shown->child_err, ISLE_ESPAWN);
    CHECK(strstr(shown->text, "seccomp is missing") != NULL);
    shown_close(shown);
}

TEST(without_a_filter_nothing_starts_unless_that_is_asked_for)
{
    as_every_user(no_filter);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail("%s: %s", path, strerror(errno));
    close(fd);
}

/* A user namespace in which there are no more of them. Its root has every capability there. */
static void no_more_users(struct shown *shown)
{
    char map[40];
    unsigned user = geteuid(), group = getegid();
    (void)shown;
    CHECK_INT(unshare(CLONE_NEWUSER), 0);
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", group);
    write_file("/proc/self/gid_map", map);
    snprintf(map, sizeof map, "0 %u 1", user);
    write_file("/proc/self/uid_map", map);
    write_file("/proc/sys/user/max_user_namespaces", "0");
}

static void no_users(bool ordinary)
{
    if (reached_here(ordinary) & ISLE_LAYER_USERNS)
        impossible(no_more_users, ISLE_LAYER_USERNS,
                   "unshare(CLONE_NEWUSER): No space left on device", ordinary);
}

TEST(user_namespaces_that_are_used_up_are_named)
{
    if ((reached_here(true) & ISLE_LAYER_USERNS) == 0)
        skip("this machine gives no user namespaces");
    as_every_user(no_users);
}

TEST(a_layer_that_nobody_knows_is_missing)
{
    struct play play = {.policy.required = 1u << 30};
    struct shown *shown = play_shown(&play);
    CHECK_ERR(shown->child_err, ISLE_ESPAWN);
    CHECK_STRING(shown->text, "unknown is missing (no such layer)");
    shown_close(shown);
}

TEST(a_control_group_is_missing_where_none_was_entered)
{
    struct play play = {.policy.required = ISLE_LAYER_SECCOMP | ISLE_LAYER_CGROUP};
    struct shown *shown = play_shown(&play);
    CHECK_ERR(shown->child_err, ISLE_ESPAWN);
    CHECK_STRING(shown->text, "cgroup is missing (no control group was given)");
    shown_close(shown);
}

TEST(layers_have_names)
{
    CHECK_STRING(isle_sandbox_layer_name(0), "none");
    CHECK_STRING(isle_sandbox_layer_name(ISLE_LAYER_SECCOMP), "seccomp");
    CHECK_STRING(isle_sandbox_layer_name(ISLE_LAYER_MNTNS | ISLE_LAYER_CGROUP), "mntns");
    CHECK_STRING(isle_sandbox_layer_name(ISLE_LAYER_CGROUP), "cgroup");
    CHECK_STRING(isle_sandbox_layer_name(1u << 31), "unknown");
}

TEST(a_policy_says_what_it_misses)
{
    const uint32_t files = ISLE_LAYER_LANDLOCK | ISLE_LAYER_MNTNS;
    struct isle__policy policy = {0};
    CHECK_UINT(isle__sandbox_missing(&policy, 0), ISLE_LAYER_SECCOMP | files);
    CHECK_UINT(isle__sandbox_missing(&policy, ISLE_LAYER_SECCOMP), files);
    CHECK_UINT(isle__sandbox_missing(&policy, files), ISLE_LAYER_SECCOMP);
    CHECK_UINT(isle__sandbox_missing(&policy, ISLE_LAYER_SECCOMP | ISLE_LAYER_MNTNS), 0);
    policy.required = ISLE_LAYER_NETNS | ISLE_LAYER_PIDNS;
    CHECK_UINT(isle__sandbox_missing(&policy, ISLE_LAYER_PIDNS), ISLE_LAYER_NETNS);
    policy.insecure = 1;
    CHECK_UINT(isle__sandbox_missing(&policy, 0), 0);
}

TEST_MAIN()
