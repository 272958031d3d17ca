/** Which of a recipe's ways gives the server: the environment, a program found here, a package that may be installed, a container. */
import { type Backend, type Recipe, type RunningServer, type Server, type Way, ways } from './recipe.ts';

export type Choice =
  | { readonly server: Server; readonly running?: RunningServer }
  /** Each way that was tried, with why it gave nothing. */
  | { readonly reason: string };

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told before a way that can take long. */
  onTry?(backend: Backend, way: Way): void;
}

/** What of a recipe carries out a way. */
const step = { program: 'program', package: 'install', container: 'container' } as const;

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function describe(recipe: Recipe, running: { url: string; product?: string }, way: Way): Promise<Server> {
  const told = await recipe.version(running.url);
  return { backend: recipe.backend, url: running.url, version: running.product ?? told, way };
}

/** A server that started but does not answer is stopped again: it must not outlive the run. */
async function accept(recipe: Recipe, running: RunningServer, way: Way): Promise<Choice> {
  try {
    return { server: await describe(recipe, running, way), running };
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

/** A way's server, or why it gives none. */
async function attempt(recipe: Recipe, way: Exclude<Way, 'environment'>): Promise<Choice> {
  if (way === 'container') {
    const running = recipe.container === undefined ? 'no container image is known for it' : await recipe.container();
    return typeof running === 'string' ? { reason: running } : accept(recipe, running, way);
  }
  if (way === 'package') {
    const refusal = recipe.install === undefined ? 'no package has it' : await recipe.install();
    if (refusal !== undefined) return { reason: refusal };
  }
  const running = recipe.program === undefined ? 'no program of it runs here' : await recipe.program();
  return typeof running === 'string' ? { reason: running } : accept(recipe, running, way);
}

/**
 * Never rejects. A server that the environment names is used or reported as missing; another is never taken in its stead, because whoever named it wants to
 * know that it did not answer.
 */
export async function choose(recipe: Recipe, surroundings: Surroundings): Promise<Choice> {
  const named = recipe.environment === undefined ? undefined : surroundings.env[recipe.environment];
  if (named !== undefined && named !== '') {
    try {
      return { server: await describe(recipe, { url: named }, 'environment') };
    } catch (error) {
      return { reason: `${recipe.environment} is set, but the server does not answer: ${why(error)}` };
    }
  }
  const reasons = recipe.environment === undefined ? [] : [`environment: ${recipe.environment} is not set`];
  for (const way of ways) {
    if (way === 'environment') continue;
    if (recipe[step[way]] !== undefined) surroundings.onTry?.(recipe.backend, way);
    try {
      const choice = await attempt(recipe, way);
      if ('server' in choice) return choice;
      reasons.push(`${way}: ${choice.reason}`);
    } catch (error) {
      reasons.push(`${way}: ${why(error)}`);
    }
  }
  return { reason: reasons.join('; ') };
}
