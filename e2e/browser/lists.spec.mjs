// Long lists, the palette, the file of everything, Consumer groups, and the way from nothing to a protected API.
import { createServer } from 'node:http';
import { accessible, clear, expect, goTo, narrow, pem, post, submit, test, title } from './support.mjs';

const rows = (page) => page.getByRole('rowheader');

test('lists are sorted, narrowed and laid out, and the address holds it', async ({ page, request }) => {
  for (const [name, host, port] of [['b-list', 'two.example', 80], ['a-list', 'one.example', 443], ['c-list', 'one.example', 9]])
    await request.post('api/services', { data: { name, host, port, tags: ['listed'] } });
  await page.goto('services?tags=listed');
  await expect(rows(page)).toHaveCount(3);
  await page.getByRole('columnheader').getByRole('link', { name: 'Name' }).click();
  await expect(rows(page)).toHaveText(['a-list', 'b-list', 'c-list']);
  await page.getByRole('columnheader').getByRole('link', { name: 'Port' }).click();
  await expect(rows(page)).toHaveText(['c-list', 'b-list', 'a-list']);
  await page.getByRole('columnheader').getByRole('link', { name: 'Port' }).click();
  await expect(page).toHaveURL(/sort=port&order=desc/);
  await expect(rows(page)).toHaveText(['a-list', 'b-list', 'c-list']);
  await page.getByLabel('Field').selectOption('host');
  await page.getByLabel('Contains').fill('ONE');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(rows(page)).toHaveText(['a-list', 'c-list']);
  await expect(page.getByText('2 Services.')).toBeVisible();
  await page.getByText('Columns').first().click();
  await page.getByLabel('Protocol', { exact: true }).uncheck();
  await page.getByLabel('Created at', { exact: true }).check();
  await expect(page.getByRole('columnheader', { name: 'Protocol' })).toBeHidden();
  await accessible(page);
  await narrow(page);
  await page.reload();
  await expect(rows(page)).toHaveText(['a-list', 'c-list']);
  await expect(page.getByRole('columnheader', { name: 'Created at' })).toBeVisible();
  await expect(page.getByLabel('Contains')).toHaveValue('ONE');
  await page.getByRole('link', { name: 'Show all' }).click();
  for (const name of ['a-list', 'b-list', 'c-list']) await request.delete(`api/services/${name}`);
});

test('several are changed at once', async ({ page, request }) => {
  for (const name of ['one', 'two', 'three']) await request.post('api/services', { data: { name, host: 'h', tags: ['bulk'] } });
  await request.post('api/services/two/routes', { data: { name: 'of-two', paths: ['/two'] } });
  await page.goto('services?tags=bulk&sort=name');
  await page.getByLabel('Choose all on this page').check();
  await expect(page.getByText('3 chosen')).toBeVisible();
  await accessible(page);
  await narrow(page);
  await page.getByLabel('Choose one', { exact: true }).uncheck();
  await page.getByRole('button', { name: 'Disable', exact: true }).click();
  await expect(page.getByText('2 of 2 changed.')).toBeVisible();
  await expect(page.getByText('Disabled')).toHaveCount(2);
  await page.getByLabel('Choose one', { exact: true }).check();
  await page.getByLabel('Tag', { exact: true }).fill('later');
  await page.getByRole('button', { name: 'Add tag' }).click();
  await expect(page.getByText('1 of 1 changed.')).toBeVisible();
  expect((await (await request.get('api/services/one')).json()).tags).toEqual(['bulk', 'later']);
  await page.getByLabel('Choose all on this page').check();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete 3 Services?' });
  await expect(dialog).toBeVisible();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Delete all' }).click();
  await expect(page.getByText('2 of 3 changed.')).toBeVisible();
  await expect(page.getByRole('alert').filter({ hasText: 'two: ' })).toBeVisible();
  await expect(rows(page)).toHaveText(['two']);
  await request.delete('api/routes/of-two');
  await request.delete('api/services/two');
});

test('the id alone is copied', async ({ page, context, request }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const copied = async () => {
    await expect(page.getByText('Copied.').first()).toBeVisible();
    await page.getByRole('button', { name: 'Close message' }).first().click();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const kinds = [['services', { host: 'h' }], ['routes', { paths: ['/c'] }], ['upstreams', {}]];
  try {
    for (const [path, data] of kinds) {
      const { id } = await post(request, path, { name: 'of-copies', ...data });
      const lists = [[path, 'Copy ID of of-copies'], [`${path}/${id}`, 'Copy ID']];
      if (path === 'services') await post(request, 'routes', { name: 'of-copies', paths: ['/d'], service: { id } });
      for (const [address, name] of lists) {
        await page.goto(address);
        await page.getByRole('button', { name, exact: true }).click();
        expect(await copied()).toBe(id);
      }
      if (path === 'services') {
        const [route] = (await (await request.get('api/services/of-copies/routes')).json()).data;
        await page.getByRole('button', { name: 'Copy ID of of-copies', exact: true }).click();
        expect(await copied()).toBe(route.id);
        await request.delete(`api/routes/${route.id}`);
      }
    }
    // Pages that did not come over TLS have no such clipboard: it is copied all the same.
    await page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await page.goto('services/of-copies');
    const button = page.getByRole('button', { name: 'Copy ID', exact: true });
    await button.click();
    await expect(page.getByText('Copied.')).toBeVisible();
    await expect(button).toBeFocused();
    const { id } = await (await request.get('api/services/of-copies')).json();
    await page.goto('services');
    await page.getByLabel('Name or ID').focus();
    await page.keyboard.press('Control+V');
    await expect(page.getByLabel('Name or ID')).toHaveValue(id);
  } finally {
    await clear(request, 'routes', 'services', 'upstreams');
  }
});

test('ten thousand Consumers are found, sorted and paged', async ({ page }) => {
  // As many as the gateway would take minutes to make: its answers, made here.
  const all = Array.from({ length: 10_000 }, (_, at) => {
    const number = (at * 7919) % 10_000;
    return { id: `id-${number}`, username: `c-${String(number).padStart(5, '0')}`, custom_id: `x${at}`, tags: null, created_at: at };
  });
  await page.route(/\/api\/consumers\?/, async (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [first, size] = [Number(query.get('offset') ?? 0), Number(query.get('size'))];
    const end = first + size;
    const next = end < all.length ? { offset: String(end), next: `/consumers?offset=${end}` } : { next: null };
    await route.fulfill({ json: { data: all.slice(first, end), ...next } });
  });
  await page.goto('consumers');
  await expect(rows(page)).toHaveCount(100);
  await page.getByRole('columnheader').getByRole('link', { name: 'Name' }).click();
  await expect(page.getByText('10000 Consumers.')).toBeVisible({ timeout: 60_000 });
  await expect(rows(page).first()).toHaveText('c-00000');
  await page.getByRole('link', { name: 'Next page' }).click();
  await expect(rows(page).first()).toHaveText('c-00100');
  await page.getByLabel('Name or ID').fill('C-0999');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(page.getByText('10 Consumers.')).toBeVisible();
});

test('every sort of list is narrowed by a part of the name', async ({ page, request }) => {
  const { id } = await post(request, 'certificates', { cert: pem('client.pem'), key: pem('client.key') });
  const lists = [
    ['services', 'Services', (name) => ({ name, host: 'h' })],
    ['upstreams', 'Upstreams', (name) => ({ name })],
    ['snis', 'SNIs', (name) => ({ name, certificate: { id } })],
    ['consumers', 'Consumers', (username) => ({ username })],
  ];
  try {
    for (const [path, many, entity] of lists) {
      for (const name of ['first.narrow', 'second.narrow', 'third.narrow', 'fourth.narrow']) await post(request, path, entity(name));
      await page.goto(`${path}?sort=name`);
      await expect(rows(page)).toHaveCount(4);
      await submit(page, 'Filter', { 'Name or ID': 'D.Narrow' });
      await expect(rows(page)).toHaveText(['second.narrow', 'third.narrow']);
      await submit(page, 'Filter', { 'Name or ID': 'fifth' });
      await expect(page.getByText(`No ${many} fit this filter.`)).toBeVisible();
    }
  } finally {
    await clear(request, ...lists.map(([path]) => path), 'certificates');
  }
});

test('anything is found by a few letters', async ({ page, request }) => {
  await request.post('api/services', { data: { name: 'findme', host: 'hidden-host.example' } });
  await page.goto('');
  await title(page, 'Overview');
  await page.keyboard.press('Control+k');
  const palette = page.getByRole('dialog', { name: 'Search' });
  await expect(palette.getByRole('combobox')).toBeFocused();
  await accessible(page);
  await page.keyboard.type('hidden-host');
  await expect(palette.getByRole('option', { name: /findme/ })).toBeVisible();
  await page.keyboard.press('Enter');
  await title(page, 'findme');
  await page.getByRole('button', { name: /^Search/ }).click();
  await page.keyboard.type('key-auth');
  await expect(palette.getByRole('option').first()).toContainText('Plugin to add');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await title(page, 'New plugin key-auth');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('no such thing');
  await expect(palette.getByText('Nothing has these letters.')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(palette).toBeHidden();
  await request.delete('api/services/findme');
});

test('everything is taken along as one file', async ({ page, request }) => {
  await request.post('api/services', { data: { name: 'exported', host: 'h' } });
  await request.post('api/services/exported/routes', { data: { name: 'exported-route', paths: ['/e'] } });
  await request.post('api/upstreams', { data: { name: 'exported-pool' } });
  await request.post('api/upstreams/exported-pool/targets', { data: { target: '127.0.0.1:9' } });
  await page.goto('config');
  await title(page, 'Configuration');
  await page.getByRole('button', { name: 'Make the file' }).click();
  const file = page.getByLabel('Declarative file', { exact: true });
  for (const line of ['_format_version: "3.0"', 'name: exported-route', 'target: "127.0.0.1:9"'])
    await expect(file).toContainText(line);
  await accessible(page);
  const saved = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Save as a file' }).click();
  expect((await saved).suggestedFilename()).toBe('default.yaml');
  for (const path of ['routes/exported-route', 'services/exported', 'upstreams/exported-pool']) await request.delete(`api/${path}`);
});

test('a Consumer group has members and plugins', async ({ page, request }) => {
  await request.post('api/consumers', { data: { username: 'member' } });
  await page.goto('');
  await goTo(page, 'Consumer groups');
  await page.getByRole('link', { name: 'New Consumer group' }).click();
  await submit(page, 'Create', { Name: 'gold' });
  await title(page, 'gold');
  await accessible(page);
  await submit(page, 'Add', { 'Consumer to add': 'member' });
  const members = page.getByRole('region', { name: 'Members' });
  await members.getByRole('link', { name: 'member', exact: true }).click();
  await title(page, 'member');
  await expect(page.getByRole('region', { name: 'Consumer groups' }).getByRole('link', { name: 'gold', exact: true })).toBeVisible();
  await accessible(page);
  await page.getByRole('link', { name: 'gold', exact: true }).click();
  await title(page, 'gold');
  await page.getByRole('link', { name: 'Add Plugin' }).click();
  await page.getByRole('link', { name: /^request-transformer/ }).click();
  await expect(page.getByLabel('Consumer group', { exact: true })).toHaveValue('gold');
  await page.goBack();
  await page.goBack();
  await title(page, 'gold');
  await members.getByRole('button', { name: 'Remove member' }).click();
  await expect(members.getByText(/^None yet/)).toBeVisible();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await submit(page, 'Save', { Name: 'silver' });
  await title(page, 'silver');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete Consumer group' }).click();
  await title(page, 'Consumer groups');
  await request.delete('api/consumers/member');
});

test('from nothing to a protected API in one go', async ({ page, request }) => {
  const backend = createServer((_, response) => response.end('of the backend'));
  await new Promise((listening) => backend.listen(0, '127.0.0.1', listening));
  await page.goto('first-api');
  await title(page, 'Set up an API');
  await accessible(page);
  await narrow(page);
  await page.getByRole('button', { name: 'Set it up' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Say where the API is' })).toBeVisible();
  await request.post('api/services', { data: { name: 'my-api', host: 'h' } });
  await page.getByLabel('Where it is').fill(`http://127.0.0.1:${backend.address().port}`);
  await page.getByRole('button', { name: 'Set it up' }).click();
  await expect(page.getByText('Failed')).toBeVisible();
  await accessible(page);
  await page.getByLabel('Name', { exact: true }).fill('first-of-all');
  await page.getByLabel('Requests a minute').fill('2');
  await page.getByRole('button', { name: 'Set it up' }).click();
  await expect(page.getByRole('heading', { name: 'It is there. Try it' })).toBeVisible();
  await accessible(page);
  const command = await page.getByLabel('Command', { exact: true }).textContent();
  if (process.env.PROXY_URL) {
    const apikey = /apikey: (\w+)/.exec(command)[1];
    const status = async (headers) => (await fetch(`${process.env.PROXY_URL}/my-api`, { headers })).status;
    await expect.poll(() => status({}), { timeout: 10_000 }).toBe(401);
    await expect.poll(() => status({ apikey }), { timeout: 10_000 }).toBe(200);
    await expect.poll(() => status({ apikey }), { timeout: 10_000 }).toBe(429);
  }
  await page.getByRole('link', { name: 'Look at what was made' }).click();
  await title(page, 'first-of-all');
  const { data } = await (await request.get('api/services/first-of-all/routes')).json();
  for (const { id } of data) await request.delete(`api/routes/${id}`);
  for (const path of ['services/first-of-all', 'services/my-api', 'consumers/first-caller']) await request.delete(`api/${path}`);
  backend.close();
});
