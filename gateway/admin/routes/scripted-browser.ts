/** A real browser for tests, driven over its debugging socket; undefined where there is none on the PATH. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'headless-shell'];
const startMsMax = 20_000;
const waitMsMax = 10_000;

export function browserOnPath(): string | undefined {
  return names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** One page. What it throws and what the browser complains of is kept in `complaints`. */
export class BrowserPage {
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #session: string | undefined;
  #last = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(String(data)) as Message));
  }

  static async open(command: string): Promise<BrowserPage> {
    const profile = mkdtempSync(join(tmpdir(), 'hunt-browser-'));
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ];
    const child = spawn(command, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
    const endpoint = await new Promise<string>((resolve, reject) => {
      let text = '';
      const late = setTimeout(() => {
        child.kill();
        reject(new Error(`waited ${startMsMax} ms for ${command} to listen: ${text}`));
      }, startMsMax);
      child.stderr.on('data', (chunk) => {
        text += String(chunk);
        const found = /DevTools listening on (ws:\S+)/.exec(text);
        if (found === null) return;
        clearTimeout(late);
        resolve(found[1] as string);
      });
    });
    const socket = new WebSocket(endpoint);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const page = new BrowserPage(child, profile, socket);
    const { targetId } = await page.command('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await page.command('Target.attachToTarget', { targetId, flatten: true });
    page.#session = String(sessionId);
    for (const domain of ['Page', 'Runtime', 'Log']) await page.command(`${domain}.enable`);
    await page.command('Browser.grantPermissions', { permissions: ['geolocation'] });
    await page.command('Emulation.setGeolocationOverride', { latitude: 52.516, longitude: 13.377, accuracy: 12 });
    return page;
  }

  async command(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    const browserWide = method.startsWith('Target.') || method.startsWith('Browser.');
    const answer = await new Promise<Message>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params, ...(browserWide ? {} : { sessionId: this.#session }) }));
    });
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? {};
  }

  async visit(url: string): Promise<void> {
    await this.command('Page.navigate', { url });
  }

  async size(width: number, height: number): Promise<void> {
    await this.command('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
  }

  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.command('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    return (result as { value?: unknown } | undefined)?.value;
  }

  /** Waits until the expression is true in the page, whichever page that is by then. */
  async until(what: string, expression: string): Promise<void> {
    const end = Date.now() + waitMsMax;
    while ((await this.evaluate(expression).catch(() => false)) !== true) {
      if (Date.now() > end)
        throw new Error(
          `waited ${waitMsMax} ms for ${what}; the page shows: ${await this.evaluate('document.body.innerText')}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async close(): Promise<void> {
    this.#socket.close();
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill();
    await gone;
    // The browser's helpers outlive it for a moment, and write into the folder while it is being removed.
    for (const end = Date.now() + waitMsMax; ; ) {
      try {
        rmSync(this.#profile, { recursive: true, force: true });
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  #receive(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } else if (message.method === 'Runtime.exceptionThrown' || message.method === 'Log.entryAdded') {
      this.complaints.push(JSON.stringify(message.params));
    } else if (message.method === 'Page.javascriptDialogOpening') {
      void this.command('Page.handleJavaScriptDialog', { accept: true });
    }
  }
}
