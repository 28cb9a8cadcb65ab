// What the manager does when things are not as they should be.
import { accessible, expect, goTo, post, ready, submit, test, title } from './support.mjs';

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
  // One answer, to whatever was asked last, takes the banner away.
  await page.waitForLoadState('networkidle');
  await page.unroute('**/api/**');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByLabel('Host', { exact: true })).toBeVisible();
});

test('what one failure left out can be asked for again', async ({ page }) => {
  const list = /\/api\/services(\?|$)/;
  await page.route(list, (route) => route.fulfill({ status: 500, json: { message: 'An unexpected error occurred' } }));
  await page.goto('services');
  const failed = page.getByRole('alert').filter({ hasText: 'The gateway failed at this' });
  await expect(failed).toBeVisible();
  await accessible(page);
  await page.unroute(list);
  await failed.getByRole('button', { name: 'Try again' }).click();
  await expect(failed).toBeHidden();
  await title(page, 'Services');
});

test('a node that could not say what it is says so with the next answer', async ({ page }) => {
  const node = /\/api\/?$/;
  await page.route(node, (route) => route.abort());
  await page.goto('services');
  await page.waitForLoadState('networkidle');
  await page.unroute(node);
  await goTo(page, 'Routes');
  await title(page, 'Routes');
  await goTo(page, 'Overview');
  await expect(page.getByText('3.9.1').first()).toBeVisible();
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

test('who saves second sees what the first one saved', async ({ page, request }) => {
  const fields = { name: 'shared', host: 'first.example', path: '/first', retries: 3 };
  const { id } = await post(request, 'services', fields);
  const now = async () => (await request.get(`api/services/${id}`)).json();
  const theirs = (data) => request.patch(`api/services/${id}`, { data });
  const clash = page.getByRole('alert').filter({ hasText: 'Somebody else changed this meanwhile' });
  try {
    const edit = async () => {
      await page.goto(`services/${id}/edit`);
      await ready(page);
    };
    // What does not meet is kept, of both.
    await edit();
    await theirs({ path: '/theirs' });
    await submit(page, 'Save', { Retries: '7' });
    await title(page, 'shared');
    expect(await now()).toMatchObject({ path: '/theirs', retries: 7 });

    for (const [button, host, mine = host] of [['Keep mine', 'mine.example'], ['Take theirs', 'theirs.example', 'other.example']]) {
      await edit();
      await theirs({ host: 'theirs.example', path: '/both' });
      await submit(page, 'Save', { Host: mine, Retries: '9' });
      await expect(clash).toContainText(`Host: theirs: theirs.example; yours: ${mine}`);
      await expect(clash).not.toContainText('Retries');
      await expect(clash).toBeFocused();
      await accessible(page);
      await expect(page.getByLabel('Host', { exact: true })).toHaveValue(mine);
      expect(await now()).toMatchObject({ host: 'theirs.example' });
      await clash.getByRole('button', { name: button }).click();
      await expect(page.getByLabel('Host', { exact: true })).toHaveValue(host);
      await expect(page.getByLabel('Path', { exact: true })).toHaveValue('/both');
      await expect(page.getByLabel('Retries', { exact: true })).toHaveValue('9');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await title(page, 'shared');
      expect(await now()).toMatchObject({ host, path: '/both', retries: 9 });
      await theirs({ retries: 3 });
    }
    // Gone is said, and what was typed stays.
    await edit();
    await request.delete(`api/services/${id}`);
    await submit(page, 'Save', { Host: 'late.example' });
    await expect(page.getByRole('alert').filter({ hasText: 'This does not exist (any more).' })).toBeVisible();
    await expect(page.getByLabel('Host', { exact: true })).toHaveValue('late.example');
  } finally {
    await request.delete(`api/services/${id}`);
  }
});
