%% SPDX-License-Identifier: Apache-2.0

%% Many who are alive at once: their memory, a million of them, a tree of a million. Whoever is
%% idle for long hibernates, which is Erlang's way of giving back what an idle process needs not.
-module(bench_crowds).

-import(bench_main, [expect/3, in_process/2, off_heap/0, scaled/2, timed/1]).

-export([workloads/0, bare/0, idle/1, member/1]).

workloads() ->
    [{"memory-idle", fun memory_idle/0},
     {"memory-bare", fun memory_bare/0},
     {"memory-suspended", fun memory_suspended/0},
     {"million", fun million/0},
     {"skynet", fun skynet/0}].

%% The resident memory in bytes, after the caller's garbage has been given back.
resident() ->
    erlang:garbage_collect(),
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s*(\\d+) kB", [{capture, [1], binary}]),
    binary_to_integer(Kilobytes) * 1024.

%% What one of N members costs, whom Make(N) creates and brings to rest; Finish makes them end.
per_member(Name, Make, Finish) ->
    N = scaled(100000, 10000),
    in_process(off_heap(), fun() ->
        Finish(Make(1000)), % code is loaded, the first memory mapped
        Before = resident(),
        All = Make(N),
        After = resident(),
        Finish(All),
        {Name, (After - Before) / N}
    end).

%% Creates N, each when the one before waits, so that no more than one is awake.
one_by_one(N, Start) ->
    [settle(spawn(Start)) || _ <- lists:seq(1, N)].

settle(Pid) ->
    case process_info(Pid, status) of
        {status, waiting} -> Pid;
        {status, _} ->
            erlang:yield(),
            settle(Pid)
    end.

memory_bare() ->
    Start = fun() -> erlang:hibernate(?MODULE, bare, []) end,
    per_member("memory-bare", fun(N) -> one_by_one(N, Start) end, fun stop/1).

memory_suspended() ->
    per_member("memory-suspended", fun(N) -> one_by_one(N, fun bare/0) end, fun stop/1).

bare() ->
    receive stop -> ok end.

%% Stops all and waits for their ends.
stop(All) ->
    Monitors = [monitor(process, Pid) || Pid <- All],
    [Pid ! stop || Pid <- All],
    [receive {'DOWN', Monitor, _, _, normal} -> ok end || Monitor <- Monitors],
    ok.

memory_idle() ->
    per_member("memory-idle", fun make_idle/1, fun stop/1).

make_idle(N) ->
    Self = self(),
    All = one_by_one(N, fun() -> erlang:hibernate(?MODULE, idle, [#{pings => 0}]) end),
    Bytes = lists:foldl(fun(Pid, Sum) ->
        Pid ! Self,
        receive
            Reply ->
                settle(Pid),
                Sum + byte_size(Reply)
        end
    end, 0, All),
    expect(bytes_of_the_replies, Bytes, N * 1024),
    All.

idle(State) ->
    receive
        stop -> ok;
        From ->
            #{pings := Pings} = State,
            From ! binary:copy(<<Pings>>, 1024),
            erlang:hibernate(?MODULE, idle, [State#{pings := Pings + 1}])
    end.

%% No warm-up: a million are the first of their program.
million() ->
    N = scaled(1000000, 10000),
    in_process(off_heap(), fun() ->
        Before = resident(),
        Self = self(),
        Member = fun() -> erlang:hibernate(?MODULE, member, [Self]) end,
        Begin = bench_main:now_ns(),
        All = spawn_list(N, Member, []),
        ping_all(All),
        expect(pongs, pongs(N, 0), N),
        Took = bench_main:now_ns() - Begin,
        Bytes = (resident() - Before) / N,
        expect(alive, length([alive || Pid <- All, is_process_alive(Pid)]), N),
        [{"million", Took / N}, {"million-bytes", Bytes}]
    end).

member(Main) ->
    receive
        ping ->
            Main ! 1,
            erlang:hibernate(?MODULE, member, [Main]);
        stop -> ok
    end.

spawn_list(0, _, All) ->
    All;
spawn_list(N, Member, All) ->
    spawn_list(N - 1, Member, [spawn(Member) | All]).

ping_all([]) ->
    ok;
ping_all([Pid | Rest]) ->
    Pid ! ping,
    ping_all(Rest).

pongs(0, Sum) ->
    Sum;
pongs(N, Sum) ->
    receive
        One -> pongs(N - 1, Sum + One)
    end.

%% A power of ten of leaves; the warm-up is a tenth of them.
skynet() ->
    Leaves = power_of_ten(1000, scaled(1000000, 1000)),
    skynet_of(Leaves div 10),
    {"skynet", skynet_of(Leaves) / Leaves}.

power_of_ten(Power, Most) when Power * 10 =< Most ->
    power_of_ten(Power * 10, Most);
power_of_ten(Power, _) ->
    Power.

skynet_of(Leaves) ->
    in_process(off_heap(), fun() ->
        Self = self(),
        timed(fun() ->
            spawn_link(fun() -> tree(Self, 0, Leaves) end),
            expect(sum, pongs(1, 0), Leaves * (Leaves - 1) div 2)
        end)
    end).

%% Sends its parent the sum of the ordinals of its leaves, First and those after it.
tree(Parent, First, 1) ->
    Parent ! First;
tree(Parent, First, Leaves) ->
    Self = self(),
    Each = Leaves div 10,
    plant(Self, First, Each, 10),
    Parent ! pongs(10, 0).

plant(_, _, _, 0) ->
    ok;
plant(Self, First, Each, N) ->
    spawn(fun() -> tree(Self, First, Each) end),
    plant(Self, First + Each, Each, N - 1).
