// What every test shares: a page that fails the test on console errors and refusals of the content security policy.
import { readFileSync } from 'node:fs';
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

/**
 * Fills a form. A field is found by its label, one inside another by `#id`. Text is typed, true and false tick a box, [a] chooses
 * from a list, and a set ticks these boxes of a group and no others.
 */
export const fill = async (page, fields) => {
  for (const [name, value] of Object.entries(fields)) {
    const field = name.startsWith('#') ? page.locator(name) : page.getByLabel(name, { exact: true });
    if (value instanceof Set) {
      const group = page.getByRole('group', { name: new RegExp(`^${name}\\b`) });
      const boxes = group.getByRole('checkbox');
      const state = await boxes.evaluateAll((inputs) => inputs.map((input) => [input.closest('label').textContent.trim(), input.checked]));
      for (const [at, [text, on]] of state.entries()) if (on !== value.has(text)) await boxes.nth(at).click();
    } else if (typeof value === 'boolean') await field.setChecked(value);
    else if (Array.isArray(value)) await field.selectOption(value);
    else await field.fill(value);
  }
};

/** Fills a form and sends it by its main button. */
export const submit = async (page, button, fields) => {
  await fill(page, fields);
  await page.getByRole('button', { name: button, exact: true }).click();
};

/** Opens everything that is folded up. */
export const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll('main details').forEach((details) => (details.open = true)));

/** Waits for a form, and opens all of it. */
export const ready = async (page) => {
  await expect(page.getByRole('button', { name: /^(Create|Save)$/ })).toBeVisible();
  await unfold(page);
};

/** What a form says that was not taken. */
export const refused = (page) => page.getByRole('alert').filter({ hasText: 'Not saved' });

/** A file with a certificate or a key. */
export const pem = (name) => readFileSync(new URL(`../beyond/mtls-auth/${name}`, import.meta.url), 'utf8');

/** Makes an entity, and returns it. */
export const post = async (request, path, data) => (await request.post(`api/${path}`, { data })).json();

/** A member that the page of an entity shows. */
export const fact = (page, name) =>
  page.locator('.facts > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');

/** What the page of an entity shows of these members; null where it shows none. */
export const showing = async (page, members) => {
  for (const [name, text] of Object.entries(members)) {
    if (text === null) await expect(fact(page, name)).toHaveCount(0);
    else await expect(fact(page, name)).toHaveText(text);
  }
};

/** Deletes the entity one is looking at, after the question. */
export const remove = async (page, one) => {
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: `Delete ${one}`, exact: true }).click();
};

/** Deletes all entities of these lists, so that no test finds what another left. */
export const clear = async (request, ...paths) => {
  for (const path of paths) {
    const { data } = await (await request.get(`api/${path}?size=1000`)).json();
    for (const { id } of data) await request.delete(`api/${path}/${id}`);
  }
};

/** No part of the page stands out to the side on a phone. */
export const narrow = async (page) => {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 640 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await page.setViewportSize(before);
};

/** A picture of what one sees: for README and docs with PICTURES=1, otherwise beside the results. */
export const picture = async (page, name) => {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  const folder = process.env.PICTURES ? '../../docs/manager' : 'results/pictures';
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${folder}/${name}.png`, animations: 'disabled' });
};
