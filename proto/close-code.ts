/** The closed table of WebSocket close codes: our own from 4000, and the standard ones that we send. */
export const closeCodes = {
  restarting: { code: 4000, reason: 'the gateway restarts or drains: reconnect' },
  slow: { code: 4001, reason: 'slow: resume from your version' },
  idle: { code: 4002, reason: 'idle: heartbeat missed' },
  superseded: { code: 4003, reason: 'superseded by rebalancing: reconnect' },
  overloaded: { code: 4100, reason: 'overloaded' },
  tooManyMessages: { code: 4101, reason: 'too many messages' },
  internalFault: { code: 4102, reason: 'internal fault' },
  notAuthenticatedInTime: { code: 4103, reason: 'not authenticated in time' },
  tokenBad: { code: 4200, reason: 'token bad or not renewable' },
  tokenExpired: { code: 4201, reason: 'token expired' },
  protocolViolation: { code: 4202, reason: 'protocol violation' },
  revoked: { code: 4203, reason: 'no longer allowed' },
  tooManySockets: { code: 4204, reason: 'more than 10 sockets with the same sub and hunt claim: the oldest is closed' },
  badUtf8: { code: 1007, reason: 'bad UTF-8' },
  tooBig: { code: 1009, reason: 'message over 16 KiB' },
} as const;

export type CloseName = keyof typeof closeCodes;
