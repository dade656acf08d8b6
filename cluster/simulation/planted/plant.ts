/** For `node --import <this file>?bug=<name>`: registers the loader that plants the bug in this process. */
import { register } from 'node:module';
import { plantedBugs } from './planted-bugs.ts';

const name = new URL(import.meta.url).searchParams.get('bug');
const planted = plantedBugs.find((one) => one.name === name);
if (planted === undefined) throw new Error(`there is no bug ${JSON.stringify(name)} to plant`);
register('./planting-loader.js', import.meta.url, { data: planted.edits });
