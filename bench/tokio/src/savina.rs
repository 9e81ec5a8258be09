// SPDX-License-Identifier: Apache-2.0
//! Two of Savina's programs: big (all ping all) and chameneos (all meet at one mall).

use crate::harness::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

const PINGERS: usize = 120;

enum Ball {
    Ping(usize),
    Pong(usize),
    Stop,
}

type Balls = Arc<Vec<UnboundedSender<Ball>>>;

/// Marsaglia's xorshift: cheap, and each actor has its own.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Has one ping under way at a time; tells `done` when its last was answered. Returns how many
/// pings it answered.
async fn pinger(
    id: usize,
    pings: usize,
    mut inbox: UnboundedReceiver<Ball>,
    all: Balls,
    done: UnboundedSender<usize>,
) -> usize {
    let mut random = Random(id as u64 + 1);
    let (mut left, mut answered, mut asked) = (pings, 0, 0);
    let mut serve = |random: &mut Random| {
        asked = random.below(PINGERS);
        let _ = all[asked].send(Ball::Ping(id));
        asked
    };
    let mut expected = serve(&mut random);
    while let Some(ball) = inbox.recv().await {
        match ball {
            Ball::Ping(from) => {
                answered += 1;
                let _ = all[from].send(Ball::Pong(id));
            }
            Ball::Pong(from) => {
                check("who answered", from, expected);
                left -= 1;
                if left > 0 {
                    expected = serve(&mut random);
                } else {
                    let _ = done.send(id);
                }
            }
            Ball::Stop => break,
        }
    }
    answered
}

async fn ping_all(pings: usize) -> Duration {
    let (done, mut finished) = unbounded_channel();
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..PINGERS).map(|_| unbounded_channel()).unzip();
    let all = Arc::new(senders);
    let start = Instant::now();
    let mut handles = Vec::new();
    for (id, inbox) in inboxes.into_iter().enumerate() {
        handles.push(tokio::spawn(pinger(id, pings, inbox, all.clone(), done.clone())));
    }
    for _ in 0..PINGERS {
        finished.recv().await.expect("an actor");
    }
    for sender in all.iter() {
        let _ = sender.send(Ball::Stop);
    }
    let mut answered = 0;
    for handle in handles {
        answered += handle.await.expect("an actor");
    }
    let elapsed = start.elapsed();
    check("pings answered", answered, PINGERS * pings);
    elapsed
}

pub fn big() {
    let pings = scaled(20_000, 100);
    let elapsed = run(async move {
        ping_all(pings / 10).await;
        ping_all(pings).await
    });
    print_each("big", elapsed, PINGERS * pings);
}

const CREATURES: usize = 100;

#[derive(Clone, Copy, PartialEq)]
enum Colour {
    Blue,
    Red,
    Yellow,
}

impl Colour {
    /// Two of a colour keep it; two different ones both take the third.
    fn with(self, other: Colour) -> Colour {
        match (self, other) {
            (a, b) if a == b => a,
            (Colour::Blue, Colour::Red) | (Colour::Red, Colour::Blue) => Colour::Yellow,
            (Colour::Blue, _) | (_, Colour::Blue) => Colour::Red,
            _ => Colour::Blue,
        }
    }
}

/// What a creature hears: a partner that the mall found, the colour that a meeting gave, the end.
enum Heard {
    Partner(usize, Colour),
    Became(Colour),
    Closed,
}

type Creatures = Arc<Vec<UnboundedSender<Heard>>>;

/// Returns how often it met another.
async fn creature(
    id: usize,
    mut inbox: UnboundedReceiver<Heard>,
    all: Creatures,
    mall: UnboundedSender<(usize, Colour)>,
) -> usize {
    let mut colour = [Colour::Blue, Colour::Red, Colour::Yellow][id % 3];
    let mut met = 0;
    let _ = mall.send((id, colour));
    while let Some(heard) = inbox.recv().await {
        match heard {
            Heard::Partner(partner, other) => {
                colour = colour.with(other);
                let _ = all[partner].send(Heard::Became(colour));
            }
            Heard::Became(new) => colour = new,
            Heard::Closed => break,
        }
        met += 1;
        let _ = mall.send((id, colour));
    }
    met
}

/// Brings each two that arrive together, `meetings` times, then sends all home.
async fn mall(mut inbox: UnboundedReceiver<(usize, Colour)>, all: Creatures, meetings: usize) {
    let mut waiting: Option<usize> = None;
    let (mut left, mut home) = (meetings, 0);
    while home < CREATURES {
        let (id, colour) = inbox.recv().await.expect("a creature");
        if left == 0 {
            let _ = all[id].send(Heard::Closed);
            home += 1;
        } else if let Some(partner) = waiting.take() {
            left -= 1;
            let _ = all[partner].send(Heard::Partner(id, colour));
        } else {
            waiting = Some(id);
        }
    }
}

async fn meet(meetings: usize) -> Duration {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..CREATURES).map(|_| unbounded_channel()).unzip();
    let all = Arc::new(senders);
    let (to_mall, at_mall) = unbounded_channel();
    let start = Instant::now();
    let mut handles = Vec::new();
    for (id, inbox) in inboxes.into_iter().enumerate() {
        handles.push(tokio::spawn(creature(id, inbox, all.clone(), to_mall.clone())));
    }
    mall(at_mall, all, meetings).await;
    let mut met = 0;
    for handle in handles {
        met += handle.await.expect("a creature");
    }
    let elapsed = start.elapsed();
    check("meetings, seen from both sides", met, 2 * meetings);
    elapsed
}

pub fn chameneos() {
    let meetings = scaled(200_000, 1_000);
    let elapsed = run(async move {
        meet(meetings / 10).await;
        meet(meetings).await
    });
    print_each("chameneos", elapsed, meetings);
}
