/* SPDX-License-Identifier: Apache-2.0 */
/* Two sides of a channel that send each other records through two rings, and rest: src/channel/channel.c, record.c and ring.c, one access to shared memory a step. Side 0 sends COUNT records,
 * side 1 sends BACK; a ring has room for SIZE. A side shows what it put and what it took whenever it likes, and rests when it has found nothing to take and no room to put.
 *
 * Checked: both get and send everything, however they are interleaved; nobody sleeps for ever (no lost wake-up, for what comes and for room); what is shown never passes what can be.
 * The mutants, each of which must fail:
 *   NO_LOOK        a side rests without looking once more after it has stored its word
 *   LOOK_EARLY     that look comes before the word is stored
 *   RING_EARLY     who shows something looks at the other's word before it has stored how far it is
 *   SAME_WORD      the word of rest is the same each time, so who rang for the last rest does not for this one
 *   CLEARED_BY_BOTH who rings clears the other's word behind it, though the word may be that of a later rest by then
 *   CLEAR_LATE     the bell is cleared between the look and the wait
 *   RUNG_UNRUNG    a word counts as rung for where the bell was spared since there was not yet much room
 *   ROOM_SILENT    who takes does not ring for room
 *   FULL_SILENT    who finds no room does not show what it has put, and rests
 * A bell counts: one that is rung before the wait ends it. ROOM_FROM: who takes rings for room only when no more than so many of those that it has seen are left. */
#ifndef COUNT
#define COUNT 3
#endif
#ifndef BACK
#define BACK 2
#endif
#ifndef SIZE
#define SIZE 2
#endif
#ifndef ROOM_FROM
#define ROOM_FROM 0
#endif

#define RESTS 1
#define WANTS_ROOM 2
#define ONE_REST 4

/* Shared memory: each is written by one side alone. */
byte tail[2], head[2], word[2];
bool bell[2];

#define ALL(side) (side == 0 -> COUNT : BACK)

inline wake(what) {
#ifndef RING_EARLY
    seen = word[other];
#endif
    if
    :: (seen & what) && seen != rung ->
        rung = seen;
        bell[other] = true;
#ifdef CLEARED_BY_BOTH
        word[other] = 0;
        rung = 0
#endif
    :: else
    fi
}

inline flush() {
    if
    :: tail[me] != put ->
#ifdef RING_EARLY
        seen = word[other];
#endif
        tail[me] = put;
        wake(RESTS)
    :: else
    fi
}

inline show_taken() {
    if
    :: head[me] != taken ->
#ifdef RING_EARLY
        seen = word[other];
#endif
        head[me] = taken;
#ifndef ROOM_SILENT
        if
        :: come - taken <= ROOM_FROM -> wake(WANTS_ROOM)
        :: else ->
#ifdef RUNG_UNRUNG
            seen = word[other];
            if
            :: seen & WANTS_ROOM -> rung = seen
            :: else
            fi;
#endif
            skip
        fi
#endif
    :: else
    fi
}

inline put_one() {
    if
    :: put - freed < SIZE
    :: else ->
        freed = head[other];
        assert(freed <= put)
    fi;
    if
    :: put - freed < SIZE -> put++; want = false
    :: else ->
        want = true;
#ifndef FULL_SILENT
        flush()
#endif
    fi
}

inline take_one() {
    if
    :: come != taken
    :: else ->
        come = tail[other];
        assert(come - taken <= SIZE)
    fi;
    if
    :: come != taken -> taken++
    :: else -> nothing = true
    fi
}

/* Two looks: at what has come, at the room. */
inline look() {
#ifdef NO_LOOK
    stirs = false;
#else
    stirs = tail[other] != taken;
    if
    :: !stirs && want -> stirs = put - head[other] < SIZE
    :: else
    fi
#endif
}

inline rest() {
#ifndef FULL_SILENT
    flush();
#endif
    show_taken();
#ifdef LOOK_EARLY
    look();
#endif
#ifndef SAME_WORD
    rests = rests + ONE_REST;
    assert(rests < 250);
#endif
    word[me] = rests + RESTS + (want -> WANTS_ROOM : 0);
#ifndef LOOK_EARLY
    look();
#endif
    if
    :: stirs ->
        want = false;
        word[me] = rests
    :: else ->
#ifdef CLEAR_LATE
        bell[me] = false;
        (bell[me])
#else
        (bell[me]);
        bell[me] = false
#endif
    fi
}

proctype side(byte me) {
    byte other = 1 - me;
    byte put, freed, taken, come, rests, rung, seen;
    bool want, stirs, nothing;
    do
    :: put < ALL(me) && !want -> put_one()
    :: taken < ALL(other) && !nothing -> take_one()
    :: tail[me] != put -> flush()
    :: head[me] != taken -> show_taken()
    :: put == ALL(me) && taken == ALL(other) -> break
    :: (put == ALL(me) || want) && (nothing || taken == ALL(other)) &&
       !(put == ALL(me) && taken == ALL(other)) ->
        rest();
        want = false;
        nothing = false
    od;
    flush();
    show_taken();
    assert(put == ALL(me) && taken == ALL(other))
}

init {
    /* Who sleeps for ever is an invalid end state. */
    atomic {
        run side(0);
        run side(1)
    }
}
