# SPDX-License-Identifier: MIT
"""The measurements, one after the other. Each starts its own load and ends it."""
import contextlib
import functools
import json
import subprocess
import time

from alternation import Alternation
from load import Client, Nginx, StreamServer
from tracers import Loaded, Variant, bpftrace, tcpdump

UNTRACED_PORT = 9  # discard: nothing listens on it here
CHUNKS = 100
PACED_STREAMS, PACED_INTERVAL_US = 400, 20000


class Bench:
    """What all phases share: the programs, how many windows, and a directory that is gone afterwards."""

    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.windows, self.long_windows = options.windows, max(3, options.windows // 6)
        self.seconds = options.window_ms / 1000

    @contextlib.contextmanager
    def load(self, server, variants):
        """The server, what is loaded, and a client whose connections are known to every variant.

        tailrace follows connections from their beginning, so the variants are attached while the client connects."""
        with contextlib.ExitStack() as stack:
            stack.callback(server.close)
            loaded = Loaded(self.options.program, variants(server.port))
            stack.callback(loaded.close)
            for name in loaded.names:
                loaded.ask(f"attach {name}")
            client = Client(server.port, server.connections, processor=1)
            stack.callback(client.close)
            loaded.ask("detach")
            yield Alternation(server, client, self.options.seed), loaded

    def _traced_and_twin(self, port):
        return {"full": (port, None), "twin": (port, self.options.twin)}

    def small(self):
        """nginx, small responses, as many as it can."""
        def variants(port):
            return self._traced_and_twin(port) | {"kernel": (f"{port}:count", None), "untraced": (UNTRACED_PORT, None)}
        with self.load(Nginx(self.directory), variants) as (alternation, loaded):
            full, twin, kernel, untraced = (Variant(loaded, name) for name in loaded.names)
            yield "small", alternation.run([full, twin, kernel, untraced], self.windows, self.seconds)
            yield "small_statistics", self._with_statistics(alternation, [full, twin])
            yield "stall", self._stall(full)

    def _with_statistics(self, alternation, tracers):
        return alternation.run(tracers, max(6, self.windows // 3), self.seconds, with_statistics=True)

    def _stall(self, full):
        """Nobody drains for 400 ms under full load: how much does the ring lose?"""
        full.attach()
        time.sleep(0.05)
        before = full.statistics()
        full.loaded.ask("stall 400")
        after = full.statistics()
        full.detach()
        return {key: after[key] - before[key] for key in ("made", "delivered", "lost")}

    def peers(self):
        """The same load against bpftrace and tcpdump, which need seconds to attach: long windows."""
        server = Nginx(self.directory)
        with self.load(server, lambda port: {"full": (port, None)}) as (alternation, loaded):
            tracers = [Variant(loaded, "full"), bpftrace(server.port, "nginx"), tcpdump(server.port)]
            present = [tracer for tracer in tracers if tracer]
            try:
                yield "peers", alternation.run(present, self.long_windows, 1.0, settle=0.1)
            finally:
                for tracer in present[1:]:
                    tracer.close()

    def stream(self):
        """A hundred flushed events a response, as many as the server can."""
        server = StreamServer(self.directory, CHUNKS, 0, connections=32)
        with self.load(server, self._traced_and_twin) as (alternation, loaded):
            tracers = [Variant(loaded, name) for name in loaded.names]
            yield "stream", alternation.run(tracers, self.windows, self.seconds)
            yield "stream_statistics", self._with_statistics(alternation, tracers)

    def paced(self):
        """400 streams of 50 events a second: what a server of tokens does all day."""
        server = StreamServer(self.directory, CHUNKS, PACED_INTERVAL_US, connections=PACED_STREAMS)
        with self.load(server, lambda port: {"full": (port, None)}) as (alternation, loaded):
            time.sleep(1)
            yield "paced", alternation.run([Variant(loaded, "full")], max(8, self.windows // 2), 2.5 * self.seconds)

    @contextlib.contextmanager
    def _detached(self, port):
        """Loaded, attached and detached again: the times of it, ns."""
        loaded = Loaded(self.options.program, {"full": (port, None)})
        try:
            full = Variant(loaded, "full")
            full.attach()
            load_ns = full.statistics()["load_ns"]
            full.detach()
            yield {"load_ns": load_ns, "attach_ns": full.attach_ns, "detach_ns": full.detach_ns}
        finally:
            loaded.close()

    def _idle_loads(self, rounds):
        for _ in range(rounds):
            with self._detached(UNTRACED_PORT) as times:
                yield times

    def loading(self):
        """Loading on an idle machine; then windows with nothing loaded in turn with windows after a detach."""
        rounds = max(8, self.windows)
        yield "loading", list(self._idle_loads(rounds))
        server = Nginx(self.directory)
        with contextlib.ExitStack() as stack:
            stack.callback(server.close)
            client = Client(server.port, server.connections, processor=1)
            stack.callback(client.close)
            alternation = Alternation(server, client, self.options.seed)
            bare = functools.partial(alternation.window, None, self.seconds, settle=0.1)
            windows = [bare()]
            for _ in range(rounds):
                with self._detached(server.port):
                    windows.append(bare())
                    windows[-1].variant = "detached"
                time.sleep(0.1)  # freeing what was loaded is the kernel's work too
                windows.append(bare())
            yield "detached", windows

    def ingest(self):
        """The correlator alone, in memory."""
        seconds = "1" if self.options.quick else "3"
        said = subprocess.run([str(self.options.program), "ingest", seconds, "1"], check=True, capture_output=True, text=True)
        yield "ingest", json.loads(said.stdout)

    def all(self):
        return [self.small, self.peers, self.stream, self.paced, self.loading, self.ingest]
