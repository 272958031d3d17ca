#!/usr/bin/env node
// The way in. Plain JavaScript in syntax that an old Node can parse, so that it gets as far as the message below.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(`idra needs Node.js 22.15 or newer, and this is ${process.versions.node} (${process.execPath}).
In a clone, \`npm start\` and \`npm run -s idra -- COMMAND\` use the Node.js that \`npm ci\` has installed.
`);
  process.exitCode = 2;
} else {
  readyForTypeScript()
    .then(() => import('./main.ts'))
    .then(({ main }) => main(process.argv));
}

/** Before 22.18 Node reads TypeScript only behind a flag; its own loader hook and type stripper do the same without one. */
async function readyForTypeScript() {
  if (process.features.typescript) return;
  const { registerHooks, stripTypeScriptTypes } = await import('node:module');
  const { readFileSync } = await import('node:fs');
  const { fileURLToPath } = await import('node:url');
  // The stripper announces itself as experimental at its first use.
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => (rest[0] === 'ExperimentalWarning' ? undefined : emitWarning(warning, ...rest));
  registerHooks({
    load: (url, context, nextLoad) =>
      url.startsWith('file:') && url.endsWith('.ts')
        ? { format: 'module', shortCircuit: true, source: stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8')) }
        : nextLoad(url, context),
  });
}
