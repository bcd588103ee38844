"""The gRPC services, one module per proto: each converts, makes one call, converts."""
