import type { Tokens } from '../../gateway/token/tokens.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';

/** Asks our own processes for documents that are nobody else's: probes give them to this machine, and to operators. */
export type AskInside = (url: string) => Promise<unknown>;

const askMsMax = 300;
const tokenMs = 300_000;

/** Rejects when there is no answer in time, or a refusal. */
export function askInside(tokens: Tokens, clock: Clock): AskInside {
  let minted: { readonly token: string; readonly until: number } | undefined;
  const authorization = async () => {
    if (minted === undefined || minted.until < clock.now() + tokenMs / 2) {
      const until = clock.now() + tokenMs;
      minted = { token: await tokens.mintToken({ sub: 'gateway', role: 'operator', expiresAt: until }), until };
    }
    return `Bearer ${minted.token}`;
  };
  return async (url) => {
    const headers = { authorization: await authorization() };
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(askMsMax) });
    if (!answer.ok) throw new Error(`${url} was answered with ${answer.status}`);
    return await answer.json();
  };
}
