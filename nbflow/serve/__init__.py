"""Server processes: a session served from its own process, and the workers of `nbflow serve`."""
