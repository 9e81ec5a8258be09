/* SPDX-License-Identifier: Apache-2.0 */
/* The world of one run: what there is to attack.
 *
 * A victim plays the host: a process of the same user, with a secret in its memory, its environment
 * and an open file, with sockets that listen and System V, queue and shared memory of its own. A
 * folder has files that the same user may change. Descriptors are inherited as if a careless host
 * had leaked them. Each run has its own, for a run without the sandbox spoils it. Made and removed
 * by the runner. */
#include "attack.h"

#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WORLD_ORDINARY = 65534 }; /* "nobody" */

char attack_secret[64] = "nothing yet";
struct attack_world *attack_world;

int64_t attack_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void attack_become_ordinary(void)
{
    if (geteuid() == 0 || getuid() == 0) {
        /* Not dumpable after this, and so without a /proc of its own to write id maps in. */
        if (setgroups(0, NULL) || setresgid(WORLD_ORDINARY, WORLD_ORDINARY, WORLD_ORDINARY) ||
            setresuid(WORLD_ORDINARY, WORLD_ORDINARY, WORLD_ORDINARY) ||
            prctl(PR_SET_DUMPABLE, 1)) {
            perror("not run as root, and cannot become an ordinary user");
            _exit(1);
        }
    }
    if (geteuid() == 0 || getuid() == 0 || setuid(0) == 0) {
        fprintf(stderr, "attempts do not run as root\n");
        _exit(1);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

__attribute__((noreturn)) static void world_fail(const char *what)
{
    fprintf(stderr, "the world of the attacks: %s: %s\n", what, strerror(errno));
    exit(1);
}

const char *attack_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", attack_world->folder, name);
    return path;
}

int attack_read_secret(int fd)
{
    char buffer[4096];
    ssize_t got;

    if (fd < 0)
        return errno;
    got = read(fd, buffer, sizeof buffer);
    close(fd);
    if (got < 0)
        return errno;
    return memmem(buffer, (size_t)got, ATTACK_SECRET, strlen(ATTACK_SECRET)) ? ATTACK_WORKS
                                                                             : ATTACK_NOTHING;
}

static int world_write_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t wrote = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0)
        close(fd);
    return wrote < 0 ? errno : 0;
}

int attack_own_namespaces(int flags)
{
    char text[64];
    unsigned user = getuid(), group = getgid();

    if (unshare(CLONE_NEWUSER | flags))
        return errno;
    world_write_map("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "0 %u 1", user);
    world_write_map("/proc/self/uid_map", text);
    snprintf(text, sizeof text, "0 %u 1", group);
    world_write_map("/proc/self/gid_map", text);
    return 0;
}

/* --- what the runner makes */

static void world_make_folder(struct attack_world *world)
{
    static const char *const files[] = {"file", "other"};

    snprintf(world->folder, sizeof world->folder, "%.32s/isle-attack-XXXXXX", P_tmpdir);
    if (!mkdtemp(world->folder))
        world_fail("a folder");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int fd = open(attack_path(files[i]), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, ATTACK_SECRET, sizeof ATTACK_SECRET) < 0)
            world_fail("a file");
        close(fd);
    }
    if (mkdir(attack_path("empty"), 0700) || symlink("/etc/passwd", attack_path("leads-out")))
        world_fail("an empty folder, and a link");
}

static int world_open_tty(struct attack_world *world)
{
    world->master = posix_openpt(O_RDWR | O_NOCTTY);
    if (world->master < 0 || grantpt(world->master) || unlockpt(world->master))
        return -1; /* its rows say that it is lacking */
    return open(ptsname(world->master), O_RDWR | O_NOCTTY);
}

static int world_make_script(void)
{
    static const char script[] = "#!/bin/sh\nexit 42\n";
    int fd = memfd_create("script", 0);

    if (fd < 0 || write(fd, script, sizeof script - 1) < 0)
        world_fail("a script");
    return fd;
}

/* A file whose bytes are code: returns 42. */
static int world_make_code(void)
{
#if defined(__x86_64__)
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
#elif defined(__aarch64__)
    static const unsigned char code[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#else
    static const unsigned char code[] = {0};
#endif
    int fd = memfd_create("code", 0);

    if (fd < 0 || write(fd, code, sizeof code) < 0 || ftruncate(fd, 4096))
        world_fail("a file of code");
    return fd;
}

static void world_leak_descriptors(struct attack_world *world)
{
    int pipe_ends[2], sockets[2];

    world->tty = world_open_tty(world);
    world->file = open(attack_path("other"), O_RDWR);
    world->granted = open(world->folder, O_PATH);
    if (world->file < 0 || world->granted < 0 || pipe2(pipe_ends, O_NONBLOCK) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
        world_fail("descriptors");
    world->pipe_reads = pipe_ends[0];
    world->pipe_writes = pipe_ends[1];
    world->socket = sockets[0];
    world->peer = sockets[1];
    world->code = world_make_code();
    world->script = world_make_script();
}

/* --- what the victim has */

static void victim_signal(int signal)
{
    (void)signal;
}

static int victim_listen(int family, int type, const void *address, socklen_t size)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, address, size) || (type == SOCK_STREAM && listen(fd, 8)))
        world_fail("a socket of the victim");
    return fd;
}

static uint16_t victim_listen_inet(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = victim_listen(AF_INET, type, &address, sizeof address);

    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static void victim_listen_unix(int type, const char *path, const char *abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path ? path : abstract);

    memcpy(address.sun_path + (path ? 0 : 1), path ? path : abstract, length);
    victim_listen(AF_UNIX, type, &address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
}

static void victim_make_sockets(struct attack_world *world)
{
    world->tcp_port = victim_listen_inet(SOCK_STREAM);
    world->udp_port = victim_listen_inet(SOCK_DGRAM);
    snprintf(world->abstract, sizeof world->abstract, "isle-attack-%d", (int)getpid());
    victim_listen_unix(SOCK_STREAM, attack_path("socket"), NULL);
    victim_listen_unix(SOCK_DGRAM, attack_path("datagrams"), NULL);
    victim_listen_unix(SOCK_STREAM, NULL, world->abstract);
}

/* What a kernel may lack is left unmade; the rows about it find out without the sandbox. */
static void victim_make_memory(struct attack_world *world)
{
    struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 16}; /* they are counted by user */
    int id, fd;
    void *memory;

    world->shm_key = (int)getpid();
    id = shmget(world->shm_key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    memory = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);
    if (memory != MAP_FAILED) {
        memcpy(memory, ATTACK_SECRET, sizeof ATTACK_SECRET);
        shmctl(id, IPC_RMID, NULL); /* gone with the victim */
        world->shm_key = id;
    }
    snprintf(world->queue, sizeof world->queue, "/isle-attack-%d", (int)getpid());
    snprintf(world->shared, sizeof world->shared, "/isle-attack-%d", (int)getpid());
    mq_open(world->queue, O_CREAT | O_EXCL | O_RDWR, 0600, &small);
    fd = shm_open(world->shared, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd >= 0 && write(fd, ATTACK_SECRET, sizeof ATTACK_SECRET) < 0)
        world_fail("shared memory");
}

__attribute__((noreturn)) static void victim_live(struct attack_world *world, int ready)
{
    struct sigaction action = {.sa_handler = victim_signal, .sa_flags = SA_RESTART};
    char byte = 1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* where Yama is stricter than the user */
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGIO, &action, NULL);
    memcpy(attack_secret, ATTACK_SECRET, sizeof ATTACK_SECRET);
    setpgid(0, 0);
    victim_make_sockets(world);
    victim_make_memory(world);
    world->victim_secret = open(attack_path("file"), O_RDONLY);
    if (world->victim_secret < 0 || write(ready, &byte, 1) != 1)
        world_fail("the victim's file");
    for (;;)
        pause();
}

static void world_start_victim(struct attack_world *world)
{
    int ready[2];
    char byte;
    pid_t victim;

    if (pipe2(ready, O_CLOEXEC))
        world_fail("a pipe");
    fflush(stdout);
    victim = fork();
    if (victim < 0)
        world_fail("the victim");
    if (victim == 0)
        victim_live(world, ready[1]);
    world->victim = victim; /* not by both: the memory is shared */
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        exit(1); /* it has said why */
    close(ready[0]);
}

struct attack_world *world_open(void)
{
    struct attack_world *world =
        mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (world == MAP_FAILED)
        world_fail("shared memory");
    attack_world = world; /* for attack_path */
    world->violation = -1;
    world_make_folder(world);
    world_start_victim(world); /* before the leaks: it has nothing of them */
    world_leak_descriptors(world);
    return world;
}

static void world_remove_folder(const struct attack_world *world)
{
    static const char *const names[] = {"file",      "other", "socket",    "empty",
                                        "datagrams", "made",  "leads-out", "linked"};

    chmod(world->folder, 0700);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (unlink(attack_path(names[i])))
            rmdir(attack_path(names[i]));
    rmdir(world->folder);
}

void world_close(struct attack_world *world)
{
    const int leaks[] = {world->tty,    world->file,   world->pipe_reads, world->pipe_writes,
                         world->socket, world->code,   world->script,     world->master,
                         world->peer,   world->granted};

    mq_unlink(world->queue);
    shm_unlink(world->shared);
    world_remove_folder(world);
    for (size_t i = 0; i < sizeof(leaks) / sizeof(leaks[0]); i++)
        if (leaks[i] >= 0)
            close(leaks[i]);
    munmap(world, sizeof *world);
}
