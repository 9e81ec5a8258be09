%% SPDX-License-Identifier: Apache-2.0

%% A server that answers every number with its successor.
-module(bench_server).

-behaviour(gen_server).

-export([start_link/0, init/1, handle_call/3, handle_cast/2]).

start_link() ->
    gen_server:start_link(?MODULE, [], []).

init([]) ->
    {ok, none}.

handle_call(Number, _From, State) ->
    {reply, Number + 1, State}.

handle_cast(_, State) ->
    {noreply, State}.
