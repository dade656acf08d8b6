/** The gRPC interfaces as an integrator loads them: from the .proto files alone. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import * as protoLoader from '@grpc/proto-loader';
import { systemClock } from '../../../runtime/kernel/clock.ts';

export interface SubmitReply {
  readonly hunt_id: number;
  readonly player_id: string;
  readonly seq: number;
  readonly ack?: {
    readonly version: number;
    readonly events: number;
    readonly duplicate: boolean;
    readonly result: Readonly<Record<string, unknown>>;
  };
  readonly nack?: {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly retry_ms: number;
    readonly version: number;
  };
}

export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly metadata: grpc.Metadata;
}

type Unary = (
  request: object,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  done: (error: GrpcFailure | null, reply: unknown) => void,
) => void;
export type SubmitStream = grpc.ClientDuplexStream<{ requests: object[] }, { replies: SubmitReply[] }>;

const callWithinMs = 10_000;

function protoRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'proto');
}

const definition = protoLoader.loadSync(['hunt/v1/ingest.proto', 'hunt/v1/admin.proto'], {
  includeDirs: [protoRoot()],
  keepCase: true,
  longs: Number,
  enums: String,
  oneofs: false,
  defaults: false,
});
const loaded = (
  grpc.loadPackageDefinition(definition) as unknown as { hunt: { v1: Record<string, grpc.ServiceClientConstructor> } }
).hunt.v1;

export class BareGrpc {
  readonly #clients = new Map<string, grpc.Client>();

  constructor(
    private readonly address: string,
    private readonly token: string | undefined,
  ) {}

  #client(service: 'HuntState' | 'Admin'): grpc.Client {
    let client = this.#clients.get(service);
    if (client === undefined) {
      const Client = loaded[service] as grpc.ServiceClientConstructor;
      client = new Client(this.address, grpc.credentials.createInsecure(), {
        'grpc.max_send_message_length': -1,
        'grpc.use_local_subchannel_pool': 1,
      });
      this.#clients.set(service, client);
    }
    return client;
  }

  get metadata(): grpc.Metadata {
    const metadata = new grpc.Metadata();
    if (this.token !== undefined) metadata.set('authorization', `Bearer ${this.token}`);
    return metadata;
  }

  /** Rejects with the status. */
  call<T>(service: 'HuntState' | 'Admin', method: string, request: object): Promise<T> {
    const client = this.#client(service) as unknown as Record<string, Unary>;
    return new Promise((resolve, reject) => {
      client[method]?.call(
        client,
        request,
        this.metadata,
        { deadline: new Date(systemClock.now() + callWithinMs) },
        (error, reply) => {
          if (error === null) resolve(reply as T);
          else reject(error);
        },
      );
    });
  }

  /** The status of a call that must fail. */
  async failure(service: 'HuntState' | 'Admin', method: string, request: object): Promise<GrpcFailure> {
    try {
      await this.call(service, method, request);
    } catch (error) {
      return error as GrpcFailure;
    }
    throw new Error(`${method} was answered where a failure was due`);
  }

  submitStream(): SubmitStream {
    const client = this.#client('HuntState') as unknown as { SubmitStream(metadata: grpc.Metadata): SubmitStream };
    return client.SubmitStream(this.metadata);
  }

  /** Raw bytes to a method, past the generated encoder. Resolves with the status code and details. */
  raw(path: string, bytes: Buffer): Promise<{ readonly code: number; readonly details: string }> {
    const client = this.#client('HuntState');
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        (value: Buffer) => value,
        bytes,
        this.metadata,
        { deadline: new Date(systemClock.now() + callWithinMs) },
        (error) => resolve(error === null ? { code: 0, details: '' } : { code: error.code, details: error.details }),
      );
    });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}
