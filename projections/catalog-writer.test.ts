import assert from 'node:assert/strict';
import { type Slot, slotCount } from '../proto/ids.ts';
import type { CatalogRow } from './catalog-rows.ts';
import { CatalogWriter } from './catalog-writer.ts';
import type { Answer, Connection } from './connection.ts';
import type { Primary } from './primary.ts';
import { eventually, freshHuntId, systemParts, testJournal } from './projections.fixture.ts';
import type { Statement } from './statement.ts';

const row: CatalogRow = {
  huntId: freshHuntId(7),
  generation: 1,
  version: 3,
  title: 'Old Town',
  status: 'open',
  owner: 'dora',
  joinCode: 'K7Q4MX',
  opensAt: undefined,
  closesAt: undefined,
  createdAt: 1,
  players: 2,
};

/** A server with empty tables; `asked` hears the name of each statement before it is answered. */
function emptyServer(asked: (name: string) => void): Primary {
  const run = async (statements: readonly Statement[]): Promise<readonly Answer[]> => {
    for (const { name } of statements) asked(name ?? '');
    return statements.map(() => ({ rows: [], count: 0 }));
  };
  const one = async (statement: Statement): Promise<Answer> => (await run([statement]))[0] as Answer;
  const connection = { isOpen: true, run, one, close: () => {} } as unknown as Connection;
  return { connect: async () => connection } as unknown as Primary;
}

describe('the writer of the list of hunts', () => {
  it('writes what has changed before it goes on to compare other slots, of which there are many after a start', async () => {
    const names: string[] = [];
    const writer: CatalogWriter = new CatalogWriter({
      ...systemParts,
      journal: testJournal,
      schemaMissing: () => {},
      nextToSweep: () => undefined,
      primary: emptyServer((name) => {
        names.push(name);
        if (name === 'catalog_list' && compared() === 3) writer.note([row]);
      }),
    });
    const compared = (upto = names.length) => names.slice(0, upto).filter((name) => name === 'catalog_list').length;
    try {
      for (let slot = 0; slot < slotCount; slot++) writer.compare({ slot: slot as Slot, generation: 1 });
      await eventually('the writer to have nothing to do', () => writer.isSettled);
      assert.equal(compared(), slotCount);
      assert.equal(compared(names.indexOf('hunt_catalog_1')), 3, 'slots were compared while a change waited');
    } finally {
      await writer.stop();
    }
  });
});
