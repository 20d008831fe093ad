// SPDX-License-Identifier: Apache-2.0
// What Node's parser reads of a request, told in its answer. Usage: node reader.js PORT
const http = require('http');
const hex = s => Buffer.from(s, 'latin1').toString('hex');
const pairs = raw => {
  const out = [];
  for (let i = 0; i < raw.length; i += 2) out.push([hex(raw[i]), hex(raw[i + 1])]);
  return out;
};
http.createServer({keepAliveTimeout: 60000}, (request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => response.end(JSON.stringify({
    method: request.method, target: hex(request.url), host: request.headers.host, headers: pairs(request.rawHeaders),
    body: Buffer.concat(parts).toString('hex'), trailers: pairs(request.rawTrailers)})));
}).listen(Number(process.argv[2]), '127.0.0.1');
