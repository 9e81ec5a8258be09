// SPDX-License-Identifier: Apache-2.0

// Jobs through a pool of as many goroutines as there are threads, by bounded channels.
package main

import "time"

const poolPart = 100000

var pools = []workload{rate("pool", 1000000, 1, poolJobs)}

type poolJob struct{ index, number int }

// poolJobs answers every number with its successor, in order, a part of them at a time.
func poolJobs(n int) time.Duration {
	jobs, results := make(chan poolJob, mailbox), make(chan poolJob, mailbox)
	defer close(jobs)
	for i := 0; i < threads(); i++ {
		go func() {
			for job := range jobs {
				results <- poolJob{job.index, job.number + 1}
			}
		}()
	}
	begin := time.Now()
	for done := 0; done < n; done += poolPart {
		part := poolPart
		if part > n-done {
			part = n - done
		}
		go func() {
			for i := 0; i < part; i++ {
				jobs <- poolJob{i, i}
			}
		}()
		ordered, sum := make([]int, part), 0
		for i := 0; i < part; i++ {
			result := <-results
			ordered[result.index] = result.number
		}
		for _, number := range ordered {
			sum += number
		}
		expect("the sum of a pool's jobs", sum, part*(part+1)/2)
	}
	return time.Since(begin)
}
