/**
 * Looks for secrets in bytes that reached a player (I9): a text in any letter case, reversed, in base64 or as a hash in any of
 * the usual alphabets; a coordinate as decimal digits or as a float of either width and order. Pure.
 */
import { createHash } from 'node:crypto';

export type Secret =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly number: number };

interface Form {
  readonly secret: string;
  readonly form: string;
  readonly needle: Buffer;
  /** Compared without letter case. */
  readonly folded: boolean;
}

const hashes = ['md5', 'sha1', 'sha256', 'sha512'];
/** So many digits of a coordinate place it within some ten metres. */
const digitsKept = 7;
/** As coordinate within 0.0005 degrees (55 m) of a secret one. */
const nearDegrees = 0.0005;

export class SecretScan {
  readonly #forms: Form[] = [];

  constructor(private readonly secrets: readonly Secret[]) {
    for (const secret of secrets)
      this.#forms.push(
        ...('text' in secret ? textForms(secret.name, secret.text) : numberForms(secret.name, secret.number)),
      );
  }

  /** Which secrets those bytes hold, and in which form. */
  find(bytes: Buffer): string[] {
    const lower = Buffer.from(bytes.toString('latin1').toLowerCase(), 'latin1');
    const found = this.#forms
      .filter((form) => (form.folded ? lower : bytes).includes(form.needle))
      .map((form) => `${form.secret} as ${form.form}`);
    return [...found, ...this.#numbersIn(bytes.toString('latin1'))];
  }

  /** Any decimal in the text that lies near a secret coordinate: rounded, it still tells the place. */
  #numbersIn(text: string): string[] {
    const decimals = text.match(/-?\d{1,3}\.\d{3,}/g) ?? [];
    return this.secrets.flatMap((secret) =>
      'number' in secret
        ? decimals
            .filter((one) => Math.abs(Number(one) - secret.number) < nearDegrees)
            .map((one) => `${secret.name} as the decimal ${one}`)
        : [],
    );
  }
}

function textForms(secret: string, text: string): Form[] {
  const forms: Form[] = [];
  const folded = (form: string, needle: string): number =>
    forms.push({ secret, form, needle: Buffer.from(needle.toLowerCase()), folded: true });
  const exact = (form: string, needle: string | Buffer): number =>
    forms.push({ secret, form, needle: Buffer.from(needle as string), folded: false });
  folded('text', text);
  folded('reversed text', [...text].reverse().join(''));
  for (const cased of new Set([text, text.toLowerCase(), text.toUpperCase(), text.trim().toUpperCase()])) {
    // base64 of a text inside a longer one starts at any of three places: leave the ends out that depend on the neighbours.
    exact('base64', Buffer.from(cased).toString('base64').replace(/=+$/, '').slice(0, -1));
    folded('hex', Buffer.from(cased).toString('hex'));
    for (const hash of hashes) {
      const digest = createHash(hash).update(cased).digest();
      exact(`${hash} bytes`, digest);
      folded(`${hash} hex`, digest.toString('hex'));
      exact(`${hash} base64`, digest.toString('base64').replace(/=+$/, ''));
      exact(`${hash} base64url`, digest.toString('base64url'));
    }
  }
  return forms;
}

function numberForms(secret: string, number: number): Form[] {
  const double = Buffer.alloc(8);
  double.writeDoubleBE(number);
  const single = Buffer.alloc(4);
  single.writeFloatBE(number);
  const exact = (form: string, needle: Buffer): Form => ({ secret, form, needle, folded: false });
  return [
    exact('decimal', Buffer.from(String(number).slice(0, digitsKept))),
    exact('float64', double),
    exact('float64, little-endian', Buffer.from(double).reverse()),
    exact('float32', single),
    exact('float32, little-endian', Buffer.from(single).reverse()),
  ];
}
