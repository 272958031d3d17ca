import { SyncError } from '../../errors.ts';
import { isJson, jsonItems, jsonMembers } from '../../values/json.ts';
import type { RestAnswer } from './client.ts';
import { scalarText, valueAt } from './document.ts';

export interface Failure {
  /** Of the record within the call. */
  readonly index: number;
  /** The service's own status for it, where it gives one. */
  readonly status: number | null;
}

export interface Sent {
  /** `failures` of the definition. */
  readonly path: string | undefined;
  readonly count: number;
  readonly what: string;
}

/** Records that an answer refuses although it is a success as a whole. Throws `ROW_REJECTED` where it cannot be told which. */
export function failuresOf(answer: RestAnswer, sent: Sent): Failure[] {
  if (sent.path !== undefined) return answer.text.trim() === '' ? [] : listed(answer.text, sent.path, sent);
  return answer.status === 207 ? multiStatus(answer.text, sent) : [];
}

function listed(text: string, path: string, sent: Sent): Failure[] {
  const raw = valueAt(text, path, sent.what);
  if (raw === null) return [];
  const items = jsonItems(raw);
  if (items === null) throw unclear(sent, `what stands at ${path} is no list`);
  return items.map((item) => {
    const members = jsonMembers(item);
    return { index: indexOf(members === null ? item : members.get('index'), sent), status: statusOf(members?.get('status')) };
  });
}

/** An item for each record, in order, as in a list or below `items`, `results` or `responses`; each with a `status`. */
function multiStatus(text: string, sent: Sent): Failure[] {
  const items = isJson(text) ? itemsOf(text) : null;
  if (items === null || items.length !== sent.count)
    throw unclear(sent, 'the answer 207 has no status for each record; say with failures where the refused ones stand');
  return items.flatMap((item, index) => {
    const status = statusOf(jsonMembers(item)?.get('status'));
    if (status === null) throw unclear(sent, 'the answer 207 has an item without a status');
    return status >= 200 && status < 300 ? [] : { index, status };
  });
}

function itemsOf(text: string): string[] | null {
  const members = jsonMembers(text);
  if (members === null) return jsonItems(text);
  for (const name of ['items', 'results', 'responses']) {
    const found = jsonItems(members.get(name) ?? 'null');
    if (found !== null) return found;
  }
  return null;
}

function indexOf(raw: string | undefined, sent: Sent): number {
  const index = Number(scalarText(raw) ?? 'none');
  if (!Number.isInteger(index) || index < 0 || index >= sent.count) throw unclear(sent, 'a refused record is named by no index of the call');
  return index;
}

function statusOf(raw: string | undefined): number | null {
  const status = Number(scalarText(raw) ?? 'none');
  return Number.isInteger(status) && status >= 100 && status <= 599 ? status : null;
}

function unclear({ what }: Sent, reason: string): SyncError {
  return new SyncError('ROW_REJECTED', `${what}: ${reason}.`, { key: what });
}
