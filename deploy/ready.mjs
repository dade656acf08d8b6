// Health of one of our processes, for images without curl: node ready.mjs PORT
const answer = await fetch(`http://127.0.0.1:${process.argv[2]}/readyz`, { signal: AbortSignal.timeout(4_000) }).catch(
  (error) => ({ ok: false, text: async () => String(error.cause ?? error) }),
);
if (!answer.ok) {
  console.error(await answer.text());
  process.exitCode = 1;
}
