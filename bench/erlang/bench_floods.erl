%% SPDX-License-Identifier: Apache-2.0

%% Many messages in one direction, and many who meet: throughput, fork-join, big, chameneos.
-module(bench_floods).

-import(bench_main, [cost/4, expect/3, off_heap/0, rate/4, timed/1]).

-export([workloads/0, send_to_one/2, fork_join/1, fork_join_create/1, big/1, chameneos/1]).

-define(JOINERS, 60).
-define(CROWD, 120).
-define(CREATURES, 100).

workloads() ->
    [rate("send-2-1", 2500000, 2, fun(N) -> send_to_one(2, N) end),
     rate("send-8-1", 625000, 8, fun(N) -> send_to_one(8, N) end),
     rate("fan-in", 100, 10000, fun(N) -> send_to_one(10000, N) end),
     rate("fork-join", 10000, ?JOINERS, fun fork_join/1),
     cost("fork-join-create", 40000, 1, fun fork_join_create/1),
     cost("big", 5000, ?CROWD, fun big/1),
     cost("chameneos", 200000, 1, fun chameneos/1)].

sum_to(N) ->
    N * (N - 1) div 2.

%% Sums N messages.
sum(0, Sum) ->
    Sum;
sum(N, Sum) ->
    receive
        Number -> sum(N - 1, Sum + Number)
    end.

%% Producers that already wait send N messages each to the caller.
send_to_one(Producers, N) ->
    Consumer = self(),
    Produce = fun() ->
        receive go -> send_down(N - 1, Consumer) end
    end,
    All = [spawn_link(Produce) || _ <- lists:seq(1, Producers)],
    timed(fun() ->
        [Producer ! go || Producer <- All],
        expect(sum, sum(Producers * N, 0), Producers * sum_to(N))
    end).

send_down(-1, _) ->
    ok;
send_down(I, Consumer) ->
    Consumer ! I,
    send_down(I - 1, Consumer).

%% N messages to each of 60 receivers, in turn.
fork_join(N) ->
    Main = self(),
    Join = fun() -> Main ! sum(N, 0) end,
    All = [spawn_opt(Join, [link | off_heap()]) || _ <- lists:seq(1, ?JOINERS)],
    timed(fun() ->
        send_rounds(N - 1, All),
        expect(sum, sum(?JOINERS, 0), ?JOINERS * sum_to(N))
    end).

send_rounds(-1, _) ->
    ok;
send_rounds(I, All) ->
    send_to_each(All, I),
    send_rounds(I - 1, All).

send_to_each([], _) ->
    ok;
send_to_each([One | Rest], I) ->
    One ! I,
    send_to_each(Rest, I).

%% N are created, each of which ends with its first message.
fork_join_create(N) ->
    Main = self(),
    Child = fun() -> receive Number -> Main ! Number end end,
    timed(fun() ->
        create_down(N - 1, Child),
        expect(sum, sum(N, 0), sum_to(N))
    end).

create_down(-1, _) ->
    ok;
create_down(I, Child) ->
    spawn(Child) ! I,
    create_down(I - 1, Child).

%% Every member sends N pings, one after the other, to random members and answers those of others.
%% A ping is its sender's process id, a pong the atom.
big(N) ->
    Main = self(),
    Start = fun(Seed) ->
        fun() ->
            receive
                Members when is_tuple(Members) ->
                    big_ping(Members, N, 0, rand:mwc59_seed(Seed), Main)
            end
        end
    end,
    All = [spawn_link(Start(Seed)) || Seed <- lists:seq(1, ?CROWD)],
    Members = list_to_tuple(All),
    Took = timed(fun() ->
        [Member ! Members || Member <- All],
        [receive done -> ok end || _ <- All]
    end),
    [Member ! stop || Member <- All],
    expect(pongs, sum(?CROWD, 0), ?CROWD * N),
    Took.

big_ping(Members, 0, Pongs, Random, Main) ->
    Main ! done,
    big_serve(Members, 0, Pongs, Random, Main);
big_ping(Members, Left, Pongs, Random, Main) ->
    element(rand:mwc59_value32(Random) * ?CROWD bsr 32 + 1, Members) ! self(),
    big_serve(Members, Left, Pongs, rand:mwc59(Random), Main).

big_serve(Members, Left, Pongs, Random, Main) ->
    receive
        pong ->
            big_ping(Members, Left - 1, Pongs + 1, Random, Main);
        stop ->
            Main ! Pongs;
        From ->
            From ! pong,
            big_serve(Members, Left, Pongs, Random, Main)
    end.

%% The caller is the mall: of every two who come, the first is told who the second is.
chameneos(N) ->
    Mall = self(),
    timed(fun() ->
        [spawn_link(fun() -> visit(Mall, I rem 3, 0) end) || I <- lists:seq(1, ?CREATURES)],
        mall(N),
        close_mall(?CREATURES),
        expect(meetings, sum(?CREATURES, 0), 2 * N)
    end).

mall(0) ->
    ok;
mall(N) ->
    receive
        {_, First} ->
            receive
                Second ->
                    First ! Second,
                    mall(N - 1)
            end
    end.

close_mall(0) ->
    ok;
close_mall(Visitors) ->
    receive
        {_, Creature} ->
            Creature ! closed,
            close_mall(Visitors - 1)
    end.

%% A creature is told of the other and tells it their new colour, or is told that colour.
visit(Mall, Colour, Met) ->
    Mall ! {Colour, self()},
    receive
        {Theirs, Other} ->
            Mixed = mixed(Colour, Theirs),
            Other ! Mixed,
            visit(Mall, Mixed, Met + 1);
        closed ->
            Mall ! Met;
        Mixed ->
            visit(Mall, Mixed, Met + 1)
    end.

mixed(Colour, Colour) -> Colour;
mixed(One, Other) -> 3 - One - Other.
