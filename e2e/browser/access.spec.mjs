// Signing in, Workspaces, and who may do what, at a gateway with RBAC.
import { accessible, expect, goTo, narrow, submit, test, title } from './support.mjs';

const PASSWORD = 'correct-horse';
const TOKEN = { 'kong-admin-token': PASSWORD };

const signIn = async (page, name = 'kong_admin', password = PASSWORD) => {
  await page.goto('');
  await submit(page, 'Sign in', { 'User name': name, Password: password });
  await title(page, 'Overview');
};

/** Asks the Admin API as the super admin. */
const api = async (request, method, path, data) => {
  const answer = await request.fetch(`api/${path}`, { method, data, headers: TOKEN });
  expect(answer.status(), `${method} ${path}: ${await answer.text()}`).toBeLessThan(300);
  return answer.status() === 204 ? null : answer.json();
};

/** An admin of one Workspace, with a password. */
const teamAdmin = async (request, name, workspace, actions) => {
  await api(request, 'POST', `${workspace}/rbac/roles`, { name: `${name}-role` });
  const may = { workspace, endpoint: '*', actions };
  await api(request, 'POST', `${workspace}/rbac/roles/${name}-role/endpoints`, may);
  await api(request, 'POST', `${workspace}/admins`, { username: name, email: `${name}@example.com` });
  await api(request, 'POST', `${workspace}/admins/${name}/roles`, { roles: `${name}-role` });
  const { token } = await api(request, 'GET', `${workspace}/admins/${name}?generate_register_url=true`);
  const answer = await request.post('api/admins/register', {
    data: { username: name, email: `${name}@example.com`, token, password: 'secret of a team' },
  });
  expect(answer.status()).toBe(201);
};

test('nobody comes in without a password', async ({ page }) => {
  await page.goto('services');
  await title(page, 'Sign in');
  await accessible(page);
  await narrow(page);
  await submit(page, 'Sign in', { 'User name': 'kong_admin', Password: 'wrong' });
  await expect(page.getByRole('alert')).toContainText('This is not known here.');
  await expect(page.getByLabel('Password', { exact: true })).toBeFocused();
  await accessible(page);
  for (const attempt of ['no', 'neither']) {
    await page.getByLabel('Password', { exact: true }).fill(attempt);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeEnabled();
  }
  await expect(page.getByRole('alert')).toContainText('makes each attempt wait');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await title(page, 'Services');
  await page.reload();
  await title(page, 'Services');
  await expect(page.getByText('kong_admin')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await title(page, 'Sign in');
  await page.goto('services');
  await title(page, 'Sign in');
});

test('a token is as good as a password', async ({ page }) => {
  await page.goto('');
  await page.getByRole('button', { name: 'Use a token' }).click();
  await submit(page, 'Sign in', { 'RBAC token': 'wrong' });
  await expect(page.getByRole('alert')).toContainText('This is not known here.');
  await submit(page, 'Sign in', { 'RBAC token': PASSWORD });
  await title(page, 'Overview');
  await page.reload();
  await title(page, 'Overview');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await title(page, 'Sign in');
});

test('a session that ends keeps what was typed', async ({ page, context }) => {
  await signIn(page);
  await goTo(page, 'Services');
  await page.getByRole('link', { name: 'New Service' }).click();
  await page.getByLabel('Name', { exact: true }).fill('kept');
  await page.getByLabel('Host', { exact: true }).fill('kept.example');
  await context.clearCookies();
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Your session is over' });
  await expect(dialog).toBeVisible();
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeVisible();
  await expect(dialog.getByLabel('User name')).toHaveValue('kong_admin');
  await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(dialog).toBeHidden();
  await expect(page.getByLabel('Host', { exact: true })).toHaveValue('kept.example');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await title(page, 'kept');
});

test('Workspaces are made, entered and left', async ({ page, request }) => {
  await signIn(page);
  await goTo(page, 'Workspaces');
  await title(page, 'Workspaces');
  await accessible(page);
  await page.getByRole('link', { name: 'New Workspace' }).click();
  await title(page, 'New Workspace');
  await accessible(page);
  await submit(page, 'Create', { Name: 'shop' });
  await title(page, 'shop');
  await page.getByRole('link', { name: 'Go to shop' }).click();
  await title(page, 'Overview');
  await expect(page).toHaveURL(/\/shop\/$/);
  await expect(page.getByLabel('Workspace', { exact: true })).toHaveValue('shop');
  await goTo(page, 'Services');
  await expect(page).toHaveURL(/\/shop\/services$/);
  await expect(page.getByText(/^No Services yet/)).toBeVisible();
  await page.getByRole('link', { name: 'New Service' }).click();
  await submit(page, 'Create', { Name: 'cart', Host: 'cart.example' });
  await title(page, 'cart');
  await page.reload();
  await title(page, 'cart');
  await page.getByLabel('Workspace', { exact: true }).selectOption('default');
  await title(page, 'Services');
  await expect(page).toHaveURL(/\/manager\/services$/);
  await expect(page.getByRole('link', { name: 'cart', exact: true })).toBeHidden();
  await page.goBack();
  await title(page, 'cart');
  await goTo(page, 'Workspaces');
  await expect(page.getByRole('link', { name: '1 Services of shop' })).toBeVisible();
  await narrow(page);
  await page.getByRole('link', { name: 'Settings of shop' }).click();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await submit(page, 'Save', { Comment: 'Everything about buying' });
  await title(page, 'shop');
  await expect(page.getByText('Everything about buying', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete Workspace', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Workspace is not empty');
  await api(request, 'DELETE', 'shop/services/cart');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete Workspace', exact: true }).click();
  await title(page, 'Workspaces');
  await page.goto('nowhere/services');
  await title(page, 'Not found');
});

test('a team admin sees its own Workspace alone, and no button that would fail', async ({ page, request }) => {
  await api(request, 'POST', 'workspaces', { name: 'team' });
  await api(request, 'POST', 'workspaces', { name: 'others' });
  await api(request, 'POST', 'team/services', { name: 'ours', host: 'h' });
  await teamAdmin(request, 'tess', 'team', '*');
  await teamAdmin(request, 'rita', 'team', 'read');

  await test.step('who may do everything in it', async () => {
    await signIn(page, 'tess', 'secret of a team');
    await expect(page).toHaveURL(/\/team\/$/);
    await expect(page.getByLabel('Workspace', { exact: true })).toBeHidden();
    await goTo(page, 'Workspaces');
    await expect(page.getByRole('link', { name: 'team', exact: true })).toBeVisible();
    await expect(page.getByRole('link', { name: 'others', exact: true })).toBeHidden();
    await expect(page.getByRole('link', { name: 'New Workspace' })).toBeHidden();
    await goTo(page, 'Services');
    await page.getByRole('link', { name: 'ours', exact: true }).click();
    await expect(page.getByRole('link', { name: 'Edit', exact: true })).toBeVisible();
    await page.goto('services');
    await expect(page).toHaveURL(/\/team\/services$/);
    await page.goto('others/services');
    await expect(page.getByText(/You may not do this/).first()).toBeVisible();
    await page.getByRole('button', { name: 'Sign out' }).click();
  });

  await test.step('who may only look', async () => {
    await title(page, 'Sign in');
    await signIn(page, 'rita', 'secret of a team');
    await goTo(page, 'Services');
    await expect(page.getByRole('link', { name: 'ours', exact: true })).toBeVisible();
    await expect(page.getByRole('link', { name: 'New Service' })).toBeHidden();
    await page.getByRole('link', { name: 'ours', exact: true }).click();
    await title(page, 'ours');
    for (const name of ['Edit', 'Duplicate', 'Add Route', 'Add Plugin'])
      await expect(page.getByRole('link', { name, exact: true })).toBeHidden();
    await expect(page.getByRole('button', { name: 'Delete', exact: true })).toBeHidden();
    await accessible(page);
  });
});

test('a role is given permissions, and shows what they come to', async ({ page }) => {
  await signIn(page);
  await goTo(page, 'Roles');
  await title(page, 'Roles');
  await accessible(page);
  await page.getByRole('link', { name: 'New Role' }).click();
  await submit(page, 'Create', { Name: 'reader', Comment: 'Looks only' });
  await title(page, 'reader');
  await accessible(page);
  const endpoints = page.getByRole('region', { name: 'Endpoint permissions' }).first();
  const effect = page.getByRole('region', { name: 'What the role may do' });
  await expect(effect.getByRole('row', { name: /^Services/ })).toHaveText(/Services\s*No\s*No\s*No\s*No/);
  await endpoints.getByLabel('Endpoint', { exact: true }).fill('*');
  await endpoints.getByRole('button', { name: 'Add permission' }).click();
  await expect(endpoints.getByRole('row', { name: /Allows\s*read/ })).toBeVisible();
  await expect(effect.getByRole('row', { name: /^Services/ })).toHaveText(/Services\s*Yes\s*No\s*No\s*No/);
  await endpoints.getByLabel('Endpoint', { exact: true }).fill('/services');
  await endpoints.getByLabel('create').check();
  await endpoints.getByRole('button', { name: 'Add permission' }).click();
  await expect(effect.getByRole('row', { name: /^Services/ })).toHaveText(/Services\s*Yes\s*Yes\s*No\s*No/);
  await endpoints.getByRole('button', { name: 'Change /services in default' }).click();
  await expect(endpoints.getByLabel('create')).toBeChecked();
  await endpoints.getByLabel('Forbid instead of allowing').check();
  await endpoints.getByRole('button', { name: 'Save permission' }).click();
  await expect(effect.getByRole('row', { name: /^Services/ })).toHaveText(/Services\s*No\s*No\s*No\s*No/);
  await accessible(page);
  await narrow(page);
  await endpoints.getByRole('button', { name: 'Remove /services in default' }).click();
  await expect(endpoints.getByRole('row')).toHaveCount(2);
  const entities = page.getByRole('region', { name: 'Entity permissions' }).first();
  await entities.getByLabel('Entity ID').fill('00000000-0000-0000-0000-00000000abcd');
  await entities.getByRole('button', { name: 'Add permission' }).click();
  await expect(entities.getByRole('alert')).toContainText('entity not found');
  await entities.getByLabel('Entity ID').fill('*');
  await entities.getByRole('button', { name: 'Add permission' }).click();
  await expect(entities.getByRole('row', { name: /wildcard/ })).toBeVisible();
});

test('a user gets a token and roles', async ({ page, request }) => {
  await api(request, 'POST', 'rbac/roles', { name: 'machine' });
  await signIn(page);
  await goTo(page, 'Users');
  await title(page, 'Users');
  await page.getByRole('link', { name: 'New User' }).click();
  await title(page, 'New User');
  await page.getByLabel('Name', { exact: true }).fill('robot');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('button', { name: /User token: required field missing/ })).toBeVisible();
  await accessible(page);
  await submit(page, 'Create', { 'User token': 'token-of-robot' });
  await title(page, 'robot');
  await expect(page.getByText('argon2')).toBeHidden();
  const roles = page.getByRole('region', { name: 'Roles' });
  await submit(page, 'Add', { 'Role to add': 'none such' });
  await expect(roles.getByText('There is no Role “none such” here.')).toBeVisible();
  await submit(page, 'Add', { 'Role to add': 'machine' });
  await expect(roles.getByRole('link', { name: 'machine', exact: true })).toBeVisible();
  await accessible(page);
  await roles.getByRole('button', { name: 'Remove machine' }).click();
  await expect(roles.getByRole('link', { name: 'machine', exact: true })).toBeHidden();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await expect(page.getByLabel('User token', { exact: true })).toHaveValue('');
  const sent = page.waitForRequest((one) => one.method() === 'PATCH');
  await submit(page, 'Save', { Comment: 'Cleans at night' });
  expect((await sent).postDataJSON()).toEqual({ comment: 'Cleans at night' });
  await title(page, 'robot');
});

test('an admin is invited by a link, and changes its own password and token', async ({ page, browser, request, baseURL }) => {
  await signIn(page);
  await goTo(page, 'Admins');
  await title(page, 'Admins');
  await accessible(page);
  await page.getByRole('link', { name: 'New Admin' }).click();
  await submit(page, 'Create', { Username: 'amy', Email: 'amy@example.com' });
  await title(page, 'amy');
  const invitation = page.getByRole('region', { name: 'Invitation' });
  await expect(invitation.getByText('Invited', { exact: true })).toBeVisible();
  await submit(page, 'Add', { 'Role to add': 'read-only' });
  await expect(page.getByRole('link', { name: 'read-only', exact: true })).toBeVisible();
  await invitation.getByRole('button', { name: 'Make a link' }).click();
  const link = await invitation.locator('code').textContent();
  await accessible(page);

  const other = await browser.newContext({ baseURL });
  const theirs = await other.newPage();
  await test.step('the link', async () => {
    await theirs.goto('register?username=amy');
    await expect(theirs.getByText('This link is not whole.')).toBeVisible();
    await theirs.goto(link);
    await title(theirs, 'Welcome');
    await accessible(theirs);
    await narrow(theirs);
    await submit(theirs, 'Set the password and sign in', { Password: 'one', 'The same again': 'two' });
    await expect(theirs.getByRole('alert')).toContainText('The two differ.');
    await submit(theirs, 'Set the password and sign in', { Password: 'first of amy', 'The same again': 'first of amy' });
    await title(theirs, 'Overview');
    await expect(theirs.getByText('amy', { exact: true })).toBeVisible();
  });
  await test.step('her profile', async () => {
    await goTo(theirs, 'Profile');
    await title(theirs, 'Profile');
    await accessible(theirs);
    const change = { 'Old password': 'wrong', 'New password': 'second of amy', 'New password again': 'second of amy' };
    await submit(theirs, 'Change the password', change);
    await expect(theirs.getByText('The old password is wrong')).toBeVisible();
    await submit(theirs, 'Change the password', { ...change, 'Old password': 'first of amy' });
    await expect(theirs.getByText('Password changed.')).toBeVisible();
    await expect(theirs.getByRole('dialog')).toBeHidden();
    await theirs.getByRole('button', { name: 'Make a new token' }).click();
    const token = await theirs.getByRole('status').locator('code').textContent();
    const answer = await request.get('api/services', { headers: { 'kong-admin-token': token } });
    expect(answer.status()).toBe(200);
    await theirs.getByRole('button', { name: 'Sign out everywhere' }).click();
    await title(theirs, 'Sign in');
  });
  await test.step('the link is used up', async () => {
    await theirs.goto(link);
    await submit(theirs, 'Set the password and sign in', { Password: 'third', 'The same again': 'third' });
    await expect(theirs.getByRole('alert')).toContainText('used up');
  });
  await other.close();
  await page.reload();
  await expect(invitation.getByText('Approved', { exact: true })).toBeVisible();
});

test('a group gives roles', async ({ page }) => {
  await signIn(page);
  await goTo(page, 'Groups');
  await title(page, 'Groups');
  await accessible(page);
  await page.getByRole('link', { name: 'New Group' }).click();
  await submit(page, 'Create', { Name: 'night-shift' });
  await title(page, 'night-shift');
  await submit(page, 'Add', { 'Role to add': 'read-only' });
  const roles = page.getByRole('region', { name: 'Roles' });
  await expect(roles.getByText(/read-only · default/)).toBeVisible();
  await accessible(page);
  await roles.getByRole('button', { name: 'Remove read-only' }).click();
  await expect(roles.getByText(/^None yet/)).toBeVisible();
});

test('the audit log says who did what', async ({ page, request }) => {
  const { id } = await api(request, 'POST', 'services', { name: 'watched', host: 'before.example' });
  await api(request, 'PATCH', `services/${id}`, { host: 'after.example' });
  await signIn(page);
  await goTo(page, 'Requests');
  await title(page, 'Requests');
  await expect(page.getByRole('row', { name: /kong_admin/ }).first()).toBeVisible();
  await accessible(page);
  await narrow(page);
  await page.getByLabel('Method', { exact: true }).fill('PATCH');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(page).toHaveURL(/method=PATCH/);
  await expect(async () => {
    await page.reload();
    await expect(page.getByText(`/services/${id}`).first()).toBeVisible({ timeout: 1000 });
  }).toPass();
  await page.goto(`audit/objects?entity_key=${id}`);
  await title(page, 'Changes');
  await page.getByText('Before and after').first().click();
  await expect(page.getByText('- host: before.example')).toBeVisible();
  await expect(page.getByText('+ host: after.example')).toBeVisible();
  await accessible(page);
  await page.getByLabel('Operation', { exact: true }).fill('delete');
  await page.getByRole('button', { name: 'Filter', exact: true }).click();
  await expect(page.getByText('Nothing fits this filter.')).toBeVisible();
});
