"""What an edge withstands: attacks by one participant, or by nobody, and what another participant waits meanwhile. To loopback only."""
