/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads of the CAF peer: each runs once, checks its result and prints its figures. */
#pragma once

namespace bench
{

/* spawn.cpp: actors that come and go. */
void spawn();
void spawn_burst();
void fork_join_create(const char *name);
void skynet();
void fibonacci();

/* messages.cpp: few actors that wait for each other's small messages. */
void round_trip(const char *name, unsigned rounds);
void round_trip_cores();
void pairs();
void ring(const char *name, unsigned members, unsigned laps);
void call_timeout();

/* crowd.cpp: messages one way. */
void gather(const char *name, unsigned senders, unsigned each);
void fork_join(const char *name);
void count();

/* bytes.cpp: messages that carry data. */
void echo_copy(const char *name, unsigned size, unsigned rounds);
void echo_move(const char *name, unsigned size, unsigned rounds);
void tree_typed();

/* memory.cpp: many actors alive. */
void memory_idle();
void memory_bare();
void million();

/* meetings.cpp: many actors that each write to many. */
void big(const char *name);
void chameneos(const char *name);

/* systems.cpp: what heals, and what ends. */
void supervised_call();
void monitor_down();

} // namespace bench
