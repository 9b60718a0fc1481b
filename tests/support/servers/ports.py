"""A port of this machine that is free now. Whoever takes it first has it: a server that can't is started again."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
