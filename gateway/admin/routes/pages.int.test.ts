import assert from 'node:assert/strict';
import type { FastifyInstance } from 'fastify';
import { joinCodeNumber } from '../../../proto/ids.ts';
import { buildAdmin } from '../admin.ts';
import { operationsOf } from '../operations/operations.ts';
import { ScriptedWorld } from '../scripted-world.ts';
import { packagedWebRoot } from './pages.ts';
import { BrowserPage, browserOnPath } from './scripted-browser.ts';
import { ScriptedSocket, scriptedHuntView } from './scripted-socket.ts';

const hunt = 1_234_567;
const text = (id: string) => `document.getElementById('${id}').innerText`;
const fill = (id: string, value: string) =>
  `document.getElementById('${id}').value = ${JSON.stringify(value)}; document.getElementById('${id}').form.requestSubmit()`;

describe('the web pages in a browser', function () {
  this.timeout(60_000);
  const world = new ScriptedWorld();
  let app: FastifyInstance;
  let socket: ScriptedSocket;
  let page: BrowserPage;
  let base: string;

  before(async function () {
    const command = browserOnPath();
    if (command === undefined) {
      if (process.env.REQUIRE_SERVICES === '1')
        throw new Error('REQUIRE_SERVICES=1, but no chromium or chrome is on the PATH');
      console.log('      skipped: no chromium or chrome on the PATH');
      this.skip();
    }
    world.now = Date.now();
    world.addHunt(hunt, { title: 'Old Town Mystery', version: 12 });
    world.codes.set(joinCodeNumber('K7Q4MX'), hunt);
    const scripted = world.call.bind(world);
    world.call = async (stream, method, body) => {
      const outcome = await scripted(stream, method, body);
      if (method === 'show' && outcome.ok) (outcome.body as { state: object }).state = scriptedHuntView(hunt);
      return outcome;
    };
    app = await buildAdmin(operationsOf(world.ports()), { webRoot: packagedWebRoot() });
    socket = new ScriptedSocket(app.server, hunt, world.tokens);
    base = await app.listen({ host: '127.0.0.1', port: 0 });
    page = await BrowserPage.open(command);
  });
  after(async () => {
    await page?.close();
    socket?.drop();
    await app?.close();
  });
  afterEach(() => {
    assert.deepEqual(page?.complaints.splice(0) ?? [], [], 'the browser complained');
    assert.deepEqual(world.faults, []);
  });
  const fits = async (what: string) =>
    assert.ok(
      await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
      `${what} is wider than the screen`,
    );

  it('let a player join by the code in the address, and play', async () => {
    await page.size(390, 844);
    await page.visit(`${base}/play/k7q4mx`);
    await page.until('the code to stand in the form', `document.getElementById('code')?.value === 'K7Q4MX'`);
    await page.evaluate(fill('name', 'Anna'));
    await page.until('the clue', `document.body.innerText.includes('Whose trident is it?')`);
    assert.match(String(await page.evaluate(text('score'))), /100 points · place 2/);
    await fits('the play page on a phone');
    await page.evaluate(
      `const box = document.querySelector('input[name=answer-god]'); box.value = 'Zeus'; box.form.requestSubmit()`,
    );
    await page.until('the refusal', `${text('toast')}.includes('2 tries left')`);
    await page.evaluate(`document.getElementById('check-in').click()`);
    await page.until('the position', `${text('where')}.includes('12 m')`);
    await page.until('the ack of the check-in', `${text('toast')}.includes('You are here')`);
  });

  it('resume after a lost line, and take the seat again after a reload', async () => {
    const before = socket.resumedFrom.length;
    socket.drop();
    await page.until('the loss to be told', `${text('line')} !== 'live'`);
    await page.until('the line to be live again', `${text('line')} === 'live'`);
    assert.ok(Number(socket.resumedFrom[before]) > 12, `resumed from ${socket.resumedFrom[before]}`);
    await page.visit(`${base}/play`);
    await page.until(
      'the seat after a reload',
      `${text('line')} === 'live' && document.getElementById('entrance').hidden`,
    );
  });

  it('show an operator the cluster, a board and the events, and take the token out of the address', async () => {
    await page.size(1280, 900);
    await page.visit(`${base}/console#token=${await world.token('operator', 'otto')}`);
    await page.until(
      'the nodes',
      `document.querySelectorAll('#nodes tr').length === 1 && ${text('ready')} === 'ready'`,
    );
    assert.equal(await page.evaluate('location.href'), `${base}/console`);
    await page.evaluate(fill('open-which', 'k7q4mx'));
    await page.until(
      'events and board',
      `document.querySelectorAll('#events li').length >= 5 && document.querySelectorAll('#board tr').length === 1`,
    );
    await page.evaluate(fill('announcement', 'Rain is coming'));
    await page.until('the announcement to be sent', `document.getElementById('announcement').value === ''`);
    assert.ok(world.calls.some(({ method, body }) => method === 'announce' && body.text === 'Rain is coming'));
    await page.evaluate(
      `document.getElementById('definition').value = '{"title": "New"}'; document.querySelector('[value=create]').click()`,
    );
    await page.until('the new hunt', `${text('create-answer')}.includes('/play/')`);
    await fits('the console on a desk');
    await page.size(390, 844);
    await fits('the console on a phone');
  });
});
