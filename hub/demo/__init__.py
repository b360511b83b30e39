"""The live demo: both provinces' traffic through a whole hub, on one screen."""
