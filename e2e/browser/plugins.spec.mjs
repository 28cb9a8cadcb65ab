// Plugins: on what they act, how that is changed, and what all of them have.
import { clear, expect, fact, fill, post, remove, submit, test, title } from './support.mjs';

const PARENTS = [
  ['Service', 'services', { name: 'scoped', host: 'h' }],
  ['Route', 'routes', { name: 'scoped', paths: ['/scoped'] }],
  ['Consumer', 'consumers', { username: 'scoped' }],
];

test.afterEach(({ request }) => clear(request, 'plugins', 'routes', 'services', 'consumers'));

test('a plugin is added to a Service, a Route and a Consumer, and its scope is changed', async ({ page, request }) => {
  for (const [one, path, data] of PARENTS) {
    const parent = await post(request, path, data);
    await post(request, path, { ...data, ...(data.username ? { username: 'second' } : { name: 'second' }) });
    const section = page.locator(`section[aria-labelledby="${path}-plugins"]`);
    await page.goto(`${path}/${parent.id}`);
    await expect(section.getByText('No Plugins here yet.')).toBeVisible();
    await page.getByRole('link', { name: 'Add Plugin' }).click();
    await page.getByRole('link', { name: /^request-termination/ }).click();
    await expect(page.getByLabel(one, { exact: true })).toHaveValue('scoped');
    await submit(page, 'Create', { 'Status code': '418' });
    await title(page, 'request-termination');
    await expect(fact(page, one)).toHaveText('scoped');
    const own = page.url();

    // From its entity, and back without a change.
    await fact(page, one).getByRole('link').click();
    await title(page, 'scoped');
    await section.getByRole('link', { name: 'request-termination' }).click();
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await fill(page, { 'Status code': '419' });
    page.once('dialog', (dialog) => dialog.accept());
    await page.getByRole('link', { name: 'Cancel' }).click();
    await title(page, 'request-termination');
    await expect(fact(page, 'Status code')).toHaveText('418');

    // To another, to every request, and back again.
    for (const scope of ['second', '', 'scoped']) {
      await page.getByRole('link', { name: 'Edit', exact: true }).click();
      await title(page, 'Edit request-termination');
      await submit(page, 'Save', { [one]: scope });
      await title(page, 'request-termination');
      if (scope) await expect(fact(page, one)).toHaveText(scope);
      else await expect(fact(page, one)).toHaveCount(0);
    }

    // What the list says it acts on leads there.
    await page.goto('plugins');
    await page.getByRole('cell').getByRole('link', { name: 'scoped', exact: true }).click();
    await title(page, 'scoped');
    await page.goto(own);
    await remove(page, 'Plugin');
    await title(page, 'Plugins');
    await expect(page.getByText(/^No Plugins yet\./)).toBeVisible();
  }
});

test('all scopes of a plugin are proposed by name, and one that does not exist is refused', async ({ page, request }) => {
  for (const [, path, data] of PARENTS) await post(request, path, data);
  await page.goto('plugins/create/ip-restriction');
  for (const [one] of PARENTS) {
    const field = page.getByLabel(one, { exact: true });
    const proposed = `#${await field.getAttribute('list')} option`;
    await expect(page.locator(proposed)).toHaveCount(1);
    await expect(page.locator(proposed)).toHaveAttribute('value', 'scoped');
    await field.fill('nobody');
    await field.blur();
    await expect(page.getByText(`no ${one} has the name or id “nobody”`).first()).toBeVisible();
    await field.fill('scoped');
  }
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Not saved' })).toContainText('at least one of these fields must be non-empty');
  await submit(page, 'Create', { Allow: '0.0.0.0/0' });
  await title(page, 'ip-restriction');
  for (const [one] of PARENTS) await expect(fact(page, one)).toHaveText('scoped');
});

test('a plugin has a name of its own, protocols and a switch', async ({ page }) => {
  await page.goto('plugins/create');
  const search = page.getByRole('searchbox', { name: 'Search', exact: true });
  await search.fill('no such plugin');
  await expect(page.getByText('No plugin fits this search.')).toBeVisible();
  await search.fill('KEY-AUTH');
  await page.getByRole('link', { name: /^key-auth/ }).click();
  // Its default is there to be changed.
  await expect(page.getByRole('button', { name: 'Remove apikey' })).toBeVisible();
  await page.getByText('More settings').click();
  await submit(page, 'Create', { Protocols: new Set(['http', 'grpc']) });
  await title(page, 'key-auth');
  await expect(fact(page, 'Name')).toHaveText('key-auth');
  await expect(fact(page, 'Key names')).toHaveText('apikey');
  await expect(fact(page, 'Instance name')).toHaveCount(0);
  await expect(fact(page, 'Protocols')).toHaveText(/^(http, grpc|grpc, http)$/);

  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await title(page, 'Edit key-auth');
  await page.getByText('More settings').click();
  await submit(page, 'Save', { 'Instance name': 'keys-of-all' });
  await title(page, 'key-auth');
  await expect(fact(page, 'Instance name')).toHaveText('keys-of-all');

  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'Plugins' }).click();
  await expect(page.getByRole('cell', { name: 'keys-of-all' })).toBeVisible();
  for (const [button, badge] of [['Disable', 'Disabled'], ['Enable', 'Enabled']]) {
    await page.getByLabel('Choose key-auth').check();
    await page.getByRole('button', { name: button, exact: true }).click();
    await expect(page.getByRole('cell', { name: badge, exact: true })).toBeVisible();
  }
  await submit(page, 'Filter', { 'Name or ID': 'acl' });
  await expect(page.getByText('No Plugins fit this filter.')).toBeVisible();
});

test('an entity is copied as it is', async ({ page, context, request }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const entities = [
    ['consumers', await post(request, 'consumers', { username: 'copied', tags: ['a'] })],
    ['plugins', await post(request, 'plugins', { name: 'request-termination' })],
  ];
  for (const [path, entity] of entities) {
    await page.goto(`${path}/${entity.id}`);
    await expect(fact(page, 'ID')).toHaveText(entity.id);
    await page.getByText('As text').click();
    await page.getByRole('button', { name: 'Copy text' }).click();
    await expect(page.getByText('Copied.')).toBeVisible();
    const { id, ...copied } = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    expect(copied).toMatchObject(path === 'consumers' ? { username: 'copied', tags: ['a'] } : { name: 'request-termination' });
  }
});
