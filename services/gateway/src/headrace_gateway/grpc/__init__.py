"""The gRPC front door: headrace.gateway.v1.CompletionService."""
