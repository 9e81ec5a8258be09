// SPDX-License-Identifier: Apache-2.0
//! What systems are made of that heal: a call to a task that is started again when it has failed,
//! and a life whose end is awaited.

use crate::harness::*;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

struct Call {
    value: Option<u64>,
    reply: oneshot::Sender<u64>,
}

#[derive(Debug)]
struct Failed;

/// Fails when it is asked for nothing.
async fn serve(mut inbox: UnboundedReceiver<Call>) -> Result<(), Failed> {
    while let Some(call) = inbox.recv().await {
        let _ = call.reply.send(call.value.ok_or(Failed)? + 1);
    }
    Ok(())
}

type Server = UnboundedSender<Call>;

/// Each server has a channel of its own, which who asks for it finds here.
async fn supervise(current: watch::Sender<Option<Server>>) {
    let mut children = JoinSet::new();
    loop {
        let (to, inbox) = unbounded_channel();
        children.spawn(serve(inbox));
        if current.send(Some(to)).is_err() {
            return;
        }
        match children.join_next().await {
            Some(Ok(Ok(()))) | None => return,
            Some(Ok(Err(Failed))) | Some(Err(_)) => continue,
        }
    }
}

async fn find(current: &mut watch::Receiver<Option<Server>>) -> Server {
    current.changed().await.expect("a supervisor");
    current.borrow().clone().expect("a server")
}

async fn call(server: &Server, value: Option<u64>) -> Option<u64> {
    let (reply, answer) = oneshot::channel();
    let _ = server.send(Call { value, reply });
    answer.await.ok()
}

async fn call_each(server: &Server, count: usize) -> Duration {
    let start = Instant::now();
    let mut value = 0;
    for _ in 0..count {
        value = call(server, Some(value)).await.expect("an answer");
    }
    let elapsed = start.elapsed();
    check("answers", value, count as u64);
    elapsed
}

pub fn supervised_call() {
    let count = scaled(500_000, 1_000);
    let elapsed = run(async move {
        let (sender, mut current) = watch::channel(None);
        tokio::spawn(supervise(sender));
        let server = find(&mut current).await;
        call_each(&server, count / 10).await;
        let elapsed = call_each(&server, count).await;
        check("the call that fails", call(&server, None).await, None);
        check("an answer of the next", call(&find(&mut current).await, Some(1)).await, Some(2));
        elapsed
    });
    print_each("supervised-call", elapsed, count);
}

async fn life() {}

async fn live_each(count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        tokio::spawn(life()).await.expect("a life");
    }
    start.elapsed()
}

pub fn monitor_down() {
    let count = scaled(200_000, 1_000);
    let elapsed = run(async move {
        live_each(count / 10).await;
        live_each(count).await
    });
    print_each("monitor-down", elapsed, count);
}
