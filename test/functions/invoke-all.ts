/** Child process: several invocations of a bundled function at once. `invoke-all.ts BUNDLE EVENTS REMAINING_MS`; the last line has the error code of each. */
interface Reported {
  readonly error: { readonly code: string } | null;
}

const [bundle = '', events = '[]', remainingMs = '60000'] = process.argv.slice(2);
const { handler } = (await import(bundle)) as { handler: (event: unknown, context: object) => Promise<Reported> };
const end = Date.now() + Number(remainingMs);
const run = async (event: unknown, index: number): Promise<object> => {
  const context = { functionName: 'idra-test', awsRequestId: `request-${index}`, memoryLimitInMB: '512', getRemainingTimeInMillis: () => end - Date.now() };
  try {
    const result = await handler(event, context);
    return { code: result.error?.code, result };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { name: code, message, stack, ...rest } = error;
    return { code, message, stack, rest };
  }
};
console.log(`OUTCOMES ${JSON.stringify(await Promise.all((JSON.parse(events) as unknown[]).map(run)))}`);
