/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that park and those who wake them: src/sched/worker.c (idle list, idle count, searching) and src/platform/linux/thread.c (the parker's permit), one
 * atomic operation a step. PUSHERS put a task each into the shared queue from outside; WORKERS take them, look around, and sleep.
 *
 * Checked: when all pushers are done, every task is run in the end, though nobody but them wakes (no lost wake-up); a worker is on the idle list at most once.
 * The mutants, each of which must fail:
 *   NO_RECHECK     a worker parks without looking at the queue once more
 *   COUNT_LATE     the idle count is raised after that look
 *   NO_PERMIT      an unpark that finds nobody asleep leaves no permit
 *   COUNT_SELF     who parks counts itself among those that stay awake
 * WIDTH workers may be awake: who pushes wakes nobody while so many are, and who parks and leaves so many need not look once more. */
#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef WIDTH
#define WIDTH 1
#endif

byte queue = 0, done = 0, pushed = 0;
byte searching = 0;
short idle_count = 0;
bool listed[WORKERS], permit[WORKERS], asleep[WORKERS];
bool locked = false;

inline lock() {
    atomic { !locked -> locked = true }
}

inline unlock() {
    locked = false
}

inline unpark(who) {
    /* An exchange; the system wakes who was found asleep. */
    atomic {
#ifdef NO_PERMIT
        if
        :: asleep[who] -> asleep[who] = false
        :: else
        fi
#else
        permit[who] = true;
        asleep[who] = false
#endif
    }
}

/* One look at the count, as sched_is_wide_enough does. */
#define WIDE_ENOUGH (WORKERS - idle_count >= WIDTH)

inline wake_one() {
    if
    :: idle_count != 0 && !WIDE_ENOUGH ->
        lock();
        chosen = 0;
        do
        :: chosen < WORKERS && !listed[chosen] -> chosen++
        :: else -> break
        od;
        if
        :: chosen < WORKERS ->
            listed[chosen] = false;
            idle_count--;
            unpark(chosen)
        :: else
        fi;
        unlock()
    :: else
    fi
}

proctype pusher() {
    byte chosen;
    queue++;
    if
    :: searching == 0 -> wake_one()
    :: else
    fi;
    pushed++
}

inline take() {
    atomic {
        got = false;
        if
        :: queue > 0 -> queue--; got = true
        :: else
        fi
    }
}

proctype worker(byte self) {
    bool got, sees, wide;
    do
    :: done == PUSHERS -> break
    :: else ->
        take();
        if
        :: got -> done++
        :: else ->
            /* worker_spin */
            searching++;
            take();
            searching--;
            if
            :: got -> done++
            :: else ->
                /* idle_list_add */
                lock();
                assert(!listed[self]);
                listed[self] = true;
                unlock();
#ifndef COUNT_LATE
                idle_count++;
#endif
#ifdef NO_RECHECK
                sees = false;
#else
#ifdef COUNT_SELF
                wide = WORKERS - (idle_count - 1) >= WIDTH;
#else
                wide = WIDE_ENOUGH;
#endif
                sees = !wide && queue > 0;
#endif
#ifdef COUNT_LATE
                idle_count++;
#endif
                if
                :: !sees ->
                    /* isle__parker_park */
                    atomic {
                        if
                        :: permit[self] -> permit[self] = false
                        :: else -> asleep[self] = true
                        fi
                    };
                    (!asleep[self] || done == PUSHERS);
                    permit[self] = false
                :: else
                fi;
                /* idle_list_remove */
                lock();
                if
                :: listed[self] -> listed[self] = false; idle_count--
                :: else
                fi;
                unlock()
            fi
        fi
    od
}

init {
    byte i;
    atomic {
        for (i : 0 .. PUSHERS - 1) {
            run pusher()
        }
        for (i : 0 .. WORKERS - 1) {
            run worker(i)
        }
    };
    /* A task that nobody comes for is a deadlock here: an invalid end state. */
    (pushed == PUSHERS && done == PUSHERS);
    (_nr_pr == 1);
    assert(queue == 0);
    assert(idle_count == 0)
}
