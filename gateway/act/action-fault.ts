import type { ActionFault } from '../../actors/hunt/action.ts';

/** What is wrong with an action, in one sentence: the first fault, which names field, limit and remedy, and how many more there are. */
export function actionFault(errors: readonly ActionFault[]): string {
  const first = errors[0]?.message ?? 'is malformed';
  return `action.${first}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`;
}
