"""What the joint meeting asks for."""
