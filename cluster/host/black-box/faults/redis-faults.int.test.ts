import { faultSuite } from './fault-suite.ts';
import { redisStrikes } from './redis-strikes.ts';

faultSuite('a Redis', 'nats', redisStrikes);
