%% SPDX-License-Identifier: Apache-2.0

%% Two who talk, one who is created and answers: spawn, round trips, a ring, a call with a timeout.
-module(bench_meetings).

-import(bench_main, [cost/4, expect/3, in_process/2, off_heap/0, scaled/2, timed/1]).

-export([workloads/0, round_trips/1, ring_hops/2]).

-define(RING, 503).

workloads() ->
    [cost("spawn", 200000, 1, fun spawn_one_by_one/1),
     {"spawn-burst", fun spawn_bursts/0},
     cost("round-trip", 1000000, 1, fun round_trips/1),
     {"round-trip-cores", fun round_trips_on_two_cores/0},
     cost("ring", 2000, ?RING, fun(N) -> ring_hops(?RING, N * ?RING) end),
     cost("call-timeout", 500000, 1, fun calls_with_timeout/1),
     cost("pairs", 500000, 1, fun two_pairs/1)].

spawn_one_by_one(N) ->
    Parent = self(),
    Child = fun() -> Parent ! 1 end,
    timed(fun() -> expect(replies, spawn_and_wait(N, Child, 0), N) end).

spawn_and_wait(0, _, Sum) ->
    Sum;
spawn_and_wait(N, Child, Sum) ->
    spawn(Child),
    receive
        One -> spawn_and_wait(N - 1, Child, Sum + One)
    end.

spawn_together(N) ->
    Parent = self(),
    Child = fun() -> Parent ! 1 end,
    timed(fun() ->
        spawn_all(N, Child),
        expect(replies, sum(N, 0), N)
    end).

spawn_all(0, _) ->
    ok;
spawn_all(N, Child) ->
    spawn(Child),
    spawn_all(N - 1, Child).

sum(0, Sum) ->
    Sum;
sum(N, Sum) ->
    receive
        One -> sum(N - 1, Sum + One)
    end.

%% No warm-up: the first burst is the one with cold memory.
spawn_bursts() ->
    N = scaled(200000, 1000),
    in_process(off_heap(), fun() ->
        Cold = spawn_together(N),
        Warm = spawn_together(N),
        [{"spawn-burst", Cold / N}, {"spawn-again", Warm / N}]
    end).

%% Answers every number with its successor, until its parent ends.
echo(To) ->
    receive
        stop -> ok;
        Number ->
            To ! Number + 1,
            echo(To)
    end.

talk(0, _, Number) ->
    Number;
talk(N, Peer, Number) ->
    Peer ! Number,
    receive
        Next -> talk(N - 1, Peer, Next)
    end.

round_trips(N) ->
    round_trips(N, []).

round_trips(N, Options) ->
    Self = self(),
    Peer = spawn_opt(fun() -> echo(Self) end, Options),
    Took = timed(fun() -> expect(last_number, talk(N, Peer, 0), N) end),
    Peer ! stop,
    Took.

%% A process with the option `scheduler` stays there, and schedulers are bound to cores.
round_trips_on_two_cores() ->
    N = scaled(100000, 10),
    expect(schedulers, erlang:system_info(schedulers_online), 2),
    Took = in_process([{scheduler, 1}], fun() ->
        round_trips(N div 10 + 1, [{scheduler, 2}]),
        round_trips(N, [{scheduler, 2}])
    end),
    {"round-trip-cores", Took / N}.

%% A token that counts down to zero goes round Size members; the main one hears where it ends.
ring_hops(Size, Hops) ->
    Main = self(),
    First = spawn(fun() -> ring_last(Size, Main) end),
    timed(fun() ->
        First ! Hops,
        receive
            {ended_at, Member} -> expect(last_member, Member, Hops rem Size)
        end
    end).

%% The first member makes the others from the last one back, and has the second as its next.
ring_last(Size, Main) ->
    First = self(),
    Second = lists:foldl(
        fun(Member, Next) -> spawn_link(fun() -> ring_member(Member, Next, Main) end) end,
        First, lists:seq(Size - 1, 1, -1)),
    ring_member(0, Second, Main).

ring_member(Member, Next, Main) ->
    receive
        0 ->
            Main ! {ended_at, Member},
            exit(shutdown); % ends all members, which are linked
        Left ->
            Next ! Left - 1,
            ring_member(Member, Next, Main)
    end.

calls_with_timeout(N) ->
    Server = spawn_link(fun serve/0),
    Took = timed(fun() -> expect(last_number, call(N, Server, 0), N) end),
    Server ! stop,
    Took.

serve() ->
    receive
        {From, Tag, Number} ->
            From ! {Tag, Number + 1},
            serve();
        stop -> ok
    end.

call(0, _, Number) ->
    Number;
call(N, Server, Number) ->
    Tag = make_ref(),
    Server ! {self(), Tag, Number},
    receive
        {Tag, Next} -> call(N - 1, Server, Next)
    after 1000 ->
        error({no_answer, N})
    end.

%% The time of the slower of two pairs that have nothing to do with each other.
two_pairs(N) ->
    Self = self(),
    Pair = fun() -> Self ! {took, round_trips(N)} end,
    spawn_link(Pair),
    spawn_link(Pair),
    receive {took, One} -> ok end,
    receive {took, Other} -> max(One, Other) end.
