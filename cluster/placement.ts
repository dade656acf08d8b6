import { type MemberNode, nodeOf, type View } from './view.ts';

/** Where slots are served, as gateways ask it (they declare the port; this fits its shape). Follows the view. */
export class ViewPlacement {
  readonly #source: ViewSource;

  constructor(source: ViewSource) {
    this.#source = source;
  }

  get view(): number {
    return this.#source.view.number;
  }

  ownerOf(slot: number): MemberNode | undefined {
    const view = this.#source.view;
    const owner = view.owners[slot];
    const node = owner === undefined ? undefined : nodeOf(view, owner);
    return node?.state === 'active' ? node : undefined;
  }

  onChange(listener: () => void): () => void {
    return this.#source.onChange(listener);
  }
}

export interface ViewSource {
  readonly view: View;
  onChange(listener: () => void): () => void;
}
