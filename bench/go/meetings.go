// SPDX-License-Identifier: Apache-2.0

// Two who talk, one who is created and answers: spawn, round trips, a ring, a call with a timeout.
package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

var meetings = []workload{
	cost("spawn", 200000, 1, spawnOneByOne),
	{"spawn-burst", spawnBursts},
	cost("round-trip", 1000000, 1, roundTrips),
	{"round-trip-cores", roundTripsOnTwoCores},
	cost("ring", 2000, ringSize, ringRounds),
	cost("call-timeout", 500000, 1, callsWithTimeout),
	cost("pairs", 1000000, 1, twoPairs),
}

func spawnOneByOne(n int) time.Duration {
	reply := make(chan int)
	sum := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() { reply <- 1 }()
		sum += <-reply
	}
	took := time.Since(begin)
	expect("replies", sum, n)
	return took
}

func spawnTogether(n int) time.Duration {
	reply := make(chan int, n) // Nobody who is through waits for the reader.
	sum := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() { reply <- 1 }()
	}
	for i := 0; i < n; i++ {
		sum += <-reply
	}
	took := time.Since(begin)
	expect("replies", sum, n)
	return took
}

// spawnBursts has no warm-up: the first burst is the one with cold memory.
func spawnBursts() []figure {
	n := scaled(200000, 1000)
	cold := spawnTogether(n)
	warm := spawnTogether(n)
	return []figure{{"spawn-burst", perOperation(cold, n)}, {"spawn-again", perOperation(warm, n)}}
}

// echo answers every number with its successor.
func echo(inbox <-chan int, outbox chan<- int) {
	for number := range inbox {
		outbox <- number + 1
	}
}

func talk(n int, there chan<- int, back <-chan int) time.Duration {
	number := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		there <- number
		number = <-back
	}
	took := time.Since(begin)
	expect("last number", number, n)
	return took
}

func roundTrips(n int) time.Duration {
	there, back := make(chan int), make(chan int)
	defer close(there)
	go echo(there, back)
	return talk(n, there, back)
}

type cpuSet [16]uint64

// pin binds the goroutine to a thread and the thread to the CPU of that rank among the allowed.
func pin(rank int) {
	runtime.LockOSThread()
	var allowed, one cpuSet
	_, _, failed := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0,
		unsafe.Sizeof(allowed), uintptr(unsafe.Pointer(&allowed)))
	if failed != 0 {
		fail("affinity: %v", failed)
	}
	for cpu := 0; cpu < len(allowed)*64; cpu++ {
		if allowed[cpu/64]>>(cpu%64)&1 == 0 {
			continue
		}
		if rank == 0 {
			one[cpu/64] = 1 << (cpu % 64)
			break
		}
		rank--
	}
	_, _, failed = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0,
		unsafe.Sizeof(one), uintptr(unsafe.Pointer(&one)))
	if failed != 0 {
		fail("no second core to pin to: %v", failed)
	}
}

// roundTripsOnTwoCores needs two schedulers whatever BENCH_THREADS says. The pinned threads end
// with their goroutines, since neither is unlocked.
func roundTripsOnTwoCores() []figure {
	runtime.GOMAXPROCS(2)
	n := scaled(20000, 10)
	took := make(chan time.Duration)
	there, back := make(chan int), make(chan int)
	go func() {
		pin(1)
		echo(there, back)
	}()
	go func() {
		pin(0)
		took <- warmed(n, func(n int) time.Duration { return talk(n, there, back) })
	}()
	return []figure{{"round-trip-cores", perOperation(<-took, n)}}
}

const ringSize = 503

// ringHops sends a token that counts down to zero around a ring of `size` members.
func ringHops(size, hops int) time.Duration {
	done := make(chan int)
	first := make(chan int)
	inbox := first
	for i := 0; i < size; i++ {
		next := first
		if i < size-1 {
			next = make(chan int)
		}
		go func(member int, inbox <-chan int, next chan<- int) {
			for left := range inbox {
				if left == 0 {
					done <- member
				} else {
					next <- left - 1
				}
			}
			if member < size-1 {
				close(next)
			}
		}(i, inbox, next)
		inbox = next
	}
	begin := time.Now()
	first <- hops
	last := <-done
	took := time.Since(begin)
	expect("last member", last, hops%size)
	close(first)
	return took
}

func ringRounds(n int) time.Duration {
	return ringHops(ringSize, n*ringSize)
}

// callsWithTimeout sets and stops one timer for every call, as a long-lived caller does.
func callsWithTimeout(n int) time.Duration {
	there, back := make(chan int), make(chan int)
	defer close(there)
	go echo(there, back)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	number := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		timer.Reset(time.Second)
		there <- number
		select {
		case number = <-back:
		case <-timer.C:
			fail("call %d had no answer", i)
		}
		if !timer.Stop() {
			<-timer.C
		}
	}
	took := time.Since(begin)
	expect("last number", number, n)
	return took
}

// twoPairs is the time of the slower of two pairs that have nothing to do with each other.
func twoPairs(n int) time.Duration {
	start := make(chan struct{})
	took := make(chan time.Duration)
	for pair := 0; pair < 2; pair++ {
		go func() {
			<-start
			took <- roundTrips(n)
		}()
	}
	close(start)
	slower := <-took
	if other := <-took; other > slower {
		slower = other
	}
	return slower
}
