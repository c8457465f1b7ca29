"""The notation of `%%flow_graph`: graphs as lines that read aloud, and the line of `%flow_run`.

Invariant: the notation and the JSON of a graph are equivalent: `read_graph(to_text(graph), name=graph.name) == graph`.
"""

from nbflow.notation.parser import parse_constant as parse_constant
from nbflow.notation.parser import read_flow as read_flow
from nbflow.notation.parser import read_graph as read_graph
from nbflow.notation.run_line import RunLine as RunLine
from nbflow.notation.run_line import hides_value as hides_value
from nbflow.notation.run_line import parse_run_line as parse_run_line
from nbflow.notation.writer import to_text as to_text
