import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { fieldTypes, lazy, lazySchemas } from '../lazy-schemas.ts';

/** Headers by which people authenticate: they belong where secrets are looked after. */
const secretHeader = /^(authorization|proxy-authorization|cookie|x-api-key|x-auth-token|api-key)$/i;
/** Set by Idra or by the transport; a second one would contradict it. */
const ownHeader = /^(host|content-length|content-type|transfer-encoding|connection|accept-encoding|idempotency-key)$/i;
const headerName = lazy(() => z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'has to be a header name'));
const headerValue = lazy(() => z.string().regex(/^[^\r\n\0]*$/, 'has to stand on one line'));
const httpUrl = lazy(() =>
  z
    .string()
    .regex(/^https?:\/\//, 'has to begin with https:// or http://')
    .refine((text) => text.includes('${') || URL.canParse(text), 'is no address')
    .refine((text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''), 'holds a user: write username and password'),
);

const connection = lazy(() =>
  z
    .strictObject({
      type: z.literal('rest').describe('HTTP API that speaks JSON.'),
      url: httpUrl().describe(
        'Base of all addresses, such as `https://api.example.com/v2`. Parameters in it go with each request. Its host is the only one that is reached, unless `allowHosts` names more.',
      ),
      allowHosts: z
        .array(z.string().regex(/^[^\s/]+$/, 'has to be a host, or host:port'))
        .default([])
        .describe(
          'Further hosts that links of the API may lead to: `host`, or `host:port` where the port is not the usual one. They get the same credentials.',
        ),
      allowPrivate: z
        .boolean()
        .default(false)
        .describe('Whether private, loopback, link-local and other addresses of no public network may be reached. Default false.'),
      headers: z.record(headerName(), headerValue()).default({}).describe('Headers of each request that are no secret.'),
      secretHeaders: z.record(headerName(), headerValue()).default({}).describe('Headers of each request that are secret, best as references.'),
      token: z.string().min(1).optional().describe('Bearer token.'),
      username: z.string().min(1).optional().describe('User for basic authentication.'),
      password: z.string().optional().describe('Password for basic authentication.'),
      apiKey: z.string().min(1).optional().describe('API key, sent in the header or parameter that `apiKeyName` says.'),
      apiKeyName: z.string().min(1).default('X-API-Key').describe('Header or parameter that carries the API key. Default X-API-Key.'),
      apiKeyIn: z.enum(['header', 'query']).default('header').describe('Where the API key goes. Default header.'),
      oauth2: z
        .strictObject({
          tokenUrl: httpUrl().describe('Where tokens are had. Its host is allowed for that alone.'),
          clientId: z.string().min(1).describe('Id of the client.'),
          scope: z.string().min(1).optional().describe('Scopes, separated by spaces.'),
          audience: z.string().min(1).optional().describe('Audience, where the server asks for one.'),
          credentialsIn: z.enum(['header', 'body']).default('header').describe('Where id and secret of the client go. Default header, as RFC 6749 prefers.'),
        })
        .optional()
        .describe('OAuth 2 client credentials; the secret is `clientSecret`.'),
      clientSecret: z.string().min(1).optional().describe('Secret of the OAuth 2 client, best as a reference.'),
      timeoutSeconds: z.number().positive().max(900).default(60).describe('Longest time for one request with its whole answer. Default 60.'),
      maxResponseBytes: z.int().min(1024).max(67_108_864).default(16_777_216).describe('Largest answer, in bytes. Default 16777216 (16 MB).'),
      requestsPerSecond: z.number().positive().max(10_000).optional().describe('Requests in a second, at most. Absent: no limit of its own.'),
      retries: z.int().min(0).max(20).default(5).describe('Times that a request is sent again after 429, 5xx or a lost connection. Default 5.'),
    })
    .superRefine((fields, context) => {
      const ways = (['token', 'username', 'apiKey', 'oauth2'] as const).filter((name) => fields[name] !== undefined);
      if (ways.length > 1) context.addIssue({ code: 'custom', message: `stands beside ${ways[0]}: choose one way to authenticate`, path: [ways[1] ?? ''] });
      for (const [name, other] of [
        ['password', 'username'],
        ['clientSecret', 'oauth2'],
        ['username', 'password'],
        ['oauth2', 'clientSecret'],
      ] as const) {
        if (fields[name] !== undefined && fields[other] === undefined) context.addIssue({ code: 'custom', message: `needs ${other}`, path: [name] });
      }
      for (const [name, changed] of [
        ['apiKeyName', fields.apiKeyName !== 'X-API-Key'],
        ['apiKeyIn', fields.apiKeyIn !== 'header'],
      ] as const)
        if (changed && fields.apiKey === undefined) context.addIssue({ code: 'custom', message: 'needs apiKey', path: [name] });
      for (const group of ['headers', 'secretHeaders'] as const) {
        for (const name of Object.keys(fields[group])) {
          if (ownHeader.test(name)) context.addIssue({ code: 'custom', message: 'is set by Idra', path: [group, name] });
          if (group === 'headers' && secretHeader.test(name))
            context.addIssue({ code: 'custom', message: 'is a secret: put it into secretHeaders', path: [group, name] });
          if (/^authorization$/i.test(name) && ways.length > 0)
            context.addIssue({ code: 'custom', message: `stands beside ${ways[0]}: choose one way to authenticate`, path: [group, name] });
        }
      }
    }),
);

const path = lazy(() => z.string().regex(/^(?![a-z][a-z0-9+.-]*:|\/\/)[^?#\s]*$/i, 'has to be a path below the base, without parameters, spaces or a host'));
const memberPath = lazy(() => z.string().regex(/^[^.\s]+(\.[^.\s]+)*$/, 'has to be names with dots between them, such as data.items'));
const parameter = lazy(() => z.string().min(1));
const size = lazy(() => z.int().min(1).max(100_000));

const pagination = lazy(() =>
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('none').describe('One answer has everything.') }),
    z.strictObject({
      type: z.literal('page').describe('Pages are numbered.'),
      param: parameter().default('page').describe('Parameter with the number. Default page.'),
      start: z.int().min(0).default(1).describe('Number of the first page. Default 1.'),
      sizeParam: parameter().optional().describe('Parameter with the size of a page.'),
      size: size().optional().describe('Records on a page, as asked for with sizeParam.'),
    }),
    z.strictObject({
      type: z.literal('offset').describe('Records are counted.'),
      param: parameter().default('offset').describe('Parameter with the number of records to pass over. Default offset.'),
      sizeParam: parameter().default('limit').describe('Parameter with the size of a page. Default limit.'),
      size: size().default(100).describe('Records on a page. Default 100.'),
    }),
    z.strictObject({
      type: z.literal('cursor').describe('Each answer has a token for the next page.'),
      param: parameter().default('cursor').describe('Parameter that takes the token. Default cursor.'),
      next: memberPath().default('next').describe('Where the token stands in an answer; the last page has none, null, false or an empty text. Default next.'),
      sizeParam: parameter().optional().describe('Parameter with the size of a page.'),
      size: size().optional().describe('Records on a page, as asked for with sizeParam.'),
    }),
    z.strictObject({
      type: z.literal('link').describe('The address of the next page comes with each answer.'),
      next: memberPath()
        .optional()
        .describe('Where the address stands in an answer, such as `_links.next.href`. Absent: in the Link header with rel="next" (RFC 8288).'),
      sizeParam: parameter().optional().describe('Parameter with the size of a page.'),
      size: size().optional().describe('Records on a page, as asked for with sizeParam.'),
    }),
  ]),
);

const source = lazy(() =>
  z
    .strictObject({
      path: path().default('').describe('Path below the base, such as `/orders`.'),
      params: z.record(parameter(), z.string()).default({}).describe('Parameters of each request.'),
      records: memberPath().optional().describe('Where the list of records stands in an answer, such as `data.items`. Absent: the answer itself is the list.'),
      pagination: pagination().prefault({ type: 'none' }).describe('How the API divides its records into pages. Default none.'),
      incremental: z
        .strictObject({
          param: parameter().describe(
            'Parameter that takes the value of `cursor.column`: the API answers with records that have this value or a later one, such as `updated_since`.',
          ),
          order: z
            .enum(['none', 'ascending'])
            .default('none')
            .describe('`ascending`: the API sorts by the cursor column, the lowest first; checked. Needed for `write: insert`. Default none.'),
        })
        .optional()
        .describe('What makes the API answer with new records alone. Needed by every mode but full.'),
      fields: fieldTypes()
        .default({})
        .describe(
          'Types of fields by name, such as `decimal(10,2)` or `timestamp(6, zoned)`. What is not named is inferred from the first page; what does not fit is no row.',
        ),
    })
    .superRefine(({ pagination: paging }, context) => {
      if ('size' in paging && paging.size !== undefined && paging.sizeParam === undefined)
        context.addIssue({ code: 'custom', message: 'needs sizeParam, which takes it', path: ['pagination', 'size'] });
    }),
);

const destination = lazy(() =>
  z
    .strictObject({
      path: path().describe('Path below the base. Names in braces are columns of the record: `/orders/{id}`.'),
      method: z.enum(['POST', 'PUT', 'PATCH']).optional().describe('Default: PUT where the path names a column, POST otherwise.'),
      recordsPerCall: z
        .int()
        .min(1)
        .max(10_000)
        .default(1)
        .describe('Records sent in one request, at most. 1: each record is an object of its own. Above: a list. Default 1.'),
      wrap: z.string().min(1).optional().describe('Member of an object that holds the record or the list. Absent: the body is the record or the list.'),
      idempotencyHeader: headerName()
        .default('Idempotency-Key')
        .describe('Header with a key that is the same when the same records are sent again. Default Idempotency-Key.'),
      failures: memberPath()
        .optional()
        .describe(
          'Where an answer lists the records that it refused: their index, or objects with a member index. Without it the whole request passes or fails by its status, and 207 by the status of each item.',
        ),
      delete: z
        .strictObject({ path: path().describe('Path of one record, such as `/orders/{id}`.') })
        .optional()
        .describe('Where a DELETE goes for each deleted record; needed for `deletes: hard`.'),
    })
    .superRefine((fields, context) => {
      if (fields.recordsPerCall > 1 && fields.path.includes('{'))
        context.addIssue({ code: 'custom', message: 'goes to the address of one record: leave recordsPerCall out', path: ['path'] });
      for (const [at, text] of [
        ['path', fields.path],
        ['delete', fields.delete?.path],
      ] as const) {
        if (text !== undefined && /[{}]/.test(text.replace(/\{[^{}]+\}/g, '')))
          context.addIssue({ code: 'custom', message: 'has a brace without its fellow', path: [at] });
      }
      if (fields.delete !== undefined && !fields.delete.path.includes('{'))
        context.addIssue({ code: 'custom', message: 'has to name a column, as in /orders/{id}: all records would be deleted', path: ['delete', 'path'] });
    }),
);

export type RestConnection = z.output<ReturnType<typeof connection>>;
export type RestSourceOptions = z.output<ReturnType<typeof source>>;
export type RestDestinationOptions = z.output<ReturnType<typeof destination>>;
export type Pagination = RestSourceOptions['pagination'];

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: {
      source: {
        modes: ['full', 'fullWithId', 'id', 'timestamp', 'lastDestinationId', 'lastDestinationTimestamp'],
        where: false,
        deletes: false,
        schemaless: true,
      },
      destination: {
        writes: ['insert', 'upsert'],
        deletes: ['hard', 'ignore'],
        deadLetter: false,
        max: false,
        guarantee: 'idempotent where PUT names the key or the API honours Idempotency-Key, otherwise at least once; no fence',
      },
    },
    secretFields: ['url', 'token', 'password', 'apiKey', 'clientSecret', 'secretHeaders'],
  },
);
