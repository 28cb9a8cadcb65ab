// Every kind by the same steps: the empty list, a form that is left, refused, sent, changed, and the entity deleted again.
import { clear, expect, fact, fill, pem, post, ready, refused, remove, showing, submit, test, title } from './support.mjs';

const [CERT, KEY, CA] = ['client.pem', 'client.key', 'ca.pem'].map(pem);
const JWK = '{"kty":"oct","k":"c2VjcmV0","kid":"k1"}';
const NOBODY = '00000000-0000-4000-8000-000000000000';

// `refused`: what is typed, and what is said about it; `made`: a whole entity; `named`: what it is called then; `changes`: what is
// changed after that; `taken`: another one of the same name. `shows`: the members on its page; null where there is none.
const KINDS = [
  {
    one: 'Service', many: 'Services', path: 'services',
    refused: [
      [{ Name: 'two words', 'Connect timeout': '0' }, 'Connect timeout: must be between 1 and'],
      [{ 'Connect timeout': '' }, 'Host: is required'],
      [{ Host: 'form.example', Path: 'items' }, 'Path: must start with /'],
      [{ Path: '' }, "Name: invalid value 'two words'"],
    ],
    made: { Name: 'formed' }, named: 'formed', shows: { Host: 'form.example', Protocol: 'http', Port: '80' },
    changes: [
      { fields: { Host: 'other.example', Path: '/items' }, shows: { Host: 'other.example', Path: '/items' } },
      { fields: { Path: '' }, shows: { Path: null } },
    ],
    required: ['Host', 'Host: is required'],
  },
  {
    one: 'Route', many: 'Routes', path: 'routes',
    refused: [
      [{ Name: 'formed' }, "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"],
      [{ Paths: 'items' }, 'Paths: 1. entry: should start with: /'],
    ],
    // What was taken into a list is taken out again.
    made: { Hosts: 'form.example' }, before: (page) => page.getByRole('button', { name: 'Remove items' }).click(),
    named: 'formed', shows: { Hosts: 'form.example', Service: null },
    changes: [{ fields: { Methods: 'PATCH', 'Strip path': false }, shows: { Methods: 'PATCH', 'Strip path': 'false' } }],
  },
  {
    one: 'Consumer', many: 'Consumers', path: 'consumers',
    refused: [[{}, "at least one of these fields must be non-empty: 'custom_id', 'username'"]],
    made: { Username: 'formed', 'Custom ID': 'number 1', Tags: 'form' }, named: 'formed', shows: { 'Custom ID': 'number 1', Tags: 'form' },
    changes: [
      { fields: { 'Custom ID': '' }, shows: { 'Custom ID': null } },
      { fields: { Username: '', 'Custom ID': 'number 2' }, named: 'number 2', shows: { Username: null } },
    ],
  },
  {
    one: 'Upstream', many: 'Upstreams', path: 'upstreams',
    refused: [
      [{ Name: 'form/ed', Slots: '2' }, 'Slots: must be between 10 and'],
      [{ Slots: '100' }, 'Name: Invalid name'],
      [{ Name: '' }, 'Name: is required'],
    ],
    made: { Name: 'formed' }, named: 'formed', taken: { Name: 'formed' }, shows: { Slots: '100', Algorithm: 'round-robin' },
    changes: [{ fields: { 'Host header': 'form.example' }, shows: { 'Host header': 'form.example' } }],
    required: ['Name', 'Name: is required'],
  },
  {
    one: 'Certificate', many: 'Certificates', path: 'certificates',
    refused: [
      [{ Cert: '', Key: '' }, 'Cert: is required'],
      [{ Cert: 'nonsense', Key: 'nonsense' }, 'Cert: invalid certificate'],
    ],
    made: { Cert: CERT, Key: KEY }, shows: { Cert: CERT.trim(), Key: '••••••••' },
    changes: [{ fields: { Tags: 'form' }, shows: { Tags: 'form' } }],
  },
  {
    one: 'CA certificate', many: 'CA certificates', path: 'ca_certificates',
    refused: [
      [{ Cert: '' }, 'Cert: is required'],
      [{ Cert: 'nonsense' }, 'Cert: invalid certificate'],
      [{ Cert: CERT }, 'certificate does not appear to be a CA'],
    ],
    made: { Cert: CA }, shows: { Cert: CA.trim() },
    changes: [{ fields: { Tags: 'form' }, shows: { Tags: 'form' } }],
  },
  {
    one: 'SNI', many: 'SNIs', path: 'snis', needs: ['certificates', { cert: CERT, key: KEY }],
    refused: [
      [{ Name: 'form.example' }, 'Certificate: is required'],
      [{ Certificate: 'nobody' }, 'Certificate: no Certificate has the name or id “nobody”'],
      [{ Certificate: NOBODY }, 'Certificate: does not exist'],
      [{ Certificate: ({ id }) => id, Name: 'form example' }, 'Name: '],
    ],
    made: { Name: 'form.example' }, named: 'form.example', shows: {},
    changes: [{ fields: { Name: '*.form.example' }, named: '*.form.example', shows: {} }],
  },
  {
    one: 'Vault', many: 'Vaults', path: 'vaults',
    refused: [
      [{ Name: 'env' }, 'Prefix: is required'],
      [{ Prefix: 'env' }, 'Prefix: must not be one of'],
    ],
    made: { Prefix: 'formed', Description: 'Of the form' }, named: 'formed', shows: { Name: 'env', Description: 'Of the form' },
    changes: [{ fields: { Description: 'Of another form' }, shows: { Description: 'Of another form' } }],
  },
  {
    one: 'Key', many: 'Keys', path: 'keys', needs: ['key-sets', { name: 'formed-set' }],
    refused: [
      [{ Name: 'formed', 'Key ID': 'k2', JWK }, 'kid'],
      [{ JWK: '', 'Key ID': 'k1', Set: 'nobody' }, 'Set: no Key set has the name or id “nobody”'],
    ],
    made: { JWK, Set: '' }, named: 'formed', taken: { Name: 'formed', 'Key ID': 'k2', JWK: JWK.replace('k1', 'k2') }, shows: { 'Key ID': 'k1', Set: null },
    changes: [
      { fields: { Set: 'formed-set', Tags: 'form' }, shows: { Set: 'formed-set', Tags: 'form' } },
      { fields: { Name: '', Set: '' }, named: 'k1', shows: { Set: null, Name: null } },
    ],
  },
  {
    one: 'Key set', many: 'Key sets', path: 'key-sets',
    refused: [],
    made: { Name: 'formed' }, named: 'formed', shows: {},
    changes: [{ fields: { Name: 'reformed', Tags: 'form' }, named: 'reformed', shows: { Tags: 'form' } }],
  },
];


test('what was unfolded stays so, and what is wrong inside unfolds it', async ({ page, request }) => {
  await page.goto('services/create');
  const more = page.locator('details').filter({ hasText: 'More settings' });
  const summary = more.getByText('More settings');
  try {
    // Shut, while what is refused stands above it.
    await submit(page, 'Create', { Name: 'folding', Path: 'x' });
    await expect(refused(page)).toContainText('Path: must start with /');
    await expect(more).not.toHaveAttribute('open');
    await summary.click();
    await submit(page, 'Create', { Host: 'two words', Path: '/x' });
    await expect(refused(page)).toContainText('Host: ');
    await expect(more).toHaveAttribute('open');
    // Shut by hand, it opens for what is wrong in there, each time.
    for (const timeout of ['0', '-1']) {
      await fill(page, { Host: 'h', 'Connect timeout': timeout });
      await summary.click();
      await expect(more).not.toHaveAttribute('open');
      await page.getByRole('button', { name: 'Create', exact: true }).click();
      await expect(refused(page)).toContainText('Connect timeout: must be between 1 and');
      await expect(more).toHaveAttribute('open');
    }
    await submit(page, 'Create', { 'Connect timeout': '1' });
    await title(page, 'folding');
  } finally {
    await clear(request, 'services');
  }
});

test('a Key set is found by a part of its id', async ({ page, request }) => {
  const [first] = [await post(request, 'key-sets', { name: 'found-first' }), await post(request, 'key-sets', { name: 'found-second' })];
  try {
    await page.goto('keys/create');
    const proposed = page.locator('#field-set-options option');
    await expect(proposed).toHaveCount(2);
    await expect(proposed.filter({ hasText: first.id.slice(9, 23) })).toHaveAttribute('value', 'found-first');
    await fill(page, { Name: 'finder', 'Key ID': 'k1', JWK, Set: first.id.slice(9, 23).toUpperCase() });
    await page.getByLabel('Name', { exact: true }).focus();
    await expect(page.getByLabel('Set', { exact: true })).toHaveValue('found-first');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await title(page, 'finder');
    expect((await (await request.get('api/keys/finder')).json()).set).toEqual({ id: first.id });
  } finally {
    await clear(request, 'keys', 'key-sets');
  }
});

for (const kind of KINDS) {
  test(`the form of a ${kind.one} is left, refused, sent and changed`, async ({ page, request }) => {
    const [needed, data] = kind.needs ?? [];
    const other = needed && (await post(request, needed, data));
    const meant = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'function' ? value(other) : value]));
    try {
      await page.goto(kind.path);
      await title(page, kind.many);
      await expect(page.getByText(new RegExp(`^No ${kind.many} yet\\.`))).toBeVisible();
      await page.getByRole('link', { name: `New ${kind.one}`, exact: true }).click();
      await title(page, `New ${kind.one}`);
      await page.getByRole('link', { name: 'Cancel' }).click();
      await title(page, kind.many);

      await page.getByRole('link', { name: `New ${kind.one}`, exact: true }).click();
      await ready(page);
      for (const [fields, said] of kind.refused) {
        await submit(page, 'Create', meant(fields));
        await expect(refused(page)).toContainText(said);
      }
      await kind.before?.(page);
      await submit(page, 'Create', meant(kind.made));
      await expect(page).toHaveURL(new RegExp(`/${kind.path}/[0-9a-f-]{36}$`));
      let { named = /\/([^/]{8})[^/]*$/.exec(page.url())[1] } = kind;
      await title(page, named);
      await expect(page.getByText(`${kind.one} ${named} created.`)).toBeVisible();
      await showing(page, kind.shows);

      if (kind.taken) {
        await page.goto(`${kind.path}/create`);
        await submit(page, 'Create', kind.taken);
        await expect(refused(page)).toContainText('Name: is already taken');
        await page.goto(`${kind.path}?name=${named}`);
        await page.getByRole('rowheader').getByRole('link', { name: named, exact: true }).click();
        await title(page, named);
      }
      await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: kind.many }).click();
      await page.getByRole('rowheader').getByRole('link', { name: named, exact: true }).click();
      await title(page, named);
      await page.getByRole('link', { name: 'Edit', exact: true }).click();
      await title(page, `Edit ${named}`);
      await fill(page, kind.changes[0].fields);
      page.once('dialog', (dialog) => dialog.accept());
      await page.getByRole('link', { name: 'Cancel' }).click();
      await title(page, named);
      await showing(page, kind.shows);

      for (const change of kind.changes) {
        await page.getByRole('link', { name: 'Edit', exact: true }).click();
        await title(page, `Edit ${named}`);
        if (kind.required && change === kind.changes[0]) {
          await submit(page, 'Save', { [kind.required[0]]: '' });
          await expect(refused(page)).toContainText(kind.required[1]);
          await page.reload();
        }
        await submit(page, 'Save', change.fields);
        named = change.named ?? named;
        await title(page, named);
        await showing(page, change.shows);
      }

      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
      await remove(page, kind.one);
      await title(page, kind.many);
      await expect(page.getByText(new RegExp(`^No ${kind.many} yet\\.`))).toBeVisible();
    } finally {
      await clear(request, kind.path, ...(needed ? [needed] : []));
    }
  });
}
