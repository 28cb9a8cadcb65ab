// Everything else there is: upstreams with their health, credentials, vaults, keys; texts to take away; odd names.
import { generateKeyPairSync } from 'node:crypto';
import { accessible, expect, goTo, remove, test, title } from './support.mjs';

const create = async (page, fields) => {
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Create', exact: true }).click();
};

test('every kind has a list and a form without violations', async ({ page }) => {
  test.setTimeout(900_000);
  await page.goto('');
  await title(page, 'Overview');
  const names = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents();
  expect(names.length).toBeGreaterThan(11);
  for (const name of names.filter((name) => name !== 'Overview')) {
    await goTo(page, name);
    await title(page, name);
    await accessible(page);
    if (['Plugins', 'Requests', 'Changes', 'Configuration', 'Tags', 'Live traffic', 'Topology', 'Traces', 'Route tester', 'Revisions'].includes(name)) continue;
    await page.getByRole('link', { name: /^New / }).click();
    await expect(page.getByRole('button', { name: 'Create', exact: true })).toBeVisible();
    await accessible(page);
  }
});

test('an Upstream with Targets, and their health', async ({ page }) => {
  await page.goto('upstreams/create');
  await create(page, { Name: 'pool' });
  await title(page, 'pool');
  await expect(page.getByText('Without Targets')).toBeVisible();
  await page.getByRole('link', { name: 'Add Target' }).click();
  await expect(page.getByLabel('Upstream', { exact: true })).toHaveValue('pool');
  await create(page, { Target: '127.0.0.1:9', Weight: '7' });
  await title(page, '127.0.0.1:9');
  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'pool', exact: true }).click();
  await title(page, 'pool');
  const health = page.getByRole('region', { name: 'Health of the Targets' });
  await expect(health.getByText('Not checked').first()).toBeVisible();
  await accessible(page);
  await page.getByRole('region', { name: 'Targets of this Upstream' }).getByRole('link', { name: '127.0.0.1:9' }).click();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await page.getByLabel('Weight', { exact: true }).fill('9');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await title(page, '127.0.0.1:9');
  await expect(page.locator('.facts > div').filter({ hasText: 'Weight' }).locator('dd')).toHaveText('9');
  await remove(page, 'Target');
  await title(page, 'pool');
  await expect(page.getByText('Without Targets')).toBeVisible();
  await remove(page, 'Upstream');
  await title(page, 'Upstreams');
});

test('a Target that is probed is told well again', async ({ page, request }) => {
  const at = (path) => `api/${path}`;
  await request.post(at('upstreams'), {
    data: { name: 'probed', healthchecks: { passive: { unhealthy: { tcp_failures: 1 } } } },
  });
  await request.post(at('upstreams/probed/targets'), { data: { target: '127.0.0.1:9' } });
  await page.goto('upstreams/probed');
  await title(page, 'probed');
  await page.getByRole('button', { name: 'Mark unhealthy: 127.0.0.1:9' }).click();
  await expect(page.getByText('The balancer was told.')).toBeVisible();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expect(page.getByRole('button', { name: 'Mark healthy: 127.0.0.1:9' })).toBeVisible({ timeout: 1000 });
  }).toPass();
  await accessible(page);
  await request.delete(at('upstreams/probed'));
});

test('a Consumer with every sort of credential', async ({ page, request }) => {
  await page.goto('consumers/create');
  await create(page, { Username: 'bea' });
  await title(page, 'bea');
  await expect(page.getByText('No credentials here yet.')).toBeVisible();
  await accessible(page);
  for (const [one, fields, shown] of [
    ['User name', { Username: 'bea-basic', Password: 'secret' }, 'bea-basic'],
    ['HMAC credential', { Username: 'bea-hmac' }, 'bea-hmac'],
    ['JWT credential', { Key: 'bea-issuer' }, 'bea-issuer'],
    ['OAuth application', { Name: 'bea-app' }, 'bea-app'],
    ['Group membership', { Group: 'bea-friends' }, 'bea-friends'],
  ]) {
    await page.getByRole('link', { name: `Add ${one}`, exact: true }).click();
    await expect(page.getByLabel('Consumer', { exact: true })).toHaveValue('bea');
    if (one === 'OAuth application') {
      await page.getByLabel('Redirect URIs', { exact: true }).fill('https://app.example/back');
    }
    await create(page, fields);
    await title(page, shown);
    await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'bea', exact: true }).click();
    await title(page, 'bea');
    await expect(page.getByRole('link', { name: shown, exact: true })).toBeVisible();
  }
  await accessible(page);
  await page.getByRole('link', { name: 'bea-basic', exact: true }).click();
  await remove(page, 'User name');
  await title(page, 'bea');
  await expect(page.getByRole('link', { name: 'bea-hmac', exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: 'bea-basic', exact: true })).toBeHidden();
  await request.delete('api/consumers/bea');
});

test('a Vault, a Key set and its Key', async ({ page, request }) => {
  await page.goto('key-sets/create');
  await create(page, { Name: 'signing' });
  await title(page, 'signing');
  await page.getByRole('link', { name: 'Add Key', exact: true }).click();
  await expect(page.getByLabel('Set', { exact: true })).toHaveValue('signing');
  await create(page, { Name: 'first', 'Key ID': 'k1', JWK: '{"kty":"oct","k":"c2VjcmV0","kid":"k1"}' });
  await title(page, 'first');
  await page.getByRole('link', { name: 'signing', exact: true }).first().click();
  await title(page, 'signing');
  await page.getByRole('link', { name: 'Add Key', exact: true }).click();
  await expect(page.locator('#field-set-options option')).toHaveAttribute('value', 'signing');
  const encoding = (type) => ({ type, format: 'pem' });
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: encoding('spki'), privateKeyEncoding: encoding('pkcs8') });
  await page.locator('#field-pem-public_key').fill(pair.publicKey);
  await page.locator('#field-pem-private_key').fill(pair.privateKey);
  await create(page, { Name: 'second', 'Key ID': 'k2' });
  await title(page, 'second');
  for (const name of ['first', 'second']) await request.delete(`api/keys/${name}`);
  await request.delete('api/key-sets/signing');
  await page.goto('vaults/create');
  await create(page, { Prefix: 'my-env', Name: 'env' });
  await title(page, 'my-env');
  await request.delete('api/vaults/my-env');
});

test('texts to take away, and a duplicate', async ({ page, request }) => {
  await request.post('api/services', { data: { name: 'text', host: 'text.example', tags: ['a'] } });
  await page.goto('services/text');
  await page.getByText('As text').click();
  const text = page.locator('pre').first();
  await expect(text).toContainText('"name": "text"');
  await page.getByRole('button', { name: 'YAML', exact: true }).click();
  await expect(text).toContainText('host: "text.example"'.replaceAll('"', ''));
  await page.getByRole('button', { name: 'Declarative file' }).click();
  await expect(text).toContainText('_format_version: "3.0"');
  await page.getByRole('button', { name: 'curl', exact: true }).click();
  await expect(text).toContainText('curl -X PUT');
  await page.getByRole('button', { name: 'Terraform', exact: true }).click();
  await expect(text).toContainText('resource "kong-gateway_service" "my_text" {');
  await accessible(page);
  await page.getByRole('link', { name: 'Duplicate' }).click();
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('text-copy');
  await expect(page.getByLabel('Host', { exact: true })).toHaveValue('text.example');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await title(page, 'text-copy');
  for (const name of ['text', 'text-copy']) await request.delete(`api/services/${name}`);
});

test('plugins say where they are used and what comes next', async ({ page, request }) => {
  const made = await (await request.post('api/plugins', { data: { name: 'key-auth', enabled: false } })).json();
  await page.goto('plugins/create');
  await expect(page.getByRole('heading', { level: 2, name: 'Authentication' })).toBeVisible();
  await expect(page.getByRole('link', { name: /^key-auth.*1 in use/ })).toBeVisible();
  await page.getByRole('searchbox', { name: 'Search', exact: true }).fill('authentication');
  await expect(page.getByRole('link', { name: /^rate-limiting/ })).toBeHidden();
  await accessible(page);
  await page.goto(`plugins/${made.id}`);
  await expect(page.getByRole('heading', { name: 'Next steps' })).toBeVisible();
  await accessible(page);
  await request.delete(`api/plugins/${made.id}`);
});

test('odd names and tags are shown as they are', async ({ page, request }) => {
  const odd = ['<b>bold</b><script>alert(1)</script>', '\u202Eright to left', '😀 "quoted" \'twice\' & more', 'x'.repeat(5000)];
  for (const name of odd) {
    const made = await (await request.post('api/consumers', { data: { username: name, tags: ['<i>t'] } })).json();
    await page.goto(`consumers/${made.id}`);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
    await goTo(page, 'Consumers');
    await expect(page.getByRole('rowheader').getByText(name, { exact: true })).toBeVisible();
    await expect(page.getByText('<i>t').first()).toBeVisible();
    await request.delete(`api/consumers/${made.id}`);
  }
});

test('long lists come in pages', async ({ page, request }) => {
  for (let at = 0; at < 130; at += 1)
    await request.post('api/services', { data: { name: `s-${String(at).padStart(3, '0')}`, host: 'h', tags: ['many'] } });
  await page.goto('services?tags=many');
  await expect(page.getByRole('rowheader')).toHaveCount(100);
  await page.getByRole('link', { name: 'Next page' }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(30);
  await page.getByLabel('Name or ID').fill('S-12');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(page.getByRole('rowheader')).toHaveCount(10);
  for (let at = 0; at < 130; at += 1) await request.delete(`api/services/s-${String(at).padStart(3, '0')}`);
});
