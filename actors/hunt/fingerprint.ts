import type { Action } from '../../proto/generated/hunt/v1/ingest.ts';

/**
 * 32 bits of FNV-1a over an action's case and values: the same for JSON, msgpack and any encoding of the gRPC message, so
 * that a resend is told from a seq used twice. Never 0.
 */
export function fingerprint({ action }: Action): number {
  let hash = ofText(0x811c9dc5, action?.$case ?? '');
  switch (action?.$case) {
    case 'join':
      hash = ofText(hash, action.value.name);
      break;
    case 'createTeam':
      hash = ofText(ofText(hash, action.value.name), action.value.pin);
      break;
    case 'joinTeam':
      hash = ofText(ofText(hash, action.value.team), action.value.pin);
      break;
    case 'checkIn': {
      const { lat, lon, accuracy, stage } = action.value;
      hash = ofText(ofNumber(ofNumber(ofNumber(hash, lat), lon), accuracy), stage);
      break;
    }
    case 'answer':
      hash = ofText(ofText(hash, action.value.clue), action.value.text);
      break;
    case 'scan':
      hash = ofText(hash, action.value.code);
      break;
    case 'claim': {
      const { treasure, lat, lon, accuracy, code } = action.value;
      hash = ofText(ofNumber(ofNumber(ofNumber(ofText(hash, treasure), lat), lon), accuracy), code);
      break;
    }
    case 'hint':
      hash = ofText(hash, action.value.clue);
      break;
    case 'skip':
      hash = ofText(hash, action.value.stage);
      break;
    default:
      break;
  }
  return hash >>> 0 || 1;
}

const prime = 0x01000193;
/** No text holds it, so that two texts never run into one another. */
const end = 0x10ffff;

function ofText(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return Math.imul(hash ^ end, prime);
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** -0 counts as 0, as proto3 leaves both out. */
function ofNumber(seed: number, value: number | undefined): number {
  if (value === undefined) return Math.imul(seed ^ end, prime);
  double[0] = value === 0 ? 0 : value;
  let hash = seed;
  for (let half = 0; half < 2; half++) {
    const word = halves[half]!;
    hash = Math.imul(hash ^ (word & 0xffff), prime);
    hash = Math.imul(hash ^ (word >>> 16), prime);
  }
  return hash;
}
