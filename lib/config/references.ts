/**
 * References to values that live elsewhere: `${env:NAME}`, `${ssm:/path}`, `${secret:name}` and `${secret:name#jsonKey}`, any number of them within one text.
 * `$${` stands for a literal `${`.
 */
export const referenceKinds = ['env', 'ssm', 'secret'] as const;
export type ReferenceKind = (typeof referenceKinds)[number];

export interface Reference {
  readonly kind: ReferenceKind;
  readonly name: string;
  /** After `#`: a key of the JSON object that the secret holds. */
  readonly jsonKey?: string;
  /** As written, for messages. */
  readonly text: string;
}

export type ParsedText =
  | { readonly parts: readonly (string | Reference)[]; readonly fault?: undefined }
  | { readonly parts?: undefined; readonly fault: string };

const opening = /\$?\$\{/g;

/** Literal texts and references in order. `fault` says what is malformed. */
export function parseReferences(text: string): ParsedText {
  const parts: (string | Reference)[] = [];
  let literal = '';
  let from = 0;
  for (let match = find(text, 0); match !== null; match = find(text, from)) {
    literal += text.slice(from, match.index);
    from = match.index + match[0].length;
    if (match[0] === '$${') {
      literal += '${';
      continue;
    }
    const end = text.indexOf('}', from);
    if (end < 0) return { fault: 'a reference is not closed: write ${kind:name}, and $${ for a literal ${' };
    const reference = parseReference(text.slice(from, end));
    if (typeof reference === 'string') return { fault: reference };
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(reference);
    from = end + 1;
  }
  literal += text.slice(from);
  if (literal !== '' || parts.length === 0) parts.push(literal);
  return { parts };
}

function find(text: string, from: number): RegExpExecArray | null {
  opening.lastIndex = from;
  return opening.exec(text);
}

/** The body between the braces, or what is wrong with it. Only the part before the colon is repeated: the rest may be a secret that was put there by mistake. */
function parseReference(body: string): Reference | string {
  const colon = body.indexOf(':');
  const kind = referenceKinds.find((known) => known === body.slice(0, colon));
  if (colon < 0 || kind === undefined) return `a reference is \${env:NAME}, \${ssm:/path} or \${secret:name}; write $\${ for a literal \${`;
  const rest = body.slice(colon + 1);
  const hash = kind === 'secret' ? rest.indexOf('#') : -1;
  const name = hash < 0 ? rest : rest.slice(0, hash);
  const jsonKey = hash < 0 ? undefined : rest.slice(hash + 1);
  if (name === '' || name !== name.trim()) return `a \${${kind}:…} reference has no name, or blanks around it`;
  if (kind === 'env' && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'an ${env:…} reference names an environment variable: letters, digits and _';
  if (jsonKey === '') return 'a ${secret:name#key} reference has no key after #';
  const text = `\${${body}}`;
  return jsonKey === undefined ? { kind, name, text } : { kind, name, jsonKey, text };
}

/** Whether the text has a reference in it, well-formed or not. */
export function hasReference(text: string): boolean {
  return /(?<!\$)\$\{(?:env|ssm|secret):/.test(text);
}

/** The text such that it is read back literally. */
export function escapeReferences(text: string): string {
  return text.replaceAll('${', () => '$${');
}
