"""Settlement between the provinces: what a scheme comes to between two positions, as lines, and what both sides say of a statement."""
