"""Answers to the requests of a page: the inspector, the log, the timeline, the state and past moments of a run."""
