// What people know from Kong Manager is tried here: coverage.json says which test does it, and every test it names exists.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';

test('every test that coverage.json names exists', () => {
  const pages = JSON.parse(readFileSync(new URL('coverage.json', import.meta.url), 'utf8'));
  const cli = createRequire(import.meta.url).resolve('@playwright/test/cli');
  const { MANAGER_URL, ...env } = process.env;
  const list = execFileSync(process.execPath, [cli, 'test', '--list', '--reporter=json'], {
    cwd: fileURLToPath(new URL('.', import.meta.url)), env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024,
  });
  const titles = (suite) => [...suite.specs.map(({ file, title }) => `${file}: ${title}`), ...(suite.suites ?? []).flatMap(titles)];
  const tests = new Set(JSON.parse(list).suites.flatMap(titles));
  const gone = pages.flatMap(({ page, tried }) => Object.keys(tried).filter((name) => !tests.has(name)).map((name) => `${page}: ${name}`));
  expect(gone).toEqual([]);
  for (const { tried, elsewhere = {}, missing = {} } of pages)
    for (const behaviours of [tried, elsewhere, missing].flatMap(Object.values)) expect(behaviours.length).toBeGreaterThan(0);
});
