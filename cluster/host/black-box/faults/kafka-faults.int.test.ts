import { faultSuite } from './fault-suite.ts';
import { logStrikes } from './log-strikes.ts';

faultSuite('the log or the relay', 'kafka', logStrikes);
