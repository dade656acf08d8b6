/** Mean radius of the earth in metres (IUGG): one degree of latitude is 111,195 m. */
const earthRadiusM = 6_371_008.8;
const radians = Math.PI / 180;

export interface Position {
  readonly lat: number;
  readonly lon: number;
}

/** The great-circle distance in metres, by the haversine formula, which stays exact for neighbours and antipodes alike. */
export function distanceM(a: Position, b: Position): number {
  const lat = Math.sin(((b.lat - a.lat) * radians) / 2);
  const lon = Math.sin(((b.lon - a.lon) * radians) / 2);
  const h = lat * lat + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * lon * lon;
  return 2 * earthRadiusM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** To the centimetre: what events and replies tell. */
export const rounded = (metres: number): number => Math.round(metres * 100) / 100;
