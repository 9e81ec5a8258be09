// SPDX-License-Identifier: Apache-2.0

// The eight micro programs of the Savina suite with their default sizes.
package main

import "time"

var savina = []workload{
	perIteration("savina-pingpong", 40000, 40000, roundTrips),
	inverse("savina-count", 1000000, 1000000, func(n int) time.Duration {
		return sendToOne(1, n, mailbox)
	}),
	inverse("savina-fjthrput", 10000, 10000*joiners, forkJoin),
	perIteration("savina-fjcreate", 40000, 40000, forkJoinCreate),
	perIteration("savina-threadring", 100000, 100000, func(hops int) time.Duration {
		return ringHops(100, hops)
	}),
	perIteration("savina-chameneos", 200000, 200000, chameneosMeetings),
	perIteration("savina-big", 20000, 20000*crowd, bigPings),
	{"savina-fib", fibActors},
}

// perIteration and inverse scale a program's size by BENCH_SCALE; `operations` is what its full
// size stands for.
func perIteration(name string, size, operations int, run func(n int) time.Duration) workload {
	return workload{name, func() []figure {
		n := scaled(size, 100)
		took := iterated(func() time.Duration { return run(n) })
		return []figure{{name, perOperation(took, operations/size*n)}}
	}}
}

func inverse(name string, size, operations int, run func(n int) time.Duration) workload {
	return workload{name, func() []figure {
		n := scaled(size, 100)
		took := iterated(func() time.Duration { return run(n) })
		return []figure{{name, perSecond(took, operations/size*n)}}
	}}
}

// fib is an actor of its own for every number that it needs.
func fib(n int, parent chan<- int) {
	if n <= 2 {
		parent <- 1
		return
	}
	parts := make(chan int, 2)
	go fib(n-1, parts)
	go fib(n-2, parts)
	parent <- <-parts + <-parts
}

// fibNumber says fib(n); 2*fib(n)-1 actors find it.
func fibNumber(n int) int {
	a, b := 0, 1
	for ; n > 0; n-- {
		a, b = b, a+b
	}
	return a
}

func fibActors() []figure {
	n := 25
	if scale < 0.5 {
		n = 20
	}
	took := iterated(func() time.Duration {
		result := make(chan int)
		begin := time.Now()
		go fib(n, result)
		got := <-result
		took := time.Since(begin)
		expect("fib", got, fibNumber(n))
		return took
	})
	return []figure{{"savina-fib", perOperation(took, 2*fibNumber(n)-1)}}
}
