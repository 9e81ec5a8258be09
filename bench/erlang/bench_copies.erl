%% SPDX-License-Identifier: Apache-2.0

%% Bytes there and back, copied by each sender or as a reference to an immutable binary; trees of
%% maps, which every send copies.
-module(bench_copies).

-import(bench_main, [cost/4, expect/3, off_heap/0, timed/1]).

-export([workloads/0]).

-define(FAN_OUT, 10).
-define(NODES, 11111).

workloads() ->
    Copy = fun binary:copy/1,
    Move = fun(Bytes) -> Bytes end,
    [echo("echo-copy-1k", 1 bsl 10, 500000, Copy),
     echo("echo-copy-64k", 1 bsl 16, 50000, Copy),
     echo("echo-copy-1m", 1 bsl 20, 2000, Copy),
     echo("echo-copy-16m", 1 bsl 24, 100, Copy),
     echo("echo-move-1k", 1 bsl 10, 500000, Move),
     echo("echo-move-64k", 1 bsl 16, 500000, Move),
     echo("echo-move-1m", 1 bsl 20, 500000, Move),
     echo("echo-move-16m", 1 bsl 24, 500000, Move),
     cost("tree-maps", 1000, 1, fun(N) -> trees(N, tree(4)) end),
     cost("tree-shared", 1000, 1, fun(N) -> trees(N, shared_tree()) end)].

echo(Name, Size, Count, Send) ->
    cost(Name, Count, 1, fun(N) ->
        Self = self(),
        Bytes = << <<(I * 31):8>> || I <- lists:seq(0, Size - 1) >>,
        Peer = spawn_link(fun() -> answer(Self, Send) end),
        Took = timed(fun() -> expect(bytes, echoes(N, Peer, Send, Bytes), Bytes) end),
        Peer ! stop,
        Took
    end).

answer(To, Send) ->
    receive
        stop -> ok;
        Bytes ->
            To ! Send(Bytes),
            answer(To, Send)
    end.

%% The last echo is compared whole, the others in size.
echoes(N, Peer, Send, Bytes) ->
    Peer ! Send(Bytes),
    receive
        Got when N > 1, byte_size(Got) =:= byte_size(Bytes) ->
            echoes(N - 1, Peer, Send, Bytes);
        Got ->
            Got
    end.

%% A root over 10 nodes over 100 over 1,000 over 10,000 leaves.
tree(Depth) ->
    {Tree, ?NODES} = tree(Depth, 0),
    Tree.

tree(Depth, Next) ->
    {Children, After} = children(Depth, Next + 1),
    {node(Next, Children), After}.

children(0, Next) ->
    {[], Next};
children(Depth, Next) ->
    lists:mapfoldl(fun(_, Ordinal) -> tree(Depth - 1, Ordinal) end, Next,
                   lists:seq(1, ?FAN_OUT)).

node(Value, Children) ->
    #{value => Value, name => <<"node-", (integer_to_binary(Value))/binary>>,
      children => Children}.

%% A root that reaches one subtree of 1,111 nodes ten times. A send copies it ten times.
shared_tree() ->
    {Part, 1112} = tree(3, 1),
    node(0, lists:duplicate(?FAN_OUT, Part)).

measure(#{value := Value, name := Name, children := Children}) ->
    lists:foldl(fun(Child, {Nodes, Sum, Names}) ->
        {N, S, L} = measure(Child),
        {Nodes + N, Sum + S, Names + L}
    end, {1, Value, byte_size(Name)}, Children).

%% N trees to a receiver that acknowledges each; the last one is checked. Its messages lie outside
%% its heap: it drops a tree without ever having copied it into that.
trees(N, Tree) ->
    Wanted = measure(Tree),
    expect(nodes, element(1, Wanted), ?NODES),
    Self = self(),
    Receiver = spawn_opt(fun() -> acknowledge(N, Self) end,
                         [link | off_heap()]),
    Took = timed(fun() -> send_trees(N, Receiver, Tree) end),
    receive
        Measured -> expect(measure, Measured, Wanted)
    end,
    Took.

send_trees(0, _, _) ->
    ok;
send_trees(N, Receiver, Tree) ->
    Receiver ! Tree,
    receive
        N -> send_trees(N - 1, Receiver, Tree)
    end.

acknowledge(N, To) ->
    receive
        Tree ->
            To ! N,
            case N of
                1 -> To ! measure(Tree);
                _ -> acknowledge(N - 1, To)
            end
    end.
