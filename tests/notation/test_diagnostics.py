"""Messages are part of the notation: what was wrong, where, and what was probably meant."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from nbflow.errors import NotationError
from nbflow.notation import read_graph

NODE_OPTIONS = (
    "options of nodes: join, route, map, as, into, limit, on_error, errors, retries, backoff, timeout, executor, cache"
)
OWN_LINE = "each condition has its line, and they are tried in order: 'a -> c if …'"
SHOWN = {"NAME", "END"}  # what messages show for something the user names, and the end of paths
MESSAGES = [
    ('a b', 3, "no arrow before 'b'; did you mean 'a -> b'?"),
    ('fetch shorten', 7, "no arrow before 'shorten'; did you mean 'fetch -> shorten'?"),
    ('entri a', 7, "no arrow before 'a'; did you mean 'entri -> a' or 'entry a'?"),
    ('entrry a', 8, "no arrow before 'a'; did you mean 'entrry -> a' or 'entry a'?"),
    ('reduce x wiht y', 10,
     "'wiht' is not expected here; write 'reduce KEY with REDUCER', for instance 'reduce findings with extend'"),
    ('reduce x extend', 10,
     "'extend' is not expected here; write 'reduce KEY with REDUCER', for instance 'reduce findings with extend'"),
    ('reduce x with', 14,
     "the line's end is not expected here; write 'reduce KEY with REDUCER', for instance 'reduce "
     "findings with extend'"),
    ('max_iteration 50', 15, "'max_iteration' is no statement; did you mean 'max_iterations'?"),
    ('max_iterations x', 16, "'x' is not expected here; write 'max_iterations N', for instance 'max_iterations 50'"),
    ('max_iterations = 50', 18, "the graph's limit has no '='; did you mean 'max_iterations 50'?"),
    ('max_iterations 0', 16, "max_iterations is a whole number from 1, not '0'"),
    ('max_iterations 1.5', 16, "max_iterations is a whole number from 1, not '1.5'"),
    ('a => b', 3, "'=>' is no arrow; did you mean '->'?"),
    ('a → b', 3, "'→' is no arrow here; did you mean '->'?"),
    ('a -- b', 3, "'--' is no arrow; did you mean '->'?"),
    ('a --> b', 3, "'-->' is no arrow; did you mean '->'?"),
    ('a — b', 3, "'—' is no arrow here; did you mean '->'?"),
    ('a <- b', 3, "'<-' is no arrow; arrows point to the right: '->', with the nodes swapped"),
    ('a > b', 3, "'>' is no arrow; did you mean '->'?"),
    ('a - b', 3, "'-' is no arrow; did you mean '->'?"),
    ('a ~> b', 3, "'~>' is no arrow; did you mean '->'?"),
    ('a -> b if x elif y', 13, "'elif' is no part of a condition; " + OWN_LINE),
    ('a -> b if x else c if y', 20, "'else' takes no condition; give it a separate line"),
    ('a -> b if x else if y', 18, "'else' takes no condition; " + OWN_LINE),
    ('a -> b elif y', 8, "there is no 'elif'; " + OWN_LINE),
    ('a and b -> c', 3, "'and' joins no nodes; did you mean '&'?"),
    ('a, b -> c', 2, "',' joins no nodes; did you mean '&'?"),
    ('a + b -> c', 3, "'+' joins no nodes; did you mean '&'?"),
    ('a && b -> c', 3, "'&&' joins no nodes; did you mean '&'?"),
    ('a | b -> c', 3, "'|' joins no nodes; did you mean '&'?"),
    ('a == b', 3, "'==' gives no value; did you mean '='?"),
    ('a := b', 3, "':=' gives no value; did you mean '='?"),
    ('a: b', 2, "':' means nothing here; did you mean '='?"),
    ('a [retries==3]', 11, "'==' gives no value; did you mean '='?"),
    ('a [retries=3, retry=2]', 15, "a node has no option 'retry'; did you mean 'retries'?"),
    ('a [retry=2]', 4, "a node has no option 'retry'; did you mean 'retries'?"),
    ('a [timout=2]', 4, "unknown option 'timout'; did you mean 'timeout'?; " + NODE_OPTIONS),
    ('a [timeout=10s]', 12, "'10s' is no number; times are in seconds: write 10"),
    ('a [timeout=2m]', 12, "'2m' is no number; times are in seconds: write 120"),
    ('a [timeout=0]', 12, "timeout is a number of seconds above 0, or null for none, not '0'"),
    ('a [timeout=x]', 12, "timeout is a number of seconds above 0, or null for none, not 'x'"),
    ('a [max=5]', 4, "'max' is an option of edges: 'a -> b [max=5]'; " + NODE_OPTIONS),
    ('a -> b [retries=3]', 9,
     "'retries' is an option of nodes, which are declared on a line of their own: 'fetch [retries=…]'"),
    ('a -> b [max_iterations=3]', 9, "an edge has no option 'max_iterations'; did you mean 'max'?"),
    ('a -> b [mx=3]', 9, "unknown option 'mx'; did you mean 'max'?; options of edges: max"),
    ('a -> b [max=0]', 13, "max is a whole number from 1, not '0'"),
    ('a [join=rase]', 9, "join is one of all, first, race, each, not 'rase'; did you mean 'race'?"),
    ('a [join=1]', 9, "join is one of all, first, race, each, not '1'"),
    ('a [executor=process]', 13, "executor is one of auto, inline, thread, not 'process'"),
    ('a [executor=threads]', 13,
     "executor is one of auto, inline, thread, not 'threads'; did you mean 'thread'?"),
    ('a [cache]', 9, "the option 'cache' has no value; write 'cache=…'"),
    ('a [cache=yes]', 10, "cache is true or false, not 'yes'"),
    ('a [retries: 3]', 11, "':' is where '=' should be; did you mean 'retries=…'?"),
    ('a [retries 3]', 12, "'3' is where '=' should be; did you mean 'retries=3'?"),
    ('a [retries=]', 12, "'retries' has no value after its '='"),
    ('a [map=3]', 8, 'map names a key of the state; if 3 is one, write "3"'),
    ('a [into=x]', 4, "node 'a': 'into' means something only beside 'map'"),
    ('a = graph g [map=x]', 14, "node 'a': a map over a subgraph needs 'as', the key each item is put under"),
    ('a [limit=2]', 4, "node 'a': 'limit' means something only beside 'map'"),
    ('a [retries=3', 3, "'[' is never closed"),
    ('a -> b [max=5', 8, "'[' is never closed"),
    ('a(x=1', 2, "'(' is never closed"),
    ('a(x=[1, 2)', 10, "')' is where ']' should close the bracket"),
    ('a(x=1))', 7, "')' closes no bracket"),
    ('a -> "b', 6, 'this quote is not closed on its line'),
    ('a = "b', 5, 'this quote is not closed on its line'),
    ('a -> b if "x', 11, 'this quote is not closed on its line'),
    ('a -> b if (x', 11, "'(' is never closed"),
    ('a -> b if x)', 12, "')' closes no bracket"),
    ('a -> b if', 8, "'if' without a condition; write for instance 'a -> b if score > 0.8'"),
    ('a -> b if # x', 8, "'if' without a condition; write for instance 'a -> b if score > 0.8'"),
    ('if x', 1, "a line does not start with 'if'; write 'a -> b if …'"),
    ('a if x', 3, "no arrow before 'if'; write 'a -> b if …'"),
    ('a if x -> b', 3, "the condition comes after the arrow; did you mean 'a -> b if x'?"),
    ('a -> b if x -> c', 13, "'->' is no part of a condition; a condition ends its chain; continue on a new line"),
    ('a -> if x', 6, "a node is missing between '->' and 'if'"),
    ('a -> -> b', 6, "a node is missing between '->' and '->'"),
    ('a -> & b', 6, "a node is missing between '->' and '&'"),
    ('-> b', 1, "no node before '->'; a chain begins with a node: 'a -> b'"),
    ('& b', 1, "no node before '&'; write 'a & b -> c'"),
    ('a ->', 5, "a node is missing after '->'"),
    ('a -> b &', 9, "a node is missing after '&'"),
    ('a &', 4, "a node is missing after '&'"),
    ('a & b', 6, "no arrow after 'b'; parallel nodes lead to another node: 'a & b -> c'"),
    ('a =', 4, "a tool is missing after '='"),
    ('a = b -> c', 7, "a node is declared on a separate line; start a new one with 'a -> …'"),
    ('a(x=1) -> b', 8, "a node is declared on a separate line; start a new one with 'a -> …'"),
    ('a [retries=3] -> b', 15, "a node is declared on a separate line; start a new one with 'a -> …'"),
    ('a -> b(x=1)', 7, "a node is declared on a separate line: 'b(…)'"),
    ('a -> b = c', 8, "a node is declared on a separate line: 'b = …'"),
    ('a -> b [max=5] if x', 16, "'if' comes after the options, which are last"),
    ('a -> b [max=5] [max=6]', 16, 'options go in one bracket'),
    ('a -> b [max=5] -> c', 16, "a chain ends with its options; start a new line with 'b -> …'"),
    ('a -> b on_error', 8, "'on_error' is no tail of an arrow; did you mean 'on error'?"),
    ('a -> b onerror', 8, "'onerror' is no tail of an arrow; did you mean 'on error'?"),
    ('a -> b on failure', 8, "'on' is no tail of an arrow; did you mean 'on error'?"),
    ('a -> b on', 8, "'on' is no tail of an arrow; did you mean 'on error'?"),
    ('a -> b error', 8, "'error' is no tail of an arrow; did you mean 'on error'?"),
    ('a -> b if x on error', 13,
     "an operator is missing before 'on'; an error edge has no condition; write 'a -> b on error' on a "
     "separate line"),
    ('a -> b on error if x', 17, 'an error edge has no condition'),
    ('a on error', 3, "no arrow before 'on error'; write 'a -> b on error'"),
    ('a -> b else c', 8, "'else' without an 'if' before it; write 'a -> b if … else c'"),
    ('a else c', 3, "no arrow before 'else'; write 'a -> b if … else c'"),
    ('else c', 1, "'else' is on the line of its 'if', 'a -> b if … else c', or after an arrow: 'a -> else c'"),
    ('a -> b -> else c', 16, "'else' needs a condition on 'b': 'a -> b if … else c'"),
    ('a -> b & c if x', 10,
     "a condition has one target, because only the first true condition is taken; let it lead to a node that leads "
     "to both: 'b_and_c = pass'"),
    ('a -> END -> b', 6, 'paths end at END; no edge leaves it'),
    ('END -> b', 1, 'paths end at END; no edge leaves it'),
    ('END = x', 1, 'END is where paths end, not a node; choose another name'),
    ('END [retries=1]', 1, 'END is where paths end, not a node; choose another name'),
    ('a = f(2)', 7, "params are named; write 'NAME=2'"),
    ('a = f("x")', 10, 'params are named; write \'NAME="x"\''),
    ('a = f(x)', 8, "params are named, and 'x' names no value; write 'x=…'"),
    ('a = f(x=y)', 9, '\'y\' is no constant; if it is text, write "y"'),
    ('a = f(x=True1)', 9, "'True1' is no constant; did you mean 'True'?"),
    ('a = f(x=tru)', 9, "'tru' is no constant; did you mean 'true'?"),
    ('a = f(x=1+2)', 10, 'values are constants: nothing is computed here'),
    ('a = f(x=g(1))', 10, "values are constants: 'g' is neither called, indexed nor a prefix here"),
    ('a = f(x=NaN)', 9, 'NaN is refused as a value: neither JSON nor a comparison can carry it'),
    ('a = f(x=inf)', 9, 'inf is refused as a value: neither JSON nor a comparison can carry it'),
    ('a = f(x=1e999)', 9, '1e999 is beyond the largest number; infinite values are refused'),
    ('a = f(x: 1)', 8, "':' is where '=' should be; did you mean 'x=…'?"),
    ('a = f(x=1 y=2)', 11, "no ',' before 'y'"),
    ('a = f(x="\\q")', 10, '\\q is no escape of a string; for a backslash write two'),
    ('a = f(x=007)', 9, '007 is no number'),
    ('a = f(x=[1 2])', 12, "no ',' before '2'"),
    ('a = f(x={a: 1})', 10, '\'a\' is no constant; if it is text, write "a"'),
    ('a = f(x={"a": 1, "a": 2})', 18, "the key 'a' appears twice, both on line 1; keep one"),
    ('a = f(x=1, x=2)', 12, "the param 'x' appears twice, both on line 1; keep one"),
    ('a [retries=1, retries=2]', 15, "the option 'retries' appears twice, both on line 1; keep one"),
    ('a -> b; a -> b', 14, "the edge 'a -> b' appears twice, both on line 1; keep one"),
    ('a; a', 4, "the node 'a' is declared twice, both on line 1; keep one"),
    ('reduce x with y; reduce x with z', 18, "the reducer of 'x' appears twice, both on line 1; keep one"),
    ('entry a; entry b; a', 10, "'entry' appears twice, both on line 1; keep one"),
    ('entry c; a', 7, "'entry' names 'c', which no other line names; nodes: a"),
    ('// c', 1, "'//' starts no comment; did you mean '#'?"),
    ('1a -> b', 1, 'a bare name does not start with \'1\'; if \'1a\' is a name, write "1a"'),
    ('a -> 2b', 6, 'a bare name does not start with \'2\'; if \'2b\' is a name, write "2b"'),
    ('a -> 2', 6, 'a bare name does not start with \'2\'; if it is a name, write "2"'),
    ('“a” -> b', 1, '\'“\' is no quote here; did you mean \'"\'?'),
    ('a -> b\u2019', 7, '\'\u2019\' is no quote here; did you mean \'"\'?'),
    ('a b-> c', 3, "no arrow before 'b'; did you mean 'a -> b'?"),
    ('"" -> b', 1, "a node's id is empty or has white space at its ends; choose another"),
    ('" a" -> b', 1, "a node's id is empty or has white space at its ends; choose another"),
    ('"a/b" -> b', 1, "a node's id holds '/', '[', ']', a control character or a line separator; choose another"),
    ('graph x', 1,
     "a cell's graph has its name from the magic: '%%flow_graph NAME'; take this line away (a .flow file "
     "has one such line above each graph)"),
    ('a -> b when x', 8, "'when' starts no condition; did you mean 'if'?"),
    ('a -> b unless x', 8, "'unless' starts no condition; did you mean 'if not'?"),
    ('a -> b then c', 8, "no arrow before 'then'; did you mean 'b -> then'?"),
    ('a\u200b -> b', 2, 'ZERO WIDTH SPACE (U+200B) means nothing here'),
    ('a$ -> b', 2, "'$' (U+0024) means nothing here"),
    ('a -> b?', 7, "'?' (U+003F) means nothing here"),
    ('a -> b.', 7, "'.' (U+002E) means nothing here"),
    ('a.b. -> c', 4, "'.' (U+002E) means nothing here"),
    ('a = f [retries=3] (x=1)', 19, "'(' is not expected here; expected the line's end"),
    ('a (x=1) (y=2)', 9, "'(' is not expected here; expected '[' or the line's end"),
    ('a & b [retries=2]', 7, "options are given to one node, on a separate line: 'fetch [retries=3]'"),
    ('a & b = c', 7, "a node is declared on a separate line: 'b = …'"),
    ('a = graph b c', 13, "'c' is not expected here; expected '(', '[' or the line's end"),
    ('a -> b c', 8, "no arrow before 'c'; did you mean 'b -> c'?"),
    ('a -> b if x [max=5] else c', 21, "'else' comes after the options, which are last"),
    ('a -> b if x else c on error', 20, "'else' takes no 'on error'; give it a separate line"),
    ('a -> b on error else c', 17, "'else' without an 'if' before it; write 'a -> b if … else c'"),
    ('a -> else b', 11, "'else' needs a condition on 'a': 'a -> b if … else c'"),
    ('a [route=all]; a -> b if x else c', 33,
     "'a' has route=all and takes every edge that holds, so nothing is 'else' there; write the edge on a "
     "separate line"),
    ('a -> b if x [max=1, max=2]', 21, "the option 'max' appears twice, both on line 1; keep one"),
    ('a = b c', 7, "'c' is not expected here; expected '(', '[' or the line's end"),
    ('a -> [b, c]', 6, "a node is missing between '->' and '['; nodes side by side are joined by '&': 'a -> b & c'"),
    ('a -> (b, c)', 6, "a node is missing between '->' and '('; nodes side by side are joined by '&': 'a -> b & c'"),
    ('a -> {b}', 6, "a node is missing between '->' and '{'; nodes side by side are joined by '&': 'a -> b & c'"),
    ('a -> b -', 8, "'-' is no arrow; did you mean '->'?"),
    ('a =>', 3, "'=>' is no arrow; did you mean '->'?"),
    ('{a: 1}', 2, 'this is no JSON: expecting property name enclosed in double quotes'),
    ('a[0] -> b', 3, "'0' is not expected here; expected a name"),
    ('a -> b if x; else c', 14,
     "'else' is on the line of its 'if', 'a -> b if … else c', or after an arrow: 'a -> else c'"),
    ('  else d', 3, "'else' is on the line of its 'if', 'a -> b if … else c', or after an arrow: 'a -> else c'"),
    ('a -> b if 1 if 2', 13,
     "'if' is no part of a condition; one arrow has one 'if'; each condition has its line, and they are "
     "tried in order"),
    ('a -> b if x; -> c', 14, "no node before '->'; a chain begins with a node: 'a -> b'"),
    ('a \\ b', 3, "'\\\\' (U+005C) means nothing here"),
    ('a = http_get(depth=2, [retries=3]', 23, "params are named; write 'NAME=…'"),
    ('a [retries=3; b', 3, "'[' is not closed before ';'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), MESSAGES)
def test_a_mistake_is_named_with_what_was_meant(text: str, column: int, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        read_graph(text)

    assert (caught.value.line, caught.value.column, caught.value.problem) == (1, column, message)


def test_the_line_is_shown_with_a_caret_under_the_place() -> None:
    with pytest.raises(NotationError) as caught:
        read_graph("a -> b\n\n  fetch\tshorten # text\n")

    assert str(caught.value) == (
        "line 3, column 9: no arrow before 'shorten'; did you mean 'fetch -> shorten'?\n"
        "    fetch shorten # text\n"
        "          ^"
    )


def test_a_long_line_is_shown_around_the_place() -> None:
    with pytest.raises(NotationError) as caught:
        read_graph("a -> " * 1000 + "=> b" + " & c" * 1000)

    assert len(str(caught.value)) < 400
    assert "=> b & c" in str(caught.value)


def test_a_bracket_left_open_is_shown_where_it_opens_though_the_next_line_is_inside_it() -> None:
    with pytest.raises(NotationError) as caught:
        read_graph("a -> b\nfetch [retries=3\nb -> c")

    assert (caught.value.line, caught.value.column) == (2, 7)
    assert caught.value.problem == "'[' is not closed before 'b'"


def test_no_message_names_a_terminal_of_the_grammar() -> None:
    terminals = re.findall(r"[A-Z]{3,}", files("nbflow.notation").joinpath("grammar.lark").read_text("utf-8"))

    for text, _, message in MESSAGES:
        assert not {*terminals, "END"} & set(re.findall(r"[A-Z_]{3,}", message)) - SHOWN, text
