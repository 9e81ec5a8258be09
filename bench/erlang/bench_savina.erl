%% SPDX-License-Identifier: Apache-2.0

%% The eight micro programs of the Savina suite with their default sizes.
-module(bench_savina).

-import(bench_main, [expect/3, iterated/1, scale/0, scaled/2, timed/1]).

-export([workloads/0]).

workloads() ->
    [cost("savina-pingpong", 40000, 1, fun bench_meetings:round_trips/1),
     rate("savina-count", 1000000, 1, fun(N) -> bench_floods:send_to_one(1, N) end),
     rate("savina-fjthrput", 10000, 60, fun bench_floods:fork_join/1),
     cost("savina-fjcreate", 40000, 1, fun bench_floods:fork_join_create/1),
     cost("savina-threadring", 100000, 1, fun(N) -> bench_meetings:ring_hops(100, N) end),
     cost("savina-chameneos", 200000, 1, fun bench_floods:chameneos/1),
     cost("savina-big", 20000, 120, fun bench_floods:big/1),
     {"savina-fib", fun fib_actors/0}].

%% BENCH_SCALE scales a program's size; one of it stands for Operations.
cost(Name, Size, Operations, Run) ->
    {Name, fun() ->
        N = scaled(Size, 100),
        {Name, iterated(fun() -> Run(N) end) / (N * Operations)}
    end}.

rate(Name, Size, Operations, Run) ->
    {Name, fun() ->
        N = scaled(Size, 100),
        {Name, N * Operations * 1.0e9 / iterated(fun() -> Run(N) end)}
    end}.

%% 2 * fib(N) - 1 actors find fib(N).
fib_actors() ->
    N = case scale() < 0.5 of true -> 20; false -> 25 end,
    Wanted = fib_number(N, 0, 1),
    Took = iterated(fun() ->
        Self = self(),
        timed(fun() ->
            spawn_link(fun() -> fib(N, Self) end),
            receive Got -> expect(fib, Got, Wanted) end
        end)
    end),
    {"savina-fib", Took / (2 * Wanted - 1)}.

fib_number(0, A, _) -> A;
fib_number(N, A, B) -> fib_number(N - 1, B, A + B).

%% An actor of its own for every number that it needs.
fib(N, Parent) when N =< 2 ->
    Parent ! 1;
fib(N, Parent) ->
    Self = self(),
    spawn(fun() -> fib(N - 1, Self) end),
    spawn(fun() -> fib(N - 2, Self) end),
    receive
        One ->
            receive
                Other -> Parent ! One + Other
            end
    end.
