// SPDX-License-Identifier: Apache-2.0
//! Workloads of few tasks that wait for each other's small messages.

use crate::harness::*;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Answers every number with the one after it, until nobody asks.
async fn successor(mut inbox: UnboundedReceiver<u64>, peer: UnboundedSender<u64>) {
    while let Some(value) = inbox.recv().await {
        if peer.send(value + 1).is_err() {
            break;
        }
    }
}

async fn bounce(
    to: &UnboundedSender<u64>,
    from: &mut UnboundedReceiver<u64>,
    rounds: usize,
) -> Duration {
    let start = Instant::now();
    let mut value = 0;
    for _ in 0..rounds {
        to.send(value).expect("a partner");
        value = from.recv().await.expect("an answer");
    }
    let elapsed = start.elapsed();
    check("answers", value, rounds as u64);
    elapsed
}

async fn pair(rounds: usize) -> Duration {
    let (to, inbox) = unbounded_channel();
    let (peer, mut from) = unbounded_channel();
    tokio::spawn(successor(inbox, peer));
    bounce(&to, &mut from, rounds / 10).await;
    bounce(&to, &mut from, rounds).await
}

pub fn round_trip() {
    let rounds = scaled(1_000_000, 1_000);
    print_each("round-trip", run(pair(rounds)), rounds);
}

/// Two runtimes, each of one thread on a core of its own.
pub fn round_trip_cores() {
    let rounds = scaled(20_000, 200);
    let (to, inbox) = unbounded_channel();
    let (peer, mut from) = unbounded_channel();
    let partner = thread::spawn(move || {
        pin(1);
        Builder::new_current_thread().build().expect("a runtime").block_on(successor(inbox, peer));
    });
    pin(0);
    let elapsed = Builder::new_current_thread().build().expect("a runtime").block_on(async move {
        bounce(&to, &mut from, rounds / 10).await;
        bounce(&to, &mut from, rounds).await
    });
    partner.join().expect("the partner");
    print_each("round-trip-cores", elapsed, rounds);
}

/// Two pairs at once; the slower one counts.
pub fn pairs() {
    let rounds = scaled(1_000_000, 1_000);
    let slower = run(async move {
        let (one, other) = (tokio::spawn(pair(rounds)), tokio::spawn(pair(rounds)));
        one.await.expect("a pair").max(other.await.expect("a pair"))
    });
    print_each("pairs", slower, rounds);
}

const MEMBERS: usize = 503;

async fn member(mut inbox: UnboundedReceiver<u64>, next: UnboundedSender<u64>) {
    while let Some(token) = inbox.recv().await {
        let _ = next.send(token + 1);
    }
}

/// The token counts its hops; this task is the last member and stops it after enough laps.
async fn turn(laps: usize) -> Duration {
    let (first, mut inbox) = unbounded_channel();
    for _ in 1..MEMBERS {
        let (next, following) = unbounded_channel();
        tokio::spawn(member(inbox, next));
        inbox = following;
    }
    let mut token = 0;
    let mut start = Instant::now();
    for lap in 0..laps + laps / 10 {
        if lap == laps / 10 {
            start = Instant::now();
        }
        first.send(token + 1).expect("a member");
        token = inbox.recv().await.expect("the token");
    }
    let elapsed = start.elapsed();
    check("hops", token, ((laps + laps / 10) * MEMBERS) as u64);
    elapsed
}

pub fn ring() {
    let laps = scaled(4_000, 10);
    print_each("ring", run(turn(laps)), laps * MEMBERS);
}

struct Call {
    value: u64,
    reply: oneshot::Sender<u64>,
}

async fn server(mut inbox: UnboundedReceiver<Call>) {
    while let Some(call) = inbox.recv().await {
        let _ = call.reply.send(call.value + 1);
    }
}

async fn call_each(server: &UnboundedSender<Call>, count: usize) -> Duration {
    let start = Instant::now();
    let mut value = 0;
    for _ in 0..count {
        let (reply, answer) = oneshot::channel();
        let _ = server.send(Call { value, reply });
        value = timeout(Duration::from_secs(5), answer).await.expect("in time").expect("an answer");
    }
    let elapsed = start.elapsed();
    check("answers", value, count as u64);
    elapsed
}

pub fn call_timeout() {
    let count = scaled(500_000, 1_000);
    let elapsed = run_on(&runtime(true), async move {
        let (to, inbox) = unbounded_channel();
        tokio::spawn(server(inbox));
        call_each(&to, count / 10).await;
        call_each(&to, count).await
    });
    print_each("call-timeout", elapsed, count);
}
