// How fast the manager is, in Debian's Chromium against a gateway on a new SQLite file, beside its bounds. For a quiet machine;
// exit status 1 where a bound is missed.
//   node figures.mjs [binary]
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
import { Chromium, EXECUTABLE } from './chromium.mjs';

const SERVICES = 10_000;
const NAVIGATIONS = 1_000;
const ROUNDS = 7;
const binary = process.argv[2] ?? fileURLToPath(new URL('../../target/ci/silverback', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'silverback-figures-'));
const base = 18960;
const url = `http://127.0.0.1:${base + 2}/`;
const env = {
  ...process.env,
  KONG_DATABASE: 'sqlite',
  KONG_PREFIX: folder,
  KONG_LOG_LEVEL: 'error',
  KONG_PROXY_LISTEN: `127.0.0.1:${base}`,
  KONG_ADMIN_LISTEN: `127.0.0.1:${base + 1}`,
  KONG_ADMIN_GUI_LISTEN: `127.0.0.1:${base + 2}`,
  KONG_STATUS_LISTEN: 'off',
};
let missed = 0;

/** Tells a figure, and whether it is within its bound. */
function tell(name, value, unit, most) {
  const within = most === undefined || value <= most;
  if (!within) missed += 1;
  const bound = most === undefined ? '' : ` (at most ${most})${within ? '' : ' MISSED'}`;
  console.log(`${name}: ${value < 10 ? value.toFixed(2) : Math.round(value)} ${unit}${bound}`);
}

const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

/** Ten thousand Services, in one file. */
function fill() {
  const services = Array.from({ length: SERVICES }, (_, at) => ({ name: `s-${String(at).padStart(5, '0')}`, host: 'h.example' }));
  const file = join(folder, 'services.json');
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services }));
  const { status, stderr } = spawnSync(binary, ['config', 'db_import', file], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`db_import: ${stderr}`);
}

/** A page that begins with nothing in its cache, on a processor so many times slower. */
async function first(browser, slower) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: slower });
  const begun = performance.now();
  await page.goto(url, { waitUntil: 'commit' });
  // Interactive: the palette opens on its key.
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').waitFor();
  const interactive = performance.now() - begun;
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  await context.close();
  return { interactive, paint };
}

/** From a click on "Next page" until its rows are laid out, as the page's own clock sees it. */
async function turn(page) {
  return page.evaluate(async () => {
    const head = () => document.querySelector('tbody [scope=row], tbody th')?.textContent;
    const before = head();
    const link = [...document.querySelectorAll('a')].find((link) => link.textContent.trim() === 'Next page');
    const begun = performance.now();
    link.click();
    while (head() === before || head() === undefined) await new Promise((done) => requestAnimationFrame(done));
    return performance.now() - begun;
  });
}

/**
 * What is left after garbage was collected: memory of the page's process (WebAssembly included), nodes, listeners. Chromium is
 * spoken to directly: Playwright watches the network, for which the page's process keeps every answer it has got.
 */
async function memory() {
  const chromium = await Chromium.start(join(folder, 'chromium'));
  try {
    await chromium.page('Performance.enable');
    await chromium.page('Page.navigate', { url: `${url}services` });
    await chromium.navigate(NAVIGATIONS / 4);
    const before = await chromium.held();
    await chromium.navigate(NAVIGATIONS);
    const after = await chromium.held();
    tell('memory of the page', before.kib / 1024, 'MiB');
    tell(`memory after ${NAVIGATIONS} navigations`, after.kib / before.kib, 'times', 1.1);
    tell('nodes of the document', after.nodes / before.nodes, 'times', 1.1);
    tell('listeners', after.listeners / before.listeners, 'times', 1.1);
  } finally {
    await chromium.end();
  }
}

async function measure(browser) {
  const laptop = [];
  const slow = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    laptop.push(await first(browser, 1));
    slow.push(await first(browser, 4));
  }
  tell('first paint', median(laptop.map(({ paint }) => paint)), 'ms', 1000);
  tell('interactive', median(laptop.map(({ interactive }) => interactive)), 'ms');
  tell('interactive on a processor four times slower', median(slow.map(({ interactive }) => interactive)), 'ms', 1500);

  const page = await browser.newPage();
  await page.goto(`${url}services`);
  await page.getByRole('rowheader').first().waitFor();
  const turns = [];
  for (let at = 0; at < 20; at += 1) turns.push(await turn(page));
  tell(`the next page of ${SERVICES} Services`, median(turns), 'ms', 150);
}

let gateway;
let browser;
try {
  fill();
  gateway = spawn(binary, ['start'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const there = () => fetch(`${url}api/status`).then((answer) => answer.ok, () => false);
  for (let tries = 0; !(await there()); tries += 1) {
    if (tries > 300 || gateway.exitCode !== null) throw new Error('the gateway does not answer');
    await new Promise((done) => setTimeout(done, 100));
  }
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] });
  await measure(browser);
  await browser.close();
  await memory();
} finally {
  await browser?.close();
  gateway?.kill('SIGTERM');
  if (gateway && gateway.exitCode === null) await new Promise((done) => gateway.once('exit', done));
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = missed > 0 ? 1 : 0;
