// SPDX-License-Identifier: Apache-2.0

// Many who are alive at once: their memory, a million of them, a tree of a million.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

var crowds = []workload{
	{"memory-idle", memoryIdle},
	{"memory-bare", memoryBare},
	{"memory-suspended", memorySuspended},
	{"million", millionAlive},
	{"skynet", skynetLeaves},
}

// resident is the program's resident memory after what is garbage has been given back.
func resident() int {
	debug.FreeOSMemory()
	file, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail("%v", err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(file), &size, &pages); err != nil {
		fail("statm: %v", err)
	}
	return pages * os.Getpagesize()
}

func perMember(name string, before, n int) []figure {
	return []figure{{name, float64(resident()-before) / float64(n)}}
}

// memoryBare has goroutines that wait for one event common to all.
func memoryBare() []figure {
	n := scaled(100000, 10000)
	debug.SetGCPercent(100)
	end, ready := make(chan struct{}), make(chan int, mailbox)
	before := resident()
	for i := 0; i < n; i++ {
		go func() {
			ready <- 1
			<-end
		}()
	}
	for i := 0; i < n; i++ {
		<-ready
	}
	result := perMember("memory-bare", before, n)
	close(end)
	return result
}

// memorySuspended has goroutines that wait in a receive on a mailbox of their own.
func memorySuspended() []figure {
	n := scaled(100000, 10000)
	debug.SetGCPercent(100)
	pongs := make(chan int, mailbox)
	inboxes := make([]chan int, n)
	before := resident()
	for i := range inboxes {
		inbox := make(chan int)
		inboxes[i] = inbox
		go func() { pongs <- <-inbox }()
	}
	result := perMember("memory-suspended", before, n)
	expect("pongs", pingAll(inboxes, pongs), n)
	return result
}

// pingAll sends everybody a ping and counts the pongs; the pings run beside the count, so that
// full mailboxes stop nobody.
func pingAll(inboxes []chan int, pongs <-chan int) int {
	go func() {
		for _, inbox := range inboxes {
			inbox <- 1
		}
	}()
	sum := 0
	for range inboxes {
		sum += <-pongs
	}
	return sum
}

// A counter is an idle member's state: how many pings it has answered.
type counter struct{ pings int }

// idler keeps its state on the heap and answers each ping with 1 KiB.
func (state *counter) idler(inbox <-chan chan<- []byte) {
	for reply := range inbox {
		state.pings++
		reply <- make([]byte, 1024)
	}
}

func memoryIdle() []figure {
	n := scaled(100000, 10000)
	debug.SetGCPercent(100)
	inboxes := make([]chan chan<- []byte, n)
	reply := make(chan []byte)
	before := resident()
	for i := range inboxes {
		inboxes[i] = make(chan chan<- []byte)
		go new(counter).idler(inboxes[i])
	}
	bytes := 0
	for _, inbox := range inboxes {
		inbox <- reply
		bytes += len(<-reply)
	}
	expect("bytes of the replies", bytes, n*1024)
	result := perMember("memory-idle", before, n)
	for _, inbox := range inboxes {
		close(inbox)
	}
	return result
}

// millionAlive has no warm-up: a million are the first of their program.
func millionAlive() []figure {
	n := scaled(1000000, 10000)
	before := resident()
	pongs := make(chan int, mailbox)
	end := make(chan struct{})
	inboxes := make([]chan int, n)
	begin := time.Now()
	for i := range inboxes {
		inbox := make(chan int)
		inboxes[i] = inbox
		go func() {
			pongs <- <-inbox
			<-end
		}()
	}
	sum := pingAll(inboxes, pongs)
	took := time.Since(begin)
	expect("pongs", sum, n)
	bytes := float64(resident()-before) / float64(n)
	close(end)
	return []figure{{"million", perOperation(took, n)}, {"million-bytes", bytes}}
}

const skynetFanOut = 10

// skynet sends its parent the sum of the ordinals of its leaves, `first` and those after it.
func skynet(parent chan<- int, first, leaves int) {
	if leaves == 1 {
		parent <- first
		return
	}
	sums := make(chan int, skynetFanOut)
	each := leaves / skynetFanOut
	for i := 0; i < skynetFanOut; i++ {
		go skynet(sums, first+i*each, each)
	}
	sum := 0
	for i := 0; i < skynetFanOut; i++ {
		sum += <-sums
	}
	parent <- sum
}

func skynetOf(leaves int) time.Duration {
	sum := make(chan int)
	begin := time.Now()
	go skynet(sum, 0, leaves)
	got := <-sum
	took := time.Since(begin)
	expect("sum", got, leaves*(leaves-1)/2)
	return took
}

// skynetLeaves has a power of ten of leaves; the warm-up is a tenth of them.
func skynetLeaves() []figure {
	leaves := 1000
	for leaves*10 <= scaled(1000000, 1000) {
		leaves *= 10
	}
	skynetOf(leaves / 10)
	return []figure{{"skynet", perOperation(skynetOf(leaves), leaves)}}
}
