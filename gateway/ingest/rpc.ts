import { Problem } from '../admin/problem.ts';

export interface RpcCall {
  readonly request: Buffer;
  readonly authorization: string | undefined;
  /** Of the caller, without port. */
  readonly address: string;
}
export type Rpc = (call: RpcCall) => Promise<object>;

export function decode<T>(codec: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes);
  } catch {
    throw new Problem('INVALID', 'the message is malformed, or has a number above 2^53-1');
  }
}
