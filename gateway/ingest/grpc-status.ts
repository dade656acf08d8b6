import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { errorCatalogue } from '../../proto/error-code.ts';
import { internalMessage, Problem } from '../admin/problem.ts';
import type { IngestParts } from './ingest-parts.ts';

/** A problem as a gRPC status with the trailers hunt-code, hunt-retryable, hunt-retry-ms. */
export function statusOf(problem: Problem): ServiceError {
  const { grpc, retryable } = errorCatalogue[problem.code];
  const metadata = new Metadata();
  metadata.set('hunt-code', problem.code);
  metadata.set('hunt-retryable', String(retryable));
  if (problem.retryMs !== undefined) metadata.set('hunt-retry-ms', String(problem.retryMs));
  const faults = (problem.more.errors ?? [])
    .slice(0, faultsInDetailsMax)
    .map(({ path, message }) => `${path || '/'}: ${message}`);
  const details = faults.length > 1 ? `${problem.message}\n${faults.join('\n')}` : problem.message;
  return Object.assign(new Error(details), {
    code: status[grpc],
    details: details.slice(0, detailsCharsMax),
    metadata,
  });
}

/** Trailers have a size limit at many clients. */
const faultsInDetailsMax = 20;
const detailsCharsMax = 4_000;

/** Whatever was thrown, as a status; faults of ours are written down and say nothing of the inside. */
export function statusOfError(
  ops: { readonly ports: Pick<IngestParts['ports'], 'random' | 'journal'> },
  error: unknown,
  path: string,
): ServiceError {
  if (error instanceof Problem) return statusOf(error);
  const instance = ops.ports.random.token(9);
  ops.ports.journal.error({ err: error, instance, path }, 'a gRPC call failed');
  return statusOf(new Problem('INTERNAL', `${internalMessage} (${instance})`));
}
