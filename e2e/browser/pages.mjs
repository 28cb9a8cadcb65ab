// Serves ui/dist as it is now, with the Admin API of a running gateway below `api`: for work on the pages, without building the
// gateway that embeds them.
//   node pages.mjs http://127.0.0.1:8001 [port] [path]
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';

const admin = process.argv[2] ?? 'http://127.0.0.1:8001';
const port = Number(process.argv[3] ?? 18903);
const prefix = (process.argv[4] ?? '').replace(/\/$/, '');
const dist = new URL('../../ui/dist/', import.meta.url);
const policy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; script-src-elem 'self'; style-src 'self'; " +
  "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
const types = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', wasm: 'application/wasm', json: 'application/json' };

function forward(request, response, path) {
  const { origin, host, referer, ...headers } = request.headers;
  const asked = ask(`${admin}/${path}`, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on('error', () => response.writeHead(502).end());
  request.pipe(asked);
}

createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const send = (status, type, content, headers = {}) => {
    response.writeHead(status, { 'content-type': type, 'content-security-policy': policy, ...headers });
    response.end(content);
  };
  if (!url.pathname.startsWith(`${prefix}/`)) return send(302, 'text/plain', '', { location: `${prefix}/` });
  const path = url.pathname.slice(prefix.length + 1);
  if (path === 'api' || path.startsWith('api/')) return forward(request, response, path.slice(4) + url.search);
  if (path === 'kconfig.js') return send(200, 'text/javascript', `window.K_CONFIG = { 'ADMIN_API_URL': '' }\n`);
  const file = new URL(path, dist);
  if (path.startsWith('assets/')) {
    if (!existsSync(file)) return send(404, 'text/plain', '');
    return send(200, types[path.split('.').pop()] ?? 'application/octet-stream', readFileSync(file));
  }
  const page = readFileSync(new URL('index.html', dist), 'utf8').replace('<base href="/">', `<base href="${prefix}/">`);
  send(200, 'text/html; charset=utf-8', page);
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}${prefix}/`));
