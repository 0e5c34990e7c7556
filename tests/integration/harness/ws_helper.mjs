// npm ws as an echo server (`server`: prints its port) or as a client (`client URL COUNT`: prints what came back).
import { WebSocket, WebSocketServer } from 'ws';

const [role, url, count] = process.argv.slice(2);
if (role === 'server') {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(server.address().port));
  server.on('connection', (socket, request) => {
    socket.on('message', (data, binary) => {
      if (String(data) === 'headers') socket.send(JSON.stringify(request.headers));
      else if (String(data) === 'bye') socket.close(4001, 'as asked');
      else socket.send(data, { binary });
    });
  });
} else {
  const socket = new WebSocket(url);
  const got = [];
  const total = Number(count);
  socket.on('open', () => {
    for (let i = 0; i < total; i++) socket.send(i % 7 === 3 ? 'x'.repeat(100000) + i : `message ${i}`);
    socket.send('bye');
  });
  socket.on('message', (data) => got.push(String(data)));
  socket.on('unexpected-response', (_, response) => {
    console.log(JSON.stringify({ status: response.statusCode }));
    process.exit(0);
  });
  socket.on('error', (error) => {
    console.log(JSON.stringify({ error: error.message }));
    process.exit(0);
  });
  socket.on('close', (code, reason) => {
    const right = got.every((text, i) => text === (i % 7 === 3 ? 'x'.repeat(100000) + i : `message ${i}`));
    console.log(JSON.stringify({ count: got.length, right, code, reason: String(reason) }));
  });
}
