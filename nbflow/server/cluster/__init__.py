"""The worker processes of `nbflow serve`: how one starts, ends, recovers runs, and relays requests to another."""
