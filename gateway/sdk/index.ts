/** The client SDK: what a player's page, a bot or an integration needs. Runs in browsers and in Node. */
export { type Codec, jsonCodec } from './codec.ts';
export * from './http-api.ts';
export { type ClientEvents, type ClientOptions, HuntClient, isFinalClose, type SocketLike } from './hunt-client.ts';
export { HuntError } from './hunt-error.ts';
export { HuntSession, type SessionEvents, type SessionOptions } from './hunt-session.ts';
export { mergePatch } from './merge-patch.ts';
export type * from './messages.ts';
