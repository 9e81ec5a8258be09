// SPDX-License-Identifier: Apache-2.0
//! Workloads that carry data: an echo of bytes, copied or moved, and a tree.

use crate::harness::*;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

type Bytes = Vec<u8>;

/// Sends back a copy of what came. The buffer that came is the one of the next copy, so that no
/// round allocates.
async fn copier(mut inbox: UnboundedReceiver<Bytes>, peer: UnboundedSender<Bytes>, size: usize) {
    let mut spare = vec![0; size];
    while let Some(bytes) = inbox.recv().await {
        spare.copy_from_slice(&bytes);
        let _ = peer.send(std::mem::replace(&mut spare, bytes));
    }
}

async fn mover(mut inbox: UnboundedReceiver<Bytes>, peer: UnboundedSender<Bytes>) {
    while let Some(bytes) = inbox.recv().await {
        let _ = peer.send(bytes);
    }
}

/// The round's number travels in the first bytes, so that no old answer passes for a new one.
fn stamp(bytes: &mut [u8], round: u64) {
    bytes[..8].copy_from_slice(&round.to_le_bytes());
}

fn pattern(size: usize) -> Bytes {
    (0..size).map(|i| (i * 7 + i / 256) as u8).collect()
}

fn echo(name: &str, size: usize, rounds: usize, copied: bool) {
    let rounds = scaled(rounds, 4);
    let elapsed = run(async move {
        let (to, inbox) = unbounded_channel();
        let (peer, mut from) = unbounded_channel();
        if copied {
            tokio::spawn(copier(inbox, peer, size));
        } else {
            tokio::spawn(mover(inbox, peer));
        }
        let mut original = pattern(size);
        let mut message = original.clone();
        let warm = rounds / 10 + 1;
        let mut start = Instant::now();
        for round in 0..warm + rounds {
            if round == warm {
                start = Instant::now();
            }
            if copied {
                stamp(&mut original, round as u64);
                message.copy_from_slice(&original);
            } else {
                stamp(&mut message, round as u64);
            }
            to.send(message).expect("a partner");
            message = from.recv().await.expect("an answer");
            check("round", &message[..8], &(round as u64).to_le_bytes()[..]);
        }
        let elapsed = start.elapsed();
        check("bytes", message[8..] == pattern(size)[8..], true);
        elapsed
    });
    print_each(name, elapsed, rounds);
}

pub fn copy_1k() {
    echo("echo-copy-1k", 1 << 10, 500_000, true);
}

pub fn copy_64k() {
    echo("echo-copy-64k", 1 << 16, 100_000, true);
}

pub fn copy_1m() {
    echo("echo-copy-1m", 1 << 20, 4_000, true);
}

pub fn copy_16m() {
    echo("echo-copy-16m", 1 << 24, 100, true);
}

pub fn move_1k() {
    echo("echo-move-1k", 1 << 10, 1_000_000, false);
}

pub fn move_64k() {
    echo("echo-move-64k", 1 << 16, 1_000_000, false);
}

pub fn move_1m() {
    echo("echo-move-1m", 1 << 20, 1_000_000, false);
}

pub fn move_16m() {
    echo("echo-move-16m", 1 << 24, 1_000_000, false);
}

#[derive(Clone)]
struct Node {
    number: u64,
    name: Box<str>,
    children: Box<[Node]>,
}

const FAN_OUTS: [usize; 4] = [10, 10, 10, 10];
const NODES: u64 = 11_111;

/// 10,000 leaves under 1,000, 100, 10 and one node, numbered in the order of their making.
fn grow(level: usize, next: &mut u64) -> Node {
    *next += 1;
    let number = *next;
    let fan_out = FAN_OUTS.get(level).copied().unwrap_or(0);
    let children = (0..fan_out).map(|_| grow(level + 1, next)).collect();
    Node { number, name: format!("n{number}").into(), children }
}

fn sum(node: &Node) -> u64 {
    let own = u64::from(node.name.len() > 1) * node.number;
    own + node.children.iter().map(sum).sum::<u64>()
}

/// Acknowledges the root's number while it holds the tree, which it then frees; the last tree is
/// summed, after the clock has stopped.
async fn receive_trees(mut inbox: UnboundedReceiver<Node>, ack: UnboundedSender<u64>) -> u64 {
    let mut last = None;
    while let Some(tree) = inbox.recv().await {
        let _ = ack.send(tree.number);
        last = Some(tree);
    }
    last.as_ref().map(sum).unwrap_or(0)
}

async fn send_trees(rounds: usize) -> Duration {
    let (to, inbox) = unbounded_channel();
    let (ack, mut acks) = unbounded_channel();
    let receiver = tokio::spawn(receive_trees(inbox, ack));
    let tree = grow(0, &mut 0);
    let warm = rounds / 10 + 1;
    let mut start = Instant::now();
    for round in 0..warm + rounds {
        if round == warm {
            start = Instant::now();
        }
        to.send(tree.clone()).ok().expect("a receiver");
        check("root", acks.recv().await, Some(1));
    }
    let elapsed = start.elapsed();
    drop(to);
    check("sum of the nodes", receiver.await.expect("a sum"), NODES * (NODES + 1) / 2);
    elapsed
}

pub fn tree_typed() {
    let rounds = scaled(1_000, 10);
    print_each("tree-typed", run(send_trees(rounds)), rounds);
}
