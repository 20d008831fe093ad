# SPDX-License-Identifier: Apache-2.0
"""WebSocket by a library of others, Debian's python3-websockets: an echo server in a thread, and a way to run clients against it."""
import asyncio
import socket
import sys
import threading

try:
    import websockets
except ImportError:  # another python3 than the system's comes first in PATH
    sys.path.append('/usr/lib/python3/dist-packages')
    import websockets


class EchoServer:
    """Sends every message back; "close" ends the connection with code 4001. Keeps what the handshakes were asked with."""

    def __init__(self, t, tls=None, **options):
        self.port, self.seen, self.loop = t.port(), [], asyncio.new_event_loop()
        ready = threading.Event()

        async def run():
            self.ended = asyncio.Event()
            async with websockets.serve(self.echo, '127.0.0.1', self.port, max_size=None, ssl=tls, ping_interval=None, **options):
                ready.set()
                await self.ended.wait()
        threading.Thread(target=lambda: self.loop.run_until_complete(run()), daemon=True).start()
        assert ready.wait(10), 'the server did not start'
        t.finally_(lambda: self.loop.call_soon_threadsafe(self.ended.set))

    async def echo(self, ws):
        self.seen.append((ws.path, dict(ws.request_headers.raw_items())))
        async for message in ws:
            if message == 'close':
                await ws.close(4001, 'as asked')
            else:
                await ws.send(message)


def connect(port, path='/', host='h', **more):
    sock = socket.create_connection(('127.0.0.1', port))
    more = {'max_size': None, 'ping_interval': None, 'compression': None, **more}
    scheme = 'wss' if more.get('ssl') else 'ws'
    return websockets.connect(f'{scheme}://{host}{path}', sock=sock, **more)


def run(coroutine, within=60):
    return asyncio.run(asyncio.wait_for(coroutine, within))
