"""Drawings and pictures of graphs and runs, and the bundle of the front end."""
