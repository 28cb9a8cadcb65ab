// The manager in Debian's Chromium, against the real gateway on a new SQLite file and ports of its own.
//   SILVERBACK_BINARY=…                            another binary than target/ci/silverback
//   KONG_DATABASE=postgres KONG_PG_…               another database, which must be empty
//   PAGES=dist                                     the pages of ui/dist as they are now instead of those in the binary
//   MANAGER_URL=http://127.0.0.1:8002/             a gateway that is already running, with an empty database
//                                                  (PROXY_URL=http://127.0.0.1:8000 asks its proxy as well)
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from '@playwright/test';

const binary = process.env.SILVERBACK_BINARY ?? fileURLToPath(new URL('../../target/ci/silverback', import.meta.url));
const own = 'http://127.0.0.1:18902/manager/';
const dist = process.env.PAGES === 'dist';
const url = process.env.MANAGER_URL ?? (dist ? 'http://127.0.0.1:18903/manager/' : own);
if (!process.env.MANAGER_URL) process.env.PROXY_URL ??= 'http://127.0.0.1:18900';

const gateway = {
  command: `exec ${binary} start`,
  // Asked below: a page that is there before the node can answer helps nobody.
  url: `${own}api/status`,
  timeout: 60_000,
  reuseExistingServer: false,
  gracefulShutdown: { signal: 'SIGTERM', timeout: 5_000 },
  env: {
    KONG_PREFIX: mkdtempSync(join(tmpdir(), 'silverback-browser-')),
    KONG_DATABASE: process.env.KONG_DATABASE ?? 'sqlite',
    KONG_PROXY_LISTEN: '127.0.0.1:18900',
    KONG_ADMIN_LISTEN: '127.0.0.1:18901',
    KONG_ADMIN_GUI_LISTEN: '127.0.0.1:18902',
    KONG_ADMIN_GUI_PATH: '/manager',
    KONG_STATUS_LISTEN: 'off',
  },
};
const pages = { command: 'node pages.mjs http://127.0.0.1:18901 18903 /manager', url, reuseExistingServer: false };

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  workers: 1,
  timeout: 300_000,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    baseURL: url,
    actionTimeout: 15_000,
    trace: 'retain-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
  webServer: process.env.MANAGER_URL ? undefined : [gateway, ...(dist ? [pages] : [])],
});
