// SPDX-License-Identifier: MIT
// A plain server of server-sent events on node:http, as anyone would write it: nothing in it knows that it is traced.
//
//     /small/600      a body of that many bytes with a Content-Length
//     /sse/5/10       5 events, one every 10 ms, chunked
//     /trailers/3     3 chunks and a trailer
//
// Each head says when the handler had the request: X-Served-At, ns of CLOCK_REALTIME, rounded up to its milliseconds.
// With the argument `http2` it speaks HTTP/2 without TLS, to clients that know.
'use strict';
const http = require(process.argv[2] === 'http2' ? 'node:http2' : 'node:http');
const { setTimeout: pause } = require('node:timers/promises');

const kinds = {
  small(response, [size]) {
    response.setHeader('Content-Length', size);
    response.end('s'.repeat(size));
  },
  async sse(response, [count, interval]) {
    response.setHeader('Content-Type', 'text/event-stream');
    response.flushHeaders();
    for (let number = 0; number < count; number++) {
      await pause(interval);
      response.write(`id: ${number}\ndata: {"text": "event"}\n\n`);
    }
    response.end();
  },
  async trailers(response, [count]) {
    response.setHeader('Trailer', 'X-Sum');
    for (let number = 0; number < count; number++) {
      response.write(`chunk ${number}\n`);
      await pause(1);
    }
    response.addTrailers({ 'X-Sum': '1234' });
    response.end();
  },
};

const server = http.createServer((request, response) => {
  const [kind, ...numbers] = request.url.slice(1).split('/');
  response.setHeader('X-Served-At', `${Date.now() + 1}000000`);
  kinds[kind](response, numbers.map(Number));
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
