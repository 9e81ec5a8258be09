// SPDX-License-Identifier: Apache-2.0
//! Workloads of one-way messages: many senders to one receiver, one sender to many.

use crate::harness::*;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{
    channel, unbounded_channel, Receiver, Sender, UnboundedReceiver, UnboundedSender,
};

const CAPACITY: usize = 1_024;

/// A sender and the number of one of its messages.
type Numbered = (u32, u32);

#[derive(Clone)]
enum Outlet {
    Bounded(Sender<Numbered>),
    Unbounded(UnboundedSender<Numbered>),
}

enum Inlet {
    Bounded(Receiver<Numbered>),
    Unbounded(UnboundedReceiver<Numbered>),
}

/// Few senders on several threads would outrun the receiver: a bounded channel keeps the queue in
/// the cache, three times as fast. Otherwise the unbounded one is faster: it needs no permits.
fn mailbox(bounded: bool) -> (Outlet, Inlet) {
    if bounded {
        let (tx, rx) = channel(CAPACITY);
        (Outlet::Bounded(tx), Inlet::Bounded(rx))
    } else {
        let (tx, rx) = unbounded_channel();
        (Outlet::Unbounded(tx), Inlet::Unbounded(rx))
    }
}

async fn send_numbers(outlet: Outlet, sender: u32, each: u32) {
    match outlet {
        Outlet::Bounded(tx) => {
            for number in 1..=each {
                let _ = tx.send((sender, number)).await;
            }
        }
        Outlet::Unbounded(tx) => {
            for number in 1..=each {
                let _ = tx.send((sender, number));
            }
        }
    }
}

/// What came, for each sender the last number: they come in order.
struct Tally {
    last: Vec<u32>,
    count: usize,
}

impl Tally {
    fn note(&mut self, (sender, number): Numbered) {
        let before = &mut self.last[sender as usize];
        check("number in order", number, *before + 1);
        *before = number;
        self.count += 1;
    }
}

async fn gather(senders: usize, each: usize, bounded: bool) -> Duration {
    let (outlet, inlet) = mailbox(bounded);
    let start = Instant::now();
    for sender in 0..senders as u32 {
        tokio::spawn(send_numbers(outlet.clone(), sender, each as u32));
    }
    drop(outlet);
    let mut tally = Tally { last: vec![0; senders], count: 0 };
    match inlet {
        Inlet::Bounded(mut rx) => {
            while let Some(message) = rx.recv().await {
                tally.note(message);
            }
        }
        Inlet::Unbounded(mut rx) => {
            while let Some(message) = rx.recv().await {
                tally.note(message);
            }
        }
    }
    let elapsed = start.elapsed();
    check("messages", tally.count, senders * each);
    elapsed
}

fn gathered(name: &str, senders: usize, each: usize, bounded: bool) {
    let elapsed = run(async move {
        gather(senders, each / 10, bounded).await;
        gather(senders, each, bounded).await
    });
    print_rate(name, elapsed, senders * each);
}

pub fn send_2_1() {
    gathered("send-2-1", 2, scaled(2_500_000, 10_000), threads() > 1);
}

pub fn send_8_1() {
    gathered("send-8-1", 8, scaled(625_000, 10_000), threads() > 1);
}

pub fn fan_in() {
    gathered("fan-in", scaled(10_000, 100), 100, false);
}

const RECEIVERS: usize = 60;

async fn count_messages(mut inbox: UnboundedReceiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(value) = inbox.recv().await {
        sum += value;
    }
    sum
}

async fn scatter(each: usize) -> Duration {
    let mut inboxes = Vec::new();
    let mut receivers = Vec::new();
    let start = Instant::now();
    for _ in 0..RECEIVERS {
        let (tx, rx) = unbounded_channel();
        inboxes.push(tx);
        receivers.push(tokio::spawn(count_messages(rx)));
    }
    for value in 0..each as u64 {
        for inbox in &inboxes {
            let _ = inbox.send(value);
        }
    }
    drop(inboxes);
    let mut sum = 0;
    for receiver in receivers {
        sum += receiver.await.expect("a receiver");
    }
    let elapsed = start.elapsed();
    check("sum of the messages", sum as usize, RECEIVERS * (each * (each - 1) / 2));
    elapsed
}

pub fn fork_join() {
    let each = scaled(10_000, 1_000);
    let elapsed = run(async move {
        scatter(each / 10).await;
        scatter(each).await
    });
    print_rate("fork-join", elapsed, RECEIVERS * each);
}

/// A producer that runs ahead of its consumer by what the channel holds, until it is dropped.
async fn stream_numbers(each: usize) -> Duration {
    let (tx, mut rx) = channel(STREAMED);
    let start = Instant::now();
    tokio::spawn(async move {
        for number in 0..each {
            let _ = tx.send(number).await;
        }
    });
    let mut sum = 0;
    while let Some(number) = rx.recv().await {
        sum += number;
    }
    let elapsed = start.elapsed();
    check("sum", sum, each * (each - 1) / 2);
    elapsed
}

const STREAMED: usize = 512;

pub fn stream() {
    let each = scaled(20_000_000, 8_000);
    print_rate("stream", run(stream_numbers(each)), each);
}

/// The same with a text of 64 bytes of its own in each item.
async fn stream_texts(each: usize) -> Duration {
    let (tx, mut rx) = channel(STREAMED);
    let start = Instant::now();
    tokio::spawn(async move {
        let line = "x".repeat(64);
        for _ in 0..each {
            let _ = tx.send(line.clone()).await;
        }
    });
    let mut size = 0;
    while let Some(text) = rx.recv().await {
        size += text.len();
    }
    let elapsed = start.elapsed();
    check("size", size, 64 * each);
    elapsed
}

pub fn stream_text() {
    let each = scaled(2_000_000, 8_000);
    print_rate("stream-text", run(stream_texts(each)), each);
}
