"""The view of a run as a fold of its events: nodes, edges, steps of the state, and how a view catches up."""
