"""The journal as Parquet segments: written while the hub works, read in its place, and compared with it."""
