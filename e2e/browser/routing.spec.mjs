// What Services speak, and which requests Routes take: every combination of protocols and rules that forms are made for.
import { clear, expect, fact, fill, pem, post, ready, refused, remove, showing, submit, test, title } from './support.mjs';


test.afterEach(({ request }) => clear(request, 'routes', 'services', 'certificates', 'ca_certificates'));

test('a Service speaks each protocol', async ({ page }) => {
  for (const [protocol, fields, said] of [
    ['grpc', {}], ['grpcs', {}], ['http', { Path: '/' }], ['tls', {}], ['tcp', { Path: '/' }, "value must be null"],
  ]) {
    await page.goto('services/create');
    await ready(page);
    await submit(page, 'Create', { Protocol: [protocol], Host: 'h', ...fields });
    if (said) {
      await expect(refused(page)).toContainText(said);
      await submit(page, 'Create', { Path: '' });
    }
    // Without a name it is called by its id.
    await expect(page.getByRole('heading', { level: 1, name: /^[0-9a-f]{8}$/ })).toBeVisible();
    await expect(fact(page, 'Protocol')).toHaveText(protocol);
  }
});

test('a Service checks the certificate of its upstream, and shows one of its own', async ({ page, request }) => {
  const ca = await post(request, 'ca_certificates', { cert: pem('ca.pem') });
  const own = await post(request, 'certificates', { cert: pem('client.pem'), key: pem('client.key') });
  await page.goto('services/create');
  await ready(page);
  await submit(page, 'Create', { Name: 'checked', Protocol: ['https'], Host: 'h', 'CA certificates': ca.id, 'Client certificate': own.id });
  await title(page, 'checked');
  await showing(page, { 'CA certificates': ca.id, 'Client certificate': own.id.slice(0, 8), 'TLS verify': null });
  for (const [verify, shown] of [['true', 'true'], ['false', 'false'], ['', null]]) {
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await title(page, 'Edit checked');
    await ready(page);
    await submit(page, 'Save', { 'TLS verify': [verify] });
    await title(page, 'checked');
    await showing(page, { 'TLS verify': shown });
  }
});

test('a Route takes what its protocols and rules say', async ({ page }) => {
  const web = { Hosts: 'h.example' };
  for (const [protocols, fields, shows, said] of [
    [null, { Paths: '/a' }, { Protocols: 'http, https', Paths: '/a' }],
    [['http'], {}, null, "must set one of 'methods', 'hosts', 'headers', 'paths'"],
    [['https'], web, { Protocols: 'https' }],
    [['http', 'https'], { ...web, Methods: 'PATCH', 'HTTPS redirect status code': ['302'], 'Preserve host': true, 'Request buffering': false },
      { Hosts: 'h.example', Methods: 'PATCH', 'HTTPS redirect status code': '302', 'Preserve host': 'true', 'Request buffering': 'false' }],
    [['http'], { Paths: '~/items/(?<id>[0-9]+)$' }, { Paths: '~/items/(?<id>[0-9]+)$' }],
    [['http'], { Paths: '~/items/([0-9' }, null, 'Paths: 1. entry: '],
    [['http'], { ...web, SNIs: 's.example' }, null, "'snis' can only be set when 'protocols' is"],
    ...[['https'], ['grpcs'], ['http', 'https'], ['grpc', 'grpcs']].map((protocols) =>
      [protocols, { ...web, SNIs: 's.example', ...(protocols[0].startsWith('grpc') && { 'Strip path': false }) }, { SNIs: 's.example' }]),
    [['grpc'], { ...web, SNIs: 's.example', 'Strip path': false }, null, "'snis' can only be set when 'protocols' is"],
    [['tcp'], {}, null, "must set one of 'sources', 'destinations', 'snis'"],
    [['tcp', 'tls'], { source: { ip: '10.0.0.0/8', port: '80' }, SNIs: 's.example' }, { SNIs: 's.example', IP: '10.0.0.0/8' }],
  ]) {
    await page.goto('routes/create');
    await ready(page);
    const { source, ...plain } = fields;
    if (protocols) plain.Protocols = new Set(protocols);
    await fill(page, plain);
    if (source) {
      await page.getByRole('button', { name: 'Add to Sources' }).click();
      await fill(page, { '#field-sources-0-ip': source.ip, '#field-sources-0-port': source.port });
    }
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    if (said) {
      await expect(refused(page)).toContainText(said);
      continue;
    }
    await expect(page.getByRole('heading', { level: 1, name: /^[0-9a-f]{8}$/ })).toBeVisible();
    await showing(page, { ...(protocols && { Protocols: new RegExp(`^(${protocols.join(', ')}|${[...protocols].reverse().join(', ')})$`) }), ...shows });
  }
});

test('a Route is moved between protocols and Services', async ({ page, request }) => {
  const [named, nameless] = [await post(request, 'services', { name: 'first', host: 'h' }), await post(request, 'services', { host: 'h' })];
  await page.goto(`routes/create?service=${named.id}`);
  await ready(page);
  await expect(page.getByLabel('Service', { exact: true })).toHaveValue('first');
  await submit(page, 'Create', { Name: 'moved', Paths: '/moved' });
  await title(page, 'moved');
  const change = async (fields) => {
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await title(page, 'Edit moved');
    await ready(page);
    await submit(page, 'Save', fields);
    await title(page, 'moved');
  };
  await fact(page, 'Service').getByRole('link', { name: 'first', exact: true }).click();
  await title(page, 'first');
  await page.goBack();
  await change({ Service: nameless.id });
  await fact(page, 'Service').getByRole('link', { name: nameless.id.slice(0, 8) }).click();
  await title(page, nameless.id.slice(0, 8));
  await page.goBack();
  await change({ Service: '' });
  await showing(page, { Service: null });
  await change({ Protocols: new Set(['grpc']), 'Strip path': false });
  await showing(page, { Protocols: 'grpc' });
  // One that is being made, too.
  await page.goto('routes/create');
  await ready(page);
  await submit(page, 'Create', { Name: 'undecided', Protocols: new Set(['tcp']) });
  await expect(refused(page)).toContainText('must set one of');
  await submit(page, 'Create', { Protocols: new Set(['http']), Paths: '/decided' });
  await title(page, 'undecided');
  await showing(page, { Protocols: 'http', Paths: '/decided' });
});

test('a Route gives up what it had, and keys are shown as they are', async ({ page, request }) => {
  const all = { paths: ['/a', '/b'], hosts: ['h.example'], methods: ['GET'], headers: { 'x-api_key': ['1'], 'X-B': ['2', '3'] }, snis: ['s.example'] };
  const { id } = await post(request, 'routes', { name: 'giving', protocols: ['https'], ...all });
  await page.goto(`routes/${id}`);
  await showing(page, { 'x-api_key': '1', 'X-B': '2, 3' });
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await title(page, 'Edit giving');
  await ready(page);
  // What is wrong with a header is said of it by its own name, and the entry stays while its value is taken away.
  const headers = page.getByRole('group', { name: 'Headers', exact: true });
  await headers.getByLabel('New name in Headers').fill('x-new');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(refused(page)).toContainText('Headers › x-new: is required');
  await headers.getByRole('button', { name: 'Remove x-new' }).click();
  for (const value of ['/a', '/b', 'h.example', 'GET']) await page.getByRole('button', { name: `Remove ${value}`, exact: true }).click();
  await headers.getByRole('button', { name: 'Remove 1', exact: true }).click();
  await expect(headers.getByLabel('x-api_key', { exact: true })).toBeVisible();
  for (const name of ['x-api_key', 'X-B']) await headers.getByRole('button', { name: `Remove ${name}`, exact: true }).click();
  // Streams have no paths, not even none of them.
  await submit(page, 'Save', { Protocols: new Set(['tls']) });
  await title(page, 'giving');
  const { paths, hosts, methods, headers: left, snis } = await (await request.get(`api/routes/${id}`)).json();
  expect([paths, hosts, methods, left, snis]).toEqual([null, null, null, null, ['s.example']]);
});

test('the Routes of a Service are made, changed and deleted from its page', async ({ page, request }) => {
  const { id } = await post(request, 'services', { name: 'parent', host: 'h' });
  const routes = page.locator('section[aria-labelledby="services-routes"]');
  await page.goto(`services/${id}`);
  await expect(routes.getByText('No Routes here yet.')).toBeVisible();
  await page.getByRole('link', { name: 'Add Route' }).click();
  await page.getByRole('link', { name: 'Cancel' }).click();
  await title(page, 'parent');
  await page.getByRole('link', { name: 'Add Route' }).click();
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(refused(page)).toContainText('must set one of');
  await submit(page, 'Create', { Methods: 'GET' });
  const name = /[0-9a-f]{8}(?=-[0-9a-f-]{27}$)/;
  await expect(page).toHaveURL(name);
  const short = name.exec(page.url())[0];
  await title(page, short);
  await fact(page, 'Service').getByRole('link', { name: 'parent' }).click();
  await title(page, 'parent');
  await routes.getByRole('link', { name: short }).click();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await title(page, `Edit ${short}`);
  await page.getByRole('link', { name: 'Cancel' }).click();
  await title(page, short);
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await title(page, `Edit ${short}`);
  await submit(page, 'Save', { Name: 'child' });
  await title(page, 'child');
  await remove(page, 'Route');
  await page.goto(`services/${id}`);
  await expect(routes.getByText('No Routes here yet.')).toBeVisible();
});
