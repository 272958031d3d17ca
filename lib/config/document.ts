/** The text of a definitions file as a value, with the place of every field in it. JSON is read as the YAML that it also is. */
import { type Document, isAlias, isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import type { FieldPath } from './faults.ts';

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface ReadDocument {
  readonly value: unknown;
  readonly faults: readonly (Position & { readonly message: string })[];
  /** Place of the field's value (`key`: of its name), or of the nearest field around it that is there. */
  locate(path: FieldPath, at?: 'key' | 'value'): Position;
}

const start: Position = { line: 1, column: 1 };

/** What the library's codes mean for a person; the other codes keep the library's own sentence, without what it quotes from the text: that may be a password. */
const explanations: ReadonlyMap<string, string> = new Map([
  ['TAG_RESOLVE_FAILED', 'a text that begins with ! has to stand in quotes'],
  ['BAD_SCALAR_START', 'a text that begins with @, %, ` or another sign of YAML has to stand in quotes'],
  ['BAD_DQ_ESCAPE', 'a backslash within double quotes begins an escape: write two, or use single quotes'],
  ['DUPLICATE_KEY', 'this field stands twice in the same object'],
  ['MULTIPLE_DOCS', 'a second document begins here: put everything into one, without a line of ---'],
  ['TAB_AS_INDENT', 'a tab is used to indent: YAML takes blanks'],
]);

export function readDocument(text: string): ReadDocument {
  const lines = new LineCounter();
  // logLevel error: warnings would go to the process's own output.
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, logLevel: 'error', stringKeys: true });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  // An unknown tag is a warning to the library; here it would be something that was written and has no effect.
  const faults = [...document.errors, ...document.warnings].map((error) => ({
    ...position(error.pos[0]),
    message: explanations.get(error.code) ?? error.message.replace(/: .*$/s, ''),
  }));
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) {
        faults.push({
          ...position(alias.range?.[0] ?? 0),
          message: 'an alias refers to no anchor before it; a text that begins with * has to stand in quotes',
        });
      }
    },
  });
  let value: unknown;
  if (faults.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      faults.push({ ...start, message: 'aliases multiply beyond bounds: write out what they stand for' });
    }
  }
  return { value, faults, locate: (path, at = 'value') => position(offsetOf(document, path, at)) };
}

function offsetOf(document: Document, path: FieldPath, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [index, segment] of path.entries()) {
    node = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(node) ? findPair(document, node.items, String(segment)) : undefined;
    const next = isSeq(node) ? node.items[Number(segment)] : pair?.value;
    const wantKey = at === 'key' && index === path.length - 1;
    const key = isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    // A field without a value (`columns:`) has its place at its name.
    const place = isNode(next) && !wantKey && !isEmpty(next) ? next.range?.[0] : key;
    if (place === undefined) return offset;
    offset = place;
    node = next;
  }
  return offset;
}

function isEmpty(node: Node): boolean {
  return isScalar(node) && node.range?.[0] === node.range?.[1];
}

/** The pair with this key, looked for in merged (`<<`) maps too. */
function findPair(document: Document, items: readonly Pair[], name: string): Pair | undefined {
  const own = items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === name);
  if (own !== undefined) return own;
  for (const item of items) {
    if (!isScalar(item.key) || (String(item.key.value) !== '<<' && typeof item.key.value !== 'symbol')) continue;
    for (const part of isSeq(item.value) ? item.value.items : [item.value]) {
      const merged = isAlias(part) ? part.resolve(document) : part;
      const found = isMap(merged) ? findPair(document, merged.items, name) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
