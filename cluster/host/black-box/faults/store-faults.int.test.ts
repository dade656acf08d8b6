import { faultSuite } from './fault-suite.ts';
import { storeStrikes } from './store-strikes.ts';

faultSuite('the store', 'embedded', storeStrikes, { compareRows: true });
