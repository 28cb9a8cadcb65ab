// What every test shares: a page that fails the test on console errors and refusals of the content security policy.
import AxeBuilder from '@axe-core/playwright';
import { test as base, expect } from '@playwright/test';

export const test = base.extend({
  page: async ({ page }, use) => {
    const complaints = [];
    page.on('console', (message) => {
      // Answers of the Admin API that are errors are shown by the page itself.
      const answer = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !answer) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await use(page);
    expect(complaints).toEqual([]);
  },
});

export { expect };

/** No violation of WCAG 2.2 AA or of axe's best practices, in either theme. */
export async function accessible(page) {
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const found = violations.map(({ id, nodes }) => `${theme}: ${id}: ${nodes.map((node) => node.html).join(' ')}`);
    expect(found).toEqual([]);
  }
}

/** A link of the navigation. */
export const goTo = (page, name) =>
  page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();

/** The title of the page one is on. */
export const title = (page, name) => expect(page.getByRole('heading', { level: 1, name, exact: true })).toBeVisible();

/** Fills a form by its labels and sends it by its main button. */
export const submit = async (page, button, fields) => {
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text);
  await page.getByRole('button', { name: button, exact: true }).click();
};

/** No part of the page stands out to the side on a phone. */
export const narrow = async (page) => {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 640 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.setViewportSize(before);
};
