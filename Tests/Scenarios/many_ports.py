# SPDX-License-Identifier: MIT
"""
One process that listens on so many ports: to a tracer, so many servers. Prints {"port": the first, "ports": all of them}.

    many_ports.py COUNT      /plain: a body of two pieces, 2 ms apart; /stream: an event stream of five
"""
import asyncio
import json
import sys


async def serve(reader, writer):
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        is_stream = b"/stream" in head.split(b"\r\n")[0]
        if is_stream:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata")
        for number in range(5 if is_stream else 1):
            await asyncio.sleep(0.002)
            writer.write(b"4\r\ndata\r\n" if is_stream else b"data")
        if is_stream:
            writer.write(b"0\r\n\r\n")


async def main(count):
    async def serve_until_gone(reader, writer):
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    servers = [await asyncio.start_server(serve_until_gone, "127.0.0.1", 0) for _ in range(count)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps({"port": ports[0], "ports": ports}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1])))
