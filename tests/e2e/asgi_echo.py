# SPDX-License-Identifier: Apache-2.0
"""WebSocket over HTTP/1.1 and HTTP/2 by a server of others, Debian's python3-hypercorn: asgi_echo.py PORT [CERT KEY]. Sends every message back;
to "?" it says what it was asked by, and with what; "close" ends with 4001, "vanish" ends the process. Whoever asks for /no gets 403."""
import asyncio
import json
import os
import sys

try:
    from hypercorn.asyncio import serve
except ImportError:  # another python3 than the system's comes first in PATH
    sys.path.append('/usr/lib/python3/dist-packages')
    from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        return
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': scope['http_version'].encode()})
        return
    await receive()
    if scope['path'] == '/no':
        await send({'type': 'websocket.close', 'code': 1000})
        return
    await send({'type': 'websocket.accept', 'subprotocol': next(iter(scope['subprotocols']), None)})
    while True:
        event = await receive()
        if event['type'] != 'websocket.receive':
            return
        text, data = event.get('text'), event.get('bytes')
        if text == '?':
            fields = {k.decode(): v.decode() for k, v in scope['headers']}
            text = json.dumps({'version': scope['http_version'], 'path': scope['path'], 'fields': fields})
        elif text == 'close':
            await send({'type': 'websocket.close', 'code': 4001, 'reason': 'as asked'})
            return
        elif text == 'vanish':
            os._exit(0)
        await send({'type': 'websocket.send', 'text': text, 'bytes': data})


def main(port, cert=None, key=None):
    c = Config()
    c.bind = [f'127.0.0.1:{port}']
    c.websocket_max_message_size = 64 << 20
    c.certfile, c.keyfile = cert, key
    asyncio.run(serve(app, c))


main(*sys.argv[1:])
