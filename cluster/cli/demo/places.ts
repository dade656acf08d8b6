/** Where the demo's stages and treasures are: a bot has to walk there, also for an answer that could be typed anywhere. */
export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export const places: Readonly<Record<string, Place>> = {
  gate: { lat: 52.51628, lon: 13.3777 },
  reichstag: { lat: 52.51862, lon: 13.3762 },
  library: { lat: 52.51667, lon: 13.39389 },
  bowl: { lat: 52.5189, lon: 13.3992 },
  dome: { lat: 52.51912, lon: 13.40105 },
  gallery: { lat: 52.52083, lon: 13.39806 },
  fountain: { lat: 52.51947, lon: 13.40683 },
  clock: { lat: 52.52121, lon: 13.41335 },
  bridge: { lat: 52.52194, lon: 13.39472 },
};

/** Where people come from: stations around the gate, and the coffee that they stop for on the way. */
export const stations: readonly Place[] = [
  { lat: 52.51641, lon: 13.38028 },
  { lat: 52.52028, lon: 13.38694 },
  { lat: 52.50966, lon: 13.37633 },
  { lat: 52.52507, lon: 13.36942 },
];

const metresPerDegree = 111_195;

/** In metres; the places are so near to one another that the earth may be flat. */
export function distance(a: Place, b: Place): number {
  const east = (b.lon - a.lon) * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot(b.lat - a.lat, east) * metresPerDegree;
}

/** A point `metres` away from `place` in some direction. */
export function near(place: Place, metres: number, random: () => number): Place {
  const direction = random() * 2 * Math.PI;
  const lat = place.lat + (Math.sin(direction) * metres) / metresPerDegree;
  const lon = place.lon + (Math.cos(direction) * metres) / (metresPerDegree * Math.cos((place.lat * Math.PI) / 180));
  return { lat: round(lat), lon: round(lon) };
}
const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6;
