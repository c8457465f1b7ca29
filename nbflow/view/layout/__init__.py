"""The layout of a graph: sizes of cards, positions by Graphviz or in plain Python, and paths of edges."""
