import { SyncError } from '../../errors.ts';

/** One part of a written name. What was not quoted may be folded to the database's own case where it is not found as written. */
export interface NamePart {
  readonly text: string;
  readonly quoted: boolean;
}

const closing: Readonly<Record<string, string>> = { '"': '"', '`': '`', '[': ']' };

/**
 * `orders`, `public.orders`, `"My Schema"."Odd.Name"`, `` `db`.`t` ``, `[dbo].[t]`: the parts of a table's name as a user writes it. A quote inside quotes is
 * written twice. Throws `CONFIG_INVALID` with the name where it is empty or a quote stays open.
 */
export function parseName(written: string): NamePart[] {
  const parts: NamePart[] = [];
  let at = 0;
  for (;;) {
    const close = closing[written[at] ?? ''];
    if (close !== undefined) {
      let text = '';
      at++;
      for (;;) {
        const end = written.indexOf(close, at);
        if (end < 0) throw nameError(written, `has a ${written[0]} that is never closed`);
        text += written.slice(at, end);
        at = end + 1;
        if (written[at] !== close) break;
        text += close;
        at++;
      }
      if (text === '') throw nameError(written, 'has an empty part');
      parts.push({ text, quoted: true });
    } else {
      const dot = written.indexOf('.', at);
      const text = written.slice(at, dot < 0 ? undefined : dot).trim();
      if (text === '') throw nameError(written, 'has an empty part');
      parts.push({ text, quoted: false });
      at = dot < 0 ? written.length : dot;
    }
    if (at >= written.length) return parts;
    if (written[at] !== '.') throw nameError(written, `has ${JSON.stringify(written[at])} where a dot belongs`);
    at++;
  }
}

/** `schema.table` or `table`. Throws `CONFIG_INVALID` where there are more parts than `maxParts`. */
export function parseTableName(written: string, maxParts = 2): { schema?: NamePart; table: NamePart } {
  const parts = parseName(written);
  const table = parts.at(-1);
  if (table === undefined || parts.length > maxParts) throw nameError(written, `has ${parts.length} parts; at most ${maxParts} are allowed`);
  const schema = parts.at(-2);
  return schema === undefined ? { table } : { schema, table };
}

/** A name as `parseTableName` reads it back: quoted only where a part would be read as something else. */
export function writtenName(...parts: readonly string[]): string {
  return parts.map((part) => (/^["`[]|\.|^\s|\s$/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join('.');
}

function nameError(written: string, problem: string): SyncError {
  return new SyncError('CONFIG_INVALID', `The name ${JSON.stringify(written)} ${problem}. Write it as schema.table; quote a part that holds a dot.`, {
    table: written,
  });
}

/** The candidates that a person who typed `name` may have meant: other case first, then within two slips. At most three. */
export function nearMatches(name: string, candidates: Iterable<string>): string[] {
  const wanted = name.toLowerCase();
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= Math.max(1, Math.min(3, Math.floor(wanted.length / 3)))) scored.push({ candidate, distance });
  }
  return scored
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** ` Did you mean "a" or "b"?`, or nothing: to be set behind a message. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearMatches(name, candidates);
  return near.length === 0 ? '' : ` Did you mean ${near.map((candidate) => JSON.stringify(candidate)).join(' or ')}?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
