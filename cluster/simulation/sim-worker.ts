/** A process that simulates, and does nothing else: takes seeds over IPC, answers each with its report. */
import { shutDoor } from './door.ts';
import { drawOptions } from './options.ts';
import { World } from './world.ts';

const door = shutDoor();

process.on('message', (seed: number) => {
  new World(drawOptions(seed), door).run().then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`seed ${seed}: the simulation itself broke: ${(error as Error).stack}\n`);
      process.exit(2);
    },
  );
});
process.on('disconnect', () => process.exit(0));
