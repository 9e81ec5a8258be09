/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox word, the attention word, going idle and the end of an isolate: what src/core/mail.c, control.c, loop.c and isolate.c do, one atomic
 * operation a step, for SENDERS threads (3 at most) that push a mail each and CONTROLLERS that set attention, one of which kills, or none does.
 *
 * Checked: at most one runner; a task is in a queue at most once; no mail is lost, handled twice or handled after the end; when everything has come to rest nothing
 * waits (no lost wake-up). The mutants, each of which must fail:
 *   NO_RECHECK       going idle does not look at attention again
 *   ATTEND_LATE      attention is set after the attempt to wake
 *   BLIND_IDLE       IDLE is stored without comparing
 *   WAKE_NEVER       who pushes leaves the wake-up to others
 *   WAKE_ALWAYS      who pushes makes the task ready whatever was there
 *   NO_CLOSED        the end leaves IDLE instead of CLOSED
 *   CLOSE_LATE       what waits is taken before the word says CLOSED, in two steps */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef CONTROLLERS
#define CONTROLLERS 2
#endif
#define WORKERS 2

#define IDLE 100
#define EMPTY 101
#define CLOSED 102
/* The word is one of these or, as the list that a mail leads to, a bit for each mail. */

byte word = EMPTY;      /* born running, in the queue */
byte mails = 0;         /* the list behind the word while that is a mail */
#define MAIL 103

bool attention = false, kill_wanted = false;
byte queued = 1;        /* how often the task is in a queue */
byte running = 0;       /* how many run it */
bool ended = false;
byte handled = 0, refused = 0;
byte at_rest = 0;       /* senders and controllers that are done */

inline ready() {
    queued++;
    assert(queued <= 1)
}

inline wake() {
    bool woke = false;
    atomic {
        if
        :: word == IDLE -> word = EMPTY; woke = true
        :: else
        fi
    }
    if
    :: woke -> atomic { ready() }
    :: else
    fi
}

proctype sender(byte mine) {
    byte seen;
    bool done = false;
    do
    :: done -> break
    :: else ->
        seen = word;
        if
        :: seen == CLOSED -> atomic { assert((refused & mine) == 0); refused = refused | mine; done = true }
        :: else ->
            /* The compare-and-exchange; a list that changed meanwhile is another value, which only means another round. */
            atomic {
                if
                :: word == seen -> word = MAIL; mails = mails | mine; done = true
                :: else
                fi
            };
            if
#ifdef WAKE_ALWAYS
            :: done -> atomic { ready() }
#elif defined(WAKE_NEVER)
            :: false
#else
            :: done && seen == IDLE -> atomic { ready() }
#endif
            :: else
            fi
        fi
    od;
    at_rest++
}

proctype controller(bool kills) {
    atomic {
        if
        :: kills -> kill_wanted = true
        :: else
        fi
    };
#ifdef ATTEND_LATE
    wake();
    attention = true;
#else
    attention = true;
    wake();
#endif
    at_rest++
}

proctype worker() {
    byte taken, inbox;
    bool ending, over, had, idled;
    do
    :: atomic { queued > 0 -> queued--; running++; assert(running == 1); assert(!ended) };
        over = false;
        inbox = 0;
        ending = false;
        /* The turn. */
        do
        :: over -> break
        :: else ->
            atomic { had = attention; attention = false };
            if
            :: had && kill_wanted -> ending = true
            :: else
            fi;
            if
            :: ending ->
                /* isolate_close_mailbox, then the body is no longer ours. */
                taken = 0;
#ifdef CLOSE_LATE
                atomic { taken = mails; mails = 0 };
                atomic { word = CLOSED; running--; ended = true };
#else
                atomic {
                    taken = mails;
                    mails = 0;
#ifdef NO_CLOSED
                    word = IDLE;
#else
                    word = CLOSED;
#endif
                    running--;
                    ended = true
                };
#endif
                atomic {
                    assert((refused & (taken | inbox)) == 0);
                    refused = refused | taken | inbox
                };
                over = true
            :: else ->
                if
                :: inbox != 0 -> /* one event; the order among mails does not matter here */
                    atomic {
                        if
                        :: inbox & 1 -> taken = 1
                        :: else -> if :: inbox & 2 -> taken = 2 :: else -> taken = 4 fi
                        fi;
                        inbox = inbox - taken;
                        assert((handled & taken) == 0);
                        assert(!ended);
                        handled = handled | taken
                    }
                :: else ->
                    if
                    :: word == MAIL -> /* loop_take_mail */
                        atomic { inbox = mails; mails = 0; word = EMPTY }
                    :: else ->
                        /* loop_go_idle */
#ifdef BLIND_IDLE
                        idled = true;
                        atomic { running--; word = IDLE; mails = 0 };
#else
                        atomic {
                            idled = false;
                            if
                            :: word == EMPTY -> word = IDLE; running--; idled = true
                            :: else
                            fi
                        };
#endif
#ifdef NO_RECHECK
                        over = idled;
#else
                        if
                        :: idled && attention ->
                            atomic {
                                if
                                :: word == IDLE -> word = EMPTY; running++; assert(running == 1); idled = false
                                :: else
                                fi
                            }
                        :: else
                        fi;
                        over = idled
#endif
                    fi
                fi
            fi
        od
    :: at_rest == SENDERS + CONTROLLERS && queued == 0 && running == 0 -> break
    od
}

init {
    byte i;
    bool deadly;
    atomic {
        if
        :: deadly = true
        :: deadly = false
        fi;
        for (i : 0 .. SENDERS - 1) {
            run sender(1 << i)
        }
        for (i : 0 .. CONTROLLERS - 1) {
            run controller(i == 0 && deadly)
        }
        for (i : 1 .. WORKERS) {
            run worker()
        }
    };
    /* Everything has come to rest: every mail was handled or refused, once, and a kill has landed. */
    (at_rest == SENDERS + CONTROLLERS && queued == 0 && running == 0);
    (_nr_pr == 1);
    assert((handled & refused) == 0);
    assert((handled | refused) == (1 << SENDERS) - 1);
    assert(mails == 0);
    assert(!attention || ended);
    assert(ended == deadly);
    assert(ended || refused == 0);
    assert(word == (ended -> CLOSED : IDLE))
}
