/** What supervisor and nodes append to the cluster's stream when they start and stop. Pure: each is a decision on a view. */
import { After } from '../proto/generated/node/v1/cluster.ts';
import { assign } from './assignment.ts';
import type { RingMember } from './ring.ts';
import { isServing, nodeOf, slotRanges } from './view.ts';
import type { ViewDecision } from './view-log.ts';

export interface Formation {
  readonly cluster: string;
  readonly profile: string;
  readonly members: readonly string[];
  /** Of members that the view does not know; a known member keeps its weight. */
  readonly weight: number;
  /** Taken when the cluster has none yet. */
  readonly lineage: string;
}

/**
 * The cluster as it should be, or nothing if it already is: a restart with the same members moves no slot. Whoever was active
 * is not any more, for this is said before any node runs: nobody must take the old incarnations for dead.
 */
export const form =
  (formation: Formation): ViewDecision =>
  (view) => {
    const members: RingMember[] = formation.members.map((id) => ({
      id,
      weight: nodeOf(view, id)?.weight ?? formation.weight,
    }));
    const owners = assign(view.owners, members);
    const same =
      view.lineage !== '' &&
      view.cluster === formation.cluster &&
      view.profile === formation.profile &&
      view.nodes.length === members.length &&
      members.every((member) => nodeOf(view, member.id)?.state === 'joining') &&
      owners.every((owner, slot) => owner === view.owners[slot]);
    if (same) return undefined;
    return {
      $case: 'formed',
      value: {
        cluster: formation.cluster,
        profile: formation.profile,
        members,
        slots: slotRanges(owners.map((owner, slot) => (owner === view.owners[slot] ? undefined : owner))),
        lineage: view.lineage === '' ? formation.lineage : '',
      },
    };
  };

/** Forms a cluster that was never formed: where nobody supervises the nodes, whichever starts first does it for all. */
export const formOnce =
  (formation: Formation): ViewDecision =>
  (view, now) =>
    view.lineage === '' ? form(formation)(view, now) : undefined;

/** A new incarnation of the node: the view that holds this event is its number. */
export const join =
  (node: { id: string; addr: string; http: string; weight: number }): ViewDecision =>
  (view) => ({ $case: 'joined', value: { ...node, weight: nodeOf(view, node.id)?.weight ?? node.weight } });

/** A clean stop, unless a newer incarnation has taken the name since. */
export const leave =
  (id: string, incarnation: number): ViewDecision =>
  (view) => {
    const node = nodeOf(view, id);
    return isServing(node) && node.incarnation === incarnation
      ? { $case: 'left', value: { id, operation: '', after: After.EXIT } }
      : undefined;
  };
