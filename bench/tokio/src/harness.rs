// SPDX-License-Identifier: Apache-2.0
//! What all workloads share: the runtime, scaled counts, the clock, checks and the printed line.

use std::fs;
use std::future::Future;
use std::process::exit;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| {
            eprintln!("{name}: not a number: {text}");
            exit(2);
        }),
        Err(_) => default,
    }
}

pub fn threads() -> usize {
    setting("BENCH_THREADS", 2)
}

static AT_ROOT: AtomicBool = AtomicBool::new(false);

/// The work is the main thread's: `block_on` runs it there, beside as many workers as there may
/// be threads.
pub fn begin_at_root() {
    AT_ROOT.store(true, Ordering::Relaxed);
}

fn at_root() -> bool {
    AT_ROOT.load(Ordering::Relaxed)
}

/// `full` by BENCH_SCALE, at least `least`. From the main thread a tenth: each step is a change of
/// threads.
pub fn scaled(full: usize, least: usize) -> usize {
    let share = if at_root() { 0.1 } else { 1.0 };
    ((full as f64 * setting("BENCH_SCALE", 1.0) * share) as usize).max(least)
}

/// A runtime without I/O, and without timers where the workload sets none.
pub fn runtime(timers: bool) -> Runtime {
    let mut builder = if threads() == 1 && !at_root() {
        Builder::new_current_thread()
    } else {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads());
        builder
    };
    if timers {
        builder.enable_time();
    }
    builder.build().expect("a runtime")
}

/// Runs `work` as a task, so that its own messages go through the workers' queues as any other's;
/// or on this thread.
pub fn run<F>(work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    run_on(&runtime(false), work)
}

pub fn run_on<F>(runtime: &Runtime, work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if at_root() {
        return runtime.block_on(work);
    }
    runtime.block_on(async { tokio::spawn(work).await.expect("the work") })
}

pub fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) {
    if found != expected {
        eprintln!("{what}: {found:?} instead of {expected:?}");
        exit(1);
    }
}

fn suffix() -> &'static str {
    if at_root() {
        "-root"
    } else {
        ""
    }
}

pub fn print_each(name: &str, elapsed: Duration, count: usize) {
    println!("{name}{} {:.2}", suffix(), elapsed.as_nanos() as f64 / count as f64);
}

pub fn print_rate(name: &str, elapsed: Duration, count: usize) {
    println!("{name}{} {:.0}", suffix(), count as f64 / elapsed.as_secs_f64());
}

pub fn print_bytes(name: &str, bytes: usize, count: usize) {
    println!("{name} {:.1}", bytes as f64 / count as f64);
}

/// The bytes of this process that are resident.
pub fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: usize = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("pages");
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize
}

/// Freed memory stays in the heap: a large message costs no system call and no page fault twice.
pub fn keep_memory() {
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 1 << 24);
    }
}

/// Keeps the calling thread on processor `cpu` modulo those that there are.
pub fn pin(cpu: usize) {
    unsafe {
        let count = libc::sysconf(libc::_SC_NPROCESSORS_ONLN) as usize;
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu % count, &mut set);
        if libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set) != 0 {
            eprintln!("sched_setaffinity: {}", std::io::Error::last_os_error());
            exit(1);
        }
    }
}
