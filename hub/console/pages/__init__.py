"""The pages: one file of view code each. A view asks the functions that the services and commands ask, and has no SQL of its own."""
