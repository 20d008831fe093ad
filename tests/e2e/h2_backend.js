// SPDX-License-Identifier: Apache-2.0
// A backend that speaks HTTP/2 alone: in the clear by prior knowledge, or TLS with a key and a certificate.
//   node h2_backend.js PORT [KEY CERT [http1|connect]]
// http1: HTTP/1.1, too, where every upgrade is agreed to and its bytes come back; connect: extended CONNECT, likewise.
// What a path asks for: /refuse and /goaway once refuse the stream (GOAWAY: and end the connection), /slow waits for /release,
// /trailers ends with trailers, /echo sends back what comes as it comes, /reset cuts the answer, /count tells of connections and streams.
const http2 = require('http2'), fs = require('fs'), crypto = require('crypto');
const [port, key, cert, more] = process.argv.slice(2);
const options = {settings: {maxConcurrentStreams: 10, enableConnectProtocol: more === 'connect'}};
const server = key ? http2.createSecureServer({...options, allowHTTP1: more === 'http1', key: fs.readFileSync(key), cert: fs.readFileSync(cert)}) : http2.createServer(options);
if (key) { // who offers none of ours meets an alert [RFC 7301 3.2]; node's own way does that from version 20 on
  const ours = more === 'http1' ? ['h2', 'http/1.1'] : ['h2'];
  server.ALPNProtocols = undefined;
  server.ALPNCallback = ({protocols}) => ours.find((p) => protocols.includes(p));
}
const once = new Set(), waiting = [];
let connections = 0, most = 0, upgrades = 0;
const first = (path) => !once.has(path) && once.add(path);
server.on('session', (session) => { connections++; session.open = 0; });
server.on('stream', (stream, head) => {
  const path = head[':path'].split('?')[0], session = stream.session;
  most = Math.max(most, ++session.open);
  stream.on('close', () => session.open--);
  stream.on('error', () => {});
  const say = (more, body) => { stream.respond({':status': 200, 'content-type': 'application/json', ...more}); stream.end(body); };
  if (head[':method'] === 'CONNECT') { upgrades++; stream.respond({':status': 200}); return stream.pipe(stream); }
  if (path === '/refuse' && first(path)) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  if (path === '/goaway' && first(path)) { stream.session.goaway(0, stream.id - 2 > 0 ? stream.id - 2 : 0); return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); }
  if (path === '/slow') return waiting.push(() => say({}, 'late'));
  if (path === '/release') { waiting.splice(0).forEach((f) => f()); return say({}, 'released'); }
  if (path === '/trailers') {
    stream.respond({':status': 200, 'content-type': 'application/grpc'}, {waitForTrailers: true});
    stream.on('wantTrailers', () => stream.sendTrailers({'grpc-status': '0', 'grpc-message': 'fine'}));
    stream.resume();
    return stream.end('body');
  }
  if (path === '/echo') { stream.respond({':status': 200}); return stream.pipe(stream); }
  if (path === '/reset') { stream.respond({':status': 200}); stream.write('x'.repeat(1000)); return setImmediate(() => stream.destroy(new Error('cut'))); }
  if (path === '/count') return say({}, JSON.stringify({connections, most, upgrades, waiting: waiting.length}));
  let n = 0;
  stream.on('data', (d) => { n += d.length; });
  stream.on('end', () => say({'x-protocol': 'h2'}, JSON.stringify({method: head[':method'], path: head[':path'], authority: head[':authority'], scheme: head[':scheme'], bodyBytes: n,
    headers: Object.fromEntries(Object.entries(head).filter(([k]) => k[0] !== ':'))})));
});
server.on('upgrade', (request, socket) => {
  upgrades++;
  const accept = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.pipe(socket);
});
server.listen(+port, '127.0.0.1');
