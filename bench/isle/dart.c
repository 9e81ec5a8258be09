/* SPDX-License-Identifier: Apache-2.0 */
/* Dart's own isolate benchmarks, with their parameters, as Isle does them: bytes there and back, a
 * send and a receive by themselves, decoding in a fresh isolate. What Dart does with JSON is done
 * with CBOR of a value whose JSON has Dart's size, since Isle reads no JSON. Its IsolateRegExp
 * sends a compiled expression: in C that is memory of the C library, which no message can carry. */
#include "dart.h"

/* --- SendReceiveBytes: the worker sends back what came, by copy or by a new transferable ---------
 */

static void transfer_back(isle_value message, void *context)
{
    isle_receive_port *port = isle_default_port();
    size_t size;
    if (isle_is_null(message)) {
        isle_port_close(port);
        return;
    }
    const void *data = isle_as_bytes(isle_materialize(message), &size);
    isle_value reply = isle_transferable(size);
    memcpy(isle_transferable_data(reply), data, size);
    isle_send(*(const isle_send_port *)context, reply);
}

static void transfer_worker(isle_value reply_to)
{
    isle_send_port *port = isle_new(isle_send_port);
    *port = isle_as_port(reply_to);
    isle_port_listen(isle_default_port(), transfer_back, port);
}

static void copy_one(isle_value mine, isle_send_port worker, isle_receive_port *port)
{
    isle_send(worker, mine);
    bench_require(isle_count(isle_port_receive(port)) == isle_count(mine), "bytes that came back");
}

static void transfer_one(isle_value mine, isle_send_port worker, isle_receive_port *port)
{
    size_t size;
    const void *data = isle_as_bytes(mine, &size);
    isle_value out = isle_transferable(size);
    memcpy(isle_transferable_data(out), data, size);
    isle_send(worker, out);
    bench_require(isle_count(isle_materialize(isle_port_receive(port))) == size,
                  "bytes that came back");
}

static void bytes_measure(isle_entry *worker_main, size_t size,
                          void (*one)(isle_value, isle_send_port, isle_receive_port *))
{
    int64_t count = bench_scaled((int64_t)(400000000 / (size + 4000)), 2), start = 0;
    isle_receive_port *port = isle_port_open();
    isle_send_port worker = isle_spawn(worker_main, isle_port_value(port), NULL).default_port;
    isle_value mine = isle_bytes(NULL, size);
    memset(isle_bytes_data(mine), 0x5a, size);
    for (int64_t i = -(count / 10 + 1); i < count; i++) {
        ISLE_SCOPE;
        if (i == 0)
            start = bench_now_ns();
        one(mine, worker, port);
    }
    bench_figure((double)(bench_now_ns() - start) / (double)count);
    isle_send(worker, isle_null());
    isle_port_close(port);
}

static isle_value bytes_drive(isle_value size)
{
    bytes_measure(bench_echo, (size_t)isle_as_int(size), copy_one);
    return isle_null();
}

static isle_value transfer_drive(isle_value size)
{
    bytes_measure(transfer_worker, (size_t)isle_as_int(size), transfer_one);
    return isle_null();
}

/* --- SendPort: a send alone, a receive alone, to oneself -----------------------------------------
 */

isle_value dart_json(int64_t json_size)
{
    enum { ENTRY = 104 }; /* characters of an entry's JSON, about */
    isle_value list = isle_list();
    for (int64_t i = 0; i < (json_size + ENTRY / 2) / ENTRY; i++) {
        isle_value tags = isle_list(), entry = isle_map();
        isle_list_add(tags, isle_string("red"));
        isle_list_add(tags, isle_string("green"));
        isle_put(entry, "id", isle_int(1000000 + i));
        isle_put(entry, "name", isle_stringf("the entry number %06" PRId64, i));
        isle_put(entry, "score", isle_double((double)i + 0.5));
        isle_put(entry, "active", isle_bool(i % 2 == 0));
        isle_put(entry, "tags", tags);
        isle_list_add(list, entry);
    }
    return list;
}

static isle_value binary_tree(int64_t depth)
{
    isle_value node = isle_list();
    if (depth > 0) {
        isle_list_add(node, binary_tree(depth - 1));
        isle_list_add(node, binary_tree(depth - 1));
    }
    return node;
}

/* Kinds of parameter: 0 an int, up to 100 a tree of that depth, above a JSON text's size. */
static isle_value payload(int64_t parameter)
{
    if (parameter == 0)
        return isle_int(1);
    return parameter <= 100 ? binary_tree(parameter) : dart_json(parameter);
}

static isle_value port_drive(isle_value parameter)
{
    int64_t size = isle_as_int(parameter);
    int64_t weight = size > 100 ? size / 20 : size > 0 ? (int64_t)2 << size : 1;
    int64_t group = weight < 1000 ? 1000 : 1 + 200000 / weight;
    int64_t groups = bench_scaled(2000000 / (weight * group) + 1, 1), sending = 0, receiving = 0;
    isle_value message = payload(size);
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);
    for (int64_t i = -1; i < groups; i++) { /* the first one warms up */
        int64_t start = bench_now_ns();
        for (int64_t k = 0; k < group; k++)
            isle_send(to, message);
        int64_t between = bench_now_ns();
        for (int64_t k = 0; k < group; k++) {
            ISLE_SCOPE;
            bench_require(isle_kind_of(isle_port_receive(port)) == isle_kind_of(message), "kind");
        }
        int64_t end = bench_now_ns();
        sending += i < 0 ? 0 : between - start;
        receiving += i < 0 ? 0 : end - between;
    }
    bench_figure((double)sending / (double)(groups * group));
    bench_figure_part("receive", (double)receiving / (double)(groups * group));
    isle_port_close(port);
    return isle_null();
}

/* --- IsolateJson: decoded in fresh isolates, ten rounds, one or four at once ---------------------
 */

enum { DECODE_ROUNDS = 10, AT_ONCE = 4, BUDGET = 1 << 28 };

isle_value dart_decode(isle_value bytes)
{
    size_t size;
    const void *data = isle_as_bytes(bytes, &size);
    isle_value decoded = isle_null();
    isle_err err = isle_cbor_try_decode(data, size, BUDGET, &decoded);
    bench_require(err == ISLE_OK, "CBOR that is well formed");
    return decoded;
}

/* The result is copied to the port that comes with the bytes. */
static void decode_and_send(isle_value message)
{
    isle_value decoded = dart_decode(isle_list_get(message, 0));
    isle_send(isle_as_port(isle_list_get(message, 1)), decoded);
}

static void decode_and_exit(isle_value message)
{
    isle_send_port port = isle_as_port(isle_list_get(message, 1));
    isle_exit(port, dart_decode(isle_list_get(message, 0)));
}

static double decode_time(isle_entry *entry, isle_value bytes, int at_once)
{
    int64_t rounds = bench_scaled(DECODE_ROUNDS, 1), start = bench_now_ns();
    for (int64_t round = 0; round < rounds; round++) {
        ISLE_SCOPE;
        isle_receive_port *port = isle_port_open();
        isle_value message = isle_list();
        isle_list_add(message, bytes);
        isle_list_add(message, isle_port_value(port));
        for (int i = 0; i < at_once; i++)
            isle_spawn(entry, message, NULL);
        for (int i = 0; i < at_once; i++)
            bench_require(isle_count(isle_port_receive(port)) > 0, "entries that were decoded");
        isle_port_close(port);
    }
    return (double)(bench_now_ns() - start) * DECODE_ROUNDS / (double)rounds;
}

static isle_value decode_drive(isle_value json_size)
{
    isle_value bytes = isle_cbor_encode(dart_json(isle_as_int(json_size)));
    decode_time(decode_and_send, bytes, 1);
    bench_figure(decode_time(decode_and_send, bytes, 1));
    bench_figure_part("four", decode_time(decode_and_send, bytes, AT_ONCE));
    bench_figure_part("exit", decode_time(decode_and_exit, bytes, 1));
    bench_figure_part("exit-four", decode_time(decode_and_exit, bytes, AT_ONCE));
    int64_t rounds = bench_scaled(DECODE_ROUNDS, 1), start = bench_now_ns();
    for (int64_t round = 0; round < rounds; round++) {
        ISLE_SCOPE;
        bench_require(isle_count(dart_decode(bytes)) > 0, "entries that were decoded");
    }
    bench_figure_part("sync", (double)(bench_now_ns() - start) * DECODE_ROUNDS / (double)rounds);
    return isle_null();
}

const struct workload dart_workloads[] = {
    {"dart-bytes-1k", bytes_drive, 1 << 10, true},
    {"dart-bytes-10k", bytes_drive, 10 << 10, true},
    {"dart-bytes-100k", bytes_drive, 100 << 10, true},
    {"dart-bytes-1m", bytes_drive, 1 << 20, true},
    {"dart-bytes-10m", bytes_drive, 10 << 20, true},
    {"dart-bytes-100m", bytes_drive, 100 << 20, true},
    {"dart-transfer-1k", transfer_drive, 1 << 10, true},
    {"dart-transfer-10k", transfer_drive, 10 << 10, true},
    {"dart-transfer-100k", transfer_drive, 100 << 10, true},
    {"dart-transfer-1m", transfer_drive, 1 << 20, true},
    {"dart-transfer-10m", transfer_drive, 10 << 20, true},
    {"dart-transfer-100m", transfer_drive, 100 << 20, true},
    {"dart-send-nop", port_drive, 0, true},
    {"dart-send-json-400b", port_drive, 390, false},
    {"dart-send-json-5k", port_drive, 5534, false},
    {"dart-send-json-50k", port_drive, 49814, false},
    {"dart-send-json-500k", port_drive, 498169, false},
    {"dart-send-json-5m", port_drive, 4981723, false},
    {"dart-send-tree-2", port_drive, 2, false},
    {"dart-send-tree-4", port_drive, 4, false},
    {"dart-send-tree-6", port_drive, 6, false},
    {"dart-send-tree-8", port_drive, 8, false},
    {"dart-send-tree-10", port_drive, 10, false},
    {"dart-send-tree-12", port_drive, 12, false},
    {"dart-send-tree-14", port_drive, 14, false},
    {"dart-decode-50k", decode_drive, 51760, false},
    {"dart-decode-100k", decode_drive, 104685, false},
    {"dart-decode-300k", decode_drive, 294356, false},
    {"dart-decode-1m", decode_drive, 1177397, false},
    {NULL, NULL, 0, false},
};
