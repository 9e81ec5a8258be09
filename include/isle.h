/* SPDX-License-Identifier: Apache-2.0 */
/* Isle: isolates for C. The whole public API; every header below also compiles alone. */
#ifndef ISLE_H
#define ISLE_H

#include "isle/base.h"       /* errors, handles, callback types, durations */
#include "isle/error.h"      /* throw, try, error values */
#include "isle/value.h"      /* null, bool, int, double, string, list, map, set */
#include "isle/bytes.h"      /* bytes, typed arrays, transferable, frozen, CBOR */
#include "isle/object.h"     /* C structs of registered types */
#include "isle/pack.h"       /* pack and unpack by format, post from any thread */
#include "isle/scope.h"      /* scope, keep, defer, memory, isolate-local state */
#include "isle/future.h"     /* await, then, all, any */
#include "isle/port.h"       /* send, call, receive, listen */
#include "isle/isolate.h"    /* spawn, run, exit, kill, pause, ping, listeners */
#include "isle/monitor.h"    /* how an isolate ended */
#include "isle/name.h"       /* names for ports, in registries */
#include "isle/stream.h"     /* many items, as fast as the reader takes them */
#include "isle/sandbox.h"    /* what one behind a wall may do */
#include "isle/supervisor.h" /* isolates that start others from a table and restart them */
#include "isle/timer.h"      /* timers, sleep, microtasks, clock */
#include "isle/pool.h"       /* many isolates, one function: jobs, map */
#include "isle/io.h"         /* descriptors, signals, blocking work */
#include "isle/group.h"      /* what ends together */
#include "isle/shutdown.h"   /* signals that end the program in order */
#include "isle/report.h"     /* what is told of an isolate that crashed */
#include "isle/program.h"    /* ISLE_MAIN, start and stop, foreign event loops */
#include "isle/topic.h"      /* publish and subscribe */
#include "isle/random.h"     /* chance */
#include "isle/simulation.h" /* a run that a seed replays */
#include "isle/stats.h"      /* what the runtime holds and what it dropped */
#include "isle/classic.h"    /* the Dart API of 2012 */

#endif
