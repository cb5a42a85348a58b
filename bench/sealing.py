"""Sealed messages through the public API, beside the bare cipher on the same bytes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bench.authority import DOMAIN, PASSWORD, USER
from bench.figures import Figure, Samples, at_least, median, ratio
from bench.hello import Pair
from secpkg.testing import LabAuthority

SIZES: Final = ((64, "64 B", None), (1024, "1 KiB", 0.5), (65_536, "64 KiB", 0.9))
_NONCE: Final = bytes(12)


class Sealing:
    """The group; ``seconds`` is about what each contender takes in a round."""

    title = "Sealed messages (Hello, ChaCha20-Poly1305, public API)"

    def __init__(self, exit_stack: contextlib.ExitStack, seconds: float) -> None:
        lab = exit_stack.enter_context(LabAuthority(domain=DOMAIN, modules=["hello"]))
        lab.add_user(USER, password=PASSWORD)
        self._seconds = seconds
        pair = Pair(lab, DOMAIN, USER, PASSWORD)
        self._sealer, _ = pair.contexts()
        self._client, self._server = pair.contexts()
        self._cipher = ChaCha20Poly1305(bytes(32))

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        found: dict[str, Callable[[], float]] = {}
        for size, name, _budget in SIZES:
            found[f"bare, {name}"] = self._bare(self._cipher.encrypt, bytes(size))
            encrypted = self._cipher.encrypt(_NONCE, bytes(size), None)
            found[f"bare opening, {name}"] = self._bare(self._cipher.decrypt, encrypted)
            found[f"sealed, {name}"] = self._sealed(bytes(size))
            found[f"opened, {name}"] = self._opened(bytes(size))
        return found

    def _times(self, data: bytes) -> int:
        return max(20, int(self._seconds / (2e-6 + len(data) * 6e-10)))

    def _bare(self, cipher: Callable[[bytes, bytes, None], bytes], data: bytes) -> Callable[[], float]:
        times = self._times(data)

        def run() -> float:
            begun = time.perf_counter()
            for _ in range(times):
                cipher(_NONCE, data, None)
            return (time.perf_counter() - begun) / times

        return run

    def _sealed(self, data: bytes) -> Callable[[], float]:
        times = self._times(data)

        def run() -> float:
            encrypt = self._sealer.encrypt
            begun = time.perf_counter()
            for _ in range(times):
                encrypt(data)
            return (time.perf_counter() - begun) / times

        return run

    def _opened(self, data: bytes) -> Callable[[], float]:
        times = self._times(data) // 4 + 1

        def run() -> float:
            messages = [self._client.encrypt(data) for _ in range(times)]
            decrypt = self._server.decrypt
            begun = time.perf_counter()
            for message in messages:
                decrypt(message)
            return (time.perf_counter() - begun) / times

        return run

    def figures(self, samples: Samples) -> Iterator[Figure]:
        for _size, name, budget in SIZES:
            sealed, opened = f"sealed, {name}", f"opened, {name}"
            yield at_least(sealed, 1 / median(samples[sealed]), "/s")
            yield at_least(f"{sealed}, to the bare cipher", ratio(samples, f"bare, {name}", sealed), "×", budget)
            yield at_least(f"{opened}, to the bare cipher", ratio(samples, f"bare opening, {name}", opened), "×")
