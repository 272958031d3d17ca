import type { ServerResponse } from 'node:http';
import type { Reply } from './reply.ts';
import { headersOf, payload } from './reply.ts';

export type HttpFault =
  /** 429, or 503 where `status` says so, with Retry-After in seconds or as the HTTP date given. */
  | { readonly kind: 'throttle'; readonly retryAfter?: number | string; readonly status?: 429 | 503 }
  | { readonly kind: 'status'; readonly status: number; readonly json?: unknown }
  /** The connection ends after this many bytes of a body whose whole length was announced. */
  | { readonly kind: 'truncate'; readonly atBytes: number }
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: 301 | 302 | 307 | 308 }
  /** The right answer, late. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** 200 with a page for people, as proxies and login walls give. */
  | { readonly kind: 'html' }
  /** Headers, then never a body. */
  | { readonly kind: 'hang' }
  /** The connection is reset before the request is handled. */
  | { readonly kind: 'reset' }
  /** The request is handled, and its reply lost. */
  | { readonly kind: 'lostReply' };

/** Faults of this kind keep the request from its handler. */
export function beforeHandling(fault: HttpFault): boolean {
  return !['truncate', 'slow', 'hang', 'lostReply'].includes(fault.kind);
}

function replyOf(fault: HttpFault): Reply | undefined {
  if (fault.kind === 'throttle')
    return { status: fault.status ?? 429, headers: { 'retry-after': String(fault.retryAfter ?? 1) }, json: { error: 'slow down' } };
  if (fault.kind === 'status') return { status: fault.status, json: fault.json ?? { error: `status ${fault.status}` } };
  if (fault.kind === 'redirect') return { status: fault.status ?? 302, headers: { location: fault.to } };
  if (fault.kind === 'html') return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Please sign in</title>' };
  return undefined;
}

/** Answers as the fault would have it. `reply` is what the handler said, for the faults that let it speak. */
export async function answerWith(fault: HttpFault, response: ServerResponse, reply: Reply): Promise<void> {
  const instead = replyOf(fault);
  const said = instead ?? reply;
  const body = payload(said);
  if (fault.kind === 'reset' || fault.kind === 'lostReply') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (fault.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  response.writeHead(said.status ?? 200, { ...headersOf(said), 'content-length': body.length });
  if (fault.kind === 'hang') response.flushHeaders();
  else if (fault.kind === 'truncate') response.write(body.subarray(0, fault.atBytes), () => response.socket?.destroySoon());
  else response.end(body);
}
