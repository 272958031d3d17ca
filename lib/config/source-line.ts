/** A line of a definitions file as it may be shown beside a fault: what may be a secret is overwritten, character by character, so that columns stay. */
import { hasReference } from './references.ts';

/** Fields of connections that hold no secret. What is mistyped (`pasword: …`) is not among them, and is covered. */
const open = new Set(
  'type host port user database ssl path maxConcurrent region bucket endpoint brokers clientId url connections id sync_name connector_name connector_source_type source_connector destination_connector query table polling_time timestamp_field timestamp_field_format max_record_batch_size save_mode start_offset mode disabled'.split(
    ' ',
  ),
);

const secretName = /pass|pwd|secret|token|key|credential|connection_string/i;
const notSecret = /^(key|cursor\.key)$/;

/** A field and its value, in YAML or JSON, on one line: `name: value`, `"name": "value"`. Names are tried at their beginning alone, or a line of one long word takes the square of its length. */
const field = /(["']?)(?<![\w.-])([\w.-]+)\1(\s*:\s+|:(?=["'{[\d]))("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|[^\s,{}[\]#][^,{}[\]#]*)/g;

/** `path` is the fault's: within connections every field counts as a secret that is not known to be none. */
export function sourceLine(line: string, path: string): string {
  const strict = path === '' || path.startsWith('connections') || path.includes('_connector');
  const covered = line.replace(field, (whole, quote: string, name: string, colon: string, value: string) => {
    const hidden = notSecret.test(name) ? false : secretName.test(name) || (strict && !open.has(name));
    return hidden && !hasReference(value) ? whole.slice(0, whole.length - value.length) + cover(value) : `${quote}${name}${quote}${colon}${value}`;
  });
  return covered
    .replace(/(:\/\/[^\s/?#:@"']*:)([^\s"']*)(?=@)/g, coverSecond)
    .replace(/((?<![\w$])(?:password|passwd|pwd|token|secret)=)('(?:[^'\\]|\\.)*'?|[^\s&"',}]+)/gi, coverSecond)
    .replace(/(^|[\s"'])([^\s"':@]*:)([^\s"']*)(?=@(?:tcp|unix)?[(/])/g, (_, blank: string, user: string, secret: string) => blank + user + cover(secret));
}

function coverSecond(whole: string, before: string, secret: string): string {
  return hasReference(secret) ? whole : before + cover(secret);
}

/** The quotes around it stay. */
function cover(value: string): string {
  const quote = /^["']/.exec(value)?.[0] ?? '';
  const end = quote !== '' && value.length > 1 && value.endsWith(quote) ? quote : '';
  const inner = value.length - quote.length - end.length;
  return quote + '*'.repeat(inner) + end;
}
