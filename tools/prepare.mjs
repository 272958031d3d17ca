// Runs at the end of `npm ci` and makes the `idra` command. Plain JavaScript, because it has to get along with any Node that npm runs on:
// an installation without development dependencies has no bundler, and needs none where dist/ came with it.
import { existsSync } from 'node:fs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const stripsTypes = major > 22 || (major === 22 && minor >= 18);
const hasBundler = existsSync(new URL('../node_modules/esbuild', import.meta.url));

if (stripsTypes && hasBundler) {
  const { buildCli } = await import('./bundle/cli.ts');
  await buildCli();
} else {
  const reason = hasBundler ? `Node.js ${process.versions.node} is too old for the build` : 'the development dependencies are not installed';
  console.log(`idra: the command was not built: ${reason}. \`npm ci\` with them builds it.`);
}
