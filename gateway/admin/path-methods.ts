/** Which methods each path knows: tells an unknown path (404) from a known one with another method (405). */
export class PathMethods {
  readonly #paths: { readonly segments: readonly string[]; readonly methods: Set<string> }[] = [];

  add(pattern: string, methods: readonly string[]): void {
    const segments = pattern.split('/');
    let path = this.#paths.find((one) => one.segments.join('/') === pattern);
    if (path === undefined) {
      path = { segments, methods: new Set() };
      this.#paths.push(path);
    }
    for (const method of methods) path.methods.add(method);
  }

  /** The methods that some route knows for the path of this URL; none: there is no such path. */
  of(url: string): string[] {
    const segments = (url.split('?', 1)[0] as string).split('/');
    const methods = new Set<string>();
    for (const path of this.#paths) {
      if (path.segments.length !== segments.length) continue;
      if (
        !path.segments.every((segment, i) => (segment.startsWith(':') ? segments[i] !== '' : segment === segments[i]))
      )
        continue;
      for (const method of path.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}
