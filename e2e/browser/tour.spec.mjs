// A walk through the manager of a small shop, with real requests through the gateway and nothing made up; its pictures are those
// of README and docs/manager.md (`make pictures`).
import { createServer } from 'node:http';
import { accessible, clear, expect, fact, goTo, picture, post, ready, test, title } from './support.mjs';

const backend = createServer((request, response) => {
  const wait = request.url.startsWith('/invoices') ? 30 : 2;
  setTimeout(() => {
    response.statusCode = request.url.endsWith('/13') ? 500 : 200;
    response.end('of the shop');
  }, wait);
});
test.beforeAll(() => new Promise((listening) => backend.listen(0, '127.0.0.1', listening)));
test.afterAll(() => backend.close());
test.use({ viewport: { width: 1280, height: 800 } });
test.skip(!process.env.PROXY_URL, 'there is no proxy to send requests through');

const kinds = ['plugins', 'routes', 'services', 'consumers', 'upstreams'];

test('a newcomer sees the trace of the first request within two minutes', async ({ page, request, context }) => {
  const begun = Date.now();
  await clear(request, ...kinds);
  await page.goto('first-api');
  await page.getByLabel('Name', { exact: true }).fill('orders');
  await page.getByLabel('Where it is').fill(`http://127.0.0.1:${backend.address().port}`);
  await page.getByLabel('Path', { exact: true }).fill('/orders');
  await page.getByLabel('Who may call it').fill('alice');
  await page.getByRole('button', { name: 'Set it up' }).click();
  await expect(page.getByRole('heading', { name: 'It is there. Try it' })).toBeVisible();
  const key = /apikey: (\w+)/.exec(await page.getByLabel('Command', { exact: true }).textContent())[1];
  const ask = async (headers) => (await fetch(`${process.env.PROXY_URL}/orders/1`, { headers })).status;
  await expect.poll(() => ask({ apikey: key }), { timeout: 10_000 }).toBe(200);
  await expect(page.getByText('The first request came:')).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole('row', { name: /^The whole request/ })).toBeVisible();
  await picture(page, 'first-api');
  expect(Date.now() - begun).toBeLessThan(120_000);
  await clear(request, ...kinds);
});

test('an operator finds what is slow and wrong', async ({ page, request }) => {
  await clear(request, ...kinds);
  const port = backend.address().port;
  await post(request, 'upstreams', { name: 'shop' });
  await post(request, 'upstreams/shop/targets', { target: `127.0.0.1:${port}` });
  for (const name of ['orders', 'customers', 'invoices']) {
    await post(request, 'services', { name, host: 'shop', path: `/${name}`, tags: ['shop'] });
    await post(request, `services/${name}/routes`, { name, paths: [`/${name}`], tags: ['shop'] });
  }
  await post(request, 'services/orders/plugins', { name: 'key-auth', instance_name: 'keys' });
  await post(request, 'services/orders/plugins', { name: 'rate-limiting', config: { minute: 6000, policy: 'local' } });
  await post(request, 'consumers', { username: 'alice', tags: ['shop'] });
  await post(request, 'consumers/alice/key-auth', { key: 'of-alice' });
  const ask = async (path, headers = {}) => (await fetch(process.env.PROXY_URL + path, { headers })).status;
  await expect.poll(() => ask('/orders/1', { apikey: 'of-alice' }), { timeout: 10_000 }).toBe(200);
  const some = async () => {
    for (let number = 0; number < 20; number++)
      await Promise.all([
        ask(`/orders/${number}`, number % 9 ? { apikey: 'of-alice' } : {}), ask(`/customers/${number}`), ask(`/invoices/${number}`),
      ]);
  };
  await some();

  await page.goto('');
  await goTo(page, 'Live traffic');
  await title(page, 'Live traffic');
  await page.getByRole('link', { name: '5m', exact: true }).click();
  // Requests that are spread over some seconds.
  const begun = Date.now();
  await expect.poll(async () => {
    await some();
    return Date.now() - begun > 20_000 ? page.getByRole('row', { name: /invoices/ }).count() : 0;
  }, { timeout: 60_000 }).toBeGreaterThan(0);
  await accessible(page);
  await picture(page, 'traffic');

  await goTo(page, 'Topology');
  await title(page, 'Topology');
  await expect(page.getByText(`127.0.0.1:${port}`).first()).toBeVisible();
  await picture(page, 'topology');

  await goTo(page, 'Traces');
  await title(page, 'Traces');
  await page.getByRole('row', { name: /\/invoices\/13/ }).first().getByRole('link').first().click();
  await expect(page.getByRole('row', { name: /^The whole request/ })).toBeVisible();
  await accessible(page);
  await picture(page, 'trace');

  await page.goto('debug/route-match?method=GET&url=/orders/7');
  await expect(page.getByText('key-auth').first()).toBeVisible();
  await picture(page, 'route-tester');

  await page.goto('plugins/create/rate-limiting');
  await ready(page);
  await picture(page, 'plugin-form');

  await page.goto('revisions');
  await page.getByRole('row').nth(1).getByRole('link').click();
  await page.getByText('Before and after').first().click();
  await picture(page, 'revision');

  await goTo(page, 'Overview');
  await expect(fact(page, 'Errors')).toHaveText(/[1-9]/);
  await picture(page, 'overview');
  await clear(request, ...kinds);
});
