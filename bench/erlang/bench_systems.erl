%% SPDX-License-Identifier: Apache-2.0

%% What systems are made of that heal: a call to a child of a supervisor, and a life whose end is
%% told to who began it. The module is the supervisor's, too.
-module(bench_systems).

-behaviour(supervisor).

-import(bench_main, [cost/4, expect/3, timed/1]).

-export([workloads/0, init/1]).

workloads() ->
    [cost("supervised-call", 500000, 1, fun supervised_calls/1),
     cost("monitor-down", 200000, 1, fun monitored_lives/1)].

init([]) ->
    {ok, {#{strategy => one_for_one},
          [#{id => server, start => {bench_server, start_link, []}}]}}.

supervised_calls(N) ->
    logger:set_primary_config(level, none),
    {ok, Supervisor} = supervisor:start_link(?MODULE, []),
    Server = server(Supervisor),
    Took = timed(fun() -> expect(last_number, call(N, Server, 0), N) end),
    exit(Server, kill),
    expect(the_answer_of_its_successor, gen_server:call(other(Supervisor, Server), 1), 2),
    Took.

server(Supervisor) ->
    [{server, Server, worker, _}] = supervisor:which_children(Supervisor),
    Server.

other(Supervisor, Former) ->
    case server(Supervisor) of
        Server when is_pid(Server), Server =/= Former -> Server;
        _ -> other(Supervisor, Former)
    end.

call(0, _, Number) ->
    Number;
call(N, Server, Number) ->
    call(N - 1, Server, gen_server:call(Server, Number, infinity)).

monitored_lives(N) ->
    Life = fun() -> ok end,
    timed(fun() -> live(N, Life) end).

live(0, _) ->
    ok;
live(N, Life) ->
    {Pid, Monitor} = spawn_monitor(Life),
    receive
        {'DOWN', Monitor, process, Pid, Reason} ->
            expect(reason, Reason, normal),
            live(N - 1, Life)
    end.
