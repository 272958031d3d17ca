/** Child process: one invocation of a bundled function as Lambda does it. `invoke.ts BUNDLE EVENT REMAINING_MS`; the last line is the outcome. Nothing ends the process but that nothing is left to do. */
const [bundle = '', event = '{}', remainingMs = '60000'] = process.argv.slice(2);
const { handler } = (await import(bundle)) as { handler: (event: unknown, context: object) => Promise<unknown> };
const end = Date.now() + Number(remainingMs);
const context = {
  functionName: 'idra-test',
  functionVersion: '$LATEST',
  invokedFunctionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:idra-test',
  memoryLimitInMB: '512',
  awsRequestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
  getRemainingTimeInMillis: () => end - Date.now(),
};
const before = process.getActiveResourcesInfo();
/** What is alive now and was not before. What is due in this very turn of the event loop keeps nothing alive. */
function left(): string[] {
  const known = [...before];
  return process.getActiveResourcesInfo().filter((name) => {
    if (name === 'Immediate') return false;
    const index = known.indexOf(name);
    if (index >= 0) known.splice(index, 1);
    return index < 0;
  });
}

let outcome: object;
try {
  outcome = { result: await handler(JSON.parse(event), context), left: left() };
} catch (error) {
  const { name: type, message, ...rest } = error as Error;
  outcome = { failure: { type, message, rest }, left: left() };
}
console.log(`OUTCOME ${JSON.stringify(outcome)}`);
