// A gateway without a database: its configuration is one file.
import { accessible, expect, goTo, narrow, test, title } from './support.mjs';

test('the file is changed as a whole', async ({ page }) => {
  await page.goto('');
  await title(page, 'Overview');
  await expect(page.getByText(/^Read-only:/)).toBeVisible();
  await expect(page.getByRole('link', { name: 'Workspaces' })).toBeHidden();
  await goTo(page, 'Configuration');
  await title(page, 'Configuration');
  const editor = page.getByLabel('Declarative file (YAML or JSON)');
  await accessible(page);
  await narrow(page);
  await editor.fill('_format_version: "3.0"\nservices:\n- name: broken\n  host: h\n  retries: many\n');
  await page.getByRole('button', { name: 'Put it in force' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Not taken' })).toContainText('broken, retries: expected an integer');
  await expect(editor).toHaveValue(/retries: many/);
  await accessible(page);
  await editor.fill('_format_version: "3.0"\nservices:\n- name: whole\n  host: h\n');
  await page.getByRole('button', { name: 'Put it in force' }).click();
  await expect(page.getByText('The configuration is in force.')).toBeVisible();
  await goTo(page, 'Services');
  await expect(page.getByRole('link', { name: 'whole', exact: true })).toBeVisible();
  await goTo(page, 'Configuration');
  await expect(editor).toHaveValue(/name: whole/);
});
