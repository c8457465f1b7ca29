"""The live view of one run on one page, over any transport: patches out, requests in."""
