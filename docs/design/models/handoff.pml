/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-off slot: src/sched/handoff.h, its owner and THIEVES that exclude each other, one memory access a step. The owner's stores go through a buffer, as a
 * processor's do: `entered` and `task` reach memory, in their order, whenever it likes, when the thief's barrier makes them, or, where owners pay (FENCES), at the owner's
 * own one. The owner reads its own stores at once.
 *
 * Checked: each of TASKS tasks is taken once, by the owner or by a thief, and none is left. The mutants, each of which must fail:
 *   NO_BARRIER     the thief looks without a barrier between
 *   BARRIER_EARLY  the barrier comes before the thief says that it wants to look
 *   NO_WAIT        the thief does not wait for an owner that has entered
 *   NO_LOOK        the owner enters without a look whether a thief wants to */
#ifndef TASKS
#define TASKS 3
#endif
#define NONE 0

/* Memory. */
bool entered = false, wanted = false;
byte task = NONE;

/* The owner's buffer: of each word at most one store, the one not yet in memory. `order`: `task`
 * was stored before `entered` became false. */
bool entered_buffered = false, entered_value = false;
bool task_buffered = false;
byte task_value = NONE;

byte taken[TASKS + 1];
bool owner_done = false;

inline drain() {
    /* In the order of the stores: entered = true, task, entered = false. */
    if
    :: entered_buffered && entered_value -> entered = true; entered_buffered = false
    :: else
    fi;
    if
    :: task_buffered -> task = task_value; task_buffered = false
    :: else
    fi;
    if
    :: entered_buffered -> entered = entered_value; entered_buffered = false
    :: else
    fi
}

/* A store waits for room: the one before it of the same word has reached memory. */
inline store_entered(value) {
    atomic {
        if
        :: entered_buffered -> drain()
        :: else
        fi;
        entered_value = value;
        entered_buffered = true
    }
}

inline store_task(value) {
    atomic {
        if
        :: task_buffered -> drain()
        :: else
        fi;
        task_value = value;
        task_buffered = true
    }
}

inline load_task(result) {
    atomic {
        if
        :: task_buffered -> result = task_value
        :: else -> result = task
        fi
    }
}

/* The processor, at any time. */
proctype buffer() {
    do
    :: atomic { entered_buffered || task_buffered -> drain() }
    :: owner_done && !entered_buffered && !task_buffered -> break
    od
}

inline enter() {
    store_entered(true);
#ifndef NO_LOOK
    do
    :: wanted ->
        store_entered(false);
        !wanted;
        store_entered(true)
    :: else -> break
    od
#endif
}

proctype owner() {
    byte next = 1, got = NONE;
    do
    :: next <= TASKS ->
        enter();
        load_task(got);
        store_task(next);
        store_entered(false);
        next++;
        if
        :: got != NONE -> taken[got]++
        :: else
        fi
    :: else -> break
    od;
    /* It takes what is left. */
    enter();
    load_task(got);
    store_task(NONE);
    store_entered(false);
    if
    :: got != NONE -> taken[got]++
    :: else
    fi;
    owner_done = true
}

proctype thief() {
    byte got = NONE;
    byte tries = 0;
    do
    :: tries < 2 ->
        tries++;
#ifdef BARRIER_EARLY
        atomic { drain() };
#endif
        wanted = true;
#ifndef NO_BARRIER
#ifndef BARRIER_EARLY
        atomic { drain() };
#endif
#endif
#ifndef NO_WAIT
        !entered;
#endif
        got = task;
        task = NONE;
        wanted = false;
        if
        :: got != NONE -> taken[got]++
        :: else
        fi
    :: else -> break
    od
}

init {
    byte i;
    atomic {
        run buffer();
        run owner();
        run thief()
    };
    (_nr_pr == 1);
    assert(task == NONE);
    for (i : 1 .. TASKS) {
        assert(taken[i] == 1)
    }
}
