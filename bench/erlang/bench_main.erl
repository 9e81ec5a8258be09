%% SPDX-License-Identifier: Apache-2.0

%% Runs one workload of the benchmark on Erlang. A workload is {Name, Fun}; the fun answers
%% {Name, Value} or a list of them, each a line of output. What is measured runs in a process of
%% its own; whatever goes wrong ends the program with status 1.
-module(bench_main).

-export([main/1, scale/0, scaled/2, expect/3, now_ns/0, in_process/2, timed/1, cost/4, rate/4,
         median/1, iterated/1, off_heap/0]).

main([Name]) ->
    try
        run(Name),
        halt(0)
    catch
        _:Reason:Stack ->
            io:format(standard_error, "bench-erlang: ~s: ~p~n~p~n", [Name, Reason, Stack]),
            halt(1)
    end.

run("list") ->
    [io:format("~s~n", [Name]) || {Name, _} <- all()];
run(Name) ->
    case lists:keyfind(Name, 1, all()) of
        {Name, Workload} ->
            [io:format("~s ~.3f~n", [Figure, float(Value)])
             || {Figure, Value} <- lists:flatten([Workload()])];
        false ->
            error(there_is_no_such_workload)
    end.

all() ->
    bench_meetings:workloads() ++ bench_floods:workloads() ++ bench_copies:workloads()
        ++ bench_crowds:workloads() ++ bench_systems:workloads() ++ bench_savina:workloads().

scale() ->
    case os:getenv("BENCH_SCALE") of
        false -> 1.0;
        Text -> binary_to_float(as_float(list_to_binary(Text)))
    end.

as_float(Text) ->
    case binary:match(Text, <<".">>) of
        nomatch -> <<Text/binary, ".0">>;
        _ -> Text
    end.

%% The count that BENCH_SCALE leaves of a full one, at least Least.
scaled(Count, Least) ->
    max(trunc(Count * scale()), Least).

expect(_, Wanted, Wanted) ->
    ok;
expect(What, Got, Wanted) ->
    error({What, Got, instead_of, Wanted}).

now_ns() ->
    erlang:monotonic_time(nanosecond).

%% How many nanoseconds the fun takes, which answers nothing.
timed(Fun) ->
    Begin = now_ns(),
    Fun(),
    now_ns() - Begin.

%% The options of a process that many send to: senders then need no lock of its heap.
off_heap() ->
    [{message_queue_data, off_heap}].

%% The fun's result, found in a new process with these options.
in_process(Options, Fun) ->
    {Pid, Monitor} = spawn_opt(fun() -> exit({result, Fun()}) end, [monitor | Options]),
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    end.

%% A workload in nanoseconds per operation, and one in operations per second. BENCH_SCALE scales
%% Count, and one of that count stands for Operations. Run(N) answers nanoseconds; a tenth is run
%% first as the warm-up.
cost(Name, Count, Operations, Run) ->
    {Name, fun() ->
        N = scaled(Count, 10),
        {Name, warmed(N, Run) / (N * Operations)}
    end}.

rate(Name, Count, Operations, Run) ->
    {Name, fun() ->
        N = scaled(Count, 10),
        {Name, N * Operations * 1.0e9 / warmed(N, Run)}
    end}.

warmed(N, Run) ->
    in_process(off_heap(), fun() -> Run(N div 10 + 1) end),
    in_process(off_heap(), fun() -> Run(N) end).

median(Values) ->
    lists:nth((length(Values) + 1) div 2, lists:sort(Values)).

%% The median time of a program that Savina iterates: at most 12 times, no new iteration after a
%% second, the first left out as the warm-up.
iterated(Run) ->
    in_process(off_heap(), Run),
    median(iterations(Run, now_ns() + 1000000000, [])).

iterations(Run, End, Times) ->
    case length(Times) >= 11 orelse (Times =/= [] andalso now_ns() > End) of
        true -> Times;
        false -> iterations(Run, End, [in_process(off_heap(), Run) | Times])
    end.
