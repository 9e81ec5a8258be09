// SPDX-License-Identifier: Apache-2.0

// Runs one workload of the benchmark on Go: goroutines are the actors, channels their mailboxes,
// GOMAXPROCS (BENCH_THREADS) the schedulers. A message that must be private to its receiver is
// copied by the sender, since Go shares memory. `bench-go list` names the workloads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A figure is one line of output: a workload's name and its number in that workload's unit.
type figure struct {
	name  string
	value float64
}

type workload struct {
	name string
	run  func() []figure
}

var scale = 1.0

// fail ends the program: a result that is wrong has no time.
func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "bench-go: "+format+"\n", arguments...)
	os.Exit(1)
}

func expect(what string, got, wanted int) {
	if got != wanted {
		fail("%s: %d instead of %d", what, got, wanted)
	}
}

// scaled is the count that BENCH_SCALE leaves of a full one, at least `least`.
func scaled(count, least int) int {
	if part := int(float64(count) * scale); part > least {
		return part
	}
	return least
}

// warmed times a run of n operations after one of a tenth.
func warmed(n int, run func(n int) time.Duration) time.Duration {
	run(n/10 + 1)
	return run(n)
}

func perOperation(took time.Duration, n int) float64 {
	return float64(took.Nanoseconds()) / float64(n)
}

func perSecond(took time.Duration, n int) float64 {
	return float64(n) / took.Seconds()
}

// cost is a workload in nanoseconds per operation, rate one in operations per second; `count` is
// what BENCH_SCALE scales, `operations` what one of that count stands for.
func cost(name string, count, operations int, run func(n int) time.Duration) workload {
	return workload{name, func() []figure {
		n := scaled(count, 10)
		return []figure{{name, perOperation(warmed(n, run), n*operations)}}
	}}
}

func rate(name string, count, operations int, run func(n int) time.Duration) workload {
	return workload{name, func() []figure {
		n := scaled(count, 10)
		return []figure{{name, perSecond(warmed(n, run), n*operations)}}
	}}
}

// iterated is the median time of a program that Savina iterates: at most 12 times, no new
// iteration after a second, the first left out as the warm-up.
func iterated(run func() time.Duration) time.Duration {
	var times []time.Duration
	run()
	for begin := time.Now(); len(times) < 11 && time.Since(begin) < time.Second; {
		times = append(times, run())
	}
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	return times[len(times)/2]
}

func threads() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_THREADS")); err == nil && n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// rooted says whether a workload is also run from the main thread, as NAME-root: the side that
// begins is then bound to that thread, as a program's that has a main loop of its own there.
func rooted(name string) bool {
	for _, begin := range []string{"spawn", "round-trip", "call", "send", "fan", "fork", "echo", "tree"} {
		if strings.HasPrefix(name, begin) {
			return name != "round-trip-cores"
		}
	}
	return false
}

// rootShare is the part of the counts that is run there: each step is a change of threads.
const rootShare = 0.1

func list(all []workload) {
	for _, one := range all {
		fmt.Println(one.name)
		if rooted(one.name) {
			fmt.Println(one.name + "-root")
		}
	}
}

func main() {
	var all []workload
	for _, part := range [][]workload{meetings, floods, copies, crowds, pools, systems, savina} {
		all = append(all, part...)
	}
	if len(os.Args) != 2 {
		fail("usage: bench-go list | WORKLOAD")
	}
	if part, err := strconv.ParseFloat(os.Getenv("BENCH_SCALE"), 64); err == nil && part > 0 {
		scale = part
	}
	runtime.GOMAXPROCS(threads())
	debug.SetGCPercent(400) // Memory is there; collect less often.
	if os.Args[1] == "list" {
		list(all)
		return
	}
	name, suffix := os.Args[1], ""
	if plain := strings.TrimSuffix(name, "-root"); plain != name && rooted(plain) {
		name, suffix = plain, "-root"
		scale *= rootShare
		runtime.LockOSThread()
	}
	for _, one := range all {
		if one.name == name {
			for _, line := range one.run() {
				fmt.Printf("%s %.3f\n", line.name+suffix, line.value)
			}
			return
		}
	}
	fail("there is no workload %s", os.Args[1])
}
