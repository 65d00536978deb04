# SPDX-License-Identifier: MIT
"""
A plain asyncio server of server-sent events, as anyone would write it: nothing in it knows that it is traced.

    /events/20/100    20 events, one every 100 ms, chunked
    /events/20/100/5000   the same, and 5 s of silence before the end
    /stream/20/100    as the first, delimited by the end of the connection (HTTP/1.0 style)
    /bulk/5000000     a body of that many bytes with a Content-Length
"""
import argparse
import asyncio
import json

EVENT = b"event: tick\ndata: {\"number\": %06d, \"text\": \"" + b"x" * 64 + b"\"}\n\n"


async def events(writer, count, interval, silence, chunked):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n"
    writer.write(head)
    await writer.drain()
    for number in range(count):
        event = EVENT % number
        writer.write(b"%x\r\n%s\r\n" % (len(event), event) if chunked else event)
        await writer.drain()
        await asyncio.sleep(interval)
    await asyncio.sleep(silence)
    if chunked:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def bulk(writer, size):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size)
    for _ in range(size // 50000):
        writer.write(b"b" * 50000)
        await writer.drain()
    writer.write(b"b" * (size % 50000))
    await writer.drain()


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            kind, *numbers = head.split(b" ")[1].strip(b"/").split(b"/")
            numbers = [int(number) for number in numbers]
            if kind == b"bulk":
                await bulk(writer, numbers[0])
            else:
                silence = numbers[2] / 1000 if len(numbers) > 2 else 0
                await events(writer, numbers[0], numbers[1] / 1000, silence, kind == b"events")
            if kind == b"stream":
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=0)
    options = arguments.parse_args()
    server = await asyncio.start_server(serve, options.host, options.port)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
