/** The RFC 7396 merge patch that turns `held` into `next`; undefined when they are equal. Neither holds a null. */
export function mergePatchOf(held: unknown, next: unknown): unknown {
  if (!isObject(held) || !isObject(next)) return JSON.stringify(held) === JSON.stringify(next) ? undefined : next;
  const patch: Record<string, unknown> = {};
  let changed = false;
  for (const key of Object.keys(held))
    if (!(key in next)) {
      patch[key] = null;
      changed = true;
    }
  for (const [key, value] of Object.entries(next)) {
    const part = key in held ? mergePatchOf(held[key], value) : value;
    if (part === undefined) continue;
    patch[key] = part;
    changed = true;
  }
  return changed ? patch : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
