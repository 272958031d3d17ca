import type { Tracer } from '@aws-lambda-powertools/tracer';
import type { MiddlewareObj } from '@middy/core';
import type { InvocationRequest } from './invocation.ts';

/** A subsegment for the handler, found by sync, run and outcome. The tracer is loaded only where tracing is switched on: it costs more to load than the rest of the handler. */
export function tracing(): MiddlewareObj<unknown, unknown, Error> {
  const open = new WeakMap<object, { readonly tracer: Tracer; close(): void }>();
  const annotate = (tracer: Tracer, fields: unknown) => {
    if (typeof fields !== 'object' || fields === null) return;
    for (const [name, value] of Object.entries(fields))
      if (['sync', 'slot', 'tick', 'hop', 'runId', 'status', 'role'].includes(name)) tracer.putAnnotation(name, value);
  };
  return {
    before: async ({ context }: InvocationRequest) => {
      if (process.env.POWERTOOLS_TRACE_ENABLED !== 'true') return;
      const { Tracer } = await import('@aws-lambda-powertools/tracer');
      const tracer = new Tracer({ captureHTTPsRequests: false });
      const parent = tracer.getSegment();
      const segment = parent?.addNewSubsegment('## handler');
      if (parent === undefined || segment === undefined) return;
      tracer.setSegment(segment);
      tracer.annotateColdStart();
      open.set(context, {
        tracer,
        close: () => {
          open.delete(context);
          segment.close();
          tracer.setSegment(parent);
        },
      });
    },
    after: ({ context, event, response }: InvocationRequest) => {
      const traced = open.get(context);
      if (traced === undefined) return;
      annotate(traced.tracer, event);
      annotate(traced.tracer, response);
      traced.close();
    },
    onError: ({ context, event }: InvocationRequest) => {
      const traced = open.get(context);
      if (traced === undefined) return;
      annotate(traced.tracer, event);
      // The flag alone: messages belong in the log.
      traced.tracer.getSegment()?.addErrorFlag();
      traced.close();
    },
  };
}
