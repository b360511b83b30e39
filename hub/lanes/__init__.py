"""Views folded from segments: lane by lane wholly in memory, in several processes, written by COPY, with the views' own pure functions."""
