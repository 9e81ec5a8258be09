// SPDX-License-Identifier: Apache-2.0
//! Tokio's side of the benchmarks: one task an actor, one channel a mailbox.
//!
//! `bench-tokio list` names the workloads, `bench-tokio WORKLOAD` runs one, checks its own result
//! and prints a line per figure. BENCH_THREADS=1 is the current-thread runtime, more the
//! work-stealing one; BENCH_SCALE scales the counts.

mod bytes;
mod crowd;
mod harness;
mod memory;
mod messages;
mod pools;
mod savina;
mod spawn;
mod systems;

use std::process::exit;

const WORKLOADS: &[(&str, fn())] = &[
    ("spawn", spawn::one_at_a_time),
    ("spawn-burst", spawn::burst),
    ("fork-join-create", spawn::fork_join_create),
    ("skynet", spawn::skynet),
    ("round-trip", messages::round_trip),
    ("round-trip-cores", messages::round_trip_cores),
    ("pairs", messages::pairs),
    ("ring", messages::ring),
    ("call-timeout", messages::call_timeout),
    ("send-2-1", crowd::send_2_1),
    ("stream", crowd::stream),
    ("stream-text", crowd::stream_text),
    ("send-8-1", crowd::send_8_1),
    ("fan-in", crowd::fan_in),
    ("fork-join", crowd::fork_join),
    ("echo-copy-1k", bytes::copy_1k),
    ("echo-copy-64k", bytes::copy_64k),
    ("echo-copy-1m", bytes::copy_1m),
    ("echo-copy-16m", bytes::copy_16m),
    ("echo-move-1k", bytes::move_1k),
    ("echo-move-64k", bytes::move_64k),
    ("echo-move-1m", bytes::move_1m),
    ("echo-move-16m", bytes::move_16m),
    ("tree-typed", bytes::tree_typed),
    ("memory-idle", memory::idle),
    ("memory-bare", memory::bare),
    ("memory-suspended", memory::suspended),
    ("million", memory::million),
    ("pool", pools::pool),
    ("supervised-call", systems::supervised_call),
    ("monitor-down", systems::monitor_down),
    ("big", savina::big),
    ("chameneos", savina::chameneos),
];

/// Whether a workload is also run from the main thread, as NAME-root.
fn rooted(name: &str) -> bool {
    const BEGINS: &[&str] = &["spawn", "round-trip", "call", "send", "fan", "fork", "echo", "tree"];
    name != "round-trip-cores" && BEGINS.iter().any(|begin| name.starts_with(begin))
}

fn main() {
    harness::keep_memory();
    let argument = std::env::args().nth(1).unwrap_or_default();
    if argument == "list" {
        for (name, _) in WORKLOADS {
            println!("{name}");
            if rooted(name) {
                println!("{name}-root");
            }
        }
        return;
    }
    let plain = match argument.strip_suffix("-root") {
        Some(plain) if rooted(plain) => {
            harness::begin_at_root();
            plain
        }
        _ => &argument,
    };
    match WORKLOADS.iter().find(|(name, _)| *name == plain) {
        Some((_, run)) => run(),
        None => {
            eprintln!("usage: bench-tokio list | WORKLOAD");
            exit(2);
        }
    }
}
