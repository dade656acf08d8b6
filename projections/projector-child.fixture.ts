/** A projector in a process of its own, which tests kill; its options come as JSON. Test code. */
import { EmbeddedLog } from '../runtime/log/embedded/client.ts';
import { projectorOf } from './projections.fixture.ts';

const { socketPath, pgUrls } = JSON.parse(process.argv[2] as string) as { socketPath: string; pgUrls: string[] };
const log = await EmbeddedLog.connect({ socketPath });
const projector = projectorOf(log, pgUrls, { silentMs: 2_000 });
process.on('message', () => process.send?.(projector.state()));
process.on('disconnect', () => process.exit(0));
process.send?.({ serves: true });
