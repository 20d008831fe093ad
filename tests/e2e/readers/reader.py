# SPDX-License-Identifier: Apache-2.0
"""What Python's http.server reads of a request, told in its answer. Usage: python3 reader.py PORT"""
import http.client
import http.server
import json
import sys


def pairs(fields):
    return [(n.encode('latin-1').hex(), v.encode('latin-1').hex()) for n, v in fields.items()]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def __getattr__(self, name):
        if name.startswith('do_'):
            return self.tell
        raise AttributeError(name)

    def chunks(self):
        body = b''
        while n := int(self.rfile.readline().split(b';')[0], 16):
            body += self.rfile.read(n)
            assert self.rfile.readline() == b'\r\n'
        return body, pairs(http.client.parse_headers(self.rfile))

    def tell(self):
        chunked = self.headers.get('Transfer-Encoding', '').lower() == 'chunked'
        body, trailers = self.chunks() if chunked else (self.rfile.read(int(self.headers.get('Content-Length', '0'))), [])
        target = self.requestline.split(' ')[1]  # self.path has a leading // made /
        told = json.dumps({'method': self.command, 'target': target.encode('latin-1').hex(), 'host': self.headers.get('Host'),
                           'headers': pairs(self.headers), 'body': body.hex(), 'trailers': trailers}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *words):
        pass


http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
