// The manager in other languages: as the browser wishes, as one chooses, and complete.
import { accessible, expect, narrow, test, title } from './support.mjs';

test('the language is the browser’s, and can be chosen', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL, locale: 'de-AT' });
  const page = await context.newPage();
  await page.goto('');
  await title(page, 'Übersicht');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await expect(page.getByRole('heading', { name: 'Knoten', exact: true })).toBeVisible();
  await page.getByLabel('Sprache').selectOption('zh');
  await title(page, '概览');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh');
  await page.reload();
  await title(page, '概览');
  await page.getByLabel('语言').selectOption('en');
  await title(page, 'Overview');
  await context.close();
});

test('a language the manager does not have is English', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL, locale: 'fi-FI' });
  const page = await context.newPage();
  await page.goto('services');
  await title(page, 'Services');
  await context.close();
});

for (const [language, texts] of [
  ['de', { services: 'Services', create: 'Service anlegen', name: 'Name', host: 'Host', missing: 'ist erforderlich', made: 'Anlegen', saved: 'Service orders-de wurde angelegt.' }],
  ['zh', { services: 'Service', create: '新建 Service', name: '名称', host: '主机', missing: '为必填项', made: '创建', saved: '已创建 Service orders-zh。' }],
]) {
  test(`pages, forms and messages are there in ${language}`, async ({ page, request }) => {
    await page.addInitScript((tag) => localStorage.setItem('silverback-language', tag), language);
    await page.goto('services');
    await title(page, texts.services);
    await accessible(page);
    await narrow(page);
    await page.getByRole('link', { name: texts.create }).first().click();
    await title(page, texts.create);
    await page.getByLabel(texts.name, { exact: true }).fill(`orders-${language}`);
    await page.getByRole('button', { name: texts.made, exact: true }).click();
    await expect(page.getByText(texts.missing).first()).toBeVisible();
    await accessible(page);
    await page.getByLabel(texts.host, { exact: true }).fill('h');
    await page.getByRole('button', { name: texts.made, exact: true }).click();
    await expect(page.getByText(texts.saved)).toBeVisible();
    await page.goto('plugins/create');
    await expect(page.getByRole('link', { name: /^key-auth/ })).toBeVisible();
    await accessible(page);
    await request.delete(`api/services/orders-${language}`);
    // No text is without its words, and none with what stands for something else.
    const pages = ['', 'consumers', 'upstreams', 'config', 'audit/requests', 'first-api', 'nonsense', 'rbac/roles', 'workspaces'];
    for (const path of pages) {
      await page.goto(path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      const text = await page.locator('body').innerText();
      expect(text).not.toMatch(/\{\w+\}/);
      expect(text.split('\n').map((line) => line.trim())).not.toContain('…');
    }
  });
}

test('where no language comes the page says so', async ({ page }) => {
  await page.route('**/assets/en-*.json', (route) => route.abort());
  await page.goto('');
  await expect(page.getByText('Not loaded. Reload the page.')).toBeVisible();
});
