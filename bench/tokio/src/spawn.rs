// SPDX-License-Identifier: Apache-2.0
//! Workloads that create tasks: alone, in bursts, with a message each, as a tree.

use crate::harness::*;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

async fn spawn_each(count: u64) -> u64 {
    let mut sum = 0;
    for i in 0..count {
        let (reply, child) = oneshot::channel();
        tokio::spawn(async move { reply.send(i) });
        sum += child.await.expect("a reply");
    }
    sum
}

pub fn one_at_a_time() {
    let count = scaled(200_000, 1_000) as u64;
    let (sum, elapsed) = run(async move {
        spawn_each(count / 10).await;
        let start = Instant::now();
        (spawn_each(count).await, start.elapsed())
    });
    check("sum of the replies", sum, count * (count - 1) / 2);
    print_each("spawn", elapsed, count as usize);
}

async fn spawn_all(count: u64) -> Duration {
    let (tx, mut rx) = unbounded_channel();
    let start = Instant::now();
    for i in 0..count {
        let tx = tx.clone();
        tokio::spawn(async move { tx.send(i) });
    }
    drop(tx);
    let mut sum = 0;
    while let Some(i) = rx.recv().await {
        sum += i;
    }
    let elapsed = start.elapsed();
    check("sum of the replies", sum, count * (count - 1) / 2);
    elapsed
}

/// The first time in memory never touched, the second time in memory that the first left behind.
pub fn burst() {
    let count = scaled(200_000, 1_000);
    let (cold, again) =
        run(async move { (spawn_all(count as u64).await, spawn_all(count as u64).await) });
    print_each("spawn-burst", cold, count);
    print_each("spawn-again", again, count);
}

async fn one_message(mut inbox: UnboundedReceiver<u64>, done: UnboundedSender<u64>) {
    if let Some(value) = inbox.recv().await {
        let _ = done.send(value);
    }
}

async fn create_all(count: u64) -> u64 {
    let (done, mut results) = unbounded_channel();
    for i in 0..count {
        let (tx, rx) = unbounded_channel();
        tokio::spawn(one_message(rx, done.clone()));
        tx.send(i).expect("a receiver");
    }
    drop(done);
    let mut sum = 0;
    while let Some(value) = results.recv().await {
        sum += value;
    }
    sum
}

pub fn fork_join_create() {
    let count = scaled(40_000, 1_000) as u64;
    let (sum, elapsed) = run(async move {
        create_all(count / 10).await;
        let start = Instant::now();
        (create_all(count).await, start.elapsed())
    });
    check("sum of the messages", sum, count * (count - 1) / 2);
    print_each("fork-join-create", elapsed, count as usize);
}

const FAN_OUT: u64 = 10;

/// A node's ten children answer by their join handles; a recursive future needs the box.
fn node(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        let share = leaves / FAN_OUT;
        let mut children = Vec::with_capacity(FAN_OUT as usize);
        for i in 0..FAN_OUT {
            let ordinal = first + i * share;
            children.push(if share == 1 {
                tokio::spawn(async move { ordinal })
            } else {
                tokio::spawn(node(ordinal, share))
            });
        }
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("a child");
        }
        sum
    })
}

pub fn skynet() {
    let mut leaves = 1_000_000;
    while leaves > scaled(1_000_000, 1_000) as u64 {
        leaves /= FAN_OUT;
    }
    let (sum, elapsed) = run(async move {
        let start = Instant::now();
        (node(0, leaves).await, start.elapsed())
    });
    check("sum of the ordinals", sum, leaves * (leaves - 1) / 2);
    print_each("skynet", elapsed, leaves as usize);
}
