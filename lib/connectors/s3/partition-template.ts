/** `dt={updated_at:yyyy-MM-dd}/country={country}`: folders made from a row. Light: the definitions are checked with it. */

export type PartitionPart = { readonly text: string } | { readonly column: string; readonly pattern: string | null };

const hole = /\{([^{}:]+)(?::([^{}]*))?\}/g;
const patternText = /^(?:yyyy|MM|dd|HH|[-_.T/=])+$/;

/** What is wrong with a template, in words that follow its field; null where nothing is. */
export function partitionFault(template: string): string | null {
  if (template.startsWith('/') || template.endsWith('/')) return 'neither begins nor ends with a slash';
  const rest = template.replace(hole, '');
  if (/[{}]/.test(rest)) return 'has a brace without its partner';
  if (rest === template) return 'names no column: write it in braces, as in dt={updated_at:yyyy-MM-dd}';
  if (/^_|\/_/.test(template)) return 'has a folder that begins with _, which readers of lakes take for hidden';
  for (const [, , pattern] of template.matchAll(hole)) {
    if (pattern !== undefined && !patternText.test(pattern)) return `has the pattern "${pattern}", but only yyyy, MM, dd, HH and - _ . T / = may stand there`;
  }
  return null;
}

export function parsePartition(template: string): PartitionPart[] {
  const parts: PartitionPart[] = [];
  let at = 0;
  for (const match of template.matchAll(hole)) {
    const [whole, column = '', pattern] = match;
    if (match.index > at) parts.push({ text: template.slice(at, match.index) });
    parts.push({ column, pattern: pattern ?? null });
    at = match.index + whole.length;
  }
  if (at < template.length) parts.push({ text: template.slice(at) });
  return parts;
}
