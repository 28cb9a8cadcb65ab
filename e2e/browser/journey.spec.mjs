// A newcomer makes a Service, a Route and a key-auth plugin, changes them, and deletes them again.
import { createServer } from 'node:http';
import { accessible, expect, goTo, remove, test, title } from './support.mjs';

// An API behind the gateway.
const backend = createServer((request, response) => response.end('orders of the backend'));
test.beforeAll(() => new Promise((listening) => backend.listen(0, '127.0.0.1', listening)));
test.afterAll(() => backend.close());

/** Asks the proxy, where there is one, until it answers as expected: changes take a moment to arrive. */
const answers = async (path, headers, expected) => {
  if (!process.env.PROXY_URL) return;
  const status = async () => (await fetch(process.env.PROXY_URL + path, { headers })).status;
  await expect.poll(status, { timeout: 10_000 }).toBe(expected);
};

test('from an empty gateway to a protected API and back', async ({ page }) => {
  await page.goto('');
  await title(page, 'Overview');
  await expect(page.getByRole('heading', { name: 'First steps' })).toBeVisible();
  await accessible(page);

  await test.step('a Service', async () => {
    await page.getByRole('link', { name: /^Create a Service/ }).click();
    await title(page, 'New Service');
    await accessible(page);
    await page.getByLabel('Name', { exact: true }).fill('orders');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByRole('alert').filter({ hasText: 'Host: is required' })).toBeFocused();
    await expect(page.getByLabel('Host', { exact: true })).toHaveAttribute('aria-invalid', 'true');
    await accessible(page);
    await page.getByLabel('Host', { exact: true }).fill('127.0.0.1');
    await page.getByLabel('Port', { exact: true }).fill('90a');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByText('“90a” cannot be read here').first()).toBeVisible();
    await expect(page.getByLabel('Port', { exact: true })).toHaveValue('90a');
    await page.getByLabel('Port', { exact: true }).fill(String(backend.address().port));
    await page.getByLabel('Tags', { exact: true }).fill('shop');
    await page.getByLabel('Tags', { exact: true }).press('Enter');
    await page.getByText('More settings').click();
    await page.getByLabel('Retries', { exact: true }).fill('3');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await title(page, 'orders');
    await expect(page.getByText('Service orders created.')).toBeVisible();
    await accessible(page);
  });

  await test.step('a name that is taken is said at its field', async () => {
    await goTo(page, 'Services');
    await page.getByRole('link', { name: 'New Service' }).click();
    await page.getByLabel('Name', { exact: true }).fill('orders');
    await page.getByLabel('Host', { exact: true }).fill('h');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByRole('button', { name: 'Name: is already taken' })).toBeVisible();
    page.once('dialog', (dialog) => dialog.accept());
    await page.getByRole('link', { name: 'Cancel' }).click();
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    await title(page, 'orders');
  });

  await test.step('its Route', async () => {
    await page.getByRole('link', { name: 'Add Route' }).click();
    await title(page, 'New Route');
    await expect(page.getByLabel('Service', { exact: true })).toHaveValue('orders');
    await page.getByLabel('Name', { exact: true }).fill('orders-v1');
    await page.getByLabel('Paths', { exact: true }).fill('/orders');
    await accessible(page);
    // What was typed and not added yet counts all the same.
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await title(page, 'orders-v1');
    await expect(page.locator('dd').filter({ hasText: '/orders' }).first()).toBeVisible();
    await answers('/orders', {}, 200);
  });

  await test.step('key-auth on the Route', async () => {
    await page.getByRole('link', { name: 'Add Plugin' }).click();
    await title(page, 'Add a plugin');
    await accessible(page);
    await page.getByRole('searchbox', { name: 'Search', exact: true }).fill('key-au');
    await page.getByRole('link', { name: /^key-auth/ }).click();
    await title(page, 'New plugin key-auth');
    await expect(page.getByLabel('Route', { exact: true })).toHaveValue('orders-v1');
    await accessible(page);
    await page.getByLabel('Key names', { exact: true }).fill('not a header');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByRole('button', { name: /^Config › Key names: 2\. entry: / })).toBeVisible();
    await page.getByRole('button', { name: 'Remove not a header' }).click();
    await page.getByLabel('Hide credentials', { exact: true }).check();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await title(page, 'key-auth');
    await expect(page.locator('.facts > div').filter({ hasText: 'Hide credentials' }).locator('dd')).toHaveText('true');
    await answers('/orders', {}, 401);
  });

  await test.step('a Consumer with an API key', async () => {
    await goTo(page, 'Consumers');
    await page.getByRole('link', { name: 'New Consumer' }).click();
    await page.getByLabel('Username', { exact: true }).fill('alice');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await title(page, 'alice');
    await page.getByRole('link', { name: 'Add API key' }).click();
    await expect(page.getByLabel('Consumer', { exact: true })).toHaveValue('alice');
    await page.getByLabel('Key', { exact: true }).fill('secret-of-alice');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByText('secret-of-alice').first()).toBeVisible();
    await answers('/orders', { apikey: 'secret-of-alice' }, 200);
    await answers('/orders', { apikey: 'wrong' }, 401);
    await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'alice', exact: true }).click();
    await title(page, 'alice');
    await accessible(page);
  });

  await test.step('editing sends only what changed', async () => {
    await goTo(page, 'Services');
    await accessible(page);
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await title(page, 'Edit orders');
    await page.getByText('More settings').click();
    await page.getByLabel('Retries', { exact: true }).fill('4');
    const sent = page.waitForRequest((request) => request.method() === 'PATCH');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    expect((await sent).postDataJSON()).toEqual({ retries: 4 });
    await title(page, 'orders');
    await expect(page.locator('.facts > div').filter({ hasText: 'Retries' }).locator('dd')).toHaveText('4');
  });

  await test.step('filters stand in the address', async () => {
    await goTo(page, 'Services');
    await page.getByLabel('Name or ID').fill('ORD');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await expect(page).toHaveURL(/services\?name=ORD$/);
    await expect(page.getByRole('link', { name: 'orders', exact: true })).toBeVisible();
    await page.getByRole('searchbox', { name: 'Tags' }).fill('other');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await expect(page.getByText('No Services fit this filter.')).toBeVisible();
    await page.goBack();
    await expect(page.getByRole('link', { name: 'orders', exact: true })).toBeVisible();
    await page.reload();
    await expect(page.getByLabel('Name or ID')).toHaveValue('ORD');
    await expect(page.getByRole('link', { name: 'orders', exact: true })).toBeVisible();
  });

  await test.step('a Service with Routes is not deleted, and the server says why', async () => {
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    await title(page, 'orders');
    await remove(page, 'Service');
    await expect(page.getByRole('dialog').getByRole('alert')).toContainText("an existing 'routes' entity references this");
    await accessible(page);
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  await test.step('all is deleted again', async () => {
    await page.getByRole('link', { name: 'key-auth', exact: true }).or(page.getByRole('link', { name: 'orders-v1' })).first().click();
    await title(page, 'orders-v1');
    await page.getByRole('link', { name: 'key-auth', exact: true }).click();
    await title(page, 'key-auth');
    await remove(page, 'Plugin');
    await title(page, 'Plugins');
    await goTo(page, 'Routes');
    await page.getByRole('link', { name: 'orders-v1', exact: true }).click();
    await remove(page, 'Route');
    await title(page, 'Routes');
    await goTo(page, 'Services');
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    await remove(page, 'Service');
    await title(page, 'Services');
    await expect(page.getByText(/^No Services yet/)).toBeVisible();
    await goTo(page, 'Consumers');
    await page.getByRole('link', { name: 'alice', exact: true }).click();
    await remove(page, 'Consumer');
    await title(page, 'Consumers');
  });
});
