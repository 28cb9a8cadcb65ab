// What stands in certificates: read by the gateway, shown in lists and on pages, with a warning in time.
import { accessible, clear, expect, fact, narrow, pem, post, ready, submit, test, title } from './support.mjs';

test.afterEach(({ request }) => clear(request, 'services', 'snis', 'certificates', 'ca_certificates'));

const column = (page, name) => page.getByRole('columnheader', { name, exact: true });

test('certificates say whose they are, who signed them and until when', async ({ page, request }) => {
  const { id } = await post(request, 'certificates', { cert: pem('client.pem'), key: pem('client.key'), snis: ['maya.example'] });
  const { metadata } = await (await request.get(`api/certificates/${id}?beyond_kong=1`)).json();
  await page.goto('certificates');
  for (const name of ['Subject', 'SAN names', 'Expiry']) await expect(column(page, name)).toBeVisible();
  const row = page.getByRole('row').filter({ hasText: id.slice(0, 8) });
  for (const text of ['CN=maya,O=House', 'maya.clients.test', '2081-08-24 18:09:46 UTC']) await expect(row).toContainText(text);
  await accessible(page);
  await narrow(page);
  // What is told of them narrows and sorts the list, too.
  await page.getByLabel('Field').selectOption('metadata.subject');
  await submit(page, 'Filter', { Contains: 'nobody' });
  await expect(page.getByText('No Certificates fit this filter.')).toBeVisible();
  await submit(page, 'Filter', { Contains: 'CN=MAYA' });
  await expect(page.getByText('1 Certificate.')).toBeVisible();
  await column(page, 'Expiry').getByRole('link').click();
  await expect(page).toHaveURL(/sort=metadata\.expiry/);
  await page.getByRole('rowheader').getByRole('link').click();
  await title(page, id.slice(0, 8));
  for (const [name, text] of [
    ['Subject', 'CN=maya,O=House'], ['Issuer', "CN=Clients' authority"], ['SAN names', 'maya.clients.test'], ['Key type', 'EC'],
    ['Key size', '256'], ['Key usages', 'clientAuth'], ['CA', 'false'], ['Chain length', '1'], ['SHA-256 fingerprint', metadata.sha256_fingerprint],
    ['Serial number', metadata.serial_number],
  ]) await expect(fact(page, name)).toHaveText(text);
  await expect(fact(page, 'Not before')).toContainText('2026-11-21 18:09:46 UTC');
  await expect(fact(page, 'Expiry')).toContainText('2081-08-24 18:09:46 UTC');
  await accessible(page);
  await narrow(page);
  // What is told is no part of what one takes along or sends.
  await page.getByText('As text').click();
  await expect(page.getByLabel('JSON', { exact: true })).toContainText('"cert"');
  await expect(page.getByLabel('JSON', { exact: true })).not.toContainText('metadata');
  // Found by its names where another entity points to it.
  await page.goto('services/create');
  await ready(page);
  const proposed = page.locator('#field-client_certificate-options option');
  await expect(proposed.filter({ hasText: 'CN=maya,O=House' })).toHaveText(/maya\.example/);
  await submit(page, 'Create', { Name: 'shown-to', Protocol: ['https'], Host: 'h', 'Client certificate': id.slice(4, 18) });
  await title(page, 'shown-to');
  await fact(page, 'Client certificate').getByRole('link').click();
  await title(page, id.slice(0, 8));
});

test('CA certificates say whose they are, who signed them and until when', async ({ page, request }) => {
  const { id, cert_digest } = await post(request, 'ca_certificates', { cert: pem('ca.pem') });
  await page.goto('ca_certificates');
  for (const name of ['Issuer', 'Expiry']) await expect(column(page, name)).toBeVisible();
  const row = page.getByRole('row').filter({ hasText: id.slice(0, 8) });
  for (const text of ["CN=Clients' authority", '2081-08-24 18:09:45 UTC']) await expect(row).toContainText(text);
  await accessible(page);
  await page.getByRole('rowheader').getByRole('link').click();
  await title(page, id.slice(0, 8));
  await expect(fact(page, 'Subject')).toHaveText("CN=Clients' authority");
  await expect(fact(page, 'Issuer')).toHaveText("CN=Clients' authority");
  await expect(fact(page, 'SAN names')).toHaveText('');
  await expect(fact(page, 'Not before')).toContainText('2026-11-21 18:09:45 UTC');
  await expect(fact(page, 'Expiry')).toContainText('2081-08-24 18:09:45 UTC');
  await expect(fact(page, 'Key usages')).toHaveText('keyCertSign, cRLSign');
  await expect(fact(page, 'CA')).toHaveText('true');
  await expect(fact(page, 'SHA-256 fingerprint')).toHaveText(cert_digest);
});

test('certificates warn before their time is over, and say what cannot be read', async ({ page, request }) => {
  const { id } = await post(request, 'certificates', { cert: pem('client.pem'), key: pem('client.key') });
  const day = 86_400;
  const now = Math.floor(Date.now() / 1000);
  // The same answers with other times in them: what the gateway says of such a certificate.
  let change;
  await page.route(/\/api\/certificates[?/]/, async (route) => {
    const answer = await (await route.fetch()).json();
    for (const one of answer.data ?? [answer]) one.metadata = change(one.metadata);
    await route.fulfill({ json: answer });
  });
  for (const [begin, end, badge, listed] of [
    [-9, -3, 'Expired 3 days ago', 'Expired'], [-9, 12.5, 'Expires in 12 days', 'Expires soon'], [-9, 40, 'Valid', null], [2.5, 40, 'Valid in 2 days', null],
  ]) {
    change = (metadata) => ({ ...metadata, not_before: now + begin * day, expiry: now + end * day });
    await page.goto(`certificates/${id}`);
    await expect(page.getByRole('region', { name: 'Certificate', exact: true }).getByText(badge, { exact: true })).toBeVisible();
    await accessible(page);
    await page.goto('certificates');
    await expect(page.getByRole('rowheader')).toHaveCount(1);
    for (const text of ['Expired', 'Expires soon']) await expect(page.getByText(text, { exact: true })).toHaveCount(text === listed ? 1 : 0);
  }
  await accessible(page);
  change = () => null;
  await page.goto(`certificates/${id}`);
  await expect(page.getByText('It cannot be read here')).toBeVisible();
  await page.goto('certificates');
  await expect(page.getByRole('cell', { name: 'not set' }).first()).toBeVisible();
});
