import { slotCount } from '../proto/ids.ts';
import { isServing, type MemberNode, nodeOf, type View } from './view.ts';

export interface ViewSource {
  readonly view: View;
  onChange(listener: (view: View) => void): () => void;
}

/** Where slots are served, as gateways ask it (they declare the port; this fits its shape). Follows the view. */
export class ViewPlacement {
  readonly #source: ViewSource;
  #serving: { readonly view: View; readonly owners: readonly (MemberNode | undefined)[] };

  constructor(source: ViewSource) {
    this.#source = source;
    this.#serving = { view: source.view, owners: serving(source.view) };
  }

  get view(): number {
    return this.#source.view.number;
  }

  /** Asked for every command, so the answers are worked out once a view. */
  ownerOf(slot: number): MemberNode | undefined {
    if (this.#serving.view !== this.#source.view)
      this.#serving = { view: this.#source.view, owners: serving(this.#source.view) };
    return this.#serving.owners[slot];
  }

  onChange(listener: () => void): () => void {
    return this.#source.onChange(() => listener());
  }
}

function serving(view: View): (MemberNode | undefined)[] {
  return Array.from({ length: slotCount }, (_, slot) => {
    const owner = view.owners[slot];
    const node = owner === undefined ? undefined : nodeOf(view, owner);
    return isServing(node) ? node : undefined;
  });
}
