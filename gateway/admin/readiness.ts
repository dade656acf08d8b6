import type { AdminPorts, Check } from './ports.ts';

/** A check that throws is a check that failed. */
export async function readinessOf({
  ports,
}: {
  readonly ports: Pick<AdminPorts, 'readiness'>;
}): Promise<readonly Check[]> {
  try {
    return await ports.readiness();
  } catch {
    return [{ name: 'readiness', ok: false, detail: 'the checks themselves failed' }];
  }
}
