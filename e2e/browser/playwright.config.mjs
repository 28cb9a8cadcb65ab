// The manager in Debian's Chromium.
//   SILVERBACK_BINARY=../../target/ci/silverback   the real gateway, on a new SQLite file and ports of its own
//   MANAGER_URL=http://127.0.0.1:8002/             a gateway that is already running, with an empty database
//                                                  (PROXY_URL=http://127.0.0.1:8000 asks its proxy as well)
// Without either the built pages are served with a stand-in for the Admin API: for work on the pages alone.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from '@playwright/test';

const binary = process.env.SILVERBACK_BINARY;
const url = process.env.MANAGER_URL ?? 'http://127.0.0.1:18902/manager/';
if (binary) process.env.PROXY_URL ??= 'http://127.0.0.1:18900';

const gateway = () => ({
  command: `exec ${binary} start`,
  // Asked below: a page that is there before the node can answer helps nobody.
  url: `${url}api/status`,
  timeout: 60_000,
  gracefulShutdown: { signal: 'SIGTERM', timeout: 5_000 },
  env: {
    KONG_PREFIX: mkdtempSync(join(tmpdir(), 'silverback-browser-')),
    KONG_DATABASE: 'sqlite',
    KONG_PROXY_LISTEN: '127.0.0.1:18900',
    KONG_ADMIN_LISTEN: '127.0.0.1:18901',
    KONG_ADMIN_GUI_LISTEN: '127.0.0.1:18902',
    KONG_ADMIN_GUI_PATH: '/manager',
    KONG_STATUS_LISTEN: 'off',
  },
});
const standIn = { command: 'node stand-in.mjs 18902 /manager', url };

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  workers: 1,
  timeout: 180_000,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    baseURL: url,
    trace: 'retain-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
  webServer: process.env.MANAGER_URL ? undefined : { reuseExistingServer: false, ...(binary ? gateway() : standIn) },
});
