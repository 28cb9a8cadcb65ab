// The configuration as a whole: what was changed and the way back, files and OpenAPI documents on their way in.
import { accessible, expect, goTo, narrow, test, title } from './support.mjs';

test('revisions say what was changed, and lead back', async ({ page, request }) => {
  const { id } = await (await request.post('api/services', { data: { name: 'revised', host: 'before.example' } })).json();
  await request.patch(`api/services/${id}`, { data: { host: 'after.example' } });
  await page.goto('');
  await goTo(page, 'Revisions');
  await title(page, 'Revisions');
  await expect(page.getByRole('row', { name: /Services ±1/ }).first()).toBeVisible();
  await accessible(page);
  await narrow(page);
  await page.getByRole('row', { name: /Services ±1/ }).first().getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1, name: /^Revision \d+$/ })).toBeVisible();
  await page.getByText('Before and after').first().click();
  await expect(page.getByText('- host: before.example')).toBeVisible();
  await expect(page.getByText('+ host: after.example')).toBeVisible();
  await accessible(page);
  await page.getByRole('link', { name: 'Back to before it' }).click();
  await expect(page.getByRole('heading', { name: /^Going back to the state after revision/ })).toBeVisible();
  await expect(page.getByText('changed', { exact: true }).first()).toBeVisible();
  await accessible(page);
  await page.getByRole('button', { name: 'Go back to it' }).click();
  await expect(page.getByText(/^The configuration is as it was after revision/)).toBeVisible();
  expect((await (await request.get(`api/services/${id}`)).json()).host).toBe('before.example');
  await request.delete(`api/services/${id}`);
});

test('a file is planned before it is applied', async ({ page, request }) => {
  await request.post('api/services', { data: { name: 'planned', host: 'before.example' } });
  await page.goto('config');
  const section = page.getByRole('region', { name: /^Import into the Workspace/ });
  await section.getByLabel('Declarative file (YAML or JSON)').fill('services:\n- name: [\n');
  await section.getByRole('button', { name: 'Show what it would change' }).click();
  await expect(section.getByRole('alert').filter({ hasText: 'Not taken' })).toBeVisible();
  await accessible(page);
  const file = '_format_version: "3.0"\nservices:\n- name: planned\n  host: after.example\n';
  await section.getByLabel('Or from a file').setInputFiles({ name: 'kong.yaml', mimeType: 'application/yaml', buffer: Buffer.from(file) });
  await expect(section.getByLabel('Declarative file (YAML or JSON)')).toHaveValue(file);
  await section.getByRole('button', { name: 'Show what it would change' }).click();
  await expect(section.getByText('host', { exact: true })).toBeVisible();
  await section.getByText('Before and after').first().click();
  await expect(section.getByText('+ host: after.example')).toBeVisible();
  await accessible(page);
  await narrow(page);
  // What is applied is what was planned; the gateway's own tests say what becomes of it.
  await page.route(/\/api\/config\/apply/, (route) => route.fulfill({ json: { id: 1, counts: {}, changes: [] } }));
  const sent = page.waitForRequest(/config\/apply/);
  await section.getByRole('button', { name: 'Apply the file' }).click();
  expect((await sent).postDataJSON()).toEqual({ config: file });
  await expect(page.getByText('The file is applied, as revision 1.')).toBeVisible();
  await request.delete('api/services/planned');
});

test('an OpenAPI document becomes a Service and its Routes', async ({ page, request }) => {
  await page.goto('config');
  const section = page.getByRole('region', { name: 'An OpenAPI document as a Service and its Routes' });
  await section.getByLabel('OpenAPI document').fill('hello: world');
  await section.getByRole('button', { name: 'Propose' }).click();
  await expect(section.getByText(/^No paths are found in it/)).toBeVisible();
  const document = {
    openapi: '3.0.0', info: { title: 'Pet Store' }, servers: [{ url: 'http://127.0.0.1:9/v1' }],
    paths: { '/pets': { get: {}, post: {} }, '/pets/{petId}': { get: {} }, '/unwanted': { get: {} } },
  };
  await section.getByLabel('OpenAPI document').fill(JSON.stringify(document));
  await section.getByRole('button', { name: 'Propose' }).click();
  await expect(section.getByLabel('Name of the Service')).toHaveValue('pet-store');
  await section.getByLabel(/^pet-store-unwanted/).uncheck();
  await accessible(page);
  await narrow(page);
  await section.getByRole('button', { name: 'Make them' }).click();
  await expect(section.getByText('Done')).toHaveCount(3);
  const { data } = await (await request.get('api/services/pet-store/routes')).json();
  expect(data.map(({ name, methods, paths }) => [name, methods, paths]).sort()).toEqual([
    ['pet-store-pets', ['GET', 'POST'], ['~/pets$']],
    ['pet-store-pets-petid', ['GET'], ['~/pets/[^/]+$']],
  ]);
  await section.getByRole('button', { name: 'Make them' }).click();
  await expect(section.getByText('Failed')).toBeVisible();
  await accessible(page);
  for (const { id } of data) await request.delete(`api/routes/${id}`);
  await request.delete('api/services/pet-store');
});

test('the overview says what is left to do', async ({ page }) => {
  await page.goto('');
  await title(page, 'Overview');
  await expect(page.getByRole('heading', { name: 'First steps' })).toBeVisible();
  await accessible(page);
});

test('tags say what has them, and lead to it', async ({ page, request }) => {
  const bold = 'env:<b>live';
  for (const [path, data] of [
    ['services', { name: 'tagged', host: 'tagged.example', tags: ['of-tags', bold] }],
    ['routes', { name: 'tagged-one', paths: ['/tagged-one'], tags: ['of-tags'] }],
    ['routes', { name: 'tagged-two', paths: ['/tagged-two'], tags: ['of-tags'] }],
  ])
    expect((await request.post(`api/${path}`, { data })).status()).toBe(201);
  await page.goto('');
  await goTo(page, 'Tags');
  await title(page, 'Tags');
  await expect(page.getByRole('row', { name: bold })).toContainText('1 Service');
  const row = page.getByRole('row', { name: /^of-tags/ });
  await expect(row).toContainText('2 Routes');
  await accessible(page);
  await narrow(page);
  await page.getByLabel('Tag', { exact: true }).fill('of-t');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page).toHaveURL(/\?name=of-t$/);
  await expect(page.getByRole('row', { name: bold })).toHaveCount(0);
  await page.getByLabel('Tag', { exact: true }).fill('no such tag');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page.getByText('No tag contains this.')).toBeVisible();
  await page.goBack();
  await row.getByRole('link', { name: '2 Routes' }).click();
  await title(page, 'Routes');
  await expect(page.getByRole('link', { name: 'tagged-one' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'tagged-two' })).toBeVisible();
  for (const path of ['routes/tagged-one', 'routes/tagged-two', 'services/tagged']) await request.delete(`api/${path}`);
});
