// SPDX-License-Identifier: Apache-2.0

// Many messages in one direction, and many who meet: throughput, fork-join, big, chameneos.
package main

import (
	"sync"
	"time"
)

// A mailbox of this many messages lets its senders run ahead without costing cache.
const mailbox = 512

var floods = []workload{
	rate("send-2-1", 2500000, 2, func(n int) time.Duration { return sendToOne(2, n, mailbox) }),
	rate("send-8-1", 625000, 8, func(n int) time.Duration { return sendToOne(8, n, mailbox) }),
	rate("fan-in", 100, 10000, func(n int) time.Duration { return sendToOne(10000, n, mailbox) }),
	rate("stream", 20000000, 1, stream),
	rate("stream-text", 2000000, 1, streamText),
	rate("fork-join", 10000, joiners, forkJoin),
	cost("fork-join-create", 40000, 1, forkJoinCreate),
	cost("big", 5000, crowd, bigPings),
	cost("chameneos", 200000, 1, chameneosMeetings),
}

// sendToOne lets `producers` that already wait send n messages each to one consumer.
func sendToOne(producers, n, capacity int) time.Duration {
	inbox := make(chan int, capacity)
	start := make(chan struct{})
	var ready sync.WaitGroup
	ready.Add(producers)
	for producer := 0; producer < producers; producer++ {
		go func() {
			ready.Done()
			<-start
			for i := 0; i < n; i++ {
				inbox <- i
			}
		}()
	}
	ready.Wait()
	sum := 0
	begin := time.Now()
	close(start)
	for i := producers * n; i > 0; i-- {
		sum += <-inbox
	}
	took := time.Since(begin)
	expect("sum", sum, producers*(n*(n-1)/2))
	return took
}

// stream is a producer that runs ahead of its consumer by what the channel holds, until it closes
// it.
func stream(n int) time.Duration {
	items := make(chan int, mailbox)
	begin := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			items <- i
		}
		close(items)
	}()
	sum := 0
	for number := range items {
		sum += number
	}
	took := time.Since(begin)
	expect("sum", sum, n*(n-1)/2)
	return took
}

// streamText is the same with a text of 64 bytes of its own in each item, as who shares nothing has.
func streamText(n int) time.Duration {
	line := make([]byte, 64)
	items := make(chan string, mailbox)
	begin := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			items <- string(line)
		}
		close(items)
	}()
	size := 0
	for text := range items {
		size += len(text)
	}
	took := time.Since(begin)
	expect("size", size, 64*n)
	return took
}

const joiners = 60

// forkJoin sends n messages to each of 60 receivers, in turn.
func forkJoin(n int) time.Duration {
	var inboxes [joiners]chan int
	sums := make(chan int)
	for i := range inboxes {
		inbox := make(chan int, mailbox)
		inboxes[i] = inbox
		go func() {
			sum := 0
			for number := range inbox {
				sum += number
			}
			sums <- sum
		}()
	}
	begin := time.Now()
	for i := 0; i < n; i++ {
		for _, inbox := range &inboxes {
			inbox <- i
		}
	}
	for _, inbox := range &inboxes {
		close(inbox)
	}
	sum := 0
	for range inboxes {
		sum += <-sums
	}
	took := time.Since(begin)
	expect("sum", sum, joiners*(n*(n-1)/2))
	return took
}

// forkJoinCreate creates n members with a mailbox each, which end with their first message.
func forkJoinCreate(n int) time.Duration {
	sums := make(chan int, n) // Nobody who is through waits for the reader.
	begin := time.Now()
	for i := 0; i < n; i++ {
		inbox := make(chan int)
		go func() { sums <- <-inbox }()
		inbox <- i
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-sums
	}
	took := time.Since(begin)
	expect("sum", sum, n*(n-1)/2)
	return took
}

const crowd = 120

// A ping asks `from` for a pong; a pong comes from pong; from stop comes the end.
const (
	pong = -1
	stop = -2
)

// bigMember sends n pings one after the other to random members and answers those of others. No
// mailbox can be full: every member has at most one ping under way.
func bigMember(self, n int, members *[crowd]chan int, done chan<- int) {
	random := uint32(self + 1)
	left := n
	ping := func() {
		random = random*1664525 + 1013904223
		members[uint64(random)*crowd>>32] <- self
	}
	pongs := 0
	ping()
	for from := range members[self] {
		switch {
		case from == stop:
			done <- pongs
			return
		case from != pong:
			members[from] <- pong
		default:
			pongs++
			left--
			if left > 0 {
				ping()
			} else {
				done <- 0
			}
		}
	}
}

func bigPings(n int) time.Duration {
	var members [crowd]chan int
	done := make(chan int, crowd)
	for i := range members {
		members[i] = make(chan int, crowd+2)
	}
	begin := time.Now()
	for i := range members {
		go bigMember(i, n, &members, done)
	}
	for range members {
		<-done
	}
	took := time.Since(begin)
	pongs := 0
	for _, member := range members {
		member <- stop
		pongs += <-done
	}
	expect("pongs", pongs, crowd*n)
	return took
}

const creatures = 100

// A guest comes to the mall with a colour, and is told who waited there with which.
type guest struct {
	colour int
	inbox  chan guest
}

// faded is the colour of a guest who is told that the mall has closed.
const faded = 3

// mixed is the colour that two take on who meet: theirs if it is one, else the third.
func mixed(a, b int) int {
	if a == b {
		return a
	}
	return 3 - a - b
}

// creature goes to the mall until it closes. The one of a pair that waited is given the other and
// tells it the new colour, a guest without an inbox.
func creature(colour int, mall chan<- guest, counts chan<- int) {
	self := guest{colour, make(chan guest, 2)}
	met := 0
	mall <- self
	for other := range self.inbox {
		if other.colour == faded {
			break
		}
		if other.inbox != nil {
			self.colour = mixed(self.colour, other.colour)
			other.inbox <- guest{self.colour, nil}
		} else {
			self.colour = other.colour
		}
		met++
		mall <- self
	}
	counts <- met
}

func chameneosMeetings(n int) time.Duration {
	mall := make(chan guest, creatures)
	counts := make(chan int, creatures)
	begin := time.Now()
	for i := 0; i < creatures; i++ {
		go creature(i%3, mall, counts)
	}
	for i := 0; i < n; i++ {
		first := <-mall
		first.inbox <- <-mall
	}
	sum := 0
	for i := 0; i < creatures; i++ {
		(<-mall).inbox <- guest{faded, nil}
	}
	for i := 0; i < creatures; i++ {
		sum += <-counts
	}
	took := time.Since(begin)
	expect("meetings", sum, 2*n)
	return took
}
