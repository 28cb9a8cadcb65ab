// Upstreams: how requests are spread over Targets, how their health is checked, and what is said about it.
import { accessible, clear, expect, fact, narrow, pem, post, ready, refused, submit, test, title } from './support.mjs';


test.afterEach(({ request }) => clear(request, 'routes', 'services', 'upstreams', 'certificates'));

// What requests are told apart by, and the field that says which.
const BY = [
  ['consumer'], ['ip'], ['path'], ['header', 'header', 'x-a'], ['query_arg', 'query_arg', 'a'], ['uri_capture', 'uri_capture', 'b'],
  ['cookie', 'cookie', 'c'],
];

test('an Upstream spreads requests by each algorithm, and by each part of them', async ({ page }) => {
  await page.goto('upstreams/create');
  await ready(page);
  await submit(page, 'Create', { Name: 'spread', Algorithm: ['least-connections'] });
  await title(page, 'spread');
  const change = async (fields, said) => {
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await title(page, 'Edit spread');
    await expect(page.getByLabel('Name', { exact: true })).toHaveValue('spread');
    await ready(page);
    await submit(page, 'Save', fields);
    if (said) {
      await expect(refused(page)).toContainText(said);
      page.once('dialog', (dialog) => dialog.accept());
      await page.getByRole('link', { name: 'Cancel' }).click();
    }
    await title(page, 'spread');
  };
  // Requests are told apart by one algorithm only.
  for (const [algorithm, on, taken, told] of [
    ['latency', 'none', 'latency', 'none'], ['consistent-hashing', 'none', 'consistent-hashing', 'none'],
    ['round-robin', 'none', 'round-robin', 'none'], ['round-robin', 'ip', 'consistent-hashing', 'ip'],
    ['least-connections', 'ip', 'least-connections', 'none'], ['latency', 'ip', 'latency', 'none'],
    ['consistent-hashing', 'ip', 'consistent-hashing', 'ip'],
  ]) {
    await change({ Algorithm: [algorithm], '#field-hash_on': [on] });
    await expect(fact(page, 'Algorithm')).toHaveText(taken);
    await expect(fact(page, 'Hash on')).toHaveText(told);
  }
  // Each with the next as what to do without it: every one in both places.
  for (const [at, [on, ...value]] of BY.entries()) {
    const [other, ...instead] = BY[(at + 1) % BY.length];
    // A cookie is set where it is missing, so nothing comes after it.
    const last = on === 'cookie';
    const fields = { '#field-hash_on': [on], '#field-hash_fallback': [last ? 'none' : other] };
    if (value.length) fields[`#field-hash_on_${value[0]}`] = `on_${value[1]}`;
    if (instead.length && !last) fields[`#field-hash_${other === 'cookie' ? 'on' : 'fallback'}_${instead[0]}`] = instead[1];
    await change(fields);
    await expect(fact(page, 'Hash on')).toHaveText(on);
    await expect(fact(page, 'Hash fallback')).toHaveText(last ? 'none' : other);
  }
  for (const [on, ...value] of BY.filter(([on]) => on !== 'cookie')) {
    const fields = { '#field-hash_on': [on], '#field-hash_fallback': [on] };
    if (value.length) for (const place of ['on', 'fallback']) fields[`#field-hash_${place}_${value[0]}`] = value[1];
    await change(fields, value.length ? 'must be distinct' : 'Hash fallback: expected one of');
  }
});

test('an Upstream checks its Targets in each way', async ({ page, request }) => {
  const { id } = await post(request, 'certificates', { cert: pem('client.pem'), key: pem('client.key') });
  await page.goto('upstreams/create');
  await ready(page);
  await submit(page, 'Create', { Name: 'checked', 'Client certificate': id });
  await title(page, 'checked');
  await expect(fact(page, 'Client certificate')).toHaveText(id.slice(0, 8));
  const at = (path) => `#field-healthchecks-${path.replaceAll('.', '-')}`;
  const all = async () => (await request.get('api/upstreams/checked')).json();
  for (const [fields, found] of [
    [{ 'active.healthy.interval': '5', 'active.healthy.successes': '1' }, { active: { type: 'http', healthy: { interval: 5, successes: 1 } } }],
    [{ 'passive.unhealthy.tcp_failures': '2' }, { active: { healthy: { interval: 5 } }, passive: { unhealthy: { tcp_failures: 2 } } }],
    [{ 'active.healthy.interval': '0', 'active.healthy.successes': '0' }, { active: { healthy: { interval: 0 } }, passive: { unhealthy: { tcp_failures: 2 } } }],
    [{ threshold: '1', 'active.http_path': '/health', 'active.timeout': '2', 'active.concurrency': '3' }, { threshold: 1, active: { http_path: '/health', timeout: 2, concurrency: 3 } }],
    [{ 'active.type': ['https'], 'active.https_sni': 'sni.example', 'active.https_verify_certificate': false }, { active: { type: 'https', https_sni: 'sni.example', https_verify_certificate: false } }],
    [{ 'active.type': ['grpc'], 'passive.type': ['grpc'] }, { active: { type: 'grpc' }, passive: { type: 'grpc' } }],
    [{ 'active.type': ['grpcs'] }, { active: { type: 'grpcs' } }],
    [{ 'active.type': ['tcp'], 'passive.type': ['tcp'] }, { active: { type: 'tcp' }, passive: { type: 'tcp' } }],
  ]) {
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await title(page, 'Edit checked');
    await ready(page);
    await submit(page, 'Save', Object.fromEntries(Object.entries(fields).map(([path, value]) => [at(path), value])));
    await title(page, 'checked');
    await expect(fact(page, 'Threshold')).toBeVisible();
    expect((await all()).healthchecks).toMatchObject(found);
  }
  await expect(fact(page, 'Threshold')).toHaveText('1');
});

test('only Targets that are checked can be called healthy or not', async ({ page, request }) => {
  const checks = { active: { healthy: { interval: 60, successes: 1 }, unhealthy: { interval: 60, http_failures: 1 } }, passive: { unhealthy: { tcp_failures: 1 } } };
  for (const kinds of [[], ['active'], ['passive'], ['active', 'passive']]) {
    const name = `of-${kinds.join('-') || 'none'}`;
    const healthchecks = Object.fromEntries(kinds.map((kind) => [kind, checks[kind]]));
    const { id } = await post(request, 'upstreams', { name, healthchecks });
    await page.goto(`targets/create?upstream=${id}`);
    await ready(page);
    if (kinds.length === 0) {
      await submit(page, 'Create', { Target: 'no such place' });
      await expect(refused(page)).toContainText('Target: Invalid target');
    }
    await submit(page, 'Create', { Target: '127.0.0.1:9' });
    await title(page, '127.0.0.1:9');
    await page.goto(`upstreams/${id}`);
    const health = page.getByRole('region', { name: 'Health of the Targets' });
    await expect(async () => {
      await page.getByRole('button', { name: 'Refresh' }).click();
      await expect(health.getByText(kinds.length ? /^(Healthy|Unhealthy)$/ : 'Not checked').first()).toBeVisible({ timeout: 1000 });
    }).toPass();
    await expect(health.getByRole('button', { name: /^Mark / })).toHaveCount(kinds.length ? 1 : 0);
  }
});

test('the circuits of Targets are shown beside their limits', async ({ page, request }) => {
  const limits = { max_requests: 200, max_pending: 20, failure_percent: 50, min_requests: 1, open_for: 600 };
  const { id } = await post(request, 'upstreams', { name: 'broken', circuit_breaker: limits });
  await post(request, `upstreams/${id}/targets`, { target: '127.0.0.1:9' });
  await post(request, 'services', { name: 'broken', host: 'broken', retries: 0 });
  await post(request, 'services/broken/routes', { name: 'broken', paths: ['/broken'] });
  await page.goto(`upstreams/${id}`);
  const health = page.getByRole('region', { name: 'Health of the Targets' });
  const told = async (text) =>
    expect(async () => {
      await page.getByRole('button', { name: 'Refresh' }).click();
      await expect(health.getByRole('cell').filter({ hasText: text })).toBeVisible({ timeout: 1000 });
    }).toPass();
  await told(/^Closed Requests: 0 \/ 200 · Pending: 0 \/ 20$/);
  await expect(health.getByRole('columnheader', { name: 'Circuit breaker' })).toBeVisible();
  await accessible(page);
  await narrow(page);
  if (process.env.PROXY_URL) {
    await expect.poll(async () => (await fetch(`${process.env.PROXY_URL}/broken`)).status, { timeout: 30_000 }).toBe(503);
    await told(/^Open Requests: 0 \/ 200 · Pending: 0 \/ 20 · tried again in \d+ s$/);
    await accessible(page);
  }
  // One without circuits has no column for them.
  await request.patch(`api/upstreams/${id}`, { data: { circuit_breaker: null } });
  await page.reload();
  await expect(health.getByRole('columnheader', { name: 'Health', exact: true })).toBeVisible();
  await expect(health.getByRole('columnheader', { name: 'Circuit breaker' })).toHaveCount(0);
});
