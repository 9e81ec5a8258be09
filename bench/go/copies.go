// SPDX-License-Identifier: Apache-2.0

// Bytes there and back, copied by each sender or handed over; trees copied to their receiver.
package main

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

var copies = []workload{
	echoBytes("echo-copy-1k", 1<<10, 500000, copied),
	echoBytes("echo-copy-64k", 1<<16, 50000, copied),
	echoBytes("echo-copy-1m", 1<<20, 2000, copied),
	echoBytes("echo-copy-16m", 1<<24, 100, copied),
	echoBytes("echo-move-1k", 1<<10, 1000000, moved),
	echoBytes("echo-move-64k", 1<<16, 1000000, moved),
	echoBytes("echo-move-1m", 1<<20, 1000000, moved),
	echoBytes("echo-move-16m", 1<<24, 1000000, moved),
	cost("tree-typed", 1000, 1, typedTrees),
	cost("tree-maps", 100, 1, mapTrees),
}

// A buffer holds one message's bytes; a pool of them makes a copy cost no allocation.
type buffer struct{ bytes []byte }

// A manner says what a sender sends for a buffer that it has, and what a receiver does with one
// that it has read.
type manner struct {
	send func(pool *sync.Pool, mine *buffer) *buffer
	read func(pool *sync.Pool, theirs *buffer)
}

var copied = manner{
	func(pool *sync.Pool, mine *buffer) *buffer {
		theirs := pool.Get().(*buffer)
		copy(theirs.bytes, mine.bytes)
		return theirs
	},
	func(pool *sync.Pool, theirs *buffer) { pool.Put(theirs) },
}

var moved = manner{
	func(_ *sync.Pool, mine *buffer) *buffer { return mine },
	func(*sync.Pool, *buffer) {},
}

func pattern(size int) *buffer {
	made := &buffer{make([]byte, size)}
	for i := range made.bytes {
		made.bytes[i] = byte(i * 31)
	}
	return made
}

func echoBytes(name string, size, count int, manner manner) workload {
	return cost(name, count, 1, func(n int) time.Duration {
		pool := &sync.Pool{New: func() any { return &buffer{make([]byte, size)} }}
		there, back := make(chan *buffer), make(chan *buffer)
		defer close(there)
		go func() {
			for got := range there {
				answer := manner.send(pool, got)
				manner.read(pool, got)
				back <- answer
			}
		}()
		return echoes(n, size, pool, manner, there, back)
	})
}

func echoes(n, size int, pool *sync.Pool, manner manner, there chan<- *buffer,
	back <-chan *buffer) time.Duration {
	mine := pattern(size)
	var got *buffer
	begin := time.Now()
	for i := 0; i < n; i++ {
		mine.bytes[0] = byte(i)
		there <- manner.send(pool, mine)
		got = <-back
		if got.bytes[0] != byte(i) {
			fail("echo %d came back changed", i)
		}
		if i < n-1 {
			manner.read(pool, got)
		}
	}
	took := time.Since(begin)
	wanted := pattern(size)
	wanted.bytes[0] = byte(n - 1)
	if !bytes.Equal(got.bytes, wanted.bytes) {
		fail("the last echo came back changed")
	}
	return took
}

// The tree has a root over 10 nodes over 100 over 1,000 over 10,000 leaves.
const (
	treeFanOut = 10
	treeDepth  = 4
	treeNodes  = 11111
	treeSum    = treeNodes * (treeNodes - 1) / 2
)

// A node's children lie side by side; strings are immutable, so a copy shares them.
type node struct {
	value    int
	name     string
	children []node
}

func typedTree(into *node, depth int, next *int) {
	into.value = *next
	into.name = fmt.Sprintf("node-%d", *next)
	*next++
	if depth == 0 {
		return
	}
	into.children = make([]node, treeFanOut)
	for i := range into.children {
		typedTree(&into.children[i], depth-1, next)
	}
}

// adoptCopies gives every node of a copied row children of its own.
func adoptCopies(row []node) {
	for i := range row {
		if theirs := row[i].children; theirs != nil {
			mine := append([]node(nil), theirs...)
			adoptCopies(mine)
			row[i].children = mine
		}
	}
}

func (from *node) clone() *node {
	row := []node{*from}
	adoptCopies(row)
	return &row[0]
}

func (from *node) measure() (nodes, sum, names int) {
	nodes, sum, names = 1, from.value, len(from.name)
	for i := range from.children {
		n, s, l := from.children[i].measure()
		nodes, sum, names = nodes+n, sum+s, names+l
	}
	return
}

// sendTrees copies a tree n times to a receiver that acknowledges each; the last one is checked.
func sendTrees[T any](n int, clone func() T, verify func(T)) time.Duration {
	there, back := make(chan T), make(chan int)
	go func() {
		received := 0
		var last T
		for last = range there {
			received++
			back <- received
			if received == n {
				break
			}
		}
		verify(last)
		back <- 0
	}()
	begin := time.Now()
	for i := 1; i <= n; i++ {
		there <- clone()
		expect("acknowledgement", <-back, i)
	}
	took := time.Since(begin)
	<-back
	return took
}

func typedTrees(n int) time.Duration {
	tree, next := &node{}, 0
	typedTree(tree, treeDepth, &next)
	_, _, wanted := tree.measure()
	return sendTrees(n, tree.clone, func(got *node) {
		nodes, sum, names := got.measure()
		expect("nodes", nodes, treeNodes)
		expect("sum", sum, treeSum)
		expect("names", names, wanted)
		expect("children shared", boolean(&got.children[0] == &tree.children[0]), 0)
	})
}

func boolean(truth bool) int {
	if truth {
		return 1
	}
	return 0
}

// fields is a node without a type, as decoded JSON is.
type fields = map[string]any

func mapTree(depth int, next *int) fields {
	made := fields{"value": *next, "name": fmt.Sprintf("node-%d", *next)}
	*next++
	if depth > 0 {
		children := make([]any, treeFanOut)
		for i := range children {
			children[i] = mapTree(depth-1, next)
		}
		made["children"] = children
	}
	return made
}

func cloneValue(value any) any {
	switch from := value.(type) {
	case fields:
		to := make(fields, len(from))
		for key, field := range from {
			to[key] = cloneValue(field)
		}
		return to
	case []any:
		to := make([]any, len(from))
		for i, item := range from {
			to[i] = cloneValue(item)
		}
		return to
	default:
		return value
	}
}

func measureFields(from fields) (nodes, sum int) {
	nodes, sum = 1, from["value"].(int)
	if children, some := from["children"].([]any); some {
		for _, child := range children {
			n, s := measureFields(child.(fields))
			nodes, sum = nodes+n, sum+s
		}
	}
	return
}

func mapTrees(n int) time.Duration {
	next := 0
	tree := mapTree(treeDepth, &next)
	clone := func() fields { return cloneValue(tree).(fields) }
	return sendTrees(n, clone, func(got fields) {
		nodes, sum := measureFields(got)
		expect("nodes", nodes, treeNodes)
		expect("sum", sum, treeSum)
	})
}
