// Serves ui/dist and a small imitation of the Admin API from memory: for work on the pages without a gateway.
//   node stand-in.mjs [port] [path]
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const port = Number(process.argv[2] ?? 18902);
const prefix = (process.argv[3] ?? '').replace(/\/$/, '');
const dist = new URL('../../ui/dist/', import.meta.url);
const data = new URL('../../entities/tests/data/', import.meta.url);
const readOnly = process.env.READ_ONLY === '1';

const json = (path) => JSON.parse(readFileSync(new URL(path, data), 'utf8'));
const plugins = Object.fromEntries(
  readdirSync(new URL('plugins/', data)).map((file) => [file.replace('.json', ''), json(`plugins/${file}`)]),
);
const schema = (name) => {
  const file = `schemas/${name === 'routes' ? 'routes.traditional_compatible' : name}.json`;
  return existsSync(new URL(file, data)) ? json(file) : undefined;
};

const kinds = ['services', 'routes', 'consumers', 'plugins', 'certificates', 'ca_certificates', 'snis', 'key-auths'];
const tables = Object.fromEntries(kinds.map((kind) => [kind, []]));
const policy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; script-src-elem 'self'; style-src 'self'; " +
  "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

const defaults = (fields, value) => {
  const out = { ...value };
  for (const [name, of] of fields.flatMap(Object.entries)) {
    if (of.type === 'record' && of.fields && (of.required || out[name])) out[name] = defaults(of.fields, out[name] ?? {});
    else if (out[name] === undefined) out[name] = of.default ?? null;
  }
  return out;
};
const merge = (old, change) => {
  const out = { ...old };
  for (const [name, value] of Object.entries(change)) {
    const both = [old[name], value].every((v) => v && typeof v === 'object' && !Array.isArray(v));
    out[name] = both && name === 'config' ? merge(old[name], value) : value;
  }
  return out;
};
const invalid = (fields) => [400, { code: 2, name: 'schema violation', message: 'schema violation', fields }];

function complete(kind, value) {
  if (kind === 'services' && !value.host) return invalid({ host: 'required field missing' });
  if (kind === 'services' && /[^\w.~-]/.test(value.name ?? '')) return invalid({ name: `invalid value '${value.name}'` });
  if (kind === 'plugins' && value.config?.key_names?.some((name) => /[^\w-]/.test(name)))
    return invalid({ config: { key_names: value.config.key_names.map((n) => (/[^\w-]/.test(n) ? 'bad header name' : null)) } });
  const key = { 'key-auths': 'keyauth_credentials' }[kind] ?? kind;
  let whole = defaults(schema(key).fields, value);
  if (kind === 'plugins') whole = defaults(plugins[value.name].schema.fields, value.config ? whole : { ...whole, config: {} });
  if (kind === 'key-auths') whole.key ??= randomUUID().replaceAll('-', '');
  return [201, { ...whole, id: value.id ?? randomUUID(), created_at: Math.floor(Date.now() / 1000) }];
}

function collection(kind, method, query, body, parent) {
  let rows = tables[kind].filter((row) => !parent || row[parent[0]]?.id === parent[1]);
  if (method === 'GET') {
    const tags = query.get('tags')?.split(',') ?? [];
    rows = rows.filter((row) => tags.every((tag) => row.tags?.includes(tag)));
    const from = Number(query.get('offset') ?? 0);
    const size = Number(query.get('size') ?? 100);
    const next = from + size < rows.length ? String(from + size) : undefined;
    return [200, { data: rows.slice(from, from + size), next: next ? `/${kind}?offset=${next}` : null, offset: next }];
  }
  if (readOnly) return [405, { message: "cannot create or update entities when not using a database" }];
  if (method !== 'POST') return [405, { message: 'Method not allowed' }];
  const value = parent ? { ...body, [parent[0]]: { id: parent[1] } } : body;
  if (value.name && kind !== 'plugins' && tables[kind].some((row) => row.name === value.name))
    return [409, { code: 5, name: 'unique constraint violation', message: 'UNIQUE', fields: { name: value.name } }];
  const [status, answer] = complete(kind, value);
  if (status === 201) tables[kind].push(answer);
  return [status, answer];
}

function entity(kind, id, method, body) {
  const at = tables[kind].findIndex((row) => [row.id, row.name, row.username].includes(decodeURIComponent(id)));
  if (at < 0) return [method === 'DELETE' ? 204 : 404, { message: 'Not found' }];
  const row = tables[kind][at];
  if (method === 'GET') return [200, row];
  if (method === 'DELETE') {
    const holds = kind === 'services' && tables.routes.some((route) => route.service?.id === row.id);
    if (holds) return [400, { code: 4, name: 'foreign key violation', message: "an existing 'routes' entity references this 'services' entity" }];
    tables[kind].splice(at, 1);
    return [204];
  }
  const [status, answer] = complete(kind, merge(row, body));
  if (status === 201) tables[kind][at] = answer;
  return [status === 201 ? 200 : status, answer];
}

function api(method, url, body) {
  const parts = url.pathname.slice(`${prefix}/api`.length).split('/').filter(Boolean);
  const [first, second, third, fourth] = parts;
  if (!first)
    return [200, {
      version: '3.9.1', hostname: 'stand-in', node_id: randomUUID(), tagline: '',
      plugins: { available_on_server: Object.fromEntries(Object.keys(plugins).map((name) => [name, true])) },
      configuration: { database: readOnly ? 'off' : 'sqlite', role: 'traditional', router_flavor: 'traditional_compatible', proxy_listen: ['0.0.0.0:8000'], admin_listen: ['127.0.0.1:8001'] },
    }];
  if (first === 'status') return [200, { database: { reachable: true }, server: { connections_active: 1, total_requests: 2 } }];
  if (first === 'schemas' && second === 'plugins' && third) return plugins[third] ? [200, plugins[third].schema] : [404, { message: `No plugin named '${third}'` }];
  if (first === 'schemas') return schema(second) ? [200, schema(second)] : [404, { message: `No entity named '${second}'` }];
  if (!tables[first]) return [404, { message: 'Not found' }];
  if (!second) return collection(first, method, url.searchParams, body);
  if (!third) return entity(first, second, method, body);
  const kind = third === 'key-auth' ? 'key-auths' : third;
  if (!fourth) return collection(kind, method, url.searchParams, body, [first.replace(/s$/, ''), second]);
  return entity(kind, fourth, method, body);
}

const types = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', wasm: 'application/wasm' };
createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const send = (status, type, content, headers = {}) => {
    response.writeHead(status, { 'content-type': type, 'content-security-policy': policy, ...headers });
    response.end(content);
  };
  if (!url.pathname.startsWith(`${prefix}/`)) return send(302, 'text/plain', '', { location: `${prefix}/` });
  const path = url.pathname.slice(prefix.length + 1);
  if (path === 'api' || path.startsWith('api/')) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const [status, answer] = api(request.method, url, text ? JSON.parse(text) : {});
    return send(status, 'application/json', answer === undefined ? '' : JSON.stringify(answer));
  }
  if (path === 'kconfig.js') return send(200, 'text/javascript', `window.K_CONFIG = { 'ADMIN_API_URL': '' }\n`);
  const file = new URL(path, dist);
  if (path.startsWith('assets/')) {
    if (!existsSync(file)) return send(404, 'text/plain', '');
    return send(200, types[path.split('.').pop()] ?? 'application/octet-stream', readFileSync(file));
  }
  const page = readFileSync(new URL('index.html', dist), 'utf8').replace('<base href="/">', `<base href="${prefix}/">`);
  send(200, 'text/html; charset=utf-8', page);
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}${prefix}/`));
