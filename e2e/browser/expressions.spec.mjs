// Routes by expressions, at a gateway whose router takes them.
import { clear, expect, fact, refused, submit, test, title, unfold } from './support.mjs';


test.afterEach(({ request }) => clear(request, 'routes'));

test('a Route is written as an expression or in rules, and not as both', async ({ page }) => {
  const blank = async () => {
    await page.goto('routes/create');
    await expect(page.getByRole('button', { name: 'Create', exact: true })).toBeVisible();
    await unfold(page);
  };
  await blank();
  for (const label of ['Expression', 'Hosts', 'Paths', 'Methods', 'Priority']) await expect(page.getByLabel(label, { exact: true })).toBeVisible();

  // What is typed stands in what will be sent.
  await page.getByLabel('Expression', { exact: true }).fill('http.path == "/a"');
  const body = page.getByLabel('Request body', { exact: true });
  await expect(body).toContainText('"expression"');
  await page.getByLabel('Expression', { exact: true }).fill('');
  await page.getByLabel('Name', { exact: true }).fill('a-route');
  await expect(body).toHaveText(/^\{\s*"name": "a-route"\s*\}$/);

  for (const [fields, said] of [
    [{}, 'must set one of'],
    [{ Expression: 'http.path ==' }, 'expected rhs'],
    [{ Expression: 'http.nonsense == "/a"' }, 'Unknown LHS field'],
    [{ Expression: 'http.path == "/a"', Paths: '/a' }, "cannot set 'expression' with"],
  ]) {
    await submit(page, 'Create', fields);
    await expect(refused(page)).toContainText(said);
  }

  await blank();
  await submit(page, 'Create', { Name: 'by-rules', Paths: '/a' });
  await title(page, 'by-rules');
  await expect(fact(page, 'Paths')).toHaveText('/a');
  await expect(fact(page, 'Expression')).toHaveCount(0);

  await blank();
  await submit(page, 'Create', { Name: 'by-expression', Expression: 'http.path == "/a" && http.method == "GET"', Priority: '7' });
  await title(page, 'by-expression');
  await expect(fact(page, 'Expression')).toHaveText('http.path == "/a" && http.method == "GET"');
  await expect(fact(page, 'Priority')).toHaveText('7');
});
