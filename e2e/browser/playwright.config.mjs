// The manager in Debian's Chromium, against real gateways on new SQLite files and ports of their own: one that asks nobody who
// they are, one with RBAC, one without a database, and one that routes by expressions.
//   SILVERBACK_BINARY=…                            another binary than target/ci/silverback
//   BASE_PORT=18900                                where the ports begin; forty are used
//   KONG_DATABASE=postgres KONG_PG_…               another database for the first, which must be empty
//   PAGES=dist                                     the pages of ui/dist as they are now instead of those in the binary
//   MANAGER_URL=http://127.0.0.1:8002/             a gateway that is already running, with an empty database and without RBAC
//                                                  (PROXY_URL=http://127.0.0.1:8000 asks its proxy as well)
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from '@playwright/test';

const binary = process.env.SILVERBACK_BINARY ?? fileURLToPath(new URL('../../target/ci/silverback', import.meta.url));
const base = Number(process.env.BASE_PORT ?? 18900);
const dist = process.env.PAGES === 'dist';
const address = (port) => `http://127.0.0.1:${port}/manager/`;
if (!process.env.MANAGER_URL) process.env.PROXY_URL ??= `http://127.0.0.1:${base}`;

/** A gateway whose ports begin at `first`, and where its pages are. */
const gateway = (first, status, env) => {
  const url = address(dist ? first + 3 : first + 2);
  const common = {
    KONG_PREFIX: mkdtempSync(join(tmpdir(), 'silverback-browser-')),
    KONG_PROXY_LISTEN: `127.0.0.1:${first}`,
    KONG_ADMIN_LISTEN: `127.0.0.1:${first + 1}`,
    KONG_ADMIN_GUI_LISTEN: `127.0.0.1:${first + 2}`,
    KONG_ADMIN_GUI_PATH: '/manager',
    KONG_STATUS_LISTEN: 'off',
  };
  const servers = [
    {
      command: `exec ${binary} start`,
      // Asked below: a page that is there before the node can answer helps nobody.
      url: `${address(first + 2)}api/${status}`,
      timeout: 60_000,
      reuseExistingServer: false,
      gracefulShutdown: { signal: 'SIGTERM', timeout: 5_000 },
      env: { ...common, ...env(url) },
    },
  ];
  if (dist) {
    const command = `node pages.mjs http://127.0.0.1:${first + 1} ${first + 3} /manager`;
    servers.push({ command, url, reuseExistingServer: false });
  }
  return { url, servers };
};

const open = gateway(base, 'status', () => ({ KONG_DATABASE: process.env.KONG_DATABASE ?? 'sqlite' }));
const rbac = gateway(base + 10, 'status', (url) => ({
  KONG_DATABASE: 'sqlite',
  KONG_ENFORCE_RBAC: 'on',
  KONG_PASSWORD: 'correct-horse',
  KONG_ADMIN_GUI_AUTH: 'basic-auth',
  KONG_ADMIN_GUI_SESSION_CONF: '{"secret":"of the tests","cookie_secure":false}',
  KONG_ADMIN_GUI_URL: url.replace(/\/$/, ''),
  KONG_AUDIT_LOG: 'on',
}));
const file = gateway(base + 20, 'status', () => ({ KONG_DATABASE: 'off' }));

const expressions = gateway(base + 30, 'status', () => ({ KONG_DATABASE: 'sqlite', KONG_ROUTER_FLAVOR: 'expressions' }));

const own = { access: /access.*\.spec/, dbless: /dbless\.spec/, expressions: /expressions\.spec/ };
const projects = [{ name: 'open', testIgnore: Object.values(own), use: { baseURL: process.env.MANAGER_URL ?? open.url } }];
if (!process.env.MANAGER_URL) {
  projects.push({ name: 'rbac', testMatch: own.access, use: { baseURL: rbac.url } });
  projects.push({ name: 'dbless', testMatch: own.dbless, use: { baseURL: file.url } });
  projects.push({ name: 'expressions', testMatch: own.expressions, use: { baseURL: expressions.url } });
}

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  workers: 1,
  timeout: 300_000,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  projects,
  use: {
    actionTimeout: 15_000,
    trace: 'retain-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
  webServer: process.env.MANAGER_URL ? undefined : [...open.servers, ...rbac.servers, ...file.servers, ...expressions.servers],
});
