"""How a server is set up: where it listens, whom it trusts, and how much it does for whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `soundseek serve` may be told. Sizes are in bytes, times in seconds.

    Attributes:
        host: the address to listen on.
        port: likewise; 0 lets the system choose.
        token: what every request must bring; None asks for nothing.
        allowed_hosts: names besides the loopback's and `host` that the Host header may have.
        cors_origins: other origins whose pages may use the API; () for none.
        roots: folders besides those of the library that may be indexed.
        max_upload_bytes: the largest sound that may be sent.
        max_body_bytes: the largest body of any other request.
        max_query_chars: the longest text to search for.
        max_k: how many sounds of a ranking can be reached.
        max_batch: how many texts one request may ask for.
        max_export_sounds: how many sounds an export may have.
        max_export_bytes: how large the sounds in a ZIP may be, together.
        requests_per_minute: for each address and token; 0 for any number.
        concurrent_searches: how many are answered at once; others wait.
        concurrent_decodes: how many sounds are decoded at once; others wait.
        upload_ttl_s: how long a sound that was sent can be searched by.
        decode_timeout_s: how long decoding one sound may take.
        decode_memory_bytes: how much memory decoding one sound may take.
        media_cache_bytes: how much disk derived sounds and pictures may take.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    max_upload_bytes: int = 50 * MIB
    max_body_bytes: int = 4 * MIB
    max_query_chars: int = 2000
    max_k: int = 1000
    max_batch: int = 100
    max_export_sounds: int = 5000
    max_export_bytes: int = 2 * GIB
    requests_per_minute: int = 600
    concurrent_searches: int = 4
    concurrent_decodes: int = 2
    upload_ttl_s: float = 900.0
    decode_timeout_s: float = 20.0
    decode_memory_bytes: int = GIB
    media_cache_bytes: int = GIB

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
