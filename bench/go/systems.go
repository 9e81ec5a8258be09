// SPDX-License-Identifier: Apache-2.0

// What systems are made of that heal: a call to a goroutine whose parent starts it again, and a
// life whose end is told to who began it.
package main

import "time"

var systems = []workload{
	cost("supervised-call", 500000, 1, supervisedCalls),
	cost("monitor-down", 200000, 1, monitoredLives),
}

type request struct {
	number int
	reply  chan int
}

// serve answers every number with its successor, until the inbox is closed. One that is negative it
// fails at; whoever waits for an answer is told, by the closed channel.
func serve(inbox <-chan request) (failed bool) {
	var asked request
	defer func() {
		if recover() != nil {
			close(asked.reply)
			failed = true
		}
	}()
	for asked = range inbox {
		if asked.number < 0 {
			panic("asked to fail")
		}
		asked.reply <- asked.number + 1
	}
	return false
}

// supervise starts the server again when it has failed.
func supervise(inbox <-chan request, restarts chan<- int) {
	count := 0
	for ended := make(chan bool); ; count++ {
		go func() { ended <- serve(inbox) }()
		if !<-ended {
			break
		}
	}
	restarts <- count
}

func supervisedCalls(n int) time.Duration {
	inbox, restarts := make(chan request), make(chan int)
	go supervise(inbox, restarts)
	call := func(number int, reply chan int) (int, bool) {
		inbox <- request{number, reply}
		answer, ok := <-reply
		return answer, ok
	}
	reply := make(chan int)
	number := 0
	begin := time.Now()
	for i := 0; i < n; i++ {
		answer, ok := call(number, reply)
		if !ok {
			fail("call %d had no answer", i)
		}
		number = answer
	}
	took := time.Since(begin)
	expect("last number", number, n)
	if _, ok := call(-1, reply); ok {
		fail("a failure was answered")
	}
	answer, _ := call(1, make(chan int))
	expect("the answer of the server's successor", answer, 2)
	close(inbox)
	expect("restarts", <-restarts, 1)
	return took
}

// monitoredLives begins one goroutine after the other, each of which tells how it ended: nil, or
// what it panicked with.
func monitoredLives(n int) time.Duration {
	ends := make(chan any)
	begin := time.Now()
	for i := 0; i < n; i++ {
		go func() {
			defer func() { ends <- recover() }()
		}()
		if reason := <-ends; reason != nil {
			fail("life %d ended by %v", i, reason)
		}
	}
	return time.Since(begin)
}
