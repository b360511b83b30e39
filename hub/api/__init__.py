"""The gRPC edge: `server` starts it, `edge` is what every call meets, and each service has a folder."""
