"""One run as one page follows it, over any wire: patches out, requests in."""
