"""The one way to make a gRPC channel: keepalive, fast reconnection, no retries of its own."""

import grpc

OPTIONS = (
    # Each hop has one owner of retries: the mesh or the caller's own code, never the channel.
    ("grpc.enable_retries", 0),
    # A peer that hangs (SIGSTOP, lost node) is noticed after 12 to 15 s, with or without traffic.
    # gRPC 1.85 gives every ping the ping timeout, keepalive's too: a minute unless set.
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 12_000),
    ("grpc.http2.ping_timeout_ms", 12_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted peer is tried again within a second, not after gRPC's usual two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Despite its name this is how long connecting may take; a busy peer may need more than 100 ms.
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)


def create_channel(target: str) -> grpc.aio.Channel:
    """A lazy channel to `host:port`; the mesh encrypts and authenticates it. Close it when done.

    Callers give every call a deadline (`timeout=` in seconds) and wrap it in
    `headrace_common.grpc_errors.translate_rpc_errors`.
    """
    return grpc.aio.insecure_channel(target, options=OPTIONS)
