/* SPDX-License-Identifier: Apache-2.0 */
/* Sends that wait for room: src/core/gate.c and waiting.c, one step a statement, what is under the lock of the gate too. The mailbox word is a step each here: models/mailbox.pml
 * has that. SENDERS isolates send one mail that waits and then one that does not; the receiver's mailbox takes CAPACITY. Somebody may kill it, or give up the first in line.
 *
 * Checked: nobody is in line when everything has come to rest (no lost wake-up); each mail is handled or refused, once, and none after the end; no mail of a sender passes one
 * that he sent before. The mutants, each of which must fail:
 *   NO_ATTENTION     who lines up does not say so
 *   ATTEND_LATE      attention is set after the attempt to wake
 *   TRIES_ONCE       the receiver lets in when it is told, and not when it has taken a mail
 *   PUSH_LATE        who is let in is pushed after the lock is given back
 *   CALM_EARLY       the flag that somebody is in line goes before the last of them is pushed
 *   PASSES           a plain send looks at room alone
 *   NO_CLOSED_LOOK   who lines up does not look whether the mailbox is closed
 *   END_LOOKS_FIRST  the end looks for a line before it closes the mailbox */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef CAPACITY
#ifdef PUSH_LATE
#define CAPACITY 2 /* with one, his mail takes all the room there is */
#else
#define CAPACITY 1
#endif
#endif

mtype = {idle, awake, closed};
mtype word = awake;
chan box = [6] of {byte};  /* the mailbox */
chan line = [6] of {byte};
byte room = 0;             /* taken in the mailbox */
bool waited = false;       /* admission's flag */
bool attention = false, lets_in = false, kill_wanted = false, locked = false, ended = false;
bool receiver_rests = false;
byte handled = 0, refused = 0; /* a bit for each mail */
byte at_rest = 0;

#define WAITING(i) (1 << (2 * (i)))
#define PLAIN(i) (2 << (2 * (i)))

inline lock() {
    atomic { !locked -> locked = true }
}

inline unlock() {
    locked = false
}

inline refuse(mail) {
    assert(((handled | refused) & (mail)) == 0);
    refused = refused | (mail)
}

inline wake() {
    atomic {
        if
        :: word == idle -> word = awake
        :: else
        fi
    }
}

/* isle__mail_push. */
inline push(mail) {
    atomic {
        if
        :: word == closed -> refuse(mail)
        :: else ->
            box!(mail);
            if
            :: word == idle -> word = awake
            :: else
            fi
        fi
    }
}

proctype sender(byte i) {
    bool lined, no_room;
    /* isle_send_wait. */
    lock();
    lined = false;
    if
    :: ended || word == closed -> atomic { refuse(WAITING(i)) }
    :: else ->
        atomic {
            no_room = (len(line) > 0) || room >= CAPACITY;
            if
            :: !no_room -> room++
            :: else
            fi
        };
        if
        :: !no_room -> push(WAITING(i))
        :: else ->
            waited = true;
            if
#ifdef NO_CLOSED_LOOK
            :: false
#else
            :: word == closed ->
                atomic { waited = (len(line) > 0); refuse(WAITING(i)) }
#endif
            :: else ->
                atomic { line!WAITING(i); lined = true };
#if !defined(NO_ATTENTION) && !defined(ATTEND_LATE)
                attention = true
#endif
            fi
        fi
    fi;
    unlock();
    if
    :: lined -> wake()
    :: else
    fi;
#ifdef ATTEND_LATE
    if
    :: lined -> attention = true
    :: else
    fi;
#endif
    /* isle_try_send. */
    no_room = false;
    if
#ifndef PASSES
    :: waited ->
        lock();
        no_room = (len(line) > 0);
        unlock()
#endif
    :: else
    fi;
    atomic {
        no_room = no_room || room >= CAPACITY;
        if
        :: no_room -> refuse(PLAIN(i))
        :: else -> room++
        fi
    };
    if
    :: !no_room -> push(PLAIN(i))
    :: else
    fi;
    at_rest++
}

proctype quitter() {
    byte mail;
    bool has = false;
    lock();
    atomic {
        if
        :: (len(line) > 0) ->
            line?mail;
            has = true;
            refuse(mail);
            if
            :: (len(line) == 0) -> waited = false
            :: else -> attention = true
            fi
        :: else
        fi
    };
    unlock();
    if
    :: has -> wake()
    :: else
    fi;
    at_rest++
}

proctype killer() {
    kill_wanted = true;
    attention = true;
    wake();
    at_rest++
}

inline let_in() {
    lock();
#ifdef PUSH_LATE
    late = 0;
    atomic {
        if
        :: (len(line) > 0) && room < CAPACITY -> room++; line?late
        :: else
        fi;
        lets_in = (len(line) > 0);
        waited = (len(line) > 0)
    };
    unlock();
    if
    :: late != 0 -> push(late)
    :: else
    fi
#else
#ifdef CALM_EARLY
    waited = len(line) > 1;
#endif
    do
    :: atomic { (len(line) > 0) && room < CAPACITY -> room++; line?late };
        push(late)
    :: atomic { !((len(line) > 0) && room < CAPACITY) -> lets_in = (len(line) > 0); waited = (len(line) > 0) };
        break
    od;
    unlock()
#endif
}

inline end_line() {
    if
    :: waited ->
        lock();
        do
        :: atomic { (len(line) > 0) -> line?late; refuse(late) }
        :: atomic { (len(line) == 0) -> waited = false }; break
        od;
        unlock()
    :: else
    fi
}

active proctype receiver() {
    byte mail, late;
    bool had, rests;
    do
    :: ended -> break
    :: else ->
        atomic { had = attention; attention = false };
        if
        :: had && kill_wanted ->
#ifdef END_LOOKS_FIRST
            end_line();
#endif
            atomic {
                word = closed;
                do
                :: (len(box) > 0) -> box?mail; refuse(mail)
                :: (len(box) == 0) -> break
                od
            };
#ifndef END_LOOKS_FIRST
            end_line();
#endif
            ended = true
        :: else ->
            if
            :: had -> let_in()
            :: else
            fi;
            if
            :: atomic {
                (len(box) > 0) -> box?mail;
                assert(((handled | refused) & mail) == 0);
                /* What was sent before has been handled, or never will be. */
                assert((mail & 21) == 0 || (handled & (mail << 1)) == 0);
                handled = handled | mail };
                room--;
#ifndef TRIES_ONCE
                if
                :: lets_in -> let_in()
                :: else
                fi
#endif
            :: atomic { (len(box) == 0) -> rests = true; word = idle };
                if
                :: attention -> wake()
                :: else
                fi;
                receiver_rests = true;
end:            word != idle;
                receiver_rests = false
            fi
        fi
    od
}

init {
    byte i;
    byte others = 0;
    atomic {
        for (i : 0 .. SENDERS - 1) {
            run sender(i)
        };
        if
        :: run killer(); others = 1
        :: run quitter(); others = 1
        :: skip
        fi
    };
    at_rest == SENDERS + others;
    (ended || (receiver_rests && word == idle && !attention));
    assert((len(line) == 0));
    assert((len(box) == 0));
    assert((handled & refused) == 0);
    assert((handled | refused) == (1 << (2 * SENDERS)) - 1)
}
