// SPDX-License-Identifier: Apache-2.0
//! Jobs through a pool of as many tasks as there are threads, by bounded channels: one to each
//! worker, in turn, since a receiver is one task's; one for all results.

use crate::harness::*;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{channel, Receiver, Sender};

const CAPACITY: usize = 1_024;
const PART: usize = 100_000;

/// A job's place in the list, and its number.
type Job = (usize, usize);

async fn work(mut jobs: Receiver<Job>, results: Sender<Job>) {
    while let Some((index, number)) = jobs.recv().await {
        let _ = results.send((index, number + 1)).await;
    }
}

async fn feed(workers: Vec<Sender<Job>>, part: usize) {
    for number in 0..part {
        let _ = workers[number % workers.len()].send((number, number)).await;
    }
}

async fn answer(count: usize) -> Duration {
    let (tx, mut results) = channel(CAPACITY);
    let mut workers = Vec::new();
    for _ in 0..threads() {
        let (jobs, inbox) = channel(CAPACITY);
        tokio::spawn(work(inbox, tx.clone()));
        workers.push(jobs);
    }
    let start = Instant::now();
    for done in (0..count).step_by(PART) {
        let part = PART.min(count - done);
        tokio::spawn(feed(workers.clone(), part));
        let mut ordered = vec![0; part];
        for _ in 0..part {
            let (index, number) = results.recv().await.expect("a result");
            ordered[index] = number;
        }
        check("the sum of a pool's jobs", ordered.iter().sum::<usize>(), part * (part + 1) / 2);
    }
    start.elapsed()
}

/// Numbers that come back with one more, in order.
pub fn pool() {
    let count = scaled(1_000_000, 1_000);
    run(answer(count / 10 + 1));
    print_rate("pool", run(answer(count)), count);
}
