// Chromium by its debugging protocol over a pipe, with nothing watched that is not asked for.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const LISTS = ['Services', 'Routes', 'Consumers', 'Plugins', 'Upstreams'];

/** Goes to lists in turn, as a click would; in the page. */
async function turns(names, times) {
  const until = async (there) => {
    while (!there()) await new Promise((done) => requestAnimationFrame(done));
  };
  const link = (name) => [...document.querySelectorAll('nav a')].find((one) => one.textContent.trim() === name);
  for (let at = 0; at < times; at += 1) {
    const name = names[at % names.length];
    await until(() => link(name));
    link(name).click();
    const arrived = () => document.querySelector('h1')?.textContent.trim() === name;
    await until(() => arrived() && document.querySelector('main .waiting') === null);
  }
}

export class Chromium {
  #process;
  #session;
  #last = 0;
  #pending = new Map();
  #rest = '';

  /** A browser with one empty page; `profile`: a folder of its own. */
  static async start(profile) {
    const chromium = new Chromium();
    const options = ['--headless', '--no-sandbox', `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'];
    chromium.#process = spawn(EXECUTABLE, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    chromium.#process.stdio[4].on('data', (data) => chromium.#take(data));
    const { targetId } = await chromium.send('Target.createTarget', { url: 'about:blank' });
    chromium.#session = (await chromium.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    return chromium;
  }

  #take(data) {
    const messages = (this.#rest + data).split('\0');
    this.#rest = messages.pop();
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message);
      const { done, fail } = this.#pending.get(id) ?? {};
      this.#pending.delete(id);
      if (error) fail?.(new Error(error.message));
      else done?.(result);
    }
  }

  /** A command to the browser. */
  send(method, params = {}, sessionId) {
    this.#last += 1;
    const id = this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((done, fail) => this.#pending.set(id, { done, fail }));
  }

  /** A command to the page. */
  page(method, params) {
    return this.send(method, params, this.#session);
  }

  /** Goes to lists in turn, so many times. */
  async navigate(times) {
    const expression = `(${turns})(${JSON.stringify(LISTS)}, ${times})`;
    const { exceptionDetails } = await this.page('Runtime.evaluate', { expression, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  /** What the page holds after garbage was collected: KiB of its process, nodes, listeners. */
  async held() {
    await this.page('HeapProfiler.collectGarbage');
    const { metrics } = await this.page('Performance.getMetrics');
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    const { processInfo } = await this.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer');
    const own = ({ id }) => Number(/^Private_Dirty:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))[1]);
    return { kib: Math.max(...renderers.map(own)), nodes: of('Nodes'), listeners: of('JSEventListeners') };
  }

  async end() {
    const ended = new Promise((done) => this.#process.once('exit', done));
    await this.send('Browser.close').catch(() => {});
    await ended;
  }
}
