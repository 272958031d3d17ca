#!/usr/bin/env node
// The way in. Plain JavaScript in syntax that an old Node can parse, so that it gets as far as the message below.
const [major, minor] = process.versions.node.split('.').map(Number);
// The sources are run as they stand, which Node 22 cannot; the bundle is written for it.
const isSource = import.meta.url.endsWith('/lib/cli/idra.js');
const isOld = isSource ? major < 24 : major < 22 || (major === 22 && minor < 19);

if (isOld) {
  process.stderr.write(`idra needs Node.js ${isSource ? '24' : '22.19'} or newer here, and this is ${process.versions.node} (${process.execPath}).
In a clone, \`npm start\` and \`npm run -s idra -- COMMAND\` use the Node.js that \`npm ci\` has installed.
`);
  process.exitCode = 2;
} else {
  start();
}

async function start() {
  const { enableCompileCache } = await import('node:module');
  // Halves the time until a command begins its work: compiled code and stripped types are kept in the system's temporary folder.
  enableCompileCache();
  const { main } = await import('./main.ts');
  await main(process.argv);
}
