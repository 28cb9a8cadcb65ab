// The manager in Debian's Chromium.
//   MANAGER_URL=http://127.0.0.1:8002/  tests a gateway that is already running, with an empty database.
// Without it the built pages are served with a stand-in for the Admin API: for work on the pages alone.
import { defineConfig } from '@playwright/test';

const own = 'http://127.0.0.1:18902/manager/';
const url = process.env.MANAGER_URL ?? own;

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    baseURL: url,
    trace: 'retain-on-failure',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
  webServer: process.env.MANAGER_URL
    ? undefined
    : { command: 'node stand-in.mjs 18902 /manager', url: own, reuseExistingServer: false },
});
