"""Mesos' v1 HTTP API over asyncio: calls, and streams of events in RecordIO."""

import asyncio
import json

CONNECT_SECONDS_MAX = 3
RECORD_BYTES_MAX = 64 << 20


class NotSent(Exception):
    """Nobody was reached: the call has no effect."""


class Malformed(Exception):
    """The server broke the protocol."""


class Response:
    """The head of an answer, and the reader that has its body."""

    def __init__(self, status: int, headers: dict[str, str], reader: asyncio.StreamReader):
        self.status, self.headers, self._reader = status, headers, reader

    async def chunks(self):
        """The parts of a chunked body as they come. Source: RFC 9112, 7.1."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            raise Malformed("the stream is not chunked")
        while True:
            line = await self._reader.readline()
            if not line:
                raise EOFError("the stream broke off")
            size = int(line.split(b";")[0], 16)
            data = await self._reader.readexactly(size)
            await self._reader.readexactly(2)
            if size == 0:
                return
            yield data

    async def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join([part async for part in self.chunks()])
        length = self.headers.get("content-length")
        if length is None:
            return await self._reader.read()
        return await self._reader.readexactly(int(length))

    async def records(self):
        """RecordIO: the length in decimal, a line feed, and the record (Mesos, recordio.md)."""
        held = bytearray()
        async for part in self.chunks():
            held += part
            while (end := held.find(b"\n")) >= 0:
                size = int(held[:end])
                if size > RECORD_BYTES_MAX:
                    raise Malformed(f"a record of {size} bytes")
                if len(held) < end + 1 + size:
                    break
                yield json.loads(held[end + 1:end + 1 + size])
                del held[:end + 1 + size]
        raise EOFError("the stream ended")


async def send(
    address: str, path: str, message: dict, headers: dict[str, str]
) -> tuple[Response, asyncio.StreamWriter]:
    """Posts a message on a connection of its own, and reads the head of the answer."""
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(host, int(port)), CONNECT_SECONDS_MAX)
    except (OSError, asyncio.TimeoutError) as error:
        raise NotSent(f"{address}: {error!r}") from error
    try:
        body = json.dumps(message).encode()
        lines = {
            "Host": address, "Content-Type": "application/json", "Accept": "application/json",
            "Content-Length": str(len(body)), **headers,
        }
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        return await _head(reader), writer
    except BaseException:
        writer.transport.abort()
        raise


async def _head(reader: asyncio.StreamReader) -> Response:
    line = await reader.readline()
    words = line.split(None, 2)
    if not line:
        raise EOFError("the connection closed without an answer")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise Malformed(f"no status line: {line!r}")
    headers = {}
    while (line := await reader.readline()) not in (b"\r\n", b"\n"):
        if not line:
            raise EOFError("the connection closed within a head")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Response(int(words[1]), headers, reader)


async def post(
    address: str, path: str, message: dict, headers: dict[str, str] | None = None,
    seconds: float = 10,
) -> tuple[int, dict[str, str], bytes]:
    """One call and its whole answer: status, headers, body."""
    async with asyncio.timeout(seconds):
        response, writer = await send(address, path, message, headers or {})
        try:
            return response.status, response.headers, await response.body()
        finally:
            writer.transport.abort()


def place(location: str) -> str | None:
    """host:port of a Location, which Mesos writes without a scheme."""
    rest = location.partition("//")[2]
    return rest.partition("/")[0] or None
