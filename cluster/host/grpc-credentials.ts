import type { ServerCredentials } from '@grpc/grpc-js';
import type { Config } from './config.ts';
import { readTlsPair } from './secrets.ts';

/** With TLS if HTTP has it. Loads grpc-js. */
export async function grpcCredentials(config: Config): Promise<ServerCredentials> {
  const { ServerCredentials } = await import('@grpc/grpc-js');
  const tls = readTlsPair(config);
  if (tls === undefined) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }]);
}
