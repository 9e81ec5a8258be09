/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by sockets: the network, the host's own sockets, what a kernel offers behind socket(). */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/if_alg.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct sockaddr *sockets_inet(uint16_t port)
{
    static struct sockaddr_in address;

    address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return (const struct sockaddr *)&address;
}

static int sockets_connect_inet(int protocol)
{
    int fd = socket(AF_INET, SOCK_STREAM, protocol);

    if (fd < 0)
        return errno;
    return attack_verdict(
        connect(fd, sockets_inet(attack_world->tcp_port), sizeof(struct sockaddr_in)));
}

static int sockets_tcp_connect(void)
{
    return sockets_connect_inet(0);
}

static int sockets_mptcp_connect(void)
{
    return sockets_connect_inet(IPPROTO_MPTCP);
}

/* A connection made by the first byte that is sent: connect() is never called. */
static int sockets_tcp_fast_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return errno;
    return attack_verdict(sendto(fd, "x", 1, MSG_FASTOPEN, sockets_inet(attack_world->tcp_port),
                                 sizeof(struct sockaddr_in)));
}

static int sockets_udp_send(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0)
        return errno;
    return attack_verdict(
        sendto(fd, "x", 1, 0, sockets_inet(attack_world->udp_port), sizeof(struct sockaddr_in)));
}

static int sockets_tcp_listen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return errno;
    if (bind(fd, sockets_inet(0), sizeof(struct sockaddr_in)))
        return errno;
    return attack_verdict(listen(fd, 1));
}

static int sockets_raw(void)
{
    return attack_verdict(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int sockets_connect_unix(int type, const char *path, const char *abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path ? path : abstract);
    int fd = socket(AF_UNIX, type, 0);

    if (fd < 0)
        return errno;
    memcpy(address.sun_path + (path ? 0 : 1), path ? path : abstract, length);
    return attack_verdict(
        connect(fd, (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}

static int sockets_abstract(void)
{
    return sockets_connect_unix(SOCK_STREAM, NULL, attack_world->abstract);
}

static int sockets_pathname(void)
{
    return sockets_connect_unix(SOCK_STREAM, attack_path("socket"), NULL);
}

static int sockets_datagrams(void)
{
    return sockets_connect_unix(SOCK_DGRAM, attack_path("datagrams"), NULL);
}

static int sockets_netlink(void)
{
    struct {
        struct nlmsghdr head;
        struct rtgenmsg body;
    } request = {.head = {.nlmsg_len = sizeof request,
                          .nlmsg_type = RTM_GETLINK,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    return fd < 0 ? errno : attack_verdict(send(fd, &request, sizeof request, 0));
}

static int sockets_vsock(void)
{
    return attack_verdict(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int sockets_crypto(void)
{
    struct sockaddr_alg address = {
        .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256"};
    int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

    if (fd < 0)
        return errno;
    return attack_verdict(bind(fd, (const struct sockaddr *)&address, sizeof address));
}

static int sockets_packets(void)
{
    return attack_verdict(socket(AF_PACKET, SOCK_RAW, 0));
}

/* In a network of its own, an ordinary user reaches what is root's elsewhere. */
static int sockets_packets_in_own_network(void)
{
    int refused = attack_own_namespaces(0x40000000); /* CLONE_NEWNET */

    return refused ? refused : attack_verdict(socket(AF_PACKET, SOCK_RAW, 0));
}

static int sockets_pair(void)
{
    int pair[2];

    return attack_verdict(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

#define SOCKETS_NONE .all = "EACCES", .seccomp = "EACCES"

static const struct attack_row attack_sockets_rows[] = {
    ATTACK_ROW("12a", sockets, tcp_connect, "TCP to the host's own listener", SOCKETS_NONE,
               .landlock = "EACCES", .namespaces = "ENETUNREACH", .landlock_abi = 4),
    ATTACK_ROW("12b", sockets, tcp_fast_open, "the same without `connect` (TCP fast open)",
               SOCKETS_NONE, .namespaces = "ENETUNREACH"),
    ATTACK_ROW("12c", sockets, mptcp_connect, "the same by multipath TCP", SOCKETS_NONE,
               .without = "works|EPROTONOSUPPORT|ENOPROTOOPT|EINVAL",
               .why = "a kernel may lack it"),
    ATTACK_ROW("12d", sockets, udp_send, "UDP to the host's own socket", SOCKETS_NONE,
               .namespaces = "ENETUNREACH"),
    ATTACK_ROW("13", sockets, tcp_listen, "listen on a TCP port", SOCKETS_NONE,
               .landlock = "EACCES", .landlock_abi = 4),
    ATTACK_ROW("14a", sockets, abstract, "the host's abstract Unix socket", SOCKETS_NONE,
               .landlock = "EPERM", .namespaces = "ECONNREFUSED", .landlock_abi = 6),
    ATTACK_ROW("14b", sockets, raw, "a raw socket", SOCKETS_NONE, .without = "EPERM",
               .why = "only root has raw sockets"),
    ATTACK_ROW("15", sockets, pathname, "the host's Unix socket at a path", SOCKETS_NONE,
               .landlock = "EACCES", .namespaces = "ENOENT", .landlock_abi = 9),
    ATTACK_ROW("16", sockets, datagrams, "the same, of datagrams", SOCKETS_NONE,
               .landlock = "EACCES", .namespaces = "ENOENT", .landlock_abi = 9),
    ATTACK_ROW("17a", sockets, netlink, "ask the kernel for its networks (netlink)", SOCKETS_NONE),
    ATTACK_ROW("17b", sockets, vsock, "a socket to the hypervisor (vsock)", SOCKETS_NONE,
               .without = "works|EAFNOSUPPORT|EPERM", .why = "a kernel may lack it"),
    ATTACK_ROW("17c", sockets, crypto, "the kernel's ciphers (AF_ALG)", SOCKETS_NONE,
               .without = "works|EAFNOSUPPORT|ENOENT|EPERM", .why = "a kernel may lack them"),
    ATTACK_ROW("17d", sockets, packets, "raw packets (AF_PACKET)", SOCKETS_NONE,
               .without = "EPERM|EAFNOSUPPORT", .why = "only root has raw packets; but see 17e"),
    ATTACK_ROW("17e", sockets, packets_in_own_network, "the same as root of a network of its own",
               .all = "refused", .seccomp = "refused", .without = "works|EPERM|ENOSPC|EAFNOSUPPORT",
               .why = "the machine may refuse namespaces to users"),
    ATTACK_ROW("18", sockets, pair, "`socketpair`", SOCKETS_NONE),
};
ATTACK_GROUP(attack_sockets, "Sockets");
