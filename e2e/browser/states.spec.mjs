// What the manager does when things are not as they should be.
import { accessible, expect, goTo, test, title } from './support.mjs';

test('an Admin API that is gone is announced, and what was typed stays', async ({ page }) => {
  await page.goto('services/create');
  await page.getByLabel('Host', { exact: true }).fill('kept.example');
  await page.route('**/api/**', (route) => route.abort());
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByText(/The Admin API at .* cannot be reached/)).toBeVisible();
  await expect(page.getByLabel('Host', { exact: true })).toHaveValue('kept.example');
  await accessible(page);
  await page.unroute('**/api/**');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText(/The Admin API at .* cannot be reached/)).toBeHidden();
  await expect(page.getByLabel('Host', { exact: true })).toHaveValue('kept.example');
});

test('a page that could not be shown is shown when the Admin API is back', async ({ page }) => {
  await page.route('**/api/**', (route) => route.abort());
  await page.goto('services/create');
  await expect(page.getByText(/The Admin API at .* cannot be reached/)).toBeVisible();
  await page.unroute('**/api/**');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByLabel('Host', { exact: true })).toBeVisible();
});

test('a gateway without a database is read-only', async ({ page }) => {
  await page.route(/\/api\/?$/, async (route) => {
    const answer = await route.fetch();
    const node = await answer.json();
    node.configuration.database = 'off';
    await route.fulfill({ response: answer, json: node });
  });
  await page.goto('services');
  await expect(page.getByText(/^Read-only:/)).toBeVisible();
  await expect(page.getByRole('link', { name: 'New Service' })).toBeHidden();
  await accessible(page);
  await page.goto('services/create');
  await expect(page.getByRole('button', { name: 'Create', exact: true })).toBeDisabled();
  await expect(page.getByLabel('Host', { exact: true })).toBeDisabled();
});

test('every plugin has a form without violations', async ({ page }) => {
  test.setTimeout(300_000);
  // Together these have every kind of control; axe takes a second for each page and theme.
  const rich = ['acme', 'ai-proxy', 'aws-lambda', 'http-log', 'key-auth', 'opentelemetry', 'pre-function', 'rate-limiting', 'response-ratelimiting'];
  await page.goto('plugins/create');
  await expect(page.locator('.cards strong').first()).toBeVisible();
  const names = await page.locator('.cards strong').allTextContents();
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) {
    await page.goto(`plugins/create/${name}`);
    await title(page, `New plugin ${name}`);
    await expect(page.getByRole('button', { name: 'Create', exact: true })).toBeVisible();
    await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
    if (rich.includes(name)) await accessible(page);
  }
});

test('keys alone are enough', async ({ page }) => {
  await page.goto('');
  await title(page, 'Overview');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Skip to the page' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('main')).toBeFocused();
  await page.getByRole('link', { name: 'Services', exact: true }).focus();
  await page.keyboard.press('Enter');
  await title(page, 'Services');
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
});

test('narrow screens have a menu', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await page.goto('');
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeHidden();
  await page.getByRole('button', { name: 'Menu' }).click();
  await goTo(page, 'Routes');
  await title(page, 'Routes');
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeHidden();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await accessible(page);
});

test('the theme is kept', async ({ page }) => {
  await page.goto('');
  await page.getByLabel('Colours').selectOption('dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.getByLabel('Colours')).toHaveValue('dark');
});

test('an address that means nothing says so', async ({ page }) => {
  await page.goto('nonsense/here');
  await title(page, 'Not found');
  await page.goto('services/none');
  await expect(page.getByText(/This does not exist/)).toBeVisible();
});

test('what is not there is said inside the manager, on every sort of page', async ({ page }) => {
  const nobody = '00000000-0000-4000-8000-000000000000';
  await page.goto('nonsense/here');
  await title(page, 'Not found');
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
  for (const kind of ['certificates', 'consumers', 'plugins', 'snis', 'upstreams'])
    for (const path of [`${kind}/${nobody}`, `${kind}/${nobody}/edit`]) {
      await page.goto(path);
      await expect(page.getByRole('alert').filter({ hasText: 'This does not exist' })).toBeVisible();
      await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
    }
  await page.goto('plugins/create/no-such-plugin');
  await expect(page.getByRole('alert').filter({ hasText: 'This does not exist' })).toBeVisible();
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
});
