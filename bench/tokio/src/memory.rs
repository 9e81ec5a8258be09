// SPDX-License-Identifier: Apache-2.0
//! Workloads that hold many tasks alive: their resident bytes, and a million of them.

use crate::harness::*;
use std::time::Instant;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

const REPLY_SIZE: usize = 1_024;

/// A ping is the sender of its reply: one pointer, which keeps the channel's blocks small.
type Ping<T> = oneshot::Sender<T>;

async fn idle_actor(mut inbox: UnboundedReceiver<Ping<Vec<u8>>>) {
    let mut pings = Box::new(0u32);
    while let Some(reply) = inbox.recv().await {
        *pings += 1;
        let _ = reply.send(vec![*pings as u8; REPLY_SIZE]);
    }
}

pub fn idle() {
    let count = scaled(100_000, 1_000);
    let bytes = run(async move {
        let mut actors: Vec<UnboundedSender<Ping<Vec<u8>>>> = Vec::with_capacity(count);
        let before = resident();
        for _ in 0..count {
            let (tx, rx) = unbounded_channel();
            tokio::spawn(idle_actor(rx));
            let (reply, answer) = oneshot::channel();
            let _ = tx.send(reply);
            let bytes = answer.await.expect("an answer");
            check("reply", (bytes.len(), bytes[REPLY_SIZE - 1]), (REPLY_SIZE, 1));
            actors.push(tx);
        }
        resident() - before
    });
    print_bytes("memory-idle", bytes, count);
}

pub fn bare() {
    let count = scaled(100_000, 1_000);
    let bytes = run(async move {
        let mut handles = Vec::with_capacity(count);
        let before = resident();
        for _ in 0..count {
            handles.push(tokio::spawn(std::future::pending::<()>()));
        }
        tokio::task::yield_now().await;
        check("alive", handles.iter().filter(|handle| !handle.is_finished()).count(), count);
        resident() - before
    });
    print_bytes("memory-bare", bytes, count);
}

/// Each has answered that it runs, then waits for its next message.
pub fn suspended() {
    let count = scaled(100_000, 1_000);
    let bytes = run(async move {
        let mut actors: Vec<UnboundedSender<Ping<u64>>> = Vec::with_capacity(count);
        let before = resident();
        for i in 0..count as u64 {
            let (tx, mut rx) = unbounded_channel::<Ping<u64>>();
            tokio::spawn(async move {
                while let Some(reply) = rx.recv().await {
                    let _ = reply.send(i);
                }
            });
            let (reply, answer) = oneshot::channel();
            let _ = tx.send(reply);
            check("answer", answer.await, Ok(i));
            actors.push(tx);
        }
        resident() - before
    });
    print_bytes("memory-suspended", bytes, count);
}

async fn answer(mut inbox: UnboundedReceiver<u64>, pongs: UnboundedSender<u64>) {
    while let Some(value) = inbox.recv().await {
        let _ = pongs.send(value);
    }
}

/// All are alive before the first ping is sent.
pub fn million() {
    let count = scaled(1_000_000, 10_000);
    let (bytes, elapsed) = run(async move {
        let before = resident();
        let start = Instant::now();
        let (pong, mut pongs) = unbounded_channel();
        let mut actors = Vec::with_capacity(count);
        for _ in 0..count {
            let (tx, rx) = unbounded_channel();
            tokio::spawn(answer(rx, pong.clone()));
            actors.push(tx);
        }
        for (i, actor) in actors.iter().enumerate() {
            actor.send(i as u64).expect("an actor");
        }
        let mut sum = 0;
        for _ in 0..count {
            sum += pongs.recv().await.expect("a pong");
        }
        let elapsed = start.elapsed();
        check("sum of the pongs", sum as usize, count * (count - 1) / 2);
        (resident() - before, elapsed)
    });
    print_each("million", elapsed, count);
    print_bytes("million-bytes", bytes, count);
}
