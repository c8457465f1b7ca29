"""Functions of users: their source, their parameters, and the arguments of a call."""
