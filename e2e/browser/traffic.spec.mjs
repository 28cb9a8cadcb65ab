// What goes through the gateway: figures, the way of requests, single requests, and why they go where they go. The answers of
// the history are made here, so that they hold something to look at.
import { accessible, expect, goTo, narrow, submit, test, title } from './support.mjs';

const ID = '00000000-0000-4000-8000-00000000000';
const points = (count, of) => Array.from({ length: count }, (_, at) => of(at));
const measured = (kind, id, name, rate, errors, more = {}) => ({
  kind, id, name, gone: false, requests: rate * 900, rate, errors: Math.round(rate * 900 * errors), error_rate: errors,
  latency: { mean: 3.2, p50: 2.1, p95: 9.8, p99: 30.1, max: 210 }, upstream: 2.4, gateway: 0.8,
  points: {
    requests: points(180, (at) => at % 50), errors: points(180, () => 0), client_errors: points(180, () => 1),
    ...Object.fromEntries(['mean', 'p50', 'p95', 'p99', 'upstream', 'gateway'].map((name) => [name, points(180, (at) => (at % 7 ? at / 9 : null))])),
  },
  ...more,
});
const series = (by) => ({
  from: 1763740000, until: 1763740900, step: 5, complete_from: 1763737000, in_flight: 12, folded: 0,
  total: measured(null, null, null, 10, 0.001),
  series: {
    route: [measured('route', `${ID}1`, 'orders', 6, 0.2), measured('route', `${ID}2`, '<b>carts</b>', 40, 0)],
    consumer: [measured('consumer', `${ID}3`, 'alice', 3, 0)],
    service: [],
    target: [measured('target', 'pool/10.0.0.7:8080', '10.0.0.7:8080', 6, 0, { upstream: { id: `${ID}4`, name: 'pool' } })],
  }[by] ?? [],
});
const listed = {
  id: 'a'.repeat(32), trace_id: null, at: 1763740001.123, duration: 12.3, upstream: 10.1, gateway: 2.2, status: 503,
  upstream_status: null, method: 'GET', scheme: 'https', host: 'example.com', path: '/orders/7', client_ip: '10.1.2.3',
  route: { id: `${ID}1`, name: 'orders' }, service: { id: `${ID}5`, name: null }, consumer: null, target: '10.0.0.7:8080',
  tries: 2, kept: 'failed',
};
const why = {
  request: {}, flavor: 'traditional_compatible', generation: 17, elsewhere: false,
  matched: {
    route: { id: `${ID}1`, name: 'orders', expression: null, priority: null }, service: { id: `${ID}5`, name: 'orders-service' },
    criteria: [
      { criterion: 'hosts', held: true, wanted: ['*.com', 'example.com'], given: 'example.com', by: 'example.com' },
      { criterion: 'headers.x-a', held: true, wanted: ['1'], given: ['1'], by: '1' },
    ],
    matched_path: '/orders', captures: {}, stripped: '/orders',
  },
  near_misses: [
    { route: { id: `${ID}6`, name: 'orders-post' }, service: null, criteria: [],
      failed: { criterion: 'methods', held: false, wanted: ['POST'], given: 'GET', by: null } },
    { route: { id: `${ID}7`, name: null }, service: null, criteria: [],
      failed: { criterion: 'order', held: false, wanted: [], given: null, by: null } },
  ],
  plugins: [{ name: 'key-auth', id: `${ID}8`, priority: 1250, scope: 'service', phases: ['access'] }],
  consumer: null,
  upstream: { url: 'http://pool:80/7', host_header: 'pool', retries: 5, upstream: { id: `${ID}4`, name: 'pool' }, targets: ['10.0.0.7:8080'] },
  answer: null,
};
const detail = {
  ...listed,
  request: { version: '1.1', port: 8443, sni: 'example.com', query: 'a=1&apikey=***', headers: [['host', 'example.com'], ['authorization', '***']], body_bytes: 120 },
  response: { source: 'kong', headers: [['content-type', 'text/plain']], body_bytes: 1200 },
  detail: true,
  spans: [
    { name: 'request', kind: 'request', start: 0, duration: 12.3, parent: null, error: null, attributes: {} },
    { name: 'key-auth', kind: 'plugin', phase: 'access', start: 0.2, duration: 0.1, parent: 0, error: null, attributes: {} },
    { name: 'try', kind: 'try', start: 1, duration: 4, parent: 0, error: 'connection refused', attributes: { try: 1, address: '10.0.0.7:8080' } },
    { name: 'new kind', kind: 'later', start: 5, duration: 0, parent: 2, error: null, attributes: {} },
  ],
  why: { ...why, same_route: false },
};

/** Answers of the history. */
const remembers = async (page) => {
  await page.route(/\/api\/telemetry\/series/, (route) =>
    route.fulfill({ json: series(new URL(route.request().url()).searchParams.get('by')) }));
  await page.route(/\/api\/telemetry\/traces/, (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    if (!pathname.endsWith('/traces')) return route.fulfill({ json: detail });
    return route.fulfill({ json: { data: searchParams.get('status') === '200' ? [] : [listed], next: null } });
  });
};

test('figures of the last minutes are shown, sorted and narrowed', async ({ page }) => {
  await remembers(page);
  await page.goto('');
  await goTo(page, 'Live traffic');
  await title(page, 'Live traffic');
  await expect(page.getByText('12', { exact: true })).toBeVisible();
  await expect(page.getByRole('img', { name: /^Requests, \/s: / })).toBeVisible();
  await expect(page.getByRole('rowheader')).toHaveText(['<b>carts</b>', 'orders']);
  await accessible(page);
  await narrow(page);
  await page.getByRole('columnheader').getByRole('link', { name: 'Errors' }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['orders', '<b>carts</b>']);
  await expect(page).toHaveURL(/sort=error_rate/);
  await page.getByRole('link', { name: 'Charts of orders only' }).click();
  await expect(page).toHaveURL(new RegExp(`id=${ID}1`));
  await page.getByRole('link', { name: 'Show all again' }).click();
  await page.getByRole('link', { name: 'Compare with before' }).click();
  await expect(page.getByText(/^Requests\/s before/)).toBeVisible();
  await accessible(page);
  await page.getByRole('link', { name: '7d', exact: true }).click();
  await expect(page).toHaveURL(/range=7d/);
  await page.getByRole('link', { name: 'Targets', exact: true }).click();
  await expect(page.getByRole('rowheader')).toHaveText(['10.0.0.7:8080 · pool']);
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Save as CSV' }).click();
  expect((await saved).suggestedFilename()).toBe('target.csv');
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Go on' })).toBeVisible();
});

test('without a history the pages say so', async ({ page }) => {
  await page.route(/\/api\/telemetry\//, (route) => route.fulfill({ status: 404, json: { message: 'Not found' } }));
  for (const path of ['telemetry', 'telemetry/traces', 'telemetry/topology']) {
    await page.goto(path);
    await expect(page.getByText(/^(This gateway keeps no history of its traffic|Nothing is configured yet)/)).toBeVisible();
    await accessible(page);
  }
});

test('the topology joins what is configured', async ({ page, request }) => {
  await remembers(page);
  await request.post('api/upstreams', { data: { name: 'mapped-pool' } });
  await request.post('api/upstreams/mapped-pool/targets', { data: { target: '127.0.0.1:9' } });
  await request.post('api/services', { data: { name: 'mapped', host: 'mapped-pool' } });
  await request.post('api/services/mapped/routes', { data: { name: 'mapped-route', paths: ['/mapped'] } });
  await page.goto('');
  await goTo(page, 'Topology');
  await title(page, 'Topology');
  for (const [column, name] of [['Routes', 'mapped-route'], ['Services', 'mapped'], ['Upstreams', 'mapped-pool'], ['Targets', '127.0.0.1:9']])
    await expect(page.getByRole('region', { name: column, exact: true }).getByRole('link', { name, exact: true })).toBeVisible();
  await expect(page.locator('.edges path')).toHaveCount(3);
  await accessible(page);
  await narrow(page);
  await page.getByRole('link', { name: 'mapped-route', exact: true }).click();
  await title(page, 'mapped-route');
  for (const path of ['routes/mapped-route', 'services/mapped', 'upstreams/mapped-pool']) await request.delete(`api/${path}`);
});

test('a request is found, opened and explained', async ({ page }) => {
  await remembers(page);
  await page.goto('');
  await goTo(page, 'Traces');
  await title(page, 'Traces');
  await expect(page.getByText('GET example.com/orders/7')).toBeVisible();
  await accessible(page);
  await narrow(page);
  await submit(page, 'Filter', { Status: '200' });
  await expect(page.getByText('Nothing fits this filter.')).toBeVisible();
  await page.goBack();
  await page.getByRole('rowheader').getByRole('link').click();
  await title(page, 'GET /orders/7');
  const spans = page.getByRole('region', { name: 'Where the time went' });
  await expect(spans.getByRole('row', { name: /Try 1 at 10\.0\.0\.7:8080.*connection refused/ })).toBeVisible();
  await expect(spans.getByRole('row', { name: /^key-auth · access/ })).toBeVisible();
  await expect(page.getByText('By the configuration of now another Route takes this request.')).toBeVisible();
  await accessible(page);
  await narrow(page);
  await page.getByRole('link', { name: 'Open in the route tester' }).click();
  await title(page, 'Route tester');
  await expect(page.getByLabel('URL or path')).toHaveValue('https://example.com:8443/orders/7?a=1&apikey=***');
});

test('the router says where a request would go, and cases are asked again', async ({ page }) => {
  let answer = why;
  await page.route(/\/api\/debug\/route-match/, (route) => route.fulfill({ json: answer }));
  await page.goto('');
  await goTo(page, 'Route tester');
  await title(page, 'Route tester');
  await accessible(page);
  await submit(page, 'Ask the router', { 'URL or path': 'orders' });
  await expect(page.getByText('Give a whole URL, or a path')).toBeVisible();
  const sent = page.waitForRequest(/route-match/);
  await submit(page, 'Ask the router', { 'URL or path': '/orders/7', Headers: 'x-a: 1' });
  expect((await sent).postDataJSON()).toEqual({ method: 'GET', path: '/orders/7', headers: { 'x-a': '1' } });
  await expect(page.getByText('Methods: wanted POST, given GET')).toBeVisible();
  await expect(page.getByText('It fits too, and comes later in the order.')).toBeVisible();
  await expect(page.getByRole('row', { name: /key-auth service access 1250/ })).toBeVisible();
  await expect(page.getByText('http://pool:80/7')).toBeVisible();
  await accessible(page);
  await narrow(page);
  await page.getByRole('button', { name: 'Keep as a case' }).click();
  await page.getByRole('button', { name: 'Ask all again' }).click();
  await expect(page.getByText('1 of 1 still match')).toBeVisible();
  answer = { ...why, matched: null, answer: { status: 404, message: 'no Route matched with those values' } };
  await page.reload();
  await expect(page.getByText('No Route takes this request.')).toBeVisible();
  await expect(page.getByText('404 no Route matched with those values')).toBeVisible();
  await page.getByRole('button', { name: 'Ask all again' }).click();
  await expect(page.getByText('Now no Route')).toBeVisible();
  await expect(page.getByText('0 of 1 still match')).toBeVisible();
  await accessible(page);
  await page.getByRole('button', { name: 'Remove GET /orders/7' }).click();
  await expect(page.getByText(/^Keep what you asked as a case/)).toBeVisible();
});

test('a router that tells nothing is no error of the page', async ({ page }) => {
  await page.route(/\/api\/debug\/route-match/, (route) => route.fulfill({ status: 404, json: { message: 'Not found' } }));
  await page.goto('debug/route-match?method=GET&url=/a');
  await expect(page.getByText('This gateway does not tell how it routes.')).toBeVisible();
});

test('the way to a first API ends with the trace of its first request', async ({ page, request }) => {
  let came = false;
  await page.route(/\/api\/telemetry\/traces/, (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ json: pathname.endsWith('/traces') ? { data: came ? [listed] : [], next: null } : detail });
  });
  await page.goto('first-api');
  await submit(page, 'Set it up', { Name: 'traced', 'Where it is': 'http://127.0.0.1:9', Path: '/traced', 'Who may call it': 'tracer' });
  await expect(page.getByText(/^Waiting for the first request/)).toBeVisible();
  await expect(page.getByRole('link', { name: 'Send a request in a new tab' })).toHaveAttribute('href', /\/traced\?apikey=\w+$/);
  await accessible(page);
  came = true;
  await expect(page.getByText('The first request came:')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('row', { name: /^The whole request/ })).toBeVisible();
  await accessible(page);
  await narrow(page);
  const { data } = await (await request.get('api/services/traced/routes')).json();
  for (const { id } of data) await request.delete(`api/routes/${id}`);
  for (const path of ['services/traced', 'consumers/tracer']) await request.delete(`api/${path}`);
});
